import pytest

from benchmarks.run.rows import Rows


def test_rows_come_back_as_they_were_given() -> None:
    rows = Rows(("case", "score"))
    given = [{"case": "a", "score": 0.5}, {"score": 1.5, "case": "b"}, {"case": "c"}]
    for row in given:
        rows.append(row)
    assert len(rows) == 3
    assert list(rows) == [given[0], given[1], {"case": "c", "score": None}]
    assert rows[-1]["case"] == "c"
    assert rows[:2] == given[:2]
    assert rows.frame()["score"].tolist()[:2] == [0.5, 1.5]


def test_a_name_that_the_table_lacks_is_refused() -> None:
    rows = Rows(("case",))
    with pytest.raises(KeyError, match="scores"):
        rows.append({"case": "a", "scores": 1.0})
    assert len(rows) == 0
