"""The tables of a comparison. Each is of all settings together; more columns and rows are in the CSV files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.analysis.comparisons import contested
from benchmarks.analysis.scores import Column, titled
from benchmarks.analysis.statistics import DIGITS, SIGNIFICANT
from benchmarks.analysis.verdicts import leaders
from benchmarks.report.circumstances import of_one_device
from benchmarks.report.numbers import DASH, ROUNDING, counted, form_of, number, pictures_needed
from benchmarks.report.tables import (
    UNSTEADY,
    Entry,
    Metric,
    Subject,
    Table,
    by_setting,
    head,
    place_of,
    settings_of,
    wide,
)

BEST_NULL = "best null"
MOST_NAMED = 4
"""More methods than these that miss the same are counted, not named."""


def with_leaders(summary: pd.DataFrame, columns: Sequence[Column], pairs: pd.DataFrame) -> pd.DataFrame:
    """Add to `scores.summarise`'s rows whether a method is ``leading``: the best, or not told apart from it."""
    ahead = {(each.setting, each.metric, each.subset): leaders(each, pairs) for each in columns}
    rows = summary.to_dict("records")
    return summary.assign(
        leading=[row["method"] in ahead.get((place_of(row), row["metric"], row["subset"]), ()) for row in rows]
    )


def headline_table(summary: pd.DataFrame) -> Table:
    """Make the first table: the headline columns; of the nulls, in each column the one that does best."""
    shown, parts = summary[summary["headline"]], []
    for _, here in by_setting(shown.assign(source=shown["method"])):
        nulls = here[here["null"] & (here["n"] > 0)]
        size = nulls["mean"].where(nulls["direction"] == "higher", -nulls["mean"])
        best = nulls.loc[size.groupby([nulls["metric"], nulls["subset"]], sort=False).idxmax()]
        parts += [here[~here["null"]], best.assign(method=BEST_NULL)]
    return wide("headline", "The headline columns", pd.concat(parts), score_entries)


def with_cost(table: Table, timings: pd.DataFrame) -> Table:
    """Add milliseconds, of one device, and forwards a picture to a table of one setting, if its methods were timed."""
    if timings.empty:
        return table
    costs = (
        of_one_device(timings)
        .set_index("method")[["median_ms", "forwards"]]
        .reindex([row[0].text.removesuffix(f" {UNSTEADY}") for row in table.rows])
    )
    rows = [
        [*row, Entry(milliseconds, form=".0f"), Entry(forwards, form=".0f")]
        for row, (milliseconds, forwards) in zip(table.rows, costs.to_numpy(), strict=True)
    ]
    return replace(table, header=[*table.header, "ms", "forwards"], rows=rows)


def score_tables(summary: pd.DataFrame) -> list[Table]:
    """Make the table of all measures, the first metric of each.

    Where every metric is averaged over the difficult cases as well, these have a table of their own.
    """
    group = summary[summary["main"]]
    apart = group.groupby("metric")["subset"].nunique().gt(1).all()
    made = [wide("scores", "Every measure", group[(group["subset"] == "all") | (not apart)], score_entries)]
    if apart:
        made.append(wide("difficult", "The difficult cases alone", group[group["subset"] != "all"], score_entries))
    return made


def setting_table(summary: pd.DataFrame) -> list[Table]:
    """Make the table of the same measures with other settings, a row each, if there are any."""
    rest = summary[~summary["main"]]
    methods, names = list(rest["method"].unique()), settings_of(rest)
    rows = []
    for keys, each in rest.groupby(["metric", "subset", "dataset", "network"], sort=False):
        metric, subset, dataset, network = map(str, keys)
        name = Metric(metric, each["direction"].iloc[0], subset, titled(metric, subset))
        found = dict(zip(each["method"], score_entries(name, each), strict=True))
        rows.append([Entry(name), Entry(names[dataset, network]), *(found.get(m, Entry(np.nan)) for m in methods)])
    header: list[str | Metric] = ["metric", "network", *methods]
    return [Table("settings", "The same measures with other settings", header, rows)] if rows else []


def score_entries(metric: Metric, column: pd.DataFrame) -> list[Entry]:
    """Make the entries of a metric's means, with as many digits in all settings."""
    form, most = form_of(column["mean"]), column.groupby(["dataset", "network"])["n"].transform("max")
    entries = []
    for row, expected in zip(column.to_dict("records"), most, strict=True):
        note = counted(row["n"]) if 0 < row["n"] < expected else ""
        why = "does not apply" if row["not_applicable"] else "failed" if row["failed"] else "no such case"
        subject = Subject(place_of(row), row.get("source", row["method"]), metric.name, metric.subset)
        bold = bool(row.get("leading", False))
        entries.append(Entry(row["mean"], note, bold, form, row["low"], row["high"], missing=why, subject=subject))
    return entries


def margin_tables(margins: pd.DataFrame) -> list[Table]:
    """Make the tables of margins over the null methods, and over the controls made from a method's own map.

    Bold is what the null wins. A note says which null it is that did best.
    """
    kinds = ("nulls", "the best null method"), ("controls", "the best control made from the method's own map")
    made = []
    for own, (name, over) in enumerate(kinds):
        best = margins[(margins["own"] == bool(own)) & margins["best"].astype(bool)].rename(columns={"cases": "n"})
        best = best.assign(note=best["null"], other=best["null"], worse=best["margin"] < -ROUNDING)
        if len(best):
            title = f"By how much a method is better than {over} (bold: worse)"
            made.append(wide(name, title, best, partial(_differences, "margin")))
    return made


