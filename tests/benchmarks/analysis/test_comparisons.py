import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper import column, of_columns
from scipy.stats import wilcoxon
from statsmodels.stats.power import TTestPower

from benchmarks.analysis import statistics
from benchmarks.analysis.comparisons import compare_pairs, order_methods
from benchmarks.analysis.scores import estimate, read_columns
from benchmarks.analysis.statistics import FLIPS, holm, pictures_needed, sign_flip, smallest_p

GENERATOR = np.random.default_rng(11)


def pair(found: pd.DataFrame, first: str, second: str) -> pd.Series:
    (row,) = [row for _, row in found.iterrows() if (row["first"], row["second"]) == (first, second)]
    return row


def test_few_pictures_are_tested_by_every_pattern_of_signs() -> None:
    # Of the sums of +-.1 +-.2 +-.3 +-.2 +-.1, two of 32 are as far from 0 as .9; six as far as .7.
    assert sign_flip(np.array([[0.1, 0.2, 0.3, 0.2, 0.1]]).T) == pytest.approx(2 / 32)
    assert sign_flip(np.array([[-0.1, 0.2, 0.3, 0.2, 0.1]]).T) == pytest.approx(6 / 32)


def test_the_flips_are_those_of_a_list_of_all() -> None:
    differences = GENERATOR.normal(0.1, 0.3, 9)
    sums = np.array(list(itertools.product((-1, 1), repeat=9))) @ differences
    expected = (np.abs(sums) >= abs(differences.sum()) - 1e-12).mean()
    assert sign_flip(differences[:, np.newaxis])[0] == pytest.approx(expected)


def test_equal_methods_have_p_one_and_a_single_picture_none() -> None:
    assert sign_flip(np.zeros((4, 2))).tolist() == [1, 1]
    assert np.isnan(sign_flip(np.ones((1, 2)))).all()


def test_many_pictures_have_a_smallest_p() -> None:
    assert sign_flip(np.full((20, 1), 0.1))[0] == pytest.approx(2 / (FLIPS + 1))


def test_a_large_family_is_drawn_more_often_so_that_it_can_be_significant() -> None:
    assert sign_flip(np.full((20, 150), 0.1)).max() * 150 == pytest.approx(0.02, rel=0.01)


def test_pictures_without_a_part_change_nothing() -> None:
    differences = np.array([[0.1, 0.2, 0.3, 0.2, -0.1]]).T
    assert sign_flip(np.vstack([differences, np.zeros((3, 1))])) == pytest.approx(sign_flip(differences))


def test_holm_is_that_of_the_textbook_and_leaves_nan_out() -> None:
    # Sorted: .01 * 3, .02 * 2, .03 * 1, and none below the one before.
    assert holm(np.array([0.03, np.nan, 0.01, 0.02])) == pytest.approx([0.04, np.nan, 0.03, 0.04], nan_ok=True)
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_pictures_needed_are_cohens() -> None:
    # Cohen's paired t test at 80 %, two-sided 5 %: 34 for a medium effect of .5, 199 for a small one of .2.
    assert (pictures_needed(0.5), pictures_needed(-0.5), pictures_needed(0.2)) == (34, 34, 199)
    assert (pictures_needed(0), pictures_needed(0.02)) == (np.inf, np.inf)
    assert pictures_needed(np.inf) == 3
    assert np.isnan(pictures_needed(np.nan))


@pytest.mark.parametrize("level", [0.05, 0.005, 0.05 / 190])
@pytest.mark.parametrize("effect", [0.05, 0.33, 0.9, 1.7, 3.0])
def test_power_is_that_of_statsmodels_where_that_has_any(effect: float, level: float) -> None:
    pictures = [2, 3, 4, 5, 8, 13, 40, 200]
    expected = np.array([TTestPower().power(effect, n, level) for n in pictures])
    found = np.array([statistics.power(effect, n, level) for n in pictures])
    assert np.isfinite(expected).sum() >= 3
    assert found[np.isfinite(expected)] == pytest.approx(expected[np.isfinite(expected)], abs=1e-4)
    assert (np.diff(found) >= -1e-9).all()


@pytest.mark.parametrize("tests", [1, 10, 190])
@pytest.mark.parametrize("effect", [0.05, 0.33, 0.9, 1.7, 3.0])
def test_pictures_needed_are_the_fewest(effect: float, tests: int) -> None:
    found = int(pictures_needed(effect, tests))
    assert statistics.power(effect, found, 0.05 / tests) >= 0.8
    assert statistics.power(effect, found - 1, 0.05 / tests) < 0.8


def test_a_pair_is_what_paper_says() -> None:
    found = compare_pairs([column({"a": [0.3, 0.5, 0.6, 0.2], "b": [0.1, 0.2, 0.2, 0.2]})])
    row = pair(found, "a", "b")
    assert row["difference"] == pytest.approx(0.9 / 4)
    assert (row["wins"], row["ties"], row["losses"], row["win_rate"]) == (3, 1, 0, 3.5 / 4)
    # Of 16 patterns of signs, four (the tie's sign is of no matter) sum to .9 or -.9.
    assert row["p"] == row["p_holm"] == pytest.approx(4 / 16)
    assert row["effect"] == pytest.approx(0.225 / np.std([0.2, 0.3, 0.4, 0], ddof=1))
    assert row["better"] == ""
    assert row["low"] < row["difference"] < row["high"]


