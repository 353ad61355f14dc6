"""Margins over the nulls, and scores at equal resolution: does a metric measure what it is meant to? Knows no torch.

A null knows nothing of the network (random, constant, centre, sobel), or has been robbed of what the method found out
(its map shuffled, inverted, blurred, of another class, of a random network). A metric under which a null does as well
as the method's own map says nothing in the method's favour.

* Every margin is paired: the cases that both have a score for. Derived controls are scored on some cases only, null
  methods on all; so the two are families of their own. Intervals are of the bootstrap over pictures, as everywhere.
* Margins are signed so that more is better for the method, whichever direction the metric has.
* The best null is found on the same cases as its margin, which the nulls' number and luck make a little too small:
  the error is on the cautious side.
* A null wins *clearly* where the sign-flip test says so, corrected by Holm's method for all nulls of the family. The
  best of several being tested, it is said a little too easily; on so few pictures that it can't be said, that is said.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.comparisons import contributions
from benchmarks.analysis.scores import Column, read_columns
from benchmarks.analysis.statistics import SIGNIFICANT, Estimate
from benchmarks.report.tables import ARROWS, Comparison, Entry, Table, bounds, counted, decimals, number, title_of
from benchmarks.results.records import Records

MARGIN = (
    "dataset", "network", "metric", "metric_id", "subset", "direction", "average", "headline", "method", "null", "own",
    "cases", "pictures", "score", "null_score", "margin", "low", "high", "p_holm", "best",
)  # fmt: skip
RESOLUTION = (
    "dataset", "network", "metric", "metric_id", "subset", "direction", "average", "headline", "method", "control",
    "cases", "score", "low", "high", "change", "change_low", "change_high",
)  # fmt: skip
ROUNDING = 1e-9
KINDS: Mapping[bool, tuple[str, str]] = {
    False: ("margins", "the best null method"),
    True: ("own-margins", "the best control made from the method's own map"),
}
"""The two kinds of nulls, derived from the method's own map or not: how their table is named, and what it is of."""
OWN: Mapping[str, str] = {
    "other-class": "{method}'s map of another class",
    "randomised-network": "{method}'s map of a random network",
}
"""What to call a method's derived control, where "own ... map" would not do."""


def measure_margins(records: Records) -> pd.DataFrame:
    """Compare every method that is no null with every null: the null methods, and its own derived ones.

    Returns
    -------
    pandas.DataFrame
        One row for each column of the report, method and null: ``own``, whether the null is derived from the method's
        map; ``cases`` and ``pictures`` compared; the means ``score`` and ``null_score``; ``margin``, by how much the
        method is better, with its interval ``low``, ``high``; ``p_holm``, of the sign-flip test, corrected for the
        method's nulls of the same kind (``own`` or not); ``best``, whether it is the method's smallest margin of these.
    """
    rows: list[dict[str, Any]] = []
    for column in filter(lambda column: column.judges, read_columns(records)):
        setting = _setting(records, column)
        derived = [name for name, about in setting.get("controls", {}).items() if about["null"]]
        found = _Estimates(records, column)
        for method in column.contenders if column.nulls or derived else ():
            others = [(null, "") for null in column.nulls if null != method]
            for nulls in (others, [(method, name) for name in derived]):
                compared = [row for null in nulls if (row := _margin(found, column, method, null))]
                p = found.test([((method, ""), row.pop("name")) for row in compared])
                compared = [row | {"p_holm": each} for row, each in zip(compared, p, strict=True)]
                smallest = min((row["margin"] for row in compared), default=None)
                best = next((row for row in compared if row["margin"] == smallest), None)
                rows += [row | {"best": row is best} for row in compared]
    return pd.DataFrame(rows, columns=list(MARGIN))


def _margin(found: "_Estimates", column: Column, method: str, null: tuple[str, str]) -> dict[str, Any] | None:
    one, other, cases, pictures = found.pair((method, ""), null)
    if not cases:
        return None
    low, high = statistics.interval(column.sign * (one.replicates - other.replicates))
    row = {"method": method, "null": null[1] or null[0], "own": bool(null[1]), "cases": cases, "pictures": pictures}
    row |= {"name": null, "score": one.mean, "null_score": other.mean, "margin": column.sign * (one.mean - other.mean)}
    return column.place | row | {"low": low, "high": high}


def measure_resolution(records: Records) -> pd.DataFrame:
    """Score every method that is no null with its map as it is, and averaged down.

    Returns
    -------
    pandas.DataFrame
        One row for each column of the report, method and ``control`` ("": the map as it is), over the cases that all
        of a method's resolutions have a score for: ``score`` with its interval ``low``, ``high``, and the ``change``
        from the map as it is, with its interval ``change_low``, ``change_high``.
    """
    rows: list[dict[str, Any]] = []
    for column in filter(lambda column: column.judges, read_columns(records)):
        controls = _setting(records, column).get("controls", {})
        coarse = [name for name, about in controls.items() if not about["null"]]
        found = _Estimates(records, column)
        for method in column.contenders if coarse else ():
            names = [(method, name) for name in ("", *coarse) if (method, name) in found.scores]
            if len(names) < 2 or (method, "") not in names:
                continue
            shared = found.shared(names)
            own = found.estimate((method, ""), shared)
            for name in names:
                each = found.estimate(name, shared)
                low, high = statistics.interval(each.replicates - own.replicates)
                row = {"method": method, "control": name[1], "cases": each.n, "score": each.mean}
                row |= {"low": each.low, "high": each.high, "change": each.mean - own.mean}
                rows.append(column.place | row | {"change_low": low, "change_high": high})
    return pd.DataFrame(rows, columns=list(RESOLUTION))


