"""The report of an ablation: what each variant changes against the first method, the default.

A variant is called "choice: setting"; rows are grouped by choice.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from benchmarks.analysis.scores import summarise
from benchmarks.report.numbers import ROUNDING, counted, listed
from benchmarks.report.page import Block, Folded, Picture, conclusions, fresh, write_pages
from benchmarks.report.plots import look, panels_of, save_plot
from benchmarks.report.sections import cost_section, provenance_section
from benchmarks.report.tables import Entry, Metric, Subject, Table, by_setting, place_of, stem, terminal, where
from benchmarks.report.verdict import plain
from benchmarks.results.records import REMOVAL, Records, with_removal


@dataclass(frozen=True)
class Column:
    """A metric as tables and plots show it: its name there, and whether as the difference from the default."""

    metric: str
    title: str
    difference: bool = False
    subset: str = "all"


TABLE_COLUMNS = (
    Column(REMOVAL, "insertion \N{MINUS SIGN} deletion, change", difference=True),
    Column("pointing", "pointing"),
    Column("pointing", "pointing, difficult", subset="difficult"),
    Column("coarse fidelity", "R² coarse"),
    Column("coarse fidelity held out", "R² coarse, held out"),
    Column("fine fidelity", "R² fine"),
    Column("fine fidelity held out", "R² fine, held out"),
    Column("stability", "stability"),
)
PLOT_COLUMNS = (
    Column(REMOVAL, "insertion \N{MINUS SIGN} deletion,\nchange from the default", difference=True),
    Column("pointing", "pointing, all cases,\nchange from the default", difference=True),
    Column("coarse fidelity held out", "R² of the coarse surrogate,\nheld out"),
    Column("fine fidelity held out", "R² of the fine surrogate,\nheld out"),
    Column("stability", "stability: rank correlation\nof u_f over seeds"),
    Column("cost", "cost: pictures asked for,\nof the default's"),
)
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("D", "o", "s", "^", "v")
LOWEST = -0.3
"""Where the plot's panels of R-squared end: a hopeless fit would take all the room."""
FEW_PICTURES = 12
FEWEST_CASES = 6
"""Of fewer, no test of signs can reach 5 %, however much they agree, so no change is called clear."""


def make_ablation_report(records: Records, directory: Path) -> str:
    """Derive tables, plot and both pages from an ablation's records; return the summary for the terminal."""
    records = with_removal(records)
    summary = summarise(records)
    fresh(directory, {"scores": summary})
    clear, said = clear_table(summary), conclude(summary)
    blocks: list[Block] = ["\n".join(f"- {sentence}" for sentence in said)]
    for dataset, group in pd.concat([summary, ablation_costs(records.timings)]).groupby("dataset", sort=False):
        if group["method"].nunique() > 1 and set(group["metric"]) & {column.metric for column in PLOT_COLUMNS}:
            blocks.append(Picture(_plot(group, str(dataset), directory / "plots"), f"variants on {dataset}"))
    found = conclusions(directory)
    tables = [variant_table(group) for _, group in by_setting(summary)]
    write_pages(
        records,
        [
            *blocks,
            clear,
            *([found] if found else []),
            Folded("Every variant", "Means, and differences from the default (bold: clear).", tables),
            cost_section(records),
            provenance_section(records),
            Folded("How to read the numbers", "What is compared, and what counts as clear.", [_reading(records)]),
        ],
        directory,
    )
    return "\n".join([clear.title, "", terminal(clear), "", plain(["Verdict", *said])])


def conclude(summary: pd.DataFrame) -> list[str]:
    """Say which variants are better or worse than the default by removal on every network, in plain sentences."""
    first, *others = summary["method"].unique()
    rows = _rows(summary, TABLE_COLUMNS[0]).assign(sign=lambda found: [_sign(row) for _, row in found.iterrows()])
    signs = rows.groupby("method", sort=False)["sign"].agg(["min", "max"])
    networks = rows.groupby(["dataset", "network"]).ngroups
    where = "the network" if networks == 1 else f"each of the {networks} networks"
    said = []
    for word, sign in (("Better", 1), ("Worse", -1)):
        names = [method for method in others if method in signs.index and {*signs.loc[method]} == {sign}]
        said.append(f"{word} than {first} by {REMOVAL} on {where}: {listed(names) if names else 'no variant'}.")
    pictures = int(rows["n"].max()) if len(rows) else 0
    said.append(
        f"An interval of 95 % on up to {counted(pictures)} says so; with {len(others)} variants, one is by chance."
    )
    if pictures < FEW_PICTURES:
        few = f"With {counted(pictures, 'picture')}, bootstrap intervals are far too narrow"
        said.append(f"**{few}: conclude nothing from these.**")
    return said


def variant_table(summary: pd.DataFrame) -> Table:
    """Make a setting's table: a variant a row; bold is what differs from the default."""
    header: list[str | Metric] = ["variant"]
    place, first = place_of(summary.iloc[0].to_dict()), summary["method"].iloc[0]
    rows = [[Entry(method)] for method in summary["method"].unique()]
    for column in _measured(summary, TABLE_COLUMNS):
        found = _rows(summary, column)
        cases = counted(int(found["n"].max()))
        header.append(Metric(column.metric, found["direction"].iloc[0], column.subset, column.title, cases))
        for row, each in zip(rows, found.to_dict("records"), strict=True):
            row.append(_entry(each, column, first))
    return Table(stem(place), where(place), header, rows)


