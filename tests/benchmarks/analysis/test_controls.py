"""Margins over nulls, scores at equal resolution and coverage: numbers known on paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.analysis import controls as margins
from benchmarks.analysis import coverage
from benchmarks.report.tables import latex, markdown
from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS, TIMING_COLUMNS, Records

NAN = float("nan")
Scores = Mapping[tuple[str, str, str], Sequence[float | None]]
CLASSES = {"tiedpixels": "TiedPixels()"}
CONTROLS = {
    "blurred": {"id": "Blurred()", "null": True},
    "other-class": {"id": "OtherClass()", "null": True},
    "7x7": {"id": "Averaged(cells=7)", "null": False},
}


def make(
    scores: Scores,
    *,
    controls: Mapping[str, Any] = CONTROLS,
    controlled: int | None = None,
    average: str = "cases",
    failures: Sequence[Mapping[str, str]] = (),
    targets: Sequence[int] | None = None,
) -> Records:
    """Make records of given scores by (method, control, metric), a case of a picture of its own each; None: failed."""
    rows = []
    for (method, control, metric), values in scores.items():
        for i, score in enumerate(values):
            if score is not None:
                case = {"case": f"c{i}", "picture": f"p{i}", "target": targets[i] if targets else 0}
                place = {"plan": "p", "dataset": "scenes", "network": "net", "method": method, "control": control}
                about = {"metric": metric, "metric_id": metric, "target_name": "t", "difficult": False}
                rows.append({**place, **case, **about, "score": score})
    methods = list(dict.fromkeys(method for method, _, _ in scores))
    metrics = {
        metric: {
            "id": CLASSES.get(metric, f"{metric.title()}()"),
            "direction": "lower" if metric == "deletion" else "higher",
            "average": average,
            "subsets": ["all"],
            "controls": metric not in ("stability", "tiedpixels"),
        }
        for metric in dict.fromkeys(metric for _, _, metric in scores)
    }
    setting = {
        "dataset": "scenes",
        "network": {"name": "net"},
        "cases": {"all": max(map(len, scores.values())), "difficult": 0},
        "methods": dict.fromkeys(methods),
        "nulls": [method for method in methods if method in ("random", "centre")],
        "controls": controls,
        "controlled": controlled,
        "metrics": metrics,
    }
    inputs = {"plan": "p", "summary": "", "settings": [setting]}
    return Records(
        pd.DataFrame(rows, columns=list(RECORD_COLUMNS)),
        pd.DataFrame([], columns=list(CURVE_COLUMNS)),
        pd.DataFrame([], columns=list(TIMING_COLUMNS)),
        {"inputs": inputs, "run": {"failures": list(failures)}},
        [],
    )


def test_a_margin_is_the_difference_of_means_and_positive_where_the_method_is_better() -> None:
    found = margins.measure_margins(
        make(
            {
                ("mint", "", "deletion"): [0.1, 0.2, 0.3],
                ("mint", "blurred", "deletion"): [0.2, 0.3, 0.4],
                ("mint", "other-class", "deletion"): [0.5, 0.5, 0.5],
                ("random", "", "deletion"): [0.05, 0.15, 0.25],
            }
        )
    ).set_index("null")
    assert found["margin"].to_dict() == pytest.approx({"random": -0.05, "blurred": 0.1, "other-class": 0.3})
    # Each picture has the same difference, so the paired interval has no width.
    assert found.loc["blurred", ["low", "high"]].tolist() == pytest.approx([0.1, 0.1])
    assert found.loc["other-class", "high"] > found.loc["other-class", "low"] + 0.05
    assert found["best"].to_dict() == {"random": True, "blurred": True, "other-class": False}
    assert found["own"].to_dict() == {"random": False, "blurred": True, "other-class": True}
    assert (found["cases"] == 3).all()


def test_null_methods_count_on_all_cases_and_controls_on_those_on_which_they_were_scored() -> None:
    records = make(
        {
            ("mint", "", "insertion"): [0.5, 0.7, 0.0, 0.0],
            ("mint", "blurred", "insertion"): [0.4, 0.6],
            ("mint", "7x7", "insertion"): [0.3, NAN],
            ("centre", "", "insertion"): [0.1, 0.1, 1.0, 1.0],
        },
        controls={name: CONTROLS[name] for name in ("blurred", "7x7")},
        controlled=2,
    )
    found = margins.measure_margins(records).set_index("null")
    assert found["margin"].to_dict() == pytest.approx({"centre": -0.25, "blurred": 0.1})
    assert found["cases"].to_dict() == {"centre": 4, "blurred": 2}
    coarse = margins.measure_resolution(records).set_index("control")
    # The second case has no score at 7x7, so none of the resolutions counts it.
    assert coarse["score"].to_dict() == pytest.approx({"": 0.5, "7x7": 0.3})
    assert coarse.loc["7x7", "change"] == pytest.approx(-0.2)
    assert (coarse["cases"] == 1).all()


def test_a_metric_that_describes_maps_judges_none() -> None:
    scores = {("mint", "", "tiedpixels"): [0.5, 0.7], ("random", "", "tiedpixels"): [0, 0]}
    assert margins.measure_margins(make(scores)).empty


def test_without_controls_all_cases_and_null_methods_count() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.7, 0.9], ("centre", "", "insertion"): [0.1, 0.1, 0.1]}
    records = make(scores, controls={})
    (row,) = margins.measure_margins(records).to_dict("records")
    assert (row["null"], row["cases"], row["margin"]) == ("centre", 3, pytest.approx(0.6))
    assert margins.measure_resolution(records).empty


def test_classes_are_averaged_as_the_metric_says() -> None:
    # Class 0: a hit and two misses; class 1: a hit. The null hits the first of class 0 only.
    scores = {("mint", "", "pointing"): [1.0, 0, 0, 1.0], ("random", "", "pointing"): [1.0, 0, 0, 0]}
    records = make(scores, controls={}, average="classes", targets=[0, 0, 0, 1])
    (row,) = margins.measure_margins(records).to_dict("records")
    assert row["margin"] == pytest.approx((1 / 3 + 1) / 2 - 1 / 6)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=2, max_size=8), st.floats(-1, 1))
def test_adding_a_number_to_all_changes_no_margin_and_negating_a_direction_negates_it(
    triples: list[tuple[float, ...]], shift: float
) -> None:
    def measured(metric: str, add: float) -> list[float]:
        names = [("mint", ""), ("mint", "blurred"), ("random", "")]
        scores = {(*name, metric): [each[i] + add for each in triples] for i, name in enumerate(names)}
        return margins.measure_margins(make(scores))["margin"].to_list()

    plain = measured("insertion", 0)
    np.testing.assert_allclose(measured("insertion", shift), plain, atol=1e-12)
    np.testing.assert_allclose(measured("deletion", 0), [-each for each in plain], atol=1e-12)


def known(pairs: int = 8) -> Records:
    """Nulls win over mint under insertion, over nobody under deletion, and one draws under pointing."""
    scores = {
        ("mint", "", "insertion"): [0.5, 0.6],
        ("mint", "blurred", "insertion"): [0.6, 0.7],
        ("mint", "other-class", "insertion"): [0.1, 0.1],
        ("mint", "7x7", "insertion"): [0.4, 0.4],
        ("lime", "", "insertion"): [0.55, 0.65],
        ("lime", "blurred", "insertion"): [0.15, 0.25],
        ("lime", "other-class", "insertion"): [0.35, 0.45],
        ("lime", "7x7", "insertion"): [0.5, 0.5],
        ("centre", "", "insertion"): [0.53, 0.62],
        ("mint", "", "deletion"): [0.1, 0.2],
        ("mint", "other-class", "deletion"): [0.3, 0.4],
        ("centre", "", "deletion"): [0.5, 0.4],
        ("mint", "", "pointing"): [1.0, 1.0],
        ("mint", "blurred", "pointing"): [1.0, 1.0],
        ("centre", "", "pointing"): [0.0, 0.0],
    }
    return make({name: pair * pairs for name, pair in scores.items()})


def test_the_sentences_say_which_null_wins_over_what_and_by_how_much() -> None:
    assert margins.margin_sentences(margins.measure_margins(known())) == [
        "insertion: mint's own blurred map scores better than mint's map, by 0.100 [0.100, 0.100] (so does centre).",
        "deletion: no null wins; the smallest margin is over mint's map of another class, 0.200 [0.200, 0.200].",
        "pointing: mint's own blurred map scores as well as mint's map.",
    ]


def test_nothing_is_clear_on_two_pictures() -> None:
    found = margins.measure_margins(known(pairs=1))
    # Both pictures agree, so that the bootstrap's intervals have no width.
    assert (found["p_holm"] >= 0.5).all()
    assert all("may be none" in each or "as well as" in each for each in margins.margin_sentences(found))
    for table in margins.margin_tables(found):
        assert [row[3].note for row in table.rows if row[3].bold] == ["(too few pictures for any to be clear)"]


def test_null_methods_and_own_controls_are_corrected_apart() -> None:
    found = margins.measure_margins(known(pairs=2))
    # Four pictures that agree: p is 2 / 16, for one null method as it is, for two controls doubled.
    mint = found[(found["method"] == "mint") & (found["metric"] == "insertion")].set_index("null")
    assert mint["p_holm"].to_dict() == pytest.approx({"centre": 0.125, "blurred": 0.25, "other-class": 0.25})


def test_a_margin_whose_interval_holds_nothing_may_be_none() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.1, 0.9], ("random", "", "insertion"): [0.1, 0.4, 0.7]}
    (sentence,) = margins.margin_sentences(margins.measure_margins(make(scores, controls={})))
    assert sentence.startswith("insertion: no null wins; the smallest margin is over random, 0.100 [-")
    assert sentence.endswith("], which may be none.")
    swapped = {("random", "", "insertion"): [0.5, 0.1, 0.9], ("mint", "", "insertion"): [0.1, 0.4, 0.7]}
    (sentence,) = margins.margin_sentences(margins.measure_margins(make(swapped, controls={})))
    assert sentence.startswith("insertion: random scores better than mint's map, by 0.100 [-")
    assert sentence.endswith("], which may be none.")


def test_a_small_margin_has_as_many_decimals_as_it_needs() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.1], ("random", "", "insertion"): [0.50042, 0.10042]}
    found = margins.measure_margins(make(scores, controls={}))
    (sentence,) = margins.margin_sentences(found)
    assert "by 0.00042 [0.00042, 0.00042]" in sentence
    (table,) = margins.margin_tables(found)
    assert table.rows[0][1].text == "-0.00042"


def test_the_tables_flag_a_metric_that_a_null_wins() -> None:
    table, own = margins.margin_tables(margins.measure_margins(known()))
    assert (table.name, own.name) == ("net-on-scenes-margins", "net-on-scenes-own-margins")
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
    assert own.rows[0][1].note == "[-0.100, -0.100] over own blurred"
    assert table.rows[0][2].note.endswith("] over centre")


def test_the_resolution_table_has_the_best_of_each_resolution_in_bold() -> None:
    table, *rest = margins.resolution_tables(margins.measure_resolution(known(pairs=1)))
    assert rest == []
    assert list(table.header) == ["metric", "method", "as it is", "7x7"]
    insertion = [[entry.text for entry in row] for row in table.rows[:2]]
    assert insertion == [["insertion ↑", "mint", "0.550", "0.400"], ["insertion ↑", "lime", "0.600", "0.500"]]
    assert [entry.bold for entry in table.rows[1][2:]] == [True, True]
    assert not table.rows[0][3].bold
    assert table.rows[0][3].note == "-0.150 [-0.200, -0.100]"


def test_every_table_can_be_spelled() -> None:
    for block in margins.control_blocks(margins.measure_margins(known()), margins.measure_resolution(known())):
        if not isinstance(block, str):
            assert {len(row) for row in block.rows} == {len(block.header)}
            assert latex(block).isascii()
            assert len({line.count("|") for line in markdown(block).splitlines()}) == 1


def test_a_method_that_failed_on_every_case_is_compared_with_nothing() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.7], ("lime", "", "insertion"): [None, None]}
    records = make({**scores, ("random", "", "insertion"): [0.1, 0.1]}, controls={})
    assert margins.measure_margins(records)["method"].tolist() == ["mint"]


# Coverage.

FAILURE = {"dataset": "scenes", "network": "net", "case": "c1", "reason": "RuntimeError: no"}


def test_what_does_not_apply_and_what_failed_are_counted_apart_with_the_reason() -> None:
    """Peers leave NaN out of a mean, or print an exception and go on (their defects 6 and 7)."""
    records = make(
        {
            ("mint", "", "pointing"): [1.0, NAN, NAN, 0.0],
            ("lime", "", "pointing"): [1.0, None, NAN, None],
            ("random", "", "pointing"): [1.0, NAN, NAN, 0.0],
        },
        controls={},
        failures=[
            {**FAILURE, "method": "lime", "step": "map"},
            {**FAILURE, "method": "lime", "step": "pointing", "case": "c3", "reason": "ValueError: other"},
            {**FAILURE, "method": "mint", "step": "map", "network": "other"},
        ],
    )
    found = coverage.measure_coverage(records).set_index("method")
    columns = ["asked", "scored", "not_applicable", "failed"]
    assert found.loc["mint", columns].tolist() == [4, 2, 2, 0]
    assert found.loc["lime", columns].tolist() == [4, 1, 1, 2]
    assert found.loc["lime", "reasons"] == "RuntimeError: no (1); ValueError: other (1)"
    assert found.loc["mint", "reasons"] == ""


def test_controls_are_counted_on_the_cases_that_they_were_asked_for() -> None:
    records = make(
        {
            ("mint", "", "deletion"): [0.1, 0.2, 0.3],
            ("mint", "blurred", "deletion"): [0.1, None],
            ("mint", "", "stability"): [0.9, 0.9, 0.9],
            ("random", "", "deletion"): [0.5, 0.5, 0.5],
            ("random", "", "stability"): [NAN, NAN, NAN],
        },
        controls={"blurred": CONTROLS["blurred"]},
        controlled=2,
        failures=[
            {**FAILURE, "method": "mint", "step": "map", "control": "blurred"},
            {**FAILURE, "method": "mint", "step": "timing", "reason": "MemoryError"},
        ],
    )
    found = coverage.measure_coverage(records).set_index(["metric", "method", "control"])
    assert found.loc[("deletion", "mint", "blurred"), ["asked", "scored", "failed"]].tolist() == [2, 1, 1]
    assert found.loc[("deletion", "mint", "blurred"), "reasons"] == "RuntimeError: no (1)"
    assert found.loc[("deletion", "mint", ""), "failed"] == 0
    assert ("stability", "mint", "blurred") not in found.index
    assert found.loc[("stability", "random", ""), "not_applicable"] == 3
    assert found.loc[("timing", "mint", ""), "reasons"] == "MemoryError"
    (table,) = coverage.coverage_tables(found.reset_index())
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mint: blurred", "deletion", "2", "1", "0", "1", "RuntimeError: no (1)"],
        ["random", "stability", "3", "0", "3", "0", ""],
        ["mint", "timing", "1", "0", "0", "1", "MemoryError"],
    ]


def test_what_misses_alike_shares_a_row_and_a_picture_that_cannot_be_read_counts_for_all() -> None:
    methods = ["a", "b", "c", "d", "e", "f", "random"]
    records = make(
        {(method, "", metric): [1.0, NAN, None] for method in methods for metric in ("pointing", "grid")},
        controls={},
        failures=[{**FAILURE, "method": "", "step": "data", "reason": "OSError: broken"}],
    )
    (table,) = coverage.coverage_tables(coverage.measure_coverage(records))
    expected = ["3", "1", "1", "1", "OSError: broken (1)"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["all 7 methods", "pointing", *expected],
        ["all 7 methods", "grid", *expected],
    ]


def test_a_reason_can_hold_anything() -> None:
    failures = [
        {**FAILURE, "method": "mint", "step": "map", "reason": r"KeyError: <class 'a|b'> {x}^2 \~ $5 100% a < b"}
    ]
    records = make({("mint", "", "deletion"): [0.1, None]}, controls={}, failures=failures)
    (table,) = coverage.coverage_tables(coverage.measure_coverage(records))
    row = markdown(table).splitlines()[-1]
    assert row.count("|") - row.count(r"\|") == len(table.header) + 1
    assert r"\<class 'a\|b'>" in row
    assert " a < b" in row
    spelled = r"$<$class 'a$|$b'$>$ \{x\}\textasciicircum{}2 \textbackslash{}\textasciitilde{} \$5 100\% a $<$ b"
    assert spelled in latex(table)


def test_nothing_missing_makes_no_table() -> None:
    records = make({("mint", "", "deletion"): [0.1, 0.2]}, controls={})
    assert coverage.coverage_tables(coverage.measure_coverage(records)) == []
