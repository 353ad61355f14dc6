"""Tables whose entries are values, and how Markdown, LaTeX and the terminal spell them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.analysis.scores import Column
from benchmarks.report.numbers import counted, form_of, interval, number
from benchmarks.results.records import rows_of

TERMINAL_WIDTH = 118
UNSTEADY = "\N{DAGGER}"
"""Marks a method whose second call gave another map."""
ARROWS = {"higher": "↑", "lower": "↓"}
LATEX = str.maketrans(
    {UNSTEADY: r"\dag{}"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "\N{EN DASH}": "--", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {character: f"${character}$" for character in "<>|"}
    | {character: rf"\{character}" for character in "_%&#${}"}
)


@dataclass(frozen=True)
class Metric:
    """A metric, as the head of a column or of a row names it: its title, else its name, and how many cases it has."""

    name: str
    direction: str
    subset: str = "all"
    title: str = ""
    cases: int | None = None

    def __str__(self) -> str:
        return f"{self.title or self.name} {ARROWS[self.direction]}"

    @property
    def note(self) -> str:
        """The number of cases, in words."""
        return "" if self.cases is None else f"({counted(self.cases)})"


@dataclass(frozen=True)
class Subject:
    """Whose scores an entry is about, under which metric, and what they are compared with, case by case.

    The ``kind`` is "score", the score alone; "difference", the method's minus the other's; "margin", by how much the
    method's is better; or "change", the other's minus the method's. The ``other`` is a method or, if it is made from
    the method's ``own`` map, a derived control.
    """

    method: str
    metric: str
    subset: str = "all"
    kind: str = "score"
    other: str = ""
    own: bool = False


@dataclass(frozen=True)
class Entry:
    """One field of a table: words, a metric, or a number, which is NaN where there is none.

    Numbers have a ``form``, and an interval from ``low`` to ``high``, unless these are NaN; the interval may be that of
    a ``change``, with a form of its own. ``missing`` says why there is no number. A ``note`` is in small print behind
    the value. What is ``bold`` is the best, or supported. The ``subject`` names the pictures behind the number.
    """

    value: str | float | Metric
    note: str = ""
    bold: bool = False
    form: str = ".3f"
    low: float = np.nan
    high: float = np.nan
    change: float = np.nan
    change_form: str = ""
    missing: str = ""
    subject: Subject | None = None

    @property
    def number(self) -> float | None:
        """The number, None where there is none."""
        known = isinstance(self.value, (int, float)) and not np.isnan(self.value)
        return float(self.value) if known else None  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The value, in words."""
        if isinstance(self.value, (str, Metric)):
            return str(self.value)
        form = "d" if isinstance(self.value, (int, np.integer)) else self.form
        return self.missing if self.missing and self.number is None else number(self.value, form)

    @property
    def spread(self) -> str:
        """The change, if there is one, and the interval."""
        form = self.change_form or self.form
        change = "" if np.isnan(self.change) else number(self.change, form)
        return f"{change} {interval(self.low, self.high, form)}".strip()

    @property
    def small(self) -> str:
        """All that is behind the value."""
        note = self.value.note if isinstance(self.value, Metric) else ""
        return " ".join(filter(None, (self.spread, note, self.note)))


@dataclass(frozen=True)
class Table:
    """A table of a setting, its dataset and network, or of several; every row has as many entries as the header.

    Name and title, which may be empty, distinguish it from the other tables of its setting.
    """

    name: str
    title: str
    header: Sequence[str | Metric]
    rows: Sequence[Sequence[Entry]]
    place: tuple[str, str] | None = None

    @property
    def file(self) -> str:
        """What its files are called, without the ending."""
        return "-".join(filter(None, (stem(self.place), self.name))) if self.place else self.name

    @property
    def caption(self) -> str:
        """The title with the setting."""
        return ": ".join(filter(None, (where(self.place), self.title))) if self.place else self.title


def where(place: tuple[str, str]) -> str:
    """Name a setting, given as (dataset, network)."""
    return f"{place[1]} on {place[0]}"


def stem(place: tuple[str, str]) -> str:
    """Name the files of a setting."""
    return where(place).replace(" on ", "-on-")


def place_of(frame: pd.DataFrame) -> tuple[str, str]:
    """Return the setting of rows that are all of one."""
    return frame["dataset"].iloc[0], frame["network"].iloc[0]


