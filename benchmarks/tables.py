"""The tables of a report: scores, differences, costs. Knows no torch.

A `Table` holds entries; Markdown, LaTeX and the terminal only spell them differently.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import statistics
from benchmarks.records import Records, own_maps

ARROWS = {"higher": "↑", "lower": "↓"}
LATEX = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "\N{EN DASH}": "--", "±": r"$\pm$"} | {
    character: rf"\{character}" for character in "_%&#"
}


@dataclass(frozen=True)
class Entry:
    """One field of a table: its text, a note in small print behind it, and whether it stands out."""

    text: str
    note: str = ""
    bold: bool = False


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
        with its interval ``difference_low``, ``difference_high`` on the same resamples of pictures.
    """
    rows: list[dict[str, Any]] = []
    for setting in records.provenance["inputs"]["settings"]:
        dataset, network = setting["dataset"], setting["network"]["name"]
        scores = own_maps(records.scores)
        here = scores[(scores["dataset"] == dataset) & (scores["network"] == network)]
        for metric, about in setting["metrics"].items():
            for subset in about["subsets"]:
                chosen = here[(here["metric"] == metric) & (here["difficult"] | (subset == "all"))]
                place = {"dataset": dataset, "network": network, "metric": metric, "metric_id": about["id"]}
                place |= {"subset": subset, "direction": about["direction"], "average": about["average"]}
                for row in _method_rows(chosen, list(setting["methods"]), about["average"]):
                    missing = setting["cases"][subset] - row["n"]
                    row |= {"missing": missing, "failed": missing - row["not_applicable"]}
                    rows.append(place | row)
    return pd.DataFrame(rows)


def _method_rows(cases: pd.DataFrame, methods: list[str], average: str) -> list[dict[str, Any]]:
    pictures = pd.Index(cases["picture"].unique())
    draws = statistics.draw(len(pictures))
    found = {
        method: statistics.estimate(cases[cases["method"] == method], average, pictures, draws) for method in methods
    }
    first = found[methods[0]]
    rows = []
    for method, each in found.items():
        low, high = statistics.interval(each.replicates - first.replicates)
        row = {"method": method, "mean": each.mean, "low": each.low, "high": each.high}
        unscored = cases[(cases["method"] == method) & cases["score"].isna()]
        row |= {"not_applicable": len(unscored)}
        row |= {"n": each.n, "difference": each.mean - first.mean, "difference_low": low, "difference_high": high}
        rows.append(row)
    return rows


def score_tables(summary: pd.DataFrame) -> list[Table]:
    """Make one table for each dataset and network: a method a row, a metric a column, the best mean in bold."""

    def entry(row: pd.Series, column: pd.DataFrame) -> Entry:
        note = _bounds(row["low"], row["high"], "{:.3f}")
        if row["n"] < column["n"].max():
            note += f" ({row['n']} cases)"
        return Entry(_number(row["mean"], "{:.3f}"), note.strip(), _is_best(row, column))

    return [
        Table(f"{network}-on-{dataset}", f"{network} on {dataset}", *_wide(group, entry))
        for (dataset, network), group in summary.groupby(["dataset", "network"], sort=False)
    ]


def difference_tables(summary: pd.DataFrame) -> list[Table]:
    """Make the tables of differences from the first method; those whose interval leaves out 0 are bold."""

    def entry(row: pd.Series, _column: pd.DataFrame) -> Entry:
        low, high = row["difference_low"], row["difference_high"]
        return Entry(_number(row["difference"], "{:+.3f}"), _bounds(low, high, "{:+.3f}"), bool(low > 0 or high < 0))

    tables = []
    for (dataset, network), group in summary.groupby(["dataset", "network"], sort=False):
        first = group["method"].iloc[0]
        others = group[group["method"] != first]
        if len(others):
            title = f"{network} on {dataset}: each method minus {first}"
            tables.append(Table(f"{network}-on-{dataset}-minus-{first}", title, *_wide(others, entry)))
    return tables


def _wide(
    group: pd.DataFrame, entry: Callable[[pd.Series, pd.DataFrame], Entry]
) -> tuple[list[str], list[list[Entry]]]:
    """Lay the rows of a summary out: methods down, metrics and their subsets across."""
    header = ["method"]
    columns = []
    for (metric, subset), column in group.groupby(["metric", "subset"], sort=False):
        alone = group[group["metric"] == metric]["subset"].nunique() == 1
        name = metric if alone else f"{metric}, {subset}"
        header.append(f"{name} {ARROWS[column['direction'].iloc[0]]} ({column['n'].max()} cases)")
        columns.append([entry(row, column) for _, row in column.iterrows()])
    methods = [Entry(method) for method in group["method"].unique()]
    return header, [list(row) for row in zip(methods, *columns, strict=True)]


def cost_table(timings: pd.DataFrame) -> Table:
    """Make the table of what each method costs on each network; every row names the device."""
    header = ["network", "method", "ms a picture", "forwards", "backwards", "peak memory (MB)", "device"]
    rows = [
        [
            Entry(row["network"]),
            Entry(row["method"]),
            Entry(f"{row['median_ms']:.1f}", f"IQR {row['iqr_ms']:.1f}"),
            Entry(f"{row['forwards']:g}"),
            Entry(f"{row['backwards']:g}"),
            Entry(_number(row["peak_memory_mb"], "{:.0f}")),
            Entry(row["device"]),
        ]
        for _, row in timings.iterrows()
    ]
    return Table("cost", "Cost", header, rows)


def _number(value: float, form: str) -> str:
    return "\N{EN DASH}" if np.isnan(value) else form.format(value)


def _bounds(low: float, high: float, form: str) -> str:
    return "" if np.isnan(low) else f"[{form.format(low)}, {form.format(high)}]"


def markdown(table: Table) -> str:
    """Spell a table in GitHub's Markdown."""

    def spell(entry: Entry) -> str:
        text = f"**{entry.text}**" if entry.bold else entry.text
        return f"{text} {entry.note}".strip()

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
    """Spell scores and costs in aligned columns: ± is half the interval's width, * the best of its column."""
    text = []
    for (dataset, network), group in summary.groupby(["dataset", "network"], sort=False):
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
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text.append(f"{network} on {dataset}")
        for line in lines:
            fields = [field.rjust(width) for field, width in zip(line, widths, strict=True)]
            text.append("  ".join([line[0].ljust(widths[0]), *fields[1:]]).rstrip())
        text.append("")
    return "\n".join(text)


def _short_entry(row: pd.Series, column: pd.DataFrame) -> Entry:
    half = (row["high"] - row["low"]) / 2
    return Entry(_number(row["mean"], "{:.3f}"), "" if np.isnan(half) else f" ±{half:.3f}", _is_best(row, column))


def _is_best(row: pd.Series, column: pd.DataFrame) -> bool:
    best = column["mean"].max() if row["direction"] == "higher" else column["mean"].min()
    return bool(row["mean"] == best)
