"""The report of an ablation: what each variant changes against the first method, the default.

A variant is called "choice: setting"; rows are grouped by choice.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmarks.analysis.scores import summarise
from benchmarks.report.circumstances import mixed_devices
from benchmarks.report.numbers import ROUNDING, counted, listed
from benchmarks.report.page import Block, Folded, Picture, fresh, write_pages
from benchmarks.report.plots import look, panels_of, save_plot
from benchmarks.report.sections import cost_section, provenance_section
from benchmarks.report.tables import (
    Entry,
    Metric,
    Subject,
    Table,
    by_setting,
    marked,
    notes,
    place_of,
    settings_of,
    stem,
    terminal,
    where,
)
from benchmarks.report.verdict import plain
from benchmarks.results.records import REMOVAL, Records, rows_of, with_removal


@dataclass(frozen=True)
class Column:
    """A metric as tables and plots show it: its name there, as the difference from the default or not, drawn or not."""

    metric: str
    title: str
    difference: bool = False
    subset: str = "all"
    drawn: bool = True


COLUMNS = (
    Column(REMOVAL, "insertion \N{MINUS SIGN} deletion, change", difference=True),
    Column("pointing", "pointing"),
    Column("pointing", "pointing, difficult", subset="difficult", drawn=False),
    Column("coarse fidelity", "R² coarse", drawn=False),
    Column("coarse fidelity held out", "R² coarse, held out"),
    Column("fine fidelity", "R² fine", drawn=False),
    Column("fine fidelity held out", "R² fine, held out"),
    Column("stability", "stability"),
)
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("D", "o", "s", "^", "v")
LOWEST = -0.3
"""Where the plot's panels of scores end: a hopeless fit would take all the room."""
FEW_PICTURES = 12
FEWEST_CASES = 6
"""Of fewer, no test of signs can reach 5 %, however much they agree, so no change is called clear."""


def make_ablation_report(records: Records, directory: Path) -> str:
    """Derive tables, plot and both pages from an ablation's records; return the summary for the terminal."""
    records = with_removal(records)
    summary = summarise(records)
    pictures = int(records.scores.groupby(["dataset", "network"], observed=True)["picture"].nunique().max())
    fresh(directory, {"scores": summary})
    clear, said = clear_table(summary), conclude(summary, pictures)
    first: list[Block] = ["\n".join(f"- {sentence}" for sentence in said)]
    for dataset, group in summary.groupby("dataset", sort=False):
        if group["method"].nunique() > 1 and _measured(group, drawn=True):
            first.append(Picture(_plot(group, str(dataset), directory / "plots"), f"variants on {dataset}"))
    tables = [variant_table(group) for _, group in by_setting(summary)]
    sections = [
        Folded(
            "Every variant",
            "Means, and differences from the default (bold: clear).",
            [*tables, *mixed_devices(records.provenance["inputs"]), *notes(summary)],
        ),
        cost_section(records),
        provenance_section(records),
        Folded("How to read the numbers", "What is compared, and what counts as clear.", [_reading(records)]),
    ]
    write_pages(records, [*first, clear], sections, directory)
    return "\n".join([clear.title, "", terminal(clear), "", plain(["Verdict", *said])])


def conclude(summary: pd.DataFrame, pictures: int) -> list[str]:
    """Say which variants are better or worse than the default by removal on every network, in plain sentences."""
    first, *others = summary["method"].unique()
    rows, networks = _rows(summary, COLUMNS[0]), _networks(summary)
    signs = {method: {_sign(row) for row in own.to_dict("records")} for method, own in rows.groupby("method")}
    said = []
    for word, sign in (("Better", 1), ("Worse", -1)):
        names = [method for method in others if signs.get(method) == {sign}]
        said.append(f"{word} than {first} by {REMOVAL} on {networks}: {listed(names) or 'no variant'}.")
    cases = counted(int(summary["n"].max()))
    said.append(f"Intervals of 95 % on {cases} say so; of {len(others)} variants, one or two do by chance.")
    few = f"**With {counted(pictures, 'picture')}, bootstrap intervals are too narrow: conclude nothing from these.**"
    return [*said, *[few] * (pictures < FEW_PICTURES)]


def _networks(summary: pd.DataFrame) -> str:
    count = len(settings_of(summary))
    return "the network" if count == 1 else f"each of the {count} networks by itself"


def variant_table(summary: pd.DataFrame) -> Table:
    """Make a setting's table: a variant a row; bold is what differs from the default."""
    header: list[str | Metric] = ["variant"]
    place, first = place_of(summary.iloc[0].to_dict()), summary["method"].iloc[0]
    rows = [[Entry(marked(method, summary))] for method in summary["method"].unique()]
    for column in _measured(summary):
        found = _rows(summary, column)
        cases = counted(int(found["n"].max()))
        header.append(Metric(column.metric, found["direction"].iloc[0], column.subset, column.title, cases))
        for row, each in zip(rows, found.to_dict("records"), strict=True):
            row.append(_entry(each, column, first))
    return Table(stem(place), where(place), header, rows)


