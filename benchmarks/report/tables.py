"""The tables of a report: scores, differences, costs. Knows no torch.

A `Table` holds entries; Markdown, LaTeX and the terminal only spell them differently.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.scores import Column, estimate, judges, read_columns
from benchmarks.results.records import Records

TERMINAL_WIDTH = 118
MOST_DECIMALS = 6
ARROWS = {"higher": "↑", "lower": "↓"}
LATEX = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "\N{EN DASH}": "--", "±": r"$\pm$", ">": "$>$"} | {
    character: rf"\{character}" for character in "_%&#${}"
}
LATEX |= {"<": "$<$", "|": "$|$", "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


@dataclass(frozen=True)
class Comparison:
    """What an entry compares its method with, case by case.

    Attributes
    ----------
    kind : {"difference", "margin", "change"}
        The method's score minus the other's; by how much the method's is better; the other's minus the method's.
    other : str
        A method, or a derived control.
    own : bool
        Whether it is a control, made from the method's own map.
    """

    kind: str
    other: str
    own: bool = False


@dataclass(frozen=True)
class Entry:
    """One field of a table: its text, a note in small print behind it, whether it stands out, and what it compares."""

    text: str
    note: str = ""
    bold: bool = False
    compared: Comparison | None = None


@dataclass(frozen=True)
class Table:
    """A titled table; every row has as many entries as the header."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]


def summarise(records: Records) -> pd.DataFrame:
    """Average the scores of every method under every metric.

    Returns
    -------
    pandas.DataFrame
        One row for each dataset, network, metric, subset and method: ``mean`` with its interval ``low``, ``high``;
        ``n`` cases averaged; ``missing`` cases without a score, of which the metric does not apply to
        ``not_applicable`` and the run failed on ``failed``; and ``difference``, the mean minus the first method's,
        with its interval ``difference_low``, ``difference_high`` on the same resamples of pictures. ``headline`` is
        false for a metric that measures what an earlier one does, with other settings.
    """
    return pd.DataFrame([row for column in read_columns(records) for row in _method_rows(column)])


def _method_rows(column: Column) -> list[dict[str, Any]]:
    found = {method: estimate(column, method) for method in column.methods}
    first = found[column.methods[0]]
    rows = []
    for method, each in found.items():
        low, high = statistics.interval(each.replicates - first.replicates)
        row = {"method": method, "mean": each.mean, "low": each.low, "high": each.high, "n": each.n}
        row |= {"missing": column.asked - each.n, "not_applicable": column.answered.get(method, 0) - each.n}
        row |= {"failed": column.asked - column.answered.get(method, 0)}
        row |= {"difference": each.mean - first.mean, "difference_low": low, "difference_high": high}
        rows.append(column.place | row)
    return rows


def score_tables(summary: pd.DataFrame) -> list[Table]:
    """Make one table for each dataset and network: a method a row, a metric a column, the best mean in bold.

    Of metrics that measure the same with other settings, the first. Where every metric is averaged over the difficult
    cases as well, these have a table of their own.
    """

    def entry(row: pd.Series, column: pd.DataFrame) -> Entry:
        form = _form(column["mean"])
        note = bounds(row["low"], row["high"], form)
        if row["n"] < column["n"].max():
            note += f" ({counted(row['n'])})"
        return Entry(number(row["mean"], form), note.strip(), _is_best(row, column))

    made = []
    for (dataset, network), group in summary[summary["headline"]].groupby(["dataset", "network"], sort=False):
        together = group.groupby("metric")["subset"].nunique().eq(1).any()
        for subset, part in [("all", group)] if together else group.groupby("subset", sort=False):
            ending, words = ("", "") if subset == "all" else (f"-{subset}", f": the {subset} cases alone")
            name, title = f"{network}-on-{dataset}{ending}", f"{network} on {dataset}{words}"
            made.append(Table(name, title, *_wide(part, entry, named_among=group)))
    return made