def ablation_costs(timings: pd.DataFrame) -> pd.DataFrame:
    """Make rows of a summary of costs: pictures asked for, as shares of the first method's. Times scatter too much."""
    rows = timings[["dataset", "network", "method"]].assign(metric="cost", subset="all", n=timings["repeats"])
    share = timings["forwards"] / timings.groupby(["dataset", "network"])["forwards"].transform("first")
    return rows.assign(low=share, mean=share, high=share)


def _rows(group: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Select a column's rows; none where nothing was measured, as stability is on some cases only."""
    rows = group[(group["metric"] == column.metric) & (group["subset"] == column.subset)]
    return rows if rows["n"].any() else rows.iloc[:0]


def _measured(summary: pd.DataFrame, columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if len(_rows(summary, column))]


def _entry(row: Mapping[Any, Any], column: Column, first: str) -> Entry:
    changed = row["method"] != first
    clear, about = changed and _sign(row) != 0, (place_of(row), row["method"], column.metric, column.subset)
    if column.difference and changed:
        values = (row["difference_low"], row["difference_high"])
        return Entry(row["difference"], "", clear, "+.3f", *values, subject=Subject(*about, "difference", first))
    return Entry(row["mean"], "itself" if column.difference else "", clear, subject=Subject(*about))


def _sign(row: Mapping[Any, Any] | pd.Series) -> int:
    """Say on which side of 0 the whole interval of a difference lies; 0 where it holds 0, or cases are too few."""
    if row["n"] < FEWEST_CASES:
        return 0
    return int(row["difference_low"] > ROUNDING) - int(row["difference_high"] < -ROUNDING)


def clear_table(summary: pd.DataFrame) -> Table:
    """Make the table of what every network agrees on: the sign of a change whose intervals all leave 0 out.

    Variants of which there is no such change are left out.
    """
    words = {frozenset({1}): "rises", frozenset({-1}): "falls"}
    columns = _measured(summary, TABLE_COLUMNS)
    rows = []
    for method in summary["method"].unique()[1:]:
        own = summary[summary["method"] == method]
        signs = [{_sign(row) for row in _rows(own, column).to_dict("records")} for column in columns]
        said = [words.get(frozenset(found), "") for found in signs]
        rows += [[Entry(method), *map(Entry, said)]] if any(said) else []
    header = ["variant", *(column.title.removesuffix(", change") for column in columns)]
    count = summary.groupby(["dataset", "network"]).ngroups
    networks = "the network" if count == 1 else f"each of the {count} networks by itself"
    return Table("clear", f"What changes clearly against the default, on {networks}", header, rows)


def _plot(summary: pd.DataFrame, dataset: str, directory: Path) -> Path:
    """Draw a row for each variant, grouped by choice, and a panel for each quantity."""
    columns = _measured(summary, PLOT_COLUMNS)
    methods = [str(method) for method in summary["method"].unique()]
    places = _places(methods)
    networks = list(summary["network"].unique())
    file = directory / f"{dataset}.png"
    with mpl.rc_context():
        look("whitegrid", **{"font.size": 10})
        height, width = 1.3 + 0.27 * max(places), 2.6 + 3.0 / len(columns)
        figure, panels = panels_of(len(columns), height, width, len(columns), sharey=True)
        for axes, column in zip(panels, columns, strict=True):
            _forest(axes, _rows(summary, column), column, places, networks)
        panels[0].set_yticks(places, methods)
        panels[0].set_ylim(max(places) + 0.8, min(places) - 0.8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), frameon=False)
        cases = summary[summary["subset"] == "all"]["n"].max()
        title = f"{dataset}, {cases} cases: means with 95 % intervals (dotted: the default; filled: differs from it)"
        save_plot(figure, title, file)
    return file


def _places(methods: Sequence[str]) -> list[float]:
    """Give each row its place, with some space between the choices."""
    places = [0.0]
    for last, method in itertools.pairwise(methods):
        places.append(places[-1] + (1.0 if last.partition(":")[0] == method.partition(":")[0] else 1.6))
    return places


def _forest(axes: Axes, rows: pd.DataFrame, column: Column, places: Sequence[float], networks: Sequence[str]) -> None:
    names = ("difference", "difference_low", "difference_high") if column.difference else ("mean", "low", "high")
    for i, network in enumerate(networks):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        shift = 0.36 * (i - (len(networks) - 1) / 2) / max(len(networks) - 1, 1)
        here = rows[rows["network"] == network].reset_index(drop=True)
        default = float(here[names[0]].iloc[0])
        axes.axvline(default, color=colour if not column.difference else ".4", lw=1, ls=":", zorder=1)
        for j, row in here.iterrows():
            place = places[int(str(j))] + shift
            middle, low, high = (row[name] for name in names)
            axes.plot([low, high], [place, place], color=colour, lw=1.3, alpha=0.75, zorder=2)
            filled = colour if j == 0 or _sign(row) else "white"
            if column.metric.endswith("fidelity held out") and middle < LOWEST:
                text = f" \N{BLACK LEFT-POINTING SMALL TRIANGLE} {middle:.1f}"
                ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
                axes.text(LOWEST, place, text, fontsize=7, va="center", bbox=ground).set_in_layout(False)
                continue
            label = network if j == 0 else None
            axes.plot(middle, place, marker, color=colour, mfc=filled, ms=4.2, lw=0, label=label, zorder=3)
    if column.difference:
        # Not to magnify rounding where all are equal.
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.05), max(high, 0.05))
    if column.metric.endswith("fidelity held out"):
        axes.set_xlim(left=max(axes.get_xlim()[0], LOWEST))
    cost, most = column.metric == "cost", rows["n"].max()
    if cost:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if cost else MaxNLocator(5))
    few = f" ({counted(most)})" if most < FEWEST_CASES and not cost else ""
    axes.set_title(f"{column.title}{few}", fontsize=10)
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
