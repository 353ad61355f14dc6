"""Rows of a table that grows while a run goes on, kept by column: a tenth of what as many dictionaries take."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd


class Rows(Sequence[Mapping[str, Any]]):
    """Rows with the same names; each is given, and given back, as a mapping."""

    def __init__(self, names: Iterable[str]) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in names}

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; what it lacks is None, and other names are refused by a KeyError."""
        for name in row:
            self.columns[name]
        for name, column in self.columns.items():
            column.append(row.get(name))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: Any) -> Any:
        """Return one row, or a list of rows."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return {name: column[index] for name, column in self.columns.items()}

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table."""
        return pd.DataFrame(self.columns)