def test_lower_is_better_where_the_metric_says_so() -> None:
    scores = {"a": np.linspace(0.1, 0.2, 12), "b": np.linspace(0.3, 0.5, 12)}
    found = [pair(compare_pairs([column(scores, direction=each)]), "a", "b") for each in ("lower", "higher")]
    assert [row["better"] for row in found] == ["a", "b"]
    assert [row["wins"] for row in found] == [12, 0]
    assert found[0]["difference"] == found[1]["difference"] < 0


def test_the_families_of_a_column_are_its_methods_and_its_methods_with_nulls() -> None:
    first = column({name: GENERATOR.random(10) for name in ["a", "b", "c", "random", "centre"]})
    second = replace(first, metric="deletion", direction="lower")
    found = compare_pairs([first, second])
    for _, rows in found.groupby("metric"):
        nulls = rows[["first", "second"]].isin(["random", "centre"]).sum(axis=1)
        assert nulls.value_counts().to_dict() == {0: 3, 1: 6, 2: 1}
        for number in (0, 1):
            family = rows[nulls == number]
            assert family["p_holm"].to_numpy() == pytest.approx(holm(family["p"].to_numpy()))
            assert family["needed"].tolist() == [pictures_needed(effect, len(family)) for effect in family["effect"]]
        (both,) = rows[nulls == 2].to_dict("records")
        assert np.isnan([both["p_holm"], both["needed"]]).all()
        assert both["p"] <= 1
        assert both["better"] == ""


def test_the_difference_over_classes_is_the_printed_one_and_each_picture_flips_as_a_whole() -> None:
    # Class 0 on pictures p, q, r, class 1 on p and q: the mean over classes weighs them 1/6 and 1/4.
    hits = {"a": [1, 1, 0, 1, 1], "b": [0, 1, 0, 0, 1]}
    each = column(hits, ["p", "q", "r", "p", "q"], [0, 0, 0, 1, 1], average="classes")
    row = pair(compare_pairs([each]), "a", "b")
    assert row["difference"] == pytest.approx((2 / 3 + 1) / 2 - (1 / 3 + 1 / 2) / 2)
    assert row["difference"] == pytest.approx(estimate(each, "a").mean - estimate(each, "b").mean)
    assert row["pictures"] == 3
    # Only p differs, by 1/6 + 1/4 on both of its cases: its sign alone matters, and either is as extreme.
    assert row["p"] == 1
    assert (row["wins"], row["ties"], row["losses"]) == (1, 2, 0)


def test_twice_the_same_picture_is_no_more_evidence() -> None:
    scores = {name: GENERATOR.random(8) for name in "abc"}
    once = compare_pairs([column(scores)])
    names = [f"picture-{i:03d}" for i in range(8)] * 2
    twice = compare_pairs([column({name: np.tile(each, 2) for name, each in scores.items()}, names)])
    same = ["pictures", "difference", "low", "high", "p", "p_holm", "wins", "effect", "needed"]
    pd.testing.assert_frame_equal(once[same], twice[same])


def test_the_order_of_the_plan_changes_signs_only() -> None:
    scores = {name: GENERATOR.random(9) for name in "abc"}
    one = compare_pairs([column(scores)])
    other = compare_pairs([column(dict(reversed(scores.items())))])
    for _, row in one.iterrows():
        mirrored = pair(other, row["second"], row["first"])
        assert mirrored["difference"] == pytest.approx(-row["difference"])
        assert (mirrored["low"], mirrored["high"]) == pytest.approx((-row["high"], -row["low"]))
        assert mirrored["p_holm"] == pytest.approx(row["p_holm"])
        assert (mirrored["wins"], mirrored["needed"]) == (row["losses"], row["needed"])


def test_cases_that_either_lacks_are_dropped_from_their_pair_alone_and_counted() -> None:
    a, b, c = GENERATOR.random((3, 6))
    a[0], b[1] = np.nan, np.nan
    found = compare_pairs([column({"a": a, "b": b, "c": c}, asked=7)])
    assert [(row["cases"], row["dropped"]) for _, row in found.iterrows()] == [(4, 3), (5, 2), (5, 2)]
    assert pair(found, "a", "b")["difference"] == pytest.approx((a - b)[2:].mean())
    alone = compare_pairs([column({"a": a[2:], "b": b[2:]})])
    assert pair(found, "a", "b")["p"] == pytest.approx(alone["p"][0])
    assert pair(found, "a", "b")["effect"] == pytest.approx(alone["effect"][0])