def _rows(group: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Select a column's rows; none where nothing was measured, as stability is on some cases only."""
    rows = group[(group["metric"] == column.metric) & (group["subset"] == column.subset)]
    return rows if rows["n"].any() else rows.iloc[:0]


def _measured(summary: pd.DataFrame, drawn: bool = False) -> list[Column]:
    return [column for column in COLUMNS if len(_rows(summary, column)) and column.drawn >= drawn]


def _entry(row: Mapping[Any, Any], column: Column, first: str) -> Entry:
    changed = row["method"] != first
    clear, about = changed and _sign(row) != 0, (place_of(row), row["method"], column.metric, column.subset)
    if column.difference and changed:
        values = (row["difference_low"], row["difference_high"])
        return Entry(row["difference"], "", clear, "+.3f", *values, subject=Subject(*about, "difference", first))
    return Entry(row["mean"], "itself" if column.difference else "", clear, subject=Subject(*about))


def _sign(row: Mapping[Any, Any]) -> int:
    """Say on which side of 0 the whole interval of a difference lies; 0 where it holds 0, or cases are too few."""
    if row["n"] < FEWEST_CASES:
        return 0
    return int(row["difference_low"] > ROUNDING) - int(row["difference_high"] < -ROUNDING)


def clear_table(summary: pd.DataFrame) -> Table:
    """Make the table of what every network agrees on: the sign of a change whose intervals all leave 0 out.

    Variants of which there is no such change are left out.
    """
    words = {frozenset({1}): "rises", frozenset({-1}): "falls"}
    columns, rows = _measured(summary), []
    for method in summary["method"].unique()[1:]:
        own = summary[summary["method"] == method]
        signs = [{_sign(row) for row in _rows(own, column).to_dict("records")} for column in columns]
        said = [words.get(frozenset(found), "") for found in signs]
        rows += [[Entry(method), *map(Entry, said)]] if any(said) else []
    header = ["variant", *(column.title.removesuffix(", change") for column in columns)]
    return Table("clear", f"What changes clearly against the default, on {_networks(summary)}", header, rows)


def _plot(summary: pd.DataFrame, dataset: str, directory: Path) -> Path:
    """Draw a row for each variant, grouped by choice, and a panel for each quantity."""
    columns, methods = _measured(summary, drawn=True), [str(method) for method in summary["method"].unique()]
    places = [0.0]
    for last, method in itertools.pairwise(methods):
        # Some space between the choices.
        places.append(places[-1] + (1.0 if last.partition(":")[0] == method.partition(":")[0] else 1.6))
    file = directory / f"{dataset}.png"
    with look("whitegrid", **{"font.size": 10}):
        figure, panels = panels_of(
            len(columns), 1.3 + 0.27 * max(places), 2.6 + 3.0 / len(columns), len(columns), sharey=True
        )
        for axes, column in zip(panels, columns, strict=True):
            _forest(axes, _rows(summary, column), column, places)
        panels[0].set_yticks(places, methods)
        panels[0].set_ylim(max(places) + 0.8, min(places) - 0.8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), frameon=False)
        title = f"{dataset}: means with 95 % intervals (dotted: the default; filled: differs from it)"
        save_plot(figure, title, file)
    return file


def _forest(axes: Axes, rows: pd.DataFrame, column: Column, places: Sequence[float]) -> None:
    names = ("difference", "difference_low", "difference_high") if column.difference else ("mean", "low", "high")
    settings = list(settings_of(rows))
    for i, setting in enumerate(settings):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        shift = 0.36 * (i - (len(settings) - 1) / 2) / max(len(settings) - 1, 1)
        here = rows_of(rows, setting).to_dict("records")
        axes.axvline(here[0][names[0]], color=".4" if column.difference else colour, lw=1, ls=":", zorder=1)
        for j, (row, place) in enumerate(zip(here, places, strict=True)):
            middle, low, high = (row[name] for name in names)
            axes.plot([low, high], [place + shift] * 2, color=colour, lw=1.3, alpha=0.75, zorder=2)
            filled = colour if j == 0 or _sign(row) else "white"
            label = setting[1] if j == 0 else None
            axes.plot(middle, place + shift, marker, color=colour, mfc=filled, ms=4.2, lw=0, label=label, zorder=3)
    low, high = axes.get_xlim()
    # Not to magnify rounding where all are equal.
    axes.set_xlim((min(low, -0.05), max(high, 0.05)) if column.difference else (max(low, LOWEST), high))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(column.title.replace(", ", ",\n"), fontsize=10)
    axes.grid(False, axis="y")
    axes.tick_params(labelsize=9)


def _reading(records: Records) -> str:
    run = records.provenance["run"]
    memory = ""
    if "pictures" in run:
        asked, forwarded = run["pictures"]["asked"], run["pictures"]["forwarded"]
        memory = f" Of {asked:,} pictures shown to the networks, {1 - forwarded / asked:.0%} were answered from memory."
    return (
        "Each row changes one choice of the default, or those that it names. Differences are paired by case. ± is half "
        "of a 95 % bootstrap interval over pictures. A change is clear where the interval of the difference leaves 0 "
        f"out, on {FEWEST_CASES} cases or more; the first table has what every network shows by itself. R² is weighted "
        "by proximity, and is about each variant's own samples and score: compare it only between variants that share "
        "these. Everything is in [tables/scores.csv](tables/scores.csv). No number here is the paper's: its networks, "
        f"pictures and layers are not known.{memory}"
    )