def setting_tables(summary: pd.DataFrame) -> list[Table]:
    """Make one table for each dataset and network: the metrics left out of the first, a row each; means alone."""
    made = []
    for (dataset, network), group in summary[~summary["headline"]].groupby(["dataset", "network"], sort=False):
        rows = []
        for (metric, subset), column in group.groupby(["metric", "subset"], sort=False):
            name = title_of(group, metric, subset)
            form = _form(column["mean"])
            entries = [Entry(number(row["mean"], form), "", _is_best(row, column)) for _, row in column.iterrows()]
            rows.append([Entry(f"{name} {ARROWS[column['direction'].iloc[0]]}"), *entries])
        title = f"{network} on {dataset}: the same measures with other settings"
        made.append(Table(f"{network}-on-{dataset}-settings", title, ["metric", *group["method"].unique()], rows))
    return made


def difference_tables(pairs: pd.DataFrame) -> list[Table]:
    """Make the tables of differences from the first method; those that are supported after Holm's correction are bold.

    Parameters
    ----------
    pairs : pandas.DataFrame
        What `comparisons.compare_pairs` found.
    """

    def entry(row: pd.Series, column: pd.DataFrame) -> Entry:
        # Pairs are first minus second; the table is the other way round.
        form = _form(10 * column["difference"], sign="+")
        note = bounds(0 - row["high"], 0 - row["low"], form)
        compared = Comparison("difference", row["first"])
        return Entry(number(0 - row["difference"], form), note, bool(row["better"]), compared)

    made = []
    for (dataset, network), group in pairs[pairs["headline"]].groupby(["dataset", "network"], sort=False):
        first = group["first"].iloc[0]
        others = group[group["first"] == first].rename(columns={"second": "method", "cases": "n"})
        title = f"{network} on {dataset}: each method minus {first} (bold: supported)"
        made.append(Table(f"{network}-on-{dataset}-minus-{first}", title, *_wide(others, entry)))
    return made


def _wide(
    group: pd.DataFrame,
    entry: Callable[[pd.Series, pd.DataFrame], Entry],
    named_among: pd.DataFrame | None = None,
) -> tuple[list[str], list[list[Entry]]]:
    """Lay the rows of a summary out: methods down, metrics and their subsets across.

    A name says the subset if ``named_among``, by default the rows laid out, have several of the metric.
    """
    named_among = group if named_among is None else named_among
    header = ["method"]
    columns = []
    for (metric, subset), column in group.groupby(["metric", "subset"], sort=False):
        header.append(
            f"{title_of(named_among, metric, subset)} {ARROWS[column['direction'].iloc[0]]} "
            f"({counted(column['n'].max())})"
        )
        columns.append([entry(row, column) for _, row in column.iterrows()])
    methods = [Entry(method) for method in group["method"].unique()]
    return header, [list(row) for row in zip(methods, *columns, strict=True)]


def title_of(group: pd.DataFrame, metric: Any, subset: Any) -> str:
    """Name a column of a network and dataset: the metric, and the subset where the metric has several."""
    alone = group[group["metric"] == metric]["subset"].nunique() == 1
    return str(metric) if alone else f"{metric}, {subset}"


def cost_table(timings: pd.DataFrame) -> Table:
    """Make the table of what each method costs on each network; every row names the device."""
    header = ["network", "method", "ms a picture", "forwards", "backwards", "peak memory (MB)", "device"]
    rows = [
        [
            Entry(row["network"]),
            Entry(row["method"]),
            Entry(f"{row['median_ms']:.1f}", f"IQR {row['iqr_ms']:.1f}" if row["repeats"] > 1 else "one call"),
            Entry(f"{row['forwards']:g}"),
            Entry(f"{row['backwards']:g}"),
            Entry(number(row["peak_memory_mb"], "{:.0f}")),
            Entry(row["device"]),
        ]
        for _, row in timings.iterrows()
    ]
    return Table("cost", "Cost", header, rows)


def decimals(values: pd.Series) -> int:
    """Return how many decimals a column needs: three, and more where half of its numbers are below .02."""
    middle = float(values.abs().median())
    return 3 if not 0 < middle < 0.02 else min(3 + math.ceil(math.log10(0.02 / middle)), MOST_DECIMALS)


