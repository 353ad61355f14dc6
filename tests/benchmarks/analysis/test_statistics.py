import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, permutation_test

from benchmarks.analysis import statistics


def estimate(rows: list[tuple[str, int, float]], average: str = "cases") -> statistics.Estimate:
    cases = pd.DataFrame(rows, columns=["picture", "target", "score"])
    codes, pictures = pd.factorize(cases["picture"])
    classes = pd.factorize(cases["target"])[0] if average == "classes" else None
    scores = cases[["score"]].to_numpy(float)
    (found,) = statistics.estimates(scores, codes, classes, statistics.draw(len(pictures)))
    return found


def test_the_mean_over_classes_gives_each_class_one_vote() -> None:
    found = estimate([("a", 0, 1.0), ("b", 0, 1.0), ("c", 0, 0.0), ("d", 1, 0.0)], "classes")
    assert found.mean == pytest.approx((2 / 3 + 0) / 2)


def test_cases_that_a_metric_does_not_apply_to_are_left_out_and_counted() -> None:
    found = estimate([("a", 0, 1.0), ("b", 0, np.nan), ("c", 0, 0.0), ("d", 0, 0.5)])
    assert (found.mean, found.n) == (0.5, 3)


def test_a_class_of_nothing_but_nan_does_not_vote() -> None:
    assert estimate([("a", 0, 1.0), ("b", 1, np.nan), ("c", 0, 1.0)], "classes").mean == 1.0


def test_nothing_to_average_is_nan() -> None:
    for rows in ([], [("a", 0, np.nan)]):
        found = estimate(rows)
        assert np.isnan([found.mean, found.low, found.high]).all()
        assert found.n == 0


def test_one_picture_has_a_mean_but_no_interval() -> None:
    found = estimate([("a", 0, 0.25), ("a", 1, 0.75)])
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_the_interval_holds_the_mean_and_lies_within_the_scores(scores: list[float]) -> None:
    found = estimate([(str(i), 0, score) for i, score in enumerate(scores)])
    assert min(scores) - 1e-12 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= max(scores) + 1e-12


def test_the_interval_is_scipys_percentile_interval() -> None:
    scores = np.random.default_rng(3).beta(2, 5, size=40)
    found = estimate([(str(i), 0, score) for i, score in enumerate(scores)])
    reference = bootstrap((scores,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(1))
    low, high = reference.confidence_interval
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def test_cases_of_one_picture_are_drawn_together() -> None:
    scores = np.random.default_rng(4).random(30)
    once = estimate([(str(i), 0, score) for i, score in enumerate(scores)])
    four_times = estimate([(str(i), 0, score) for i, score in enumerate(scores) for _ in range(4)])
    assert (once.low, once.high) == pytest.approx((four_times.low, four_times.high))


def test_the_draws_are_the_same_every_time_and_leave_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - it is only watched
    draws = statistics.draw(7)
    np.testing.assert_array_equal(draws, statistics.draw(7))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert (draws.sum(axis=1) == 7).all()
    assert draws.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)


def test_a_curves_band_is_the_interval_of_each_point() -> None:
    values = np.random.default_rng(5).random((9, 4))
    pictures = np.array([0, 0, 1, 2, 3, 3, 3, 4, 5])
    mean, low, high = statistics.curve_band(values, pictures, statistics.draw(6))
    for point in range(4):
        alone = estimate([(str(p), 0, v) for p, v in zip(pictures, values[:, point], strict=True)])
        assert (mean[point], low[point], high[point]) == pytest.approx((alone.mean, alone.low, alone.high))


def test_sums_over_resamples_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(7, 3))
    statistics.draw.cache_clear()
    whole = statistics.resampled(statistics.draw(7), values)
    statistics.draw.cache_clear()
    monkeypatch.setattr(statistics, "BLOCK", 50)
    np.testing.assert_allclose(statistics.resampled(statistics.draw(7), values), whole, rtol=1e-13)
    statistics.draw.cache_clear()
    assert whole.shape == (statistics.RESAMPLES, 3)


@pytest.mark.parametrize("pictures", [2, 5, 13, 14, 37])
def test_patterns_of_signs_are_scipys(pictures: int) -> None:
    drawn: list[np.ndarray] = []

    def keep(signs: np.ndarray, axis: int) -> np.ndarray:
        drawn.append(np.atleast_2d(signs))
        return np.zeros(signs.shape[:-1])

    how = {"permutation_type": "samples", "vectorized": True, "n_resamples": 9999}
    permutation_test((np.ones(pictures),), keep, rng=np.random.default_rng(statistics.SEED), **how)
    found = [statistics._signs(packed, pictures) for packed in statistics._patterns(pictures, 9999)]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(drawn[1:]))


@pytest.mark.parametrize("block", [30, 7 * 64])
def test_patterns_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    whole = np.concatenate(statistics._patterns(15, 999))
    statistics._patterns.cache_clear()
    monkeypatch.setattr(statistics, "BLOCK", block)
    np.testing.assert_array_equal(np.concatenate(statistics._patterns(15, 999)), whole)
    statistics._patterns.cache_clear()