def by_setting(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Go through the settings of a table, with their rows."""
    for (dataset, network), group in frame.groupby(["dataset", "network"], sort=False):
        yield (str(dataset), str(network)), group


def by_metric(group: pd.DataFrame, among: pd.DataFrame | None = None) -> Iterator[tuple[Metric, pd.DataFrame]]:
    """Go through one setting's metrics and subsets, with their rows.

    A title says the subset if ``among``, by default the rows themselves, have several of the metric.
    """
    subsets = (group if among is None else among).groupby("metric")["subset"].nunique()
    for key, column in group.groupby(["metric", "subset"], sort=False):
        metric, subset = map(str, key)
        title = metric if subsets[metric] == 1 else f"{metric}, {subset}"
        yield Metric(metric, column["direction"].iloc[0], subset, title), column


def named(columns: Sequence[Column]) -> list[tuple[Metric, Column]]:
    """Name the columns of one setting: the metric, and the subset where the metric has several."""
    places = pd.DataFrame([column.place for column in columns])
    return [(metric, column) for (metric, _), column in zip(by_metric(places), columns, strict=True)]


def method_entries(group: pd.DataFrame) -> list[Entry]:
    """Name the methods of a summary, those that are not deterministic with their mark."""
    unsteady = _unsteady(group)
    return [Entry(method, UNSTEADY if method in unsteady else "") for method in group["method"].unique()]


def notes(summary: pd.DataFrame) -> list[str]:
    """Say under a table what its marks mean; empty where there are none."""
    said = "not deterministic: called again for one picture, the method gave another map, so another run differs."
    return [f"{UNSTEADY} {said}"] if _unsteady(summary) else []


def _unsteady(group: pd.DataFrame) -> set[str]:
    return set(group["method"][~group["deterministic"].astype(bool)]) if "deterministic" in group else set()


def score_tables(summary: pd.DataFrame) -> list[Table]:
    """Make a setting's tables of means: a method a row, a metric a column, the best mean in bold.

    Of metrics that measure the same with other settings, the first. Where every metric is averaged over the difficult
    cases as well, these have a table of their own.
    """
    group = summary[summary["headline"]]
    together = group.groupby("metric")["subset"].nunique().eq(1).any()
    made = []
    for subset in ["all"] if together else group["subset"].unique():
        part = group if together else group[group["subset"] == subset]
        name, title = ("", "") if subset == "all" else (subset, f"the {subset} cases alone")
        made.append(Table(name, title, *_wide(part, _score_entries, among=group), place_of(part)))
    return made


def _score_entries(metric: Metric, column: pd.DataFrame) -> list[Entry]:
    form, most = form_of(column["mean"]), column["n"].max()
    best = column["mean"].max() if metric.direction == "higher" else column["mean"].min()
    entries = []
    for row in column.to_dict("records"):
        bold = bool(row["judges"] and row["mean"] == best)
        note = f"({counted(row['n'])})" if row["n"] < most else ""
        why = "does not apply" if row["not_applicable"] else "failed" if row["failed"] else "no such case"
        subject = Subject(row["method"], metric.name, metric.subset)
        entries.append(Entry(row["mean"], note, bold, form, row["low"], row["high"], missing=why, subject=subject))
    return entries


def setting_tables(summary: pd.DataFrame) -> list[Table]:
    """Make a setting's table of the metrics left out of the first, a row each; means alone."""
    group = summary[~summary["headline"]]
    rows = []
    for metric, column in by_metric(group):
        entries = [replace(entry, note="", low=np.nan) for entry in _score_entries(metric, column)]
        rows.append([Entry(metric), *entries])
    header = ["metric", *group["method"].unique()]
    return [Table("settings", "the same measures with other settings", header, rows, place_of(group))] if rows else []


def difference_tables(pairs: pd.DataFrame) -> list[Table]:
    """Make a setting's table of differences from the first method, of compared pairs; bold: supported."""
    group = pairs[pairs["headline"]]
    if group.empty:
        return []
    first = group["first"].iloc[0]

    def entries(metric: Metric, column: pd.DataFrame) -> list[Entry]:
        # Pairs are first minus second; the table is the other way round. A digit less than scores have.
        form = form_of(10 * column["difference"], sign="+")
        made = []
        for row in column.to_dict("records"):
            subject = Subject(row["method"], metric.name, metric.subset, "difference", first)
            values = (0 - row["high"], 0 - row["low"])
            made.append(Entry(0 - row["difference"], "", bool(row["better"]), form, *values, subject=subject))
        return made

    others = group[group["first"] == first].rename(columns={"second": "method", "cases": "n"})
    title = f"each method minus {first} (bold: supported)"
    return [Table(f"minus-{first}", title, *_wide(others, entries), place_of(group))]


def _wide(
    group: pd.DataFrame, entries: Callable[[Metric, pd.DataFrame], list[Entry]], among: pd.DataFrame | None = None
) -> tuple[list[str | Metric], list[list[Entry]]]:
    """Lay the rows of a summary out: methods down, metrics and their subsets across."""
    header: list[str | Metric] = ["method"]
    columns = [method_entries(group)]
    for metric, column in by_metric(group, among):
        header.append(replace(metric, cases=int(column["n"].max())))
        columns.append(entries(metric, column))
    return header, [list(row) for row in zip(*columns, strict=True)]


def cost_table(timings: pd.DataFrame) -> Table:
    """Make the table of what each method costs on each network; every row names the device."""
    header = ["network", "method", "ms a picture", "forwards", "backwards", "peak memory (MB)", "device"]
    rows = []
    for row in timings.to_dict("records"):
        note = f"IQR {row['iqr_ms']:.1f}" if row["repeats"] > 1 else "one call"
        counts = [Entry(row[name], form="g") for name in ("forwards", "backwards")]
        costs = [Entry(row["median_ms"], note, form=".1f"), *counts, Entry(row["peak_memory_mb"], form=".0f")]
        rows.append([Entry(row["network"]), Entry(row["method"]), *costs, Entry(row["device"])])
    return Table("cost", "Cost", header, rows)


def markdown(table: Table) -> str:
    """Spell a table in GitHub's Markdown."""

    def spell(entry: Entry) -> str:
        text = f"**{entry.text}**" if entry.bold else entry.text
        # The reason of a failure can hold anything: neither columns nor tags are to come of it.
        return re.sub(r"[|]|<(?=[a-zA-Z/!])", r"\\\g<0>", f"{text} {entry.small}".strip())

    header = [spell(Entry(name)) for name in table.header]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *([spell(entry) for entry in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: Table) -> str:
    """Spell a table in LaTeX; it needs the package booktabs."""

    def spell(entry: Entry) -> str:
        text = entry.text.translate(LATEX)
        text = rf"\textbf{{{text}}}" if entry.bold else text
        return rf"{text} {{\scriptsize {entry.small.translate(LATEX)}}}" if entry.small else text

    texts = pd.DataFrame(
        [[spell(entry) for entry in row] for row in table.rows], columns=[spell(Entry(name)) for name in table.header]
    )
    layout, caption = "l" + "r" * (len(table.header) - 1), table.caption.translate(LATEX)
    style = texts.style.hide(axis="index")
    return str(style.to_latex(hrules=True, column_format=layout, caption=caption, position_float="centering"))


def terminal(summary: pd.DataFrame, timings: pd.DataFrame) -> str:
    """Spell scores and costs in aligned columns: ± is half the interval's width, * the best of its column.

    Tables that are wider than `TERMINAL_WIDTH` go on below.
    """
    text = []
    for place, group in by_setting(summary[summary["headline"]]):
        header, rows = _wide(group, _score_entries)
        columns = {
            (str(name), Entry(name).small.strip("()")): [_short(row[i]) for row in rows]
            for i, name in enumerate(header[1:], 1)
        }
        methods = [row[0].text for row in rows]
        names = [f"{row[0].text} {row[0].small}".strip() for row in rows]
        costs = rows_of(timings, place).set_index("method")
        for name, form in (("median_ms", ".1f"), ("forwards", "g")) if len(costs) else ():
            found = costs[name].reindex(methods)
            columns[name.removeprefix("median_"), ""] = [number(value, form) for value in found]
        table = pd.DataFrame(columns, index=names).to_string(line_width=TERMINAL_WIDTH)
        text.append("\n".join([where(place), table, *notes(group), ""]))
    return "\n".join(text)


def _short(entry: Entry) -> str:
    spread = "" if np.isnan(entry.low) else f" ±{(entry.high - entry.low) / 2:{entry.form}}"
    return f"{entry.text}{spread}{'*' if entry.bold else ' '}"