def _differences(kind: str, metric: Metric, column: pd.DataFrame) -> list[Entry]:
    """Make the entries of differences, whose column is called as their kind: "margin" or "change"."""
    form = form_of(column[kind], "+")
    return [
        Entry(
            row[kind], row["note"], row["worse"], form, row["low"], row["high"],
            subject=Subject(place_of(row), row["method"], metric.name, metric.subset, kind, row["other"], row["own"]),
        )
        for row in column.to_dict("records")
    ]  # fmt: skip


def null_sentence(margins: pd.DataFrame) -> str:
    """Say how often a null is better, and how often clearly: where the test finds it."""
    said = []
    for own, what in ((False, "null method"), (True, "control made from the method's own map")):
        best = margins[(margins["own"] == own) & margins["best"].astype(bool)]
        won, level = best[best["margin"] < -ROUNDING], best[best["margin"].abs() <= ROUNDING]
        sure = (won["p_holm"] < SIGNIFICANT).sum()
        if len(best):
            counts = f"better in {len(won)} ({sure} supported) and level in {len(level)}"
            said.append(f"Of {len(best)} entries, a {what} is {counts}.")
    return " ".join(said)


def resolution_table(resolution: pd.DataFrame) -> list[Table]:
    """Make the table of what averaging the maps to one resolution changes."""
    changed = resolution[resolution["control"] != ""].rename(columns={"cases": "n", "control": "resolution"})
    if changed.empty:
        return []
    changed = changed.assign(low=changed["change_low"], high=changed["change_high"], other=changed["resolution"])
    changed = changed.assign(note="", worse=False, own=True)
    title = "What changes when all maps are averaged to one resolution"
    return [wide("resolution", title, changed, partial(_differences, "change"), keys=("method", "resolution"))]


def order_tables(columns: Sequence[Column], frames: Mapping[str, pd.DataFrame]) -> tuple[Table, Table]:
    """Make the table of orders with what each step needs, and the card of how reliable a metric is."""
    pairs, names = frames["comparisons"], settings_of(frames["scores"])
    order, card = [], []
    for column in columns:
        here, (about,) = column.among(frames["orders"]), column.among(frames["reliability"]).to_dict("records")
        if here.empty:
            continue
        where = [Entry(head(column)), Entry(names[column.setting])]
        contest = contested(column, pairs)
        supported = Entry(int((contest["better"] != "").sum()), f"of {len(contest)}")
        signs = ["", *(" = " if step == 0 else " > " for step in here["mean"].diff().round(DIGITS).iloc[1:])]
        chain = "".join(sign + method for sign, method in zip(signs, here["method"], strict=True))
        needed = ", ".join(pictures_needed(count, "> ") for count in here["needed"].iloc[:-1])
        order.append([*where, Entry(chain), supported, Entry(needed or DASH)])
        figures: list[Entry] = [Entry(about["pictures"]), Entry(100 * here["whole"].iloc[0], form=".0f")]
        for name in ("alpha", "halves"):
            note = number(about[f"{name}_with_nulls"], "z.2f").replace(DASH, "")
            figures.append(Entry(about[name], note, form="z.2f"))
        card.append([*where, *figures])
    ordered = ["metric", "network", "order of the means", "pairs told apart", "pictures to tell neighbours apart"]
    sure = ["pictures", "% of resamples with this order", "alpha (with nulls)", "split halves (with nulls)"]
    return (
        Table("order", "The order of the methods", ordered, order),
        Table("reliability", "Reliability card", ["metric", "network", *sure], card),
    )


def cost_table(timings: pd.DataFrame) -> Table:
    """Make the table of what each method costs on each network; every row names the device."""
    header = ["method", "network", "ms a picture", "forwards", "backwards", "peak memory (MB)", "device"]
    rows = []
    for row in timings.to_dict("records"):
        note = f"IQR {row['iqr_ms']:.1f}" if row["repeats"] > 1 else "one call"
        counts = [Entry(row[name], form="g") for name in ("forwards", "backwards")]
        costs = [Entry(row["median_ms"], note, form=".1f"), *counts, Entry(row["peak_memory_mb"], form=".0f")]
        rows.append([Entry(row["method"]), Entry(row["network"]), *costs, Entry(row["device"])])
    return Table("cost", "Cost", header, rows)


def coverage_table(coverage: pd.DataFrame) -> list[Table]:
    """Make the table of what misses a score, if anything does; what misses the same shares a row."""
    missing = coverage[coverage["scored"] < coverage["asked"]]
    names, rows = settings_of(coverage), []
    alike = ["dataset", "network", "metric", "asked", "scored", "not_applicable", "failed", "reasons"]
    for key, each in missing.assign(own=missing["control"] == "").groupby([*alike, "own"], sort=False):
        dataset, network, metric, *counts, reasons, own = map(str, key)
        peers = coverage[(coverage[["dataset", "network", "metric"]] == [dataset, network, metric]).all(axis=1)]
        peers = peers[(peers["control"] == "") == (own == "True")]
        found = [": ".join(filter(None, pair)) for pair in each[["method", "control"]].to_numpy()]
        what = "methods" if own == "True" else "derived controls"
        who = ", ".join(found[:MOST_NAMED])
        who += f" and {len(found) - MOST_NAMED} other {what}" if len(found) > MOST_NAMED else ""
        who = f"all {len(found)} {what}" if len(found) == len(peers) > 1 else who
        numbers = [Entry(int(count)) for count in counts]
        rows.append([Entry(who), Entry(names[dataset, network]), Entry(metric), *numbers, Entry(reasons)])
    header = ["what", "network", "metric or step", "cases", "with a score", "does not apply", "failed", "why it failed"]
    return [Table("coverage", "Cases without a score", header, rows)] if rows else []
