"""The tables of a setting's nulls and controls, of its maps at lower resolution, and of the cases without a score."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.statistics import SIGNIFICANT, smallest_p
from benchmarks.report.numbers import ROUNDING, counted, difference_form
from benchmarks.report.tables import Entry, Metric, Subject, Table, by_metric, place_of

KINDS: Mapping[bool, tuple[str, str]] = {
    False: ("margins", "the best null method"),
    True: ("own-margins", "the best control made from the method's own map"),
}
"""The two kinds of nulls, made from the method's own map or not: how their table is named, and what it is of."""
MOST_NAMED = 4
"""More methods than these that miss the same are counted, not named."""


def margin_tables(margins: pd.DataFrame) -> list[Table]:
    """Make a setting's two tables of margins: over the null methods, and over each method's own controls.

    A metric a row, a method a column, bold where the null wins.
    """
    made = []
    for own, (name, over) in KINDS.items():
        group = margins[margins["own"] == own]
        methods = list(group["method"].unique())
        rows = []
        for metric, column in by_metric(group):
            best = {row["method"]: row for row in column[column["best"]].to_dict("records")}
            entries = [_margin(metric, best[m]) if m in best else Entry(np.nan) for m in methods]
            rows.append([Entry(replace(metric, cases=int(column["cases"].max()))), *entries, _flag(column)])
        title = f"margin over {over}, bold where that wins"
        made += [Table(name, title, ["metric", *methods, "does it win?"], rows, place_of(group))] if rows else []
    return made


def _margin(metric: Metric, row: Mapping[Any, Any]) -> Entry:
    subject = Subject(row["method"], metric.name, metric.subset, "margin", row["null"], row["own"])
    margin, low, high = row["margin"], row["low"], row["high"]
    note, form = f"over {'own ' * row['own']}{row['null']}", difference_form(margin, low, high)
    return Entry(margin, note, margin < -ROUNDING, form, low, high, subject=subject)


def _flag(column: pd.DataFrame) -> Entry:
    """Say over how many methods their best null wins."""
    best = column[column["best"]]
    won, level = best[best["margin"] < -ROUNDING], best[best["margin"].abs() <= ROUNDING]
    if won.empty:
        return Entry(f"level with {len(level)} of {len(best)}" if len(level) else "no")
    family = column[column["pictures"] > 1].groupby("method").size().max()
    if np.isnan(family) or smallest_p(column["pictures"].max(), int(family)) >= SIGNIFICANT:
        note = "(too few pictures for any to be clear)"
    else:
        note = f"(clearly over {(won['p_holm'] < SIGNIFICANT).sum()})"
    return Entry(f"yes, over {len(won)} of {len(best)}", note, bold=True)


def resolution_tables(resolution: pd.DataFrame) -> list[Table]:
    """Make a setting's table of resolutions: metrics and methods down, resolutions across; the best in bold."""
    controls = list(resolution["control"].unique())
    rows = []
    for metric, column in by_metric(resolution):
        best = column.groupby("control")["score"].agg("max" if metric.direction == "higher" else "min")
        for method, each in column.groupby("method", sort=False):
            found = {row["control"]: row for row in each.to_dict("records")}
            entries = [_resolution(metric, found[c], best[c]) if c in found else Entry(np.nan) for c in controls]
            rows.append([Entry(metric), Entry(str(method), f"({counted(each['cases'].max())})"), *entries])
    header = ["metric", "method", *(control or "as it is" for control in controls)]
    title = "maps averaged to one resolution, and what that changes"
    return [Table("resolution", title, header, rows, place_of(resolution))] if rows else []


def _resolution(metric: Metric, row: Mapping[Any, Any], best: float) -> Entry:
    entry = Entry(row["score"], bold=row["score"] == best)
    if row["control"]:
        entry = replace(
            entry, subject=Subject(row["method"], metric.name, metric.subset, "change", row["control"], True)
        )
    if not row["control"] or np.isnan(row["change_low"]):
        return entry
    change, low, high = row["change"], row["change_low"], row["change_high"]
    return replace(entry, change=change, low=low, high=high, change_form=difference_form(change, low, high))


def coverage_tables(coverage: pd.DataFrame) -> list[Table]:
    """Make a setting's table of what misses a score, if anything does; what misses the same shares a row."""
    missing = coverage[coverage["scored"] < coverage["asked"]]
    rows = []
    alike = ["metric", "asked", "scored", "not_applicable", "failed", "reasons"]
    for key, each in missing.assign(own=missing["control"] == "").groupby([*alike, "own"], sort=False):
        metric, *counts, reasons, own = map(str, key)
        peers = coverage[(coverage["metric"] == metric) & ((coverage["control"] == "") == (own == "True"))]
        names = [": ".join(filter(None, pair)) for pair in each[["method", "control"]].to_numpy()]
        what = "methods" if own == "True" else "derived controls"
        who = ", ".join(names[:MOST_NAMED])
        who += f" and {len(names) - MOST_NAMED} other {what}" if len(names) > MOST_NAMED else ""
        who = f"all {len(names)} {what}" if len(names) == len(peers) > 1 else who
        rows.append([Entry(who), Entry(metric), *(Entry(int(count)) for count in counts), Entry(reasons)])
    header = ["what", "metric or step", "cases", "with a score", "does not apply", "failed", "why it failed"]
    return [Table("coverage", "cases without a score", header, rows, place_of(missing))] if rows else []