def _setting(records: Records, column: Column) -> dict[str, Any]:
    settings = records.provenance["inputs"]["settings"]
    place = (column.dataset, column.network)
    found: dict[str, Any] = next(each for each in settings if (each["dataset"], each["network"]["name"]) == place)
    return found


class _Estimates:
    """Means of one column's methods and controls, on the same resamples of pictures."""

    def __init__(self, records: Records, column: Column) -> None:
        scores = records.scores
        here = scores[(scores["dataset"] == column.dataset) & (scores["network"] == column.network)]
        chosen = here[(here["metric"] == column.metric) & (here["difficult"] | (column.subset == "all"))]
        cases = ["picture", "target", "case"]
        self.scores = chosen.pivot(index=cases, columns=["method", "control"], values="score").astype(float)
        self.cases = self.scores.index.to_frame(index=False)
        self.pictures = pd.Index(self.cases["picture"].unique())
        self.average = column.average
        self.known: dict[tuple[tuple[str, str], bytes], Estimate] = {}

    def shared(self, names: Sequence[tuple[str, str]]) -> np.ndarray:
        """Say which cases all of some methods and controls have a score for: (cases,) bool."""
        shared: np.ndarray = self.scores[list(names)].notna().all(axis=1).to_numpy()
        return shared

    def estimate(self, name: tuple[str, str], shared: np.ndarray) -> Estimate:
        key = (name, shared.tobytes())
        if key not in self.known:
            cases = self.cases.assign(score=self.scores[name].to_numpy())[shared]
            draws = statistics.draw(len(self.pictures))
            self.known[key] = statistics.estimate(cases, self.average, self.pictures, draws)
        return self.known[key]

    def pair(self, one: tuple[str, str], other: tuple[str, str]) -> tuple[Estimate, Estimate, int, int]:
        """Estimate two on the cases that both have a score for; with how many cases and pictures these are."""
        if one not in self.scores or other not in self.scores:
            nothing = Estimate(np.nan, np.nan, np.nan, 0, np.zeros(0))
            return nothing, nothing, 0, 0
        shared = self.shared([one, other])
        pictures = self.cases["picture"][shared].nunique()
        return self.estimate(one, shared), self.estimate(other, shared), int(shared.sum()), pictures

    def test(self, pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]]) -> np.ndarray:
        """Test a family of pairs: (pairs,), p after Holm's correction, NaN for those that share a single picture."""
        if not pairs:
            return np.zeros(0)
        differences = [(self.scores[one] - self.scores[other]).to_numpy() for one, other in pairs]
        sums = np.array([contributions(each, self.scores.index, self.average) for each in differences]).T
        shared = [self.cases["picture"][~np.isnan(each)].nunique() for each in differences]
        return statistics.holm(np.where(np.array(shared) > 1, statistics.sign_flip(sums), np.nan))


def margin_tables(margins: pd.DataFrame) -> list[Table]:
    """Make two tables for each dataset and network: over the null methods, and over each method's own controls.

    A metric a row, a method a column, bold where the null wins.
    """
    made = []
    for (dataset, network), here in margins.groupby(["dataset", "network"], sort=False):
        for own, (suffix, over) in KINDS.items():
            group = here[here["own"] == own]
            methods = list(group["method"].unique())
            rows = []
            for (metric, subset), column in group.groupby(["metric", "subset"], sort=False):
                best = {row["method"]: row for row in column[column["best"]].to_dict("records")}
                entries = [_margin_entry(best[m]) if m in best else Entry(number(np.nan, "")) for m in methods]
                title = f"{title_of(group, metric, subset)} {ARROWS[column['direction'].iloc[0]]}"
                rows.append([Entry(title, f"({counted(column['cases'].max())})"), *entries, _flag(column)])
            title = f"{network} on {dataset}: margin over {over}, bold where that wins"
            header = ["metric", *methods, "does it win?"]
            made += [Table(f"{network}-on-{dataset}-{suffix}", title, header, rows)] if rows else []
    return made


def _flag(column: pd.DataFrame) -> Entry:
    """Say over how many methods their best null wins."""
    best = column[column["best"]]
    won, level = best[best["margin"] < -ROUNDING], best[best["margin"].abs() <= ROUNDING]
    if won.empty:
        return Entry(f"level with {len(level)} of {len(best)}" if len(level) else "no")
    family = column[column["pictures"] > 1].groupby("method").size().max()
    if np.isnan(family) or statistics.smallest_p(column["pictures"].max(), int(family)) >= SIGNIFICANT:
        note = "(too few pictures for any to be clear)"
    else:
        note = f"(clearly over {(won['p_holm'] < SIGNIFICANT).sum()})"
    return Entry(f"yes, over {len(won)} of {len(best)}", note, bold=True)


