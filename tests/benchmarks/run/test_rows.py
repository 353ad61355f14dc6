import tracemalloc

import numpy as np
import pytest
from small_runs import rows_in

from benchmarks.results.records import RECORD_COLUMNS
from benchmarks.run import rows as rows_module
from benchmarks.run.rows import Rows


def test_rows_come_back_as_they_were_given() -> None:
    rows = Rows(("case", "score"))
    given = [{"case": "a", "score": 0.5}, {"score": 1.5, "case": "b"}, {"case": "c"}]
    for row in given:
        rows.append(row)
    assert len(rows) == 3
    np.testing.assert_equal(rows_in(rows), [given[0], given[1], {"case": "c", "score": np.nan}])


def test_a_name_that_the_table_lacks_is_refused() -> None:
    rows = Rows(("case",))
    with pytest.raises(KeyError, match="scores"):
        rows.append({"case": "a", "scores": 1.0})
    assert len(rows) == 0


def test_arrays_and_absent_values_come_back_over_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "CHUNK", 7)
    names = ("method", "score", "target", "difficult", "fractions", "values")
    rows, given = Rows(names), []
    for number in range(40):
        values = np.arange(number % 3, dtype=np.float32)
        row = {"method": f"m{number % 9}", "score": number / 4, "target": number % 5, "difficult": number % 2 == 0}
        given.append({**row, "fractions": np.linspace(0, 1, 2 + number % 2), "values": values})
        rows.append(given[-1])
    frame = rows.frame()
    assert list(frame.columns) == list(names)
    assert frame["method"].tolist() == [row["method"] for row in given]
    assert (frame["target"].dtype, frame["difficult"].dtype, frame["score"].dtype) == (np.int64, bool, np.float64)
    assert frame["score"].tolist() == [row["score"] for row in given]
    assert frame["target"].tolist() == [row["target"] for row in given]
    assert frame["difficult"].tolist() == [row["difficult"] for row in given]
    assert frame["fractions"].tolist() == [tuple(row["fractions"].tolist()) for row in given]
    assert [list(each) for each in frame["values"]] == [row["values"].tolist() for row in given]


def test_a_first_value_that_is_absent_does_not_change_the_others() -> None:
    rows = Rows(("memory", "network"))
    for memory, network in ((None, "a"), (1.5, None)):
        rows.append({"memory": memory, "network": network})
    frame = rows.frame()
    assert frame["memory"].dtype == np.float64
    np.testing.assert_equal(frame["memory"].tolist(), [np.nan, 1.5])
    assert frame["network"].isna().tolist() == [False, True]


def test_a_row_takes_few_bytes() -> None:
    rows = Rows(RECORD_COLUMNS)
    names = {name: name for name in RECORD_COLUMNS}
    tracemalloc.start()
    for number in range(100_000):
        case = f"case-{number // 20:06d}"
        rows.append({**names, "case": case, "picture": case, "target": number % 12, "score": number / 7})
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Some 25 bytes a row, the names of 5,000 cases and pictures, and a chunk of Python objects.
    assert size < 12_000_000
