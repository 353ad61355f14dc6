"""The report of an ablation: what each variant changes against the first method, the default. Knows no torch.

A variant is called "choice: setting"; rows are grouped by choice. Where a directory holds ``conclusions.md``, written
by hand, the page begins with it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from benchmarks.report import tables
from benchmarks.report.page import Block, write_pages
from benchmarks.report.plots import DOTS_PER_INCH, save_picture
from benchmarks.report.tables import Entry, Table, counted
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
ROUNDING = 1e-9


def make_ablation_report(records: Records, directory: Path) -> str:
    """Derive tables, plot and both pages from an ablation's records.

    Returns
    -------
    str
        The summary for the terminal.
    """
    records = with_removal(records)
    summary = tables.summarise(records)
    for folder in ("tables", "plots"):
        (directory / folder).mkdir(exist_ok=True)
        for stale in (directory / folder).iterdir():
            stale.unlink()
    summary.to_csv(directory / "tables" / "scores.csv", index=False, float_format="%.6g")
    made = [clear_table(summary), *variant_tables(summary)]
    if len(records.timings):
        made.append(tables.cost_table(records.timings))
    for table in made:
        (directory / "tables" / f"{table.name}.md").write_text(tables.markdown(table), encoding="utf-8")
    plots = [
        _plot(group, str(dataset), directory / "plots")
        for dataset, group in pd.concat([summary, ablation_costs(records.timings)]).groupby("dataset", sort=False)
        if group["method"].nunique() > 1 and set(group["metric"]) & {column.metric for column in PLOT_COLUMNS}
    ]
    sections: dict[str, list[Block]] = {
        "How to read the numbers": [*_introduction(records, len(made[0].rows)), *plots],
        **{table.title: [table] for table in made},
    }
    write_pages(records, sections, directory)
    return f"{made[0].title}\n\n{tables.markdown(made[0])}"


def variant_tables(summary: pd.DataFrame) -> list[Table]:
    """Make one table for each dataset and network: a variant a row; bold is what differs from the default."""
    made = []
    for (dataset, network), group in summary.groupby(["dataset", "network"], sort=False):
        columns = [column for column in TABLE_COLUMNS if len(_rows(group, column))]
        header = ["variant", *(f"{column.title} ({counted(_rows(group, column)['n'].max())})" for column in columns)]
        first = group["method"].iloc[0]
        rows = []
        for method in group["method"].unique():
            row = [Entry(str(method))]
            for column in columns:
                found = _rows(group, column).set_index("method").loc[method]
                row.append(_entry(found, column, is_first=method == first))
            rows.append(row)
        made.append(Table(f"{network}-on-{dataset}", f"{network} on {dataset}", header, rows))
    return made


def ablation_costs(timings: pd.DataFrame) -> pd.DataFrame:
    """Spell costs as rows of a summary: pictures asked for, as shares of the first method's. Times scatter too much."""
    rows = timings[["dataset", "network", "method"]].assign(metric="cost", subset="all", n=timings["repeats"])
    share = timings["forwards"] / timings.groupby(["dataset", "network"])["forwards"].transform("first")
    return rows.assign(low=share, mean=share, high=share)