def _margin_entry(row: Mapping[Any, Any]) -> Entry:
    form = _form(row["margin"], row["low"], row["high"], sign="+")
    note = f"{bounds(row['low'], row['high'], form)} over {'own ' * row['own']}{row['null']}"
    compared = Comparison("margin", row["null"], own=row["own"])
    return Entry(form.format(row["margin"]), note.strip(), row["margin"] < -ROUNDING, compared)


def margin_sentences(margins: pd.DataFrame) -> list[str]:
    """Say under which metrics nulls win, and by how much: a sentence for each network, dataset, metric and subset."""
    return [
        f"{title_of(group, metric, subset)}: {_sentence(column)}."
        for _, group in margins.groupby(["dataset", "network"], sort=False)
        for (metric, subset), column in group.groupby(["metric", "subset"], sort=False)
    ]


def _sentence(column: pd.DataFrame) -> str:
    clauses = []
    for method, rows in column.groupby("method", sort=False):
        best, *others = rows.sort_values("margin", kind="stable").to_dict("records")
        too = [row["null"] for row in others if row["margin"] < -ROUNDING]
        if best["margin"] < -ROUNDING:
            also = f" (so do {', '.join(too)})" if len(too) > 1 else f" (so does {too[0]})" if too else ""
            open_ = "" if best["p_holm"] < SIGNIFICANT else ", which may be none"
            clauses.append(f"{_null(best)} scores better than {method}'s map, by {_size(best, -1)}{open_}{also}")
        elif best["margin"] <= ROUNDING:
            clauses.append(f"{_null(best)} scores as well as {method}'s map")
    if clauses:
        return "; ".join(clauses)
    closest = min(column.to_dict("records"), key=lambda row: float(row["margin"]))
    open_ = "" if closest["p_holm"] < SIGNIFICANT else ", which may be none"
    return f"no null wins; the smallest margin is over {_null(closest)}, {_size(closest)}{open_}"


def _null(row: Mapping[Any, Any]) -> str:
    if not row["own"]:
        return str(row["null"])
    return OWN.get(row["null"], "{method}'s own {null} map").format(**row)


def _size(row: Mapping[Any, Any], sign: int = 1) -> str:
    low, high = sorted((sign * row["low"], sign * row["high"]))
    form = _form(row["margin"], low, high)
    return f"{form.format(sign * row['margin'])} {bounds(low, high, form)}".rstrip()


def _form(*values: float, sign: str = "") -> str:
    """Return the format of a difference and of its interval: what rounds to 0 has no minus."""
    size = np.nanmax(np.abs(values))
    return f"{{:{sign}z.{decimals(pd.Series([size if size > ROUNDING else 0.0]))}f}}"


def resolution_tables(resolution: pd.DataFrame) -> list[Table]:
    """Make one table for each dataset and network: metrics and methods down, resolutions across; the best in bold."""
    made = []
    for (dataset, network), group in resolution.groupby(["dataset", "network"], sort=False):
        controls = list(group["control"].unique())
        rows = []
        for (metric, subset), column in group.groupby(["metric", "subset"], sort=False):
            best = column.groupby("control")["score"].agg("max" if column["direction"].iloc[0] == "higher" else "min")
            title = f"{title_of(group, metric, subset)} {ARROWS[column['direction'].iloc[0]]}"
            for method, each in column.groupby("method", sort=False):
                by_control = {row["control"]: row for row in each.to_dict("records")}
                entries = [
                    _resolution_entry(by_control.get(control), best.get(control, np.nan)) for control in controls
                ]
                rows.append([Entry(title), Entry(str(method), f"({counted(each['cases'].max())})"), *entries])
        header = ["metric", "method", *(control or "as it is" for control in controls)]
        title = f"{network} on {dataset}: maps averaged to one resolution, and what that changes"
        made.append(Table(f"{network}-on-{dataset}-resolution", title, header, rows))
    return made


def _resolution_entry(row: Mapping[Any, Any] | None, best: float) -> Entry:
    if row is None:
        return Entry(number(np.nan, ""))
    note = ""
    if row["control"] and not np.isnan(row["change_low"]):
        form = _form(row["change"], row["change_low"], row["change_high"], sign="+")
        note = f"{form.format(row['change'])} {bounds(row['change_low'], row['change_high'], form)}"
    compared = Comparison("change", row["control"], own=True) if row["control"] else None
    return Entry(number(row["score"], "{:.3f}"), note, row["score"] == best, compared)


def control_blocks(margins: pd.DataFrame, resolution: pd.DataFrame) -> list[Table | str]:
    """Lay out what the page says of one network and dataset: sentences, margins, resolutions, for headline metrics."""
    margins, resolution = (frame[frame["headline"].astype(bool)] for frame in (margins, resolution))
    blocks: list[Table | str] = []
    if len(margins):
        blocks += ["### Does a null win?", "\n".join(f"- {each}" for each in margin_sentences(margins))]
        blocks += margin_tables(margins)
    return blocks + resolution_tables(resolution)
