"""The columns of a report: all methods' scores under one metric, on one network and dataset. Knows no torch."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.statistics import Estimate
from benchmarks.results.records import Records, own_maps

OLD_NULLS = ("random", "centre", "sobel")
"""Which methods know nothing of the network, in results that do not say it themselves."""
SAME_MEASURE: Mapping[str, str] = {
    "MoRF": "Deletion",
    "PointingProfile": "Pointing",
    "deletion": "Deletion",
    "insertion": "Insertion",
    "LeRF - MoRF": "SRG",
    "(LeRF - MoRF) / 2": "SRG",
}
"""Classes of metrics, and curves of other tools' protocols, by the measure that they are another setting of."""
DESCRIPTIONS = ("TiedPixels", "TieRange", "Gini", "Entropy")
"""Measures that describe a map, and do not say which of two is the better explanation."""


@dataclass(frozen=True)
class Column:
    """A metric and a subset of the cases, on one network and dataset.

    Attributes
    ----------
    dataset, network, metric, metric_id, subset, direction, average : str
        As in the records and the metric's own text.
    headline : bool
        Whether the metric is the plan's first of its measure; the others are the same measure with other settings.
    methods : tuple of str
        In the plan's order.
    nulls : tuple of str
        Those of them that know nothing of the network.
    asked : int
        Cases that were to be measured.
    answered : Mapping
        By method, those of them that the run did not fail on.
    scores : pandas.DataFrame
        Cases by methods, NaN where the metric does not apply or the run failed. The index has the levels picture,
        target and case.
    """

    dataset: str
    network: str
    metric: str
    metric_id: str
    subset: str
    direction: str
    average: str
    headline: bool
    methods: tuple[str, ...]
    nulls: tuple[str, ...]
    asked: int
    answered: Mapping[str, int]
    scores: pd.DataFrame

    @property
    def place(self) -> dict[str, Any]:
        """What names the column in a table of many."""
        names = ("dataset", "network", "metric", "metric_id", "subset", "direction", "average", "headline")
        return {name: getattr(self, name) for name in names}

    @property
    def sign(self) -> int:
        """1 where higher scores are better, else -1."""
        return 1 if self.direction == "higher" else -1

    @property
    def judges(self) -> bool:
        """Whether a better score is a better explanation: not for the share of tied pixels and the like."""
        return judges(self.metric_id)

    @property
    def contenders(self) -> tuple[str, ...]:
        """The methods that are to be told apart: all but the nulls, or all where there are only nulls."""
        return tuple(method for method in self.methods if method not in self.nulls) or self.methods


def read_columns(records: Records) -> list[Column]:
    """List the columns of every setting; derived controls are left out."""
    scores = own_maps(records.scores)
    columns = []
    for setting in records.provenance["inputs"]["settings"]:
        place = {"dataset": setting["dataset"], "network": setting["network"]["name"]}
        here = scores[(scores["dataset"] == place["dataset"]) & (scores["network"] == place["network"])]
        methods = tuple(setting["methods"])
        nulls = tuple(method for method in setting.get("nulls", OLD_NULLS) if method in methods)
        headlines = first_settings({metric: about["id"] for metric, about in setting["metrics"].items()})
        for metric, about in setting["metrics"].items():
            for subset in about["subsets"]:
                chosen = here[(here["metric"] == metric) & (here["difficult"] | (subset == "all"))]
                cases = pd.MultiIndex.from_frame(chosen[["picture", "target", "case"]].drop_duplicates())
                wide = chosen.pivot(index=cases.names, columns="method", values="score")
                columns.append(
                    Column(
                        **place,
                        metric=metric,
                        metric_id=about["id"],
                        subset=subset,
                        direction=about["direction"],
                        average=about["average"],
                        headline=metric in headlines,
                        methods=methods,
                        nulls=nulls,
                        asked=setting["cases"][subset],
                        answered=chosen["method"].value_counts().to_dict(),
                        scores=wide.reindex(index=cases, columns=list(methods)).astype(float),
                    )
                )
    return columns


def measure(metric_id: str) -> str:
    """Return what a metric measures, whatever its settings and whichever tool's protocol: its class, or its curve."""
    about = settings(metric_id)
    kind = about.get("curve", "").strip("'") or metric_id.partition("(")[0]
    kind = SAME_MEASURE.get(kind, kind)
    if kind == "TieBound":
        return measure(settings(about["ties"])["metric"])
    if kind in DESCRIPTIONS and "metric" in about:
        return f"{kind} of {measure(about['metric'])}"
    if any(value.startswith("Imputation(") for value in about.values()):
        return "ROAD" if kind == "SRG" else f"{kind} by imputation"
    return kind


def first_settings(ids: Mapping[str, str]) -> tuple[str, ...]:
    """Name the first metric of each measure; the others are the same measure with other settings."""
    first: dict[str, str] = {}
    for metric, metric_id in ids.items():
        first.setdefault(measure(metric_id), metric)
    return tuple(first.values())


def judges(metric_id: str) -> bool:
    """Tell a metric that says which of two maps is the better explanation from one that describes them."""
    return metric_id.partition("(")[0] not in DESCRIPTIONS


def settings(metric_id: str) -> dict[str, str]:
    """Return a metric's settings, as its identity spells them; none where it is no call."""
    try:
        call = ast.parse(metric_id, mode="eval").body
    except SyntaxError:
        return {}
    keywords = call.keywords if isinstance(call, ast.Call) else []
    return {each.arg: ast.unparse(each.value) for each in keywords if each.arg}


def titles(columns: Sequence[Column]) -> list[str]:
    """Name the columns of one setting: the metric, and the subset where the metric has several."""
    metrics = [column.metric for column in columns]
    return [c.metric if metrics.count(c.metric) == 1 else f"{c.metric}, {c.subset}" for c in columns]


def estimate(
    column: Column, method: str, shared: np.ndarray | None = None, draws: np.ndarray | None = None
) -> Estimate:
    """Average a method's scores, on the same resamples of pictures as every other method's.

    Parameters
    ----------
    column : Column
    method : str
    shared : numpy.ndarray, optional
        (cases,) bool: the cases to keep.
    draws : numpy.ndarray, optional
        (resamples, pictures), how often each picture occurs, in the index's order; by default `statistics.draw`'s.
    """
    cases = column.scores.index.to_frame(index=False).assign(score=column.scores[method].to_numpy())
    pictures = column.scores.index.unique("picture")
    kept = cases if shared is None else cases[shared]
    return statistics.estimate(
        kept, column.average, pictures, statistics.draw(len(pictures)) if draws is None else draws
    )


def by_picture(column: Column, methods: tuple[str, ...]) -> pd.DataFrame:
    """Average the cases of each picture, for rankings: (pictures, methods), no NaN.

    Methods without any score are left out, and then all cases that one of the others has no score for.
    """
    complete = column.scores[list(methods)].dropna(axis=1, how="all").dropna(axis=0)
    return complete.groupby(level="picture", sort=False).mean()