def _rows(group: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Select a column's rows; none where nothing was measured, as stability is on some cases only."""
    rows = group[(group["metric"] == column.metric) & (group["subset"] == column.subset)]
    return rows if rows["n"].any() else rows.iloc[:0]


def _entry(row: pd.Series, column: Column, *, is_first: bool) -> Entry:
    clear = not is_first and _sign(row) != 0
    if np.isnan(row["mean"]):
        return Entry("\N{EN DASH}")
    if column.difference and not is_first:
        note = f"[{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
        return Entry(f"{row['difference']:+.3f}", note, clear)
    return Entry(f"{row['mean']:.3f}", "(itself)" if column.difference else "", clear)


def _sign(row: pd.Series) -> int:
    """Say on which side of 0 the whole interval of a difference lies; 0 where it holds 0, or cases are too few."""
    if row["n"] < FEWEST_CASES:
        return 0
    return int(row["difference_low"] > ROUNDING) - int(row["difference_high"] < -ROUNDING)


def clear_table(summary: pd.DataFrame) -> Table:
    """Make the table of what every network agrees on: the sign of a change whose intervals all leave 0 out."""
    words = {1: "rises", -1: "falls", 0: ""}
    columns = [column for column in TABLE_COLUMNS if len(_rows(summary, column))]
    first = summary["method"].iloc[0]
    rows = []
    for method in summary["method"].unique():
        if method == first:
            continue
        signs = []
        for column in columns:
            here = _rows(summary, column)
            found = {_sign(row) for _, row in here[here["method"] == method].iterrows()}
            signs.append(found.pop() if len(found) == 1 else 0)
        rows.append([Entry(str(method)), *(Entry(words[sign]) for sign in signs)])
    header = ["variant", *(column.title.removesuffix(", change") for column in columns)]
    count = summary.groupby(["dataset", "network"]).ngroups
    where = "the network" if count == 1 else f"each of the {count} networks by itself"
    return Table("clear", f"What changes clearly against the default, on {where}", header, rows)


def _plot(summary: pd.DataFrame, dataset: str, directory: Path) -> Path:
    """Draw a row for each variant, grouped by choice, and a panel for each quantity."""
    columns = [column for column in PLOT_COLUMNS if len(_rows(summary, column))]
    methods = [str(method) for method in summary["method"].unique()]
    places = _places(methods)
    networks = list(summary["network"].unique())
    sns.set_theme(style="whitegrid", rc={"axes.edgecolor": ".6", "font.size": 10})
    figure = Figure(figsize=(3.0 + 2.6 * len(columns), 1.3 + 0.27 * max(places)), dpi=DOTS_PER_INCH)
    figure.set_layout_engine("constrained")
    panels: Sequence[Axes] = np.atleast_1d(figure.subplots(1, len(columns), sharey=True)).tolist()
    with mpl.rc_context({"axes.titlelocation": "left"}):
        for axes, column in zip(panels, columns, strict=True):
            _forest(axes, _rows(summary, column), column, places, networks)
    panels[0].set_yticks(places, methods)
    panels[0].set_ylim(max(places) + 0.8, min(places) - 0.8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), frameon=False)
    cases = summary[summary["subset"] == "all"]["n"].max()
    title = f"{dataset}, {cases} cases: means with 95 % intervals (dotted: the default; filled: differs from it)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=".35")
    file = directory / f"{dataset}.png"
    save_picture(figure, file)
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
            label = network if j == 0 else None
            beyond = column.metric.endswith("fidelity held out") and middle < LOWEST
            if beyond:
                text = f" \N{BLACK LEFT-POINTING SMALL TRIANGLE} {middle:.1f}"
                ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
                axes.text(LOWEST, place, text, fontsize=7, va="center", bbox=ground)
                continue
            axes.plot(middle, place, marker, color=colour, mfc=filled, ms=4.2, lw=0, label=label, zorder=3)
    if column.difference:
        # Not to magnify rounding where all are equal.
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.05), max(high, 0.05))
    if column.metric.endswith("fidelity held out"):
        axes.set_xlim(left=max(axes.get_xlim()[0], LOWEST))
    few = ""
    if column.metric == "cost":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        few = f" ({counted(rows['n'].max())})" if rows["n"].max() < FEWEST_CASES else ""
    axes.set_title(f"{column.title}{few}", fontsize=10)
    axes.grid(False, axis="y")
    axes.tick_params(labelsize=9)


def _introduction(records: Records, variants: int) -> list[str]:
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    memory = ""
    if "pictures" in run:
        asked, forwarded = run["pictures"]["asked"], run["pictures"]["forwarded"]
        memory = f" Of {asked:,} pictures shown to the networks, {1 - forwarded / asked:.0%} were answered from memory."
    paragraphs = [
        f"{inputs['summary']} Made by `{run['command']}`; all that determines these numbers is in "
        "[provenance.json](provenance.json), every score in `records.parquet`, every mean with its interval and its "
        f"difference from the default in [tables/scores.csv](tables/scores.csv).{memory}",
        "Each row changes one choice of the default, or those that it names. Differences are paired by case; intervals "
        "are 95 % bootstrap intervals over pictures, and what is bold differs from the default by an interval without "
        f"0, of {FEWEST_CASES} cases or more. With {variants} variants, one or two such intervals a column "
        "are to be expected by chance; the first table keeps what every network shows by itself. R² is weighted by "
        "proximity, and refers to each variant's own samples and score: only variants that share those are explained "
        "against the same answers. "
        "No number here is the paper's: its networks, pictures and layers are not known.",
    ]
    pictures = records.scores["picture"].nunique()
    if pictures < FEW_PICTURES:
        paragraphs.append(
            f"**Of {pictures} pictures, bootstrap intervals are far too narrow: conclude nothing from these.**"
        )
    return paragraphs
