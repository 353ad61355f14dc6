"""Tables whose entries are values, and how Markdown, LaTeX and the terminal spell them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.scores import Column, titled
from benchmarks.report.numbers import counted, number
from benchmarks.results.records import rows_of

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
Place = tuple[str, str]
"""A setting: data set and network."""


@dataclass(frozen=True)
class Metric:
    """A metric, as the head of a column or of a row names it: its title, else its name, and how many cases it has."""

    name: str
    direction: str
    subset: str = "all"
    title: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self.title or self.name} {ARROWS[self.direction]}"


@dataclass(frozen=True)
class Subject:
    """Whose scores an entry is about, under which metric, and what they are compared with, case by case.

    The ``kind`` is "score", the score alone; "difference", the method's minus the other's; "margin", by how much the
    method's is better; or "change", the other's minus the method's. The ``other`` is a method or, if it is made from
    the method's ``own`` map, a derived control.
    """

    place: Place
    method: str
    metric: str
    subset: str = "all"
    kind: str = "score"
    other: str = ""
    own: bool = False


@dataclass(frozen=True)
class Entry:
    """One field of a table: words, a metric, or a number, which is NaN where there is none.

    Numbers have a ``form``, and an interval from ``low`` to ``high``, unless these are NaN; ``missing`` says why there
    is no number. A ``note`` is in small print behind the value. What is ``bold`` is among the best, or supported. The
    ``subject`` names the pictures behind the number.
    """

    value: str | float | Metric
    note: str = ""
    bold: bool = False
    form: str = ".3f"
    low: float = np.nan
    high: float = np.nan
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
    def small(self) -> str:
        """All that is behind the value: half of the interval's width, and the note."""
        spread = "" if np.isnan(self.low) else f"±{(self.high - self.low) / 2:{self.form.replace('+', '')}}"
        note = self.value.note if isinstance(self.value, Metric) else self.note
        return " ".join(filter(None, (spread, f"({note})" if note else "")))


@dataclass(frozen=True)
class Table:
    """A table; every row has as many entries as the header. The name is that of its file, and unique in a report."""

    name: str
    title: str
    header: Sequence[str | Metric]
    rows: Sequence[Sequence[Entry]]


Block = Callable[[Metric, pd.DataFrame], list[Entry]]
"""Makes a metric's entries of its rows, in their order."""


def place_of(row: Mapping[Any, Any]) -> Place:
    """Return the setting of a row."""
    return str(row["dataset"]), str(row["network"])


def settings_of(frame: pd.DataFrame) -> dict[Place, str]:
    """Name the settings of a frame: by their networks, where all are of one data set."""
    places = list(dict.fromkeys(zip(frame["dataset"].astype(str), frame["network"].astype(str), strict=True)))
    alone = len({dataset for dataset, _ in places}) < 2
    return {place: place[1] if alone else where(place) for place in places}


def head(column: Column) -> Metric:
    """Name a column."""
    return Metric(column.metric, column.direction, column.subset, column.title)


def stem(place: Place) -> str:
    """Name the files of a setting."""
    return where(place).replace(" on ", "-on-")


def where(place: Place) -> str:
    """Name a setting in full."""
    return f"{place[1]} on {place[0]}"


def by_setting(frame: pd.DataFrame) -> Iterator[tuple[Place, pd.DataFrame]]:
    """Go through the settings of a table, with their rows."""
    for (dataset, network), group in frame.groupby(["dataset", "network"], sort=False):
        yield (str(dataset), str(network)), group


def by_metric(frame: pd.DataFrame) -> Iterator[tuple[Metric, pd.DataFrame]]:
    """Go through metrics and subsets, with their rows."""
    for key, column in frame.groupby(["metric", "subset"], sort=False):
        metric, subset = map(str, key)
        yield Metric(metric, column["direction"].iloc[0], subset, titled(metric, subset)), column


def notes(summary: pd.DataFrame) -> list[str]:
    """Say under a table what its marks mean; empty where there are none."""
    said = "not deterministic: called again for one picture, the method gave another map, so another run differs."
    return [] if summary["deterministic"].all() else [f"{UNSTEADY} {said}"]


