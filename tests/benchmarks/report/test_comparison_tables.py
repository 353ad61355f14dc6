"""The tables of margins, resolutions and coverage: what stands out, and how it is spelled."""

from typing import Any

import pandas as pd
import pytest
from paper import CONTROLS, clear, known_controls, of_controls

from benchmarks.analysis.comparisons import compare_pairs, order_methods
from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.analysis.reliability import reliability_card
from benchmarks.report.comparison_tables import (
    coverage_table,
    headline_table,
    margin_tables,
    null_sentence,
    order_tables,
    resolution_table,
    with_leaders,
)
from benchmarks.report.tables import Entry, Table, latex, markdown, terminal

NAN = float("nan")
FAILURE = {"dataset": "scenes", "network": "net", "case": "case-1", "reason": "RuntimeError: no"}


def test_a_small_margin_has_as_many_decimals_as_it_needs() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.1], ("random", "", "insertion"): [0.50042, 0.10042]}
    found = measure_margins(of_controls(scores, controls={}))
    (table,) = margin_tables(found)
    assert table.rows[0][1].text == "-0.00042"


def test_the_tables_mark_what_a_null_wins() -> None:
    margins = measure_margins(known_controls())
    table, own = margin_tables(margins)
    assert (table.name, own.name) == ("nulls", "controls")
    assert list(map(str, table.header)) == ["method", "insertion ↑", "deletion ↓", "pointing ↑"]
    dash = "\N{EN DASH}"
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mint", "-0.025", "+0.300", "+1.000"],
        ["lime", "+0.025", dash, dash],
    ]
    assert [[entry.text for entry in row] for row in own.rows] == [
        ["mint", "-0.100", "+0.200", "+0.000"],
        ["lime", "+0.200", dash, dash],
    ]
    for each in (table, own):
        assert [[entry.bold for entry in row[1:]] for row in each.rows] == [[True, False, False], [False] * 3]
    assert own.rows[0][1].small == "±0.000 (blurred)"
    assert table.rows[1][1].small.endswith("(centre)")
    assert null_sentence(margins).startswith("Of 4 entries, a null method is better in 1 (1 supported) and level")
    assert "(0 supported)" in null_sentence(measure_margins(known_controls(pairs=1)))


def test_the_resolution_table_has_what_averaging_changes() -> None:
    (table,) = resolution_table(measure_resolution(known_controls(pairs=1)))
    assert list(map(str, table.header)) == ["method", "resolution", "insertion ↑"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mint", "7x7", "-0.150"],
        ["lime", "7x7", "-0.100"],
    ]
    assert table.rows[0][2].small == "±0.050"


def test_every_table_can_be_spelled() -> None:
    made = [*margin_tables(measure_margins(known_controls())), *resolution_table(measure_resolution(known_controls()))]
    assert len(made) == 3
    for table in made:
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert latex(table).isascii()
        assert len({line.count("|") for line in markdown(table).splitlines()}) == 1


def test_the_order_and_the_card_have_a_row_for_every_column() -> None:
    columns = [clear(), clear(metric="pointing", metric_id="Pointing()")]
    pairs = compare_pairs(columns)
    frames = {"comparisons": pairs, "orders": order_methods(columns, pairs), "reliability": reliability_card(columns)}
    order, card = order_tables(columns, {**frames, "scores": pairs})
    assert [entry.text for entry in order.rows[0]] == [
        "insertion ↑", "net", "best > middle = twin > worst", "5", "5, > 10,000, 5",
    ]  # fmt: skip
    assert order.rows[0][3].small == "(of 6)"
    assert [entry.text for entry in card.rows[1][:3]] == ["pointing ↑", "net", "20"]
    assert float(card.rows[1][3].text) == pytest.approx(50, abs=4)


def test_the_first_table_has_the_best_null_alone_and_marks_the_leading_group() -> None:
    columns = [clear(), clear(metric="pointing", metric_id="Pointing()", direction="lower")]
    columns += [clear(network="other")]
    pairs = compare_pairs(columns)
    rows = [
        {**each.place, "method": m, "null": m == "random", "mean": scores.mean(), "low": 0, "high": 1, "n": 20,
         "judges": True, "not_applicable": 0, "failed": 0}
        for each in columns for m, scores in each.scores.items()
    ]  # fmt: skip
    table = headline_table(with_leaders(pd.DataFrame(rows), columns, pairs))
    assert list(map(str, table.header)) == ["method", "network", "insertion ↑", "pointing ↓"]
    assert [row[0].text for row in table.rows] == [*["worst", "middle", "best", "twin", "best null"] * 2]
    assert [row[0].text for row in table.rows if row[2].bold] == ["best", "best"]
    assert [row[0].text for row in table.rows if row[3].bold] == ["best null"]
    assert table.rows[4][2].subject.method == "random"
    assert table.rows[6][3].text == "\N{EN DASH}"  # not measured there


