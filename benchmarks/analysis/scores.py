"""The columns of a report: all methods' scores under one metric, on one network and dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.statistics import Estimate
from benchmarks.results.records import Records, own_maps, place_in, rows_of

MOST_HEADLINES = 6
PLACE = ("dataset", "network", "metric", "metric_id", "subset", "direction", "average", "main", "headline")
CASE = ["picture", "target", "case"]
Name = str | tuple[str, str]
"""A method, or a method and the control made from its map, where a column has both (`with_controls`)."""


@dataclass(frozen=True)
class Column:
    """A metric and a subset of the cases, on one network and dataset."""

    # As in the records, and in what the metric declares.
    dataset: str
    network: str
    metric: str
    metric_id: str
    measure: str
    subset: str
    direction: str
    average: str
    judges: bool  # whether a better score is a better explanation; not so for the share of tied pixels and the like
    main: bool  # the plan's first metric of its measure; the others are the same measure with other settings
    headline: bool  # one of the few columns that a report shows first (`headlines`)
    methods: tuple[str, ...]  # in the plan's order
    nulls: tuple[str, ...]  # those of them that know nothing of the network
    asked: int  # cases that were to be measured
    answered: Mapping[str, int]  # by method, those of them that the run did not fail on
    # Cases by methods, NaN where the metric does not apply or the run failed; indexed by picture, target and case.
    scores: pd.DataFrame
    estimates: dict[tuple[Name, bytes], Estimate] = field(default_factory=dict, init=False, repr=False, compare=False)
    tested: dict[tuple[Name, Name, int], float] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def pictures(self) -> tuple[np.ndarray, Any]:
        """Each case's picture, as a number, and the pictures in the order in which the cases name them."""
        return self.scores.index.get_level_values("picture").factorize()

    @cached_property
    def classes(self) -> np.ndarray | None:
        """Each case's class, as a number; None where the average is over cases."""
        return None if self.average == "cases" else self.scores.index.get_level_values("target").factorize()[0]

    @property
    def setting(self) -> tuple[str, str]:
        """Data set and network."""
        return self.dataset, self.network

    @property
    def place(self) -> dict[str, Any]:
        """What names the column in a table of many."""
        return {name: getattr(self, name) for name in PLACE}

    @property
    def title(self) -> str:
        """The metric's name, with the subset if that is not all cases."""
        return titled(self.metric, self.subset)

    @property
    def sign(self) -> int:
        """1 where higher scores are better, else -1."""
        return 1 if self.direction == "higher" else -1

    @property
    def contenders(self) -> tuple[str, ...]:
        """The methods that are to be told apart: all but the nulls, or all where there are only nulls."""
        return tuple(method for method in self.methods if method not in self.nulls) or self.methods

    def among(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Select the column's own rows of a table of many columns."""
        here = [frame[name] == getattr(self, name) for name in ("dataset", "network", "metric", "subset")]
        return frame[np.logical_and.reduce(here)]


def titled(metric: str, subset: str) -> str:
    """Name a metric on a subset of the cases."""
    return metric if subset == "all" else f"{metric}, {subset}"


def read_columns(records: Records) -> list[Column]:
    """List the columns of every setting; derived controls are left out."""
    scores, shown = own_maps(records.scores), headlines(records.provenance["inputs"])
    columns = []
    for setting in records.provenance["inputs"]["settings"]:
        dataset, network = place_in(setting)
        here = rows_of(scores, (dataset, network))
        cases, place = _cases(here)
        methods = tuple(setting["methods"])
        nulls = tuple(method for method in setting["nulls"] if method in methods)
        main = main_metrics(setting)
        by_method = pd.Index(methods).get_indexer(here["method"])
        for metric, about in setting["metrics"].items():
            of_metric = here["metric"].eq(metric).to_numpy()
            for subset in about["subsets"]:
                chosen = of_metric if subset == "all" else of_metric & here["difficult"].to_numpy(dtype=bool)
                columns.append(
                    Column(
                        dataset=dataset,
                        network=network,
                        metric=metric,
                        metric_id=about["id"],
                        subset=subset,
                        main=metric in main,
                        headline=metric in shown and subset == about["subsets"][0],
                        methods=methods,
                        nulls=nulls,
                        asked=asked_of(setting["cases"], subset),
                        answered={str(name): n for name, n in here["method"][chosen].value_counts().items()},
                        scores=_wide(here["score"].to_numpy(), chosen, place, by_method, cases, methods),
                        **{name: about[name] for name in ("measure", "direction", "average", "judges")},
                    )
                )
    return columns


def asked_of(cases: Mapping[str, int], subset: str = "all") -> int:
    """Say how many cases were to be measured: of a run that is going on, those that it has come to."""
    return cases.get("gathered", cases["all"]) if subset == "all" else cases[subset]


def _cases(rows: pd.DataFrame) -> tuple[pd.MultiIndex, np.ndarray]:
    """List the cases of a setting in the order in which its rows name them, and say which of them each row is of."""
    place = rows.groupby(CASE, sort=False, observed=True).ngroup().to_numpy()
    first = rows[CASE].drop_duplicates()
    return pd.MultiIndex.from_arrays([first[name].to_numpy() for name in CASE], names=CASE), place


def _wide(
    scores: np.ndarray,
    chosen: np.ndarray,
    place: np.ndarray,
    method: np.ndarray,
    cases: pd.MultiIndex,
    methods: Sequence[str],
) -> pd.DataFrame:
    """Lay chosen rows out, cases by methods: cases in the rows' order, NaN where there is no row."""
    codes, own = pd.factorize(place[chosen])
    wide = np.full((len(own), len(methods)), np.nan)
    known = method[chosen] >= 0
    wide[codes[known], method[chosen][known]] = scores[chosen][known]
    index = cases if np.array_equal(own, np.arange(len(cases))) else cases[own]
    return pd.DataFrame(wide, index=index, columns=list(methods))


def headlines(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the metrics that a report shows first: those that the plan declares, else its first ones that judge maps."""
    settings = inputs["settings"]
    judging = [{name for name, about in setting["metrics"].items() if about["judges"]} for setting in settings]
    declared = [name for name in inputs.get("headline", ()) if any(name in names for names in judging)]
    main = [
        name
        for setting, names in zip(settings, judging, strict=True)
        for name in main_metrics(setting)
        if name in names
    ]
    return tuple(dict.fromkeys(declared or main))[:MOST_HEADLINES]


def main_metrics(setting: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the first metric of each measure; the others are the same measure with other settings."""
    first: dict[str, str] = {}
    for metric, about in setting["metrics"].items():
        first.setdefault(about["measure"], metric)
    return tuple(first.values())


def with_controls(column: Column, records: Records) -> Column:
    """Return the column with the scores of derived controls as well: cases by (method, control), "" for the map."""
    here = rows_of(records.scores, column.setting)
    chosen = here[(here["metric"] == column.metric) & (here["difficult"].astype(bool) | (column.subset == "all"))]
    if not (chosen["control"] != "").any() and column.scores.index.is_monotonic_increasing:
        own = column.scores[[method for method in column.methods if column.answered.get(method)]]
        found = replace(column, scores=own.set_axis(pd.MultiIndex.from_product([own.columns, [""]]), axis=1))
        # The same cases in the same order.
        known = {((str(name), ""), kept): each for (name, kept), each in column.estimates.items()}
        found.estimates.update(known)  # type: ignore[arg-type]
        found.tested.update({((str(a), ""), (str(b), ""), most): p for (a, b, most), p in column.tested.items()})
        return found
    plain = chosen.assign(**{name: chosen[name].astype(str) for name in ("method", "control", "picture", "case")})
    return replace(column, scores=plain.pivot(index=CASE, columns=["method", "control"], values="score").astype(float))


def estimate(column: Column, name: Name, shared: np.ndarray | None = None) -> Estimate:
    """Average a method's scores, on the same resamples of pictures as every other method's.

    ``name`` is one of the columns of ``column.scores``; ``shared``, (cases,) bool, are the cases to keep.
    """
    return estimate_all(column, [(name, shared)])[0]


def estimate_all(column: Column, wanted: Sequence[tuple[Name, np.ndarray | None]]) -> list[Estimate]:
    """Average the scores of many methods, or of one on many choices of the cases, as `estimate` does, in one go."""
    values = {name: column.scores[name].to_numpy() for name, _ in wanted}
    keys, asked = [], {}
    for name, shared in wanted:
        kept = ~np.isnan(values[name])
        kept = kept if shared is None else kept & shared
        keys.append((name, np.packbits(kept).tobytes()))
        if keys[-1] not in column.estimates:
            asked[keys[-1]] = np.where(kept, values[name], np.nan)
    if asked:
        codes, pictures = column.pictures
        scores, draws = np.array([*asked.values()]).T, statistics.draw(len(pictures))
        column.estimates.update(zip(asked, statistics.estimates(scores, codes, column.classes, draws), strict=True))
    return [column.estimates[key] for key in keys]


def by_picture(column: Column, methods: tuple[str, ...]) -> pd.DataFrame:
    """Average the cases of each picture, for rankings: (pictures, methods), no NaN.

    Methods without any score are left out, and then all cases that one of the others has no score for.
    """
    complete = column.scores[list(methods)].dropna(axis=1, how="all").dropna(axis=0)
    return complete.groupby(level="picture", sort=False).mean()


def summarise(records: Records, columns: Sequence[Column] | None = None) -> pd.DataFrame:
    """Average the scores of every method under every metric; ``columns`` are those of the records, if they are known.

    Returns
    -------
    pandas.DataFrame
        One row for each dataset, network, metric, subset and method: ``mean`` with its interval ``low``, ``high``;
        ``n`` cases averaged; ``missing`` cases without a score, of which the metric does not apply to
        ``not_applicable`` and the run failed on ``failed``; and ``difference``, the mean minus the first method's,
        with its interval ``difference_low``, ``difference_high`` on the same resamples of pictures. ``main`` and
        ``headline`` are as in `Column`; ``judges`` is false for a metric that only describes maps; ``null`` says
        whether the method knows nothing of the network; ``deterministic`` is false for one that gave
        two maps of one case.
    """
    rows = []
    unsteady = {
        (*place_in(setting), method)
        for setting in records.provenance["inputs"]["settings"]
        for method in setting.get("not_deterministic", ())
    }
    for column in read_columns(records) if columns is None else columns:
        first, *_ = found = estimate_all(column, [(method, None) for method in column.methods])
        for method, each in zip(column.methods, found, strict=True):
            answered = column.answered.get(method, 0)
            low, high = statistics.interval(each.replicates - first.replicates)
            row = {"method": method, "null": method not in column.contenders, "judges": column.judges}
            row |= {"mean": each.mean, "low": each.low, "high": each.high, "n": each.n}
            row |= {"missing": column.asked - each.n, "not_applicable": answered - each.n}
            row |= {"deterministic": (*column.setting, method) not in unsteady}
            row |= {"failed": column.asked - answered, "difference": each.mean - first.mean}
            rows.append(column.place | row | {"difference_low": low, "difference_high": high})
    return pd.DataFrame(rows)