def _form(values: pd.Series, sign: str = "") -> str:
    """Return the format of a column's numbers."""
    return f"{{:{sign}.{decimals(values)}f}}"


def counted(cases: int) -> str:
    """Spell a number of cases."""
    return f"{cases} case{'' if cases == 1 else 's'}"


def number(value: float, form: str) -> str:
    """Spell a number, NaN as a dash."""
    return "\N{EN DASH}" if np.isnan(value) else form.format(value)


def bounds(low: float, high: float, form: str) -> str:
    """Spell an interval, one without ends as nothing."""
    return "" if np.isnan(low) else f"[{form.format(low)}, {form.format(high)}]"


def markdown(table: Table) -> str:
    """Spell a table in GitHub's Markdown."""

    def spell(entry: Entry) -> str:
        text = f"**{entry.text}**" if entry.bold else entry.text
        # The reason of a failure can hold anything: neither columns nor tags are to come of it.
        return re.sub(r"[|]|<(?=[a-zA-Z/!])", r"\\\g<0>", f"{text} {entry.note}".strip())

    lines = [table.header, ["---"] + ["---:"] * (len(table.header) - 1)]
    lines += [[spell(entry) for entry in row] for row in table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: Table) -> str:
    """Spell a table in LaTeX; it needs the package booktabs."""

    def escape(text: str) -> str:
        return "".join(LATEX.get(character, character) for character in text)

    def spell(entry: Entry) -> str:
        text = rf"\textbf{{{escape(entry.text)}}}" if entry.bold else escape(entry.text)
        return rf"{text} {{\scriptsize {escape(entry.note)}}}" if entry.note else text

    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"\toprule",
        " & ".join(escape(name) for name in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(spell(entry) for entry in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def terminal(summary: pd.DataFrame, timings: pd.DataFrame) -> str:
    """Spell scores and costs in aligned columns: ± is half the interval's width, * the best of its column.

    Tables that are wider than `TERMINAL_WIDTH` go on below.
    """
    text = []
    for (dataset, network), group in summary[summary["headline"]].groupby(["dataset", "network"], sort=False):
        costs = timings[(timings["dataset"] == dataset) & (timings["network"] == network)].set_index("method")
        header, rows = _wide(group, _short_entry)
        # The number of cases goes to a line of its own.
        names, _, counts = zip(*(name.partition(" (") for name in header), strict=True)
        lines = [[*names, *(["ms", "forwards"] if len(costs) else [])]]
        lines.append(["", *(count.rstrip(")") for count in counts[1:]), *[""] * (len(lines[0]) - len(names))])
        for row in rows:
            line = [entry.text + entry.note + ("*" if entry.bold else " ") for entry in row]
            if row[0].text in costs.index:
                cost = costs.loc[row[0].text]
                line += [f"{cost['median_ms']:.1f}", f"{cost['forwards']:g}"]
            lines.append(line + [""] * (len(lines[0]) - len(line)))
        text.append(f"{network} on {dataset}")
        for block in _folded(lines):
            text += [*block, ""]
    return "\n".join(text)


def _folded(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Align columns, and fold them into blocks of `TERMINAL_WIDTH`, each of which has the first column."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    blocks: list[list[int]] = [[]]
    for i, width in enumerate(widths[1:], 1):
        if blocks[-1] and sum(widths[j] + 2 for j in (0, *blocks[-1])) + width > TERMINAL_WIDTH:
            blocks.append([])
        blocks[-1].append(i)
    return [
        ["  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in block)]).rstrip() for line in lines]
        for block in blocks
    ]


def _short_entry(row: pd.Series, column: pd.DataFrame) -> Entry:
    half = (row["high"] - row["low"]) / 2
    form = _form(column["mean"])
    note = "" if np.isnan(half) else f" ±{form.format(half)}"
    return Entry(number(row["mean"], form), note, _is_best(row, column))


def _is_best(row: pd.Series, column: pd.DataFrame) -> bool:
    """Say whether a row has the best mean of its column; none has where the metric only describes maps."""
    if not judges(row["metric_id"]):
        return False
    best = column["mean"].max() if row["direction"] == "higher" else column["mean"].min()
    return bool(row["mean"] == best)