def marked(method: str, rows: pd.DataFrame) -> str:
    """Name a method, with its mark if it is not deterministic in some of the rows."""
    unsteady = "deterministic" in rows and method in {*rows["method"][~rows["deterministic"].astype(bool)]}
    return f"{method} {UNSTEADY}" if unsteady else method


def wide(name: str, title: str, frame: pd.DataFrame, entries: Block, keys: Sequence[str] = ("method",)) -> Table:
    """Lay the rows of all settings out: keys and networks down, metrics and their subsets across.

    The networks have a column of their own where there are several. What a metric was not measured on is empty.
    """
    index = ["dataset", "network", *keys]
    names = settings_of(frame)
    header: list[str | Metric] = [*keys]
    rows = {
        key: [Entry(str(each)) for each in key[2:]] for key in frame[index].drop_duplicates().itertuples(index=False)
    }
    for (dataset, network, method, *_), row in rows.items():
        row[0] = Entry(marked(method, rows_of(frame, (dataset, network))))
    if len(names) > 1:
        header.insert(1, "network")
        for key, row in rows.items():
            row.insert(1, Entry(names[key[:2]]))
    for metric, column in by_metric(frame):
        counts = [counted(int(most)) for most in column.groupby(["dataset", "network"])["n"].max().unique()]
        header.append(replace(metric, note=" or ".join(counts) if len(counts) < 3 else ""))
        found = dict(zip(column[index].itertuples(index=False), entries(metric, column), strict=True))
        for key, row in rows.items():
            row.append(found.get(key, Entry(np.nan)))
    return Table(name, title, header, list(rows.values()))


def markdown(table: Table) -> str:
    """Spell a table in GitHub's Markdown; columns of numbers are on the right."""

    def spell(entry: Entry) -> str:
        text = f"**{entry.text}**" if entry.bold else entry.text
        # The reason of a failure can hold anything: neither columns nor tags are to come of it.
        return re.sub(r"[|]|<(?=[a-zA-Z/!])", r"\\\g<0>", f"{text} {entry.small}".strip())

    header = [spell(Entry(name)) for name in table.header]
    rules = ["---:" if is_numeric(table, i) else "---" for i in range(len(header))]
    lines = [header, rules, *([spell(entry) for entry in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def is_numeric(table: Table, column: int) -> bool:
    """Say whether a column holds numbers."""
    return any(row[column].number is not None for row in table.rows)


def latex(table: Table) -> str:
    """Spell a table in LaTeX; it needs the package booktabs."""

    def spell(entry: Entry) -> str:
        text = entry.text.translate(LATEX)
        text = rf"\textbf{{{text}}}" if entry.bold else text
        return rf"{text} {{\scriptsize {entry.small.translate(LATEX)}}}" if entry.small else text

    texts = pd.DataFrame(
        [[spell(entry) for entry in row] for row in table.rows], columns=[spell(Entry(name)) for name in table.header]
    )
    layout = "".join("r" if is_numeric(table, i) else "l" for i in range(len(table.header)))
    style, caption = texts.style.hide(axis="index"), table.title.translate(LATEX)
    return str(style.to_latex(hrules=True, column_format=layout, caption=caption, position_float="centering"))


BREAKS = r"(?<=-)(?=\w)|(?<=,) |(?<= -) |(?<=[a-z])(?=[A-Z])"
"""Where a head may go on in the next line: "energy-|pointing", "insertion -|deletion", "Border|Share"."""


def terminal(table: Table) -> str:
    """Spell a table in aligned columns: * instead of bold, no intervals, and heads of several short lines."""
    heads = [re.split(BREAKS, str(name)) for name in table.header]
    most, columns = max(map(len, heads)), []
    for i, head in enumerate(heads):
        right = is_numeric(table, i)
        texts = [*[""] * (most - len(head)), *head]
        # The star has a place of its own, so that numbers stand below one another.
        texts = [text + " " * right for text in texts]
        texts += [f"{row[i].text}{'*' if row[i].bold else ' ' * right}" for row in table.rows]
        width = max(map(len, texts))
        columns.append([text.rjust(width) if right else text.ljust(width) for text in texts])
    return "\n".join(" ".join(line).rstrip() for line in zip(*columns, strict=True))
