"""Margins over nulls, scores at equal resolution and coverage: numbers known on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper import CONTROLS, known_controls, of_controls

from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage

NAN = float("nan")


def test_a_margin_is_the_difference_of_means_and_positive_where_the_method_is_better() -> None:
    found = measure_margins(
        of_controls(
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
    records = of_controls(
        {
            ("mint", "", "insertion"): [0.5, 0.7, 0.0, 0.0],
            ("mint", "blurred", "insertion"): [0.4, 0.6],
            ("mint", "7x7", "insertion"): [0.3, NAN],
            ("centre", "", "insertion"): [0.1, 0.1, 1.0, 1.0],
        },
        controls={name: CONTROLS[name] for name in ("blurred", "7x7")},
        controlled=2,
    )
    found = measure_margins(records).set_index("null")
    assert found["margin"].to_dict() == pytest.approx({"centre": -0.25, "blurred": 0.1})
    assert found["cases"].to_dict() == {"centre": 4, "blurred": 2}
    coarse = measure_resolution(records).set_index("control")
    # The second case has no score at 7x7, so none of the resolutions counts it.
    assert coarse["score"].to_dict() == pytest.approx({"": 0.5, "7x7": 0.3})
    assert coarse.loc["7x7", "change"] == pytest.approx(-0.2)
    assert (coarse["cases"] == 1).all()


def test_a_metric_that_describes_maps_judges_none() -> None:
    scores = {("mint", "", "tiedpixels"): [0.5, 0.7], ("random", "", "tiedpixels"): [0, 0]}
    assert measure_margins(of_controls(scores)).empty


def test_without_controls_all_cases_and_null_methods_count() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.7, 0.9], ("centre", "", "insertion"): [0.1, 0.1, 0.1]}
    records = of_controls(scores, controls={})
    (row,) = measure_margins(records).to_dict("records")
    assert (row["null"], row["cases"], row["margin"]) == ("centre", 3, pytest.approx(0.6))
    assert measure_resolution(records).empty


def test_classes_are_averaged_as_the_metric_says() -> None:
    # Class 0: a hit and two misses; class 1: a hit. The null hits the first of class 0 only.
    scores = {("mint", "", "pointing"): [1.0, 0, 0, 1.0], ("random", "", "pointing"): [1.0, 0, 0, 0]}
    records = of_controls(scores, controls={}, average="classes", targets=[0, 0, 0, 1])
    (row,) = measure_margins(records).to_dict("records")
    assert row["margin"] == pytest.approx((1 / 3 + 1) / 2 - 1 / 6)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=2, max_size=5), st.floats(-1, 1))
def test_adding_a_number_to_all_changes_no_margin_and_negating_a_direction_negates_it(
    triples: list[tuple[float, ...]], shift: float
) -> None:
    def measured(metric: str, add: float) -> list[float]:
        names = [("mint", ""), ("mint", "blurred"), ("random", "")]
        scores = {(*name, metric): [each[i] + add for each in triples] for i, name in enumerate(names)}
        return measure_margins(of_controls(scores))["margin"].to_list()

    plain = measured("insertion", 0)
    np.testing.assert_allclose(measured("insertion", shift), plain, atol=1e-12)
    np.testing.assert_allclose(measured("deletion", 0), [-each for each in plain], atol=1e-12)


def test_nothing_is_clear_on_two_pictures() -> None:
    found = measure_margins(known_controls(pairs=1))
    # Both pictures agree, so that the bootstrap's intervals have no width.
    assert (found["p_holm"] >= 0.5).all()


def test_null_methods_and_own_controls_are_corrected_apart() -> None:
    found = measure_margins(known_controls(pairs=2))
    # Four pictures that agree: p is 2 / 16, for one null method as it is, for two controls doubled.
    mint = found[(found["method"] == "mint") & (found["metric"] == "insertion")].set_index("null")
    assert mint["p_holm"].to_dict() == pytest.approx({"centre": 0.125, "blurred": 0.25, "other-class": 0.25})


def test_a_method_that_failed_on_every_case_is_compared_with_nothing() -> None:
    scores = {("mint", "", "insertion"): [0.5, 0.7], ("lime", "", "insertion"): [None, None]}
    records = of_controls({**scores, ("random", "", "insertion"): [0.1, 0.1]}, controls={})
    assert measure_margins(records)["method"].tolist() == ["mint"]


# Coverage.

FAILURE = {"dataset": "scenes", "network": "net", "case": "case-1", "reason": "RuntimeError: no"}


def test_what_does_not_apply_and_what_failed_are_counted_apart_with_the_reason() -> None:
    """Peers leave NaN out of a mean, or print an exception and go on (their defects 6 and 7)."""
    records = of_controls(
        {
            ("mint", "", "pointing"): [1.0, NAN, NAN, 0.0],
            ("lime", "", "pointing"): [1.0, None, NAN, None],
            ("random", "", "pointing"): [1.0, NAN, NAN, 0.0],
        },
        controls={},
        failures=[
            {**FAILURE, "method": "lime", "step": "map"},
            {**FAILURE, "method": "lime", "step": "pointing", "case": "case-3", "reason": "ValueError: other"},
            {**FAILURE, "method": "mint", "step": "map", "network": "other"},
        ],
    )
    found = measure_coverage(records).set_index("method")
    columns = ["asked", "scored", "not_applicable", "failed"]
    assert found.loc["mint", columns].tolist() == [4, 2, 2, 0]
    assert found.loc["lime", columns].tolist() == [4, 1, 1, 2]
    assert found.loc["lime", "reasons"] == "RuntimeError: no (1); ValueError: other (1)"
    assert found.loc["mint", "reasons"] == ""


def test_controls_are_counted_on_the_cases_that_they_were_asked_for() -> None:
    records = of_controls(
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
    found = measure_coverage(records).set_index(["metric", "method", "control"])
    assert found.loc[("deletion", "mint", "blurred"), ["asked", "scored", "failed"]].tolist() == [2, 1, 1]
    assert found.loc[("deletion", "mint", "blurred"), "reasons"] == "RuntimeError: no (1)"
    assert found.loc[("deletion", "mint", ""), "failed"] == 0
    assert ("stability", "mint", "blurred") not in found.index
    assert found.loc[("stability", "random", ""), "not_applicable"] == 3
    assert found.loc[("timing", "mint", ""), "reasons"] == "MemoryError"
