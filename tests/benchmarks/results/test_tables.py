from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.results.tables import joined, read_table, stacked, write_table
from benchmarks.run.rows import Rows

ROWS = 1000


@pytest.fixture
def curves() -> pd.DataFrame:
    rows = Rows(("method", "case", "fractions", "values"))
    for number in range(ROWS):
        fractions = np.linspace(0, 1, 3 + number % 2, dtype=np.float32)
        values = np.full(3 + number % 2, number, np.float32)
        rows.append({"method": "ab"[number % 2], "case": f"case {number}", "fractions": fractions, "values": values})
    return rows.frame()


def test_tables_survive_the_disk_and_other_readers_see_plain_columns(curves: pd.DataFrame, tmp_path: Path) -> None:
    write_table(curves, tmp_path / "one.parquet")
    plain = pd.read_parquet(tmp_path / "one.parquet")
    assert plain["method"].dtype == "str"
    assert plain["fractions"].iloc[1].dtype == plain["values"].iloc[1].dtype == np.float32
    plain.to_parquet(tmp_path / "two.parquet", index=False)
    for name in ("one", "two"):
        found = read_table(tmp_path / f"{name}.parquet")
        assert list(found.columns) == list(curves.columns)
        assert found["method"].tolist() == curves["method"].tolist()
        assert len(found["fractions"].cat.categories) == 2
        assert found["fractions"].iloc[1] == tuple(np.linspace(0, 1, 4, dtype=np.float32).tolist())
        for each in (stacked(found["values"][1::2]), stacked(curves["values"][1::2]), np.stack(plain["values"][1::2])):
            np.testing.assert_array_equal(each, np.arange(1, ROWS, 2)[:, None] * np.ones(4))


def test_tables_are_small(curves: pd.DataFrame) -> None:
    assert curves[["method", "fractions"]].memory_usage(index=False).sum() < 3 * ROWS
    assert curves["values"].memory_usage(index=False) < (4 * 4 + 8) * ROWS + 100


def test_tables_of_other_names_are_joined(curves: pd.DataFrame) -> None:
    other = curves.assign(method=pd.Categorical(["c"] * ROWS))
    found = joined([curves, other])
    assert found["method"].tolist() == [*"ab" * (ROWS // 2), *"c" * ROWS]
    assert isinstance(found["fractions"].dtype, pd.CategoricalDtype)
    assert found["method"].dtype.categories.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(stacked(found["values"][ROWS::2])[:, 0], np.arange(0, ROWS, 2))


def test_tables_without_rows_are_read(tmp_path: Path) -> None:
    write_table(pd.DataFrame(columns=["method", "score"]), tmp_path / "none.parquet")
    assert list(read_table(tmp_path / "none.parquet").columns) == ["method", "score"]
