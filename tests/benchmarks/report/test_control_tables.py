"""The tables of margins, resolutions and coverage: what stands out, and how it is spelled."""

from paper import CONTROLS, known_controls, of_controls

from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.report.control_tables import coverage_tables, margin_tables, resolution_tables
from benchmarks.report.tables import latex, markdown

NAN = float("nan")
FAILURE = {"dataset": "scenes", "network": "net", "case": "case-1", "reason": "RuntimeError: no"}


def test_a_small_margin_has_as_many_decimals_as_it_needs() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.1], ("random", "", "insertion"): [0.50042, 0.10042]}
    found = measure_margins(of_controls(scores, controls={}))
    (table,) = margin_tables(found)
    assert table.rows[0][1].text == "-0.00042"


def test_the_tables_flag_a_metric_that_a_null_wins() -> None:
    table, own = margin_tables(measure_margins(known_controls()))
    assert (table.file, own.file) == ("net-on-scenes-margins", "net-on-scenes-own-margins")
    assert list(table.header) == list(own.header) == ["metric", "mint", "lime", "does it win?"]
    dash = "\N{EN DASH}"
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["insertion ↑", "-0.025", "+0.025", "yes, over 1 of 2"],
        ["deletion ↓", "+0.300", dash, "no"],
        ["pointing ↑", "+1.000", dash, "no"],
    ]
    assert [[entry.text for entry in row] for row in own.rows] == [
        ["insertion ↑", "-0.100", "+0.200", "yes, over 1 of 2"],
        ["deletion ↓", "+0.200", dash, "no"],
        ["pointing ↑", "+0.000", dash, "level with 1 of 1"],
    ]
    for each in (table, own):
        bold = [[entry.bold for entry in row[1:]] for row in each.rows]
        assert bold == [[True, False, True], [False] * 3, [False] * 3]
        assert each.rows[0][3].note == "(clearly over 1)"
    assert own.rows[0][1].small == "[-0.100, -0.100] over own blurred"
    assert table.rows[0][2].small.endswith("] over centre")


def test_the_resolution_table_has_the_best_of_each_resolution_in_bold() -> None:
    table, *rest = resolution_tables(measure_resolution(known_controls(pairs=1)))
    assert rest == []
    assert list(table.header) == ["metric", "method", "as it is", "7x7"]
    insertion = [[entry.text for entry in row] for row in table.rows[:2]]
    assert insertion == [["insertion ↑", "mint", "0.550", "0.400"], ["insertion ↑", "lime", "0.600", "0.500"]]
    assert [entry.bold for entry in table.rows[1][2:]] == [True, True]
    assert not table.rows[0][3].bold
    assert table.rows[0][3].small == "-0.150 [-0.200, -0.100]"


def test_every_table_can_be_spelled() -> None:
    made = [*margin_tables(measure_margins(known_controls())), *resolution_tables(measure_resolution(known_controls()))]
    assert len(made) == 3
    for table in made:
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert latex(table).isascii()
        assert len({line.count("|") for line in markdown(table).splitlines()}) == 1


def test_few_pictures_are_said_to_be_too_few() -> None:
    for table in margin_tables(measure_margins(known_controls(pairs=1))):
        assert [row[3].note for row in table.rows if row[3].bold] == ["(too few pictures for any to be clear)"]


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
    (table,) = coverage_tables(measure_coverage(records))
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mint: blurred", "deletion", "2", "1", "0", "1", "RuntimeError: no (1)"],
        ["mint", "timing", "1", "0", "0", "1", "MemoryError"],
    ]


def test_what_misses_alike_shares_a_row_and_a_picture_that_cannot_be_read_counts_for_all() -> None:
    methods = ["a", "b", "c", "d", "e", "f", "random"]
    records = of_controls(
        {(method, "", metric): [1.0, NAN, None] for method in methods for metric in ("pointing", "grid")},
        controls={},
        failures=[{**FAILURE, "method": "", "step": "data", "reason": "OSError: broken"}],
    )
    (table,) = coverage_tables(measure_coverage(records))
    expected = ["3", "1", "1", "1", "OSError: broken (1)"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["all 7 methods", "pointing", *expected],
        ["all 7 methods", "grid", *expected],
    ]


def test_a_reason_can_hold_anything() -> None:
    failures = [
        {**FAILURE, "method": "mint", "step": "map", "reason": r"KeyError: <class 'a|b'> {x}^2 \~ $5 100% a < b"}
    ]
    records = of_controls({("mint", "", "deletion"): [0.1, None]}, controls={}, failures=failures)
    (table,) = coverage_tables(measure_coverage(records))
    row = markdown(table).splitlines()[-1]
    assert row.count("|") - row.count(r"\|") == len(table.header) + 1
    assert r"\<class 'a\|b'>" in row
    assert " a < b" in row
    spelled = r"$<$class 'a$|$b'$>$ \{x\}\textasciicircum{}2 \textbackslash{}\textasciitilde{} \$5 100\% a $<$ b"
    assert spelled in latex(table)


def test_nothing_missing_makes_no_table() -> None:
    records = of_controls({("mint", "", "deletion"): [0.1, 0.2]}, controls={})
    assert coverage_tables(measure_coverage(records)) == []