def test_nothing_in_common_one_picture_and_equal_scores_are_no_trouble() -> None:
    nothing = pair(compare_pairs([column({"a": [1, np.nan], "b": [np.nan, 1]})]), "a", "b")
    assert (nothing["cases"], nothing["pictures"], nothing["better"]) == (0, 0, "")
    assert np.isnan([nothing["p"], nothing["difference"], nothing["win_rate"], nothing["needed"]]).all()
    one = pair(compare_pairs([column({"a": [1], "b": [0]})]), "a", "b")
    assert (one["difference"], one["wins"], one["better"]) == (1, 1, "")
    assert np.isnan([one["p"], one["low"], one["needed"]]).all()
    equal = pair(compare_pairs([column({"a": [1, 1, 1], "b": [1, 1, 1]})]), "a", "b")
    assert (equal["p"], equal["p_holm"], equal["ties"], equal["win_rate"], equal["needed"]) == (1, 1, 3, 0.5, np.inf)
    assert compare_pairs([column({"a": [1, 0]})]).empty


def test_sign_flips_agree_with_wilcoxon_on_many_pictures() -> None:
    a = GENERATOR.normal(0.1, 0.4, 60)
    p = compare_pairs([column({"a": a, "b": np.zeros(60)})])["p"][0]
    assert p == pytest.approx(wilcoxon(a).pvalue, abs=0.05)


def test_an_order_without_exception_is_certain() -> None:
    each = column({"worst": [0.1, 0.2, 0.3], "best": [0.7, 0.8, 0.9], "middle": [0.4, 0.5, 0.6], "random": [1, 1, 1]})
    found = order_methods([each], compare_pairs([each]))
    assert found["method"].tolist() == ["best", "middle", "worst"]
    assert (found["whole"] == 1).all()
    lower = replace(each, direction="lower")
    assert order_methods([lower], compare_pairs([lower]))["method"].tolist() == ["worst", "middle", "best"]


def test_the_share_in_order_is_that_of_the_bootstrap() -> None:
    # a is ahead by 1 on one picture of two, behind by .5 on the other: resamples are behind in a quarter of cases.
    each = column({"a": [1, 0], "b": [0, 0.5]})
    found = order_methods([each], compare_pairs([each]))
    assert found["method"].tolist() == ["a", "b"]
    assert found["whole"][0] == pytest.approx(0.75, abs=0.02)


def test_equal_means_are_put_in_order_by_a_coin() -> None:
    for k in (2, 3, 4):
        each = column({name: [1, 1, 0] for name in "abcd"[:k]})
        found = order_methods([each], compare_pairs([each]))
        assert found["whole"].iloc[0] == pytest.approx(1 / np.prod(range(1, k + 1)))


def test_one_picture_has_an_order_but_no_certainty() -> None:
    each = column({"a": [1], "b": [0]})
    found = order_methods([each], compare_pairs([each]))
    assert found["method"].tolist() == ["a", "b"]
    assert found[["whole", "needed"]].isna().all(axis=None)


@settings(deadline=None, max_examples=5)
@given(st.permutations("abcd"))
def test_a_permutation_of_the_methods_permutes_all(names: list[str]) -> None:
    scores = np.random.default_rng(5).random((4, 6))
    one, other = (column(dict(zip(order, scores[["abcd".index(n) for n in order]], strict=True)))
                  for order in ("abcd", names))  # fmt: skip
    orders = [order_methods([each], compare_pairs([each])) for each in (one, other)]
    pd.testing.assert_frame_equal(orders[0], orders[1])


def test_columns_are_read_from_records_without_controls() -> None:
    deletion = column({"a": [1, 2], "random": [3, np.nan]}, metric="deletion", metric_id="Deletion(steps=1)")
    other = replace(deletion, metric="deletion-2", metric_id="Deletion(steps=2)")
    run = of_columns([deletion, other])
    shuffled = run.scores.assign(control="shuffled", score=0.0)
    found = read_columns(replace(run, scores=pd.concat([run.scores, shuffled])))
    pd.testing.assert_frame_equal(found[0].scores, deletion.scores, check_names=False)
    assert [(each.main, each.headline) for each in found] == [(True, True), (False, False)]
    assert (found[0].nulls, found[0].contenders, found[0].sign) == (("random",), ("a",), 1)


def test_rank_correlations_are_spearmans_and_nan_for_constant_rows() -> None:
    found = statistics.rank_correlations(
        np.array([[1, 2, 3], [1, 2, 3], [1, 1, 1]]), np.array([[1, 2, 3], [3, 1, 2], [1, 2, 3]])
    )
    # 1 - 6 (4 + 1 + 1) / (3 * 8) = -.5.
    assert found == pytest.approx([1, -0.5, np.nan], nan_ok=True)


def test_thousands_of_pictures_have_a_p() -> None:
    """2 to the power of 2,000 is no floating-point number."""
    assert smallest_p(2000, 10) == pytest.approx(10 * 2 / (FLIPS + 1))
    assert sign_flip(np.full((1100, 1), 0.1))[0] == pytest.approx(2 / (FLIPS + 1))
