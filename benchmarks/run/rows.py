"""Rows of a table that grows while a run goes on, kept by column: some 25 bytes a row, and a curve's values."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results.tables import FRACTIONS, lists_of, named

CHUNK = 65_536
"""So many entries of a column are at hand as Python objects."""


class Rows:
    """Rows with the same names; each is given as a mapping, and all are given back as a table.

    Whatever may come again (names, numbers of classes, the fractions of a curve) is kept once, and each row has its
    number, in as few bytes as there are different ones.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.columns: dict[str, Any] = dict.fromkeys(names)  # `_Known`, `_Numbers` or `_Arrays` from the first row on
        self.length = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; what it lacks is None, and other names are refused by a KeyError."""
        for name in row:
            self.columns[name]
        for name, column in self.columns.items():
            value = row.get(name)
            if column is None:
                column = self.columns[name] = _kind(name, value)()
            column.append(value)
        self.length += 1

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.length

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table, as `benchmarks.results.records` has them."""
        columns: dict[str, Any] = {
            name: [] if column is None else column.series() for name, column in self.columns.items()
        }
        return pd.DataFrame(columns)


def _kind(name: str, value: Any) -> "type[_Known | _Numbers | _Arrays]":
    if isinstance(value, np.ndarray) and name != FRACTIONS:
        return _Arrays
    return _Numbers if isinstance(value, float) else _Known


class _Known:
    """Values that come again, each by its number."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.values: list[Any] = []
        self.full: list[np.ndarray] = []
        self.latest: list[int] = []

    def append(self, value: Any) -> None:
        key = (value.dtype.str, value.tobytes()) if isinstance(value, np.ndarray) else value
        number = self.numbers.setdefault(key, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        self.latest.append(number)
        if len(self.latest) == CHUNK:
            self.full.append(np.array(self.latest, np.min_scalar_type(len(self.values))))
            self.latest = []

    def series(self) -> Any:
        """Return names and arrays as categories, and numbers as they are."""
        numbers = np.concatenate([*self.full, np.array(self.latest, np.min_scalar_type(len(self.values)))])
        if any(isinstance(value, (str, np.ndarray)) for value in self.values):
            return named(numbers, self.values)
        return pd.Series(self.values).to_numpy()[numbers]


class _Numbers:
    """Numbers; NaN where there is none."""

    def __init__(self) -> None:
        self.values = array("d")

    def append(self, value: float | None) -> None:
        self.values.append(np.nan if value is None else value)

    def series(self) -> np.ndarray:
        return np.array(self.values)


class _Arrays:
    """Arrays of one axis, all of one type, one behind the other."""

    def __init__(self) -> None:
        self.values = array("B")
        self.ends = array("q", [0])
        self.dtype = np.dtype("float32")

    def append(self, value: np.ndarray) -> None:
        self.dtype = value.dtype
        self.values.frombytes(value.tobytes())
        self.ends.append(len(self.values) // self.dtype.itemsize)

    def series(self) -> Any:
        return lists_of(np.array(self.ends), np.frombuffer(self.values.tobytes(), self.dtype))