def test_coverage_has_a_row_for_what_misses_a_score() -> None:
    records = of_controls(
        {("mint", "", "deletion"): [0.1, 0.2], ("mint", "blurred", "deletion"): [0.1, None]},
        controls={"blurred": CONTROLS["blurred"]},
        controlled=2,
        failures=[
            {**FAILURE, "method": "mint", "step": "map", "control": "blurred"},
            {**FAILURE, "method": "mint", "step": "timing", "reason": "MemoryError"},
        ],
    )
    (table,) = coverage_table(measure_coverage(records))
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mint: blurred", "net", "deletion", "2", "1", "0", "1", "RuntimeError: no (1)"],
        ["mint", "net", "timing", "1", "0", "0", "1", "MemoryError"],
    ]


def test_a_failure_on_a_case_without_controls_is_no_reason_of_theirs() -> None:
    lime = {("lime", "", "deletion"): [0.1, 0.2, 0.3], ("lime", "blurred", "deletion"): [0.1, 0.2]}
    scores: dict[Any, list[Any]] = lime | {
        ("mint", "", "deletion"): [0.1, None, None],
        ("mint", "blurred", "deletion"): [0.1, None],
    }
    failures = [{**FAILURE, "method": "mint", "step": "map", "case": f"case-{i}"} for i in (1, 2)]
    records = of_controls(scores, controls={"blurred": CONTROLS["blurred"]}, controlled=2, failures=failures)
    found = measure_coverage(records).query("method == 'mint'").set_index("control")
    assert list(found.loc["", ["failed", "reasons"]]) == [2, "RuntimeError: no (2)"]
    assert list(found.loc["blurred", ["failed", "reasons"]]) == [1, "RuntimeError: no (1)"]


def test_what_misses_alike_shares_a_row_and_a_picture_that_cannot_be_read_counts_for_all() -> None:
    methods = ["a", "b", "c", "d", "e", "f", "random"]
    records = of_controls(
        {(method, "", metric): [1.0, NAN, None] for method in methods for metric in ("pointing", "grid")},
        controls={},
        failures=[{**FAILURE, "method": "", "step": "data", "reason": "OSError: broken"}],
    )
    (table,) = coverage_table(measure_coverage(records))
    expected = ["3", "1", "1", "1", "OSError: broken (1)"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["all 7 methods", "net", "pointing", *expected],
        ["all 7 methods", "net", "grid", *expected],
    ]


def test_a_reason_can_hold_anything() -> None:
    failures = [
        {**FAILURE, "method": "mint", "step": "map", "reason": r"KeyError: <class 'a|b'> {x}^2 \~ $5 100% a < b"}
    ]
    records = of_controls({("mint", "", "deletion"): [0.1, None]}, controls={}, failures=failures)
    (table,) = coverage_table(measure_coverage(records))
    row = markdown(table).splitlines()[-1]
    assert row.count("|") - row.count(r"\|") == len(table.header) + 1
    assert r"\<class 'a\|b'>" in row
    assert " a < b" in row
    spelled = r"$<$class 'a$|$b'$>$ \{x\}\textasciicircum{}2 \textbackslash{}\textasciitilde{} \$5 100\% a $<$ b"
    assert spelled in latex(table)


def test_nothing_missing_makes_no_table() -> None:
    records = of_controls({("mint", "", "deletion"): [0.1, 0.2]}, controls={})
    assert coverage_table(measure_coverage(records)) == []


def test_long_names_of_metrics_take_several_lines_of_a_terminal() -> None:
    names = ["insertion - deletion", "energy-pointing", "CentreDistance"]
    table = Table("t", "t", ["method", *names], [[Entry("mint"), *map(Entry, (0.5, 0.5, 0.5))]])
    first, second, _ = terminal(table).splitlines()
    assert first.split() == ["insertion", "-", "energy-", "Centre"]
    assert second.split() == ["method", "deletion", "pointing", "Distance"]
