from dataclasses import replace

import krippendorff
import numpy as np
import pytest
from paper import column
from scipy.stats import kendalltau, spearmanr

from benchmarks.analysis.reliability import (
    agreement_of_halves,
    agreement_of_metrics,
    agreement_of_pictures,
    reliability_card,
    sensitivity,
)
from benchmarks.analysis.scores import Column

GENERATOR = np.random.default_rng(12)


def alpha(each: Column) -> float:
    return agreement_of_pictures(each, each.methods)


def halves(each: Column) -> float:
    return agreement_of_halves(each, each.methods)


def test_the_library_gives_krippendorffs_published_alpha() -> None:
    # K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers, ordinal .815.
    nan = np.nan
    ratings = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    assert krippendorff.alpha(ratings, level_of_measurement="ordinal") == pytest.approx(0.815, abs=5e-4)


def test_pictures_that_rank_alike_agree_and_two_that_do_not_disagree() -> None:
    assert alpha(column({"a": [0.9, 0.5, 3], "b": [0.8, 0.4, 2], "c": [0.1, 0.2, 1]})) == pytest.approx(1)
    # Two raters, ranks 1 2 and 2 1: all pairs within units disagree, 2 of 3 pairs over all values do: 1 - 1 / (2/3).
    assert alpha(column({"a": [2, 1], "b": [1, 2]})) == pytest.approx(1 - 3 / 2)


def test_alpha_is_of_ranks_not_of_scores_and_knows_no_direction() -> None:
    scores = {name: GENERATOR.random(7) for name in "abcd"}
    expected = alpha(column(scores))
    assert alpha(column({name: np.exp(3 * each) for name, each in scores.items()})) == pytest.approx(expected)
    assert alpha(column(scores, direction="lower")) == pytest.approx(expected)


def test_alpha_of_noise_is_about_zero() -> None:
    assert alpha(column({name: GENERATOR.random(300) for name in "abcd"})) == pytest.approx(0, abs=0.05)


def test_halves_of_pictures_that_rank_alike_agree() -> None:
    assert halves(column({"a": [9, 5, 3, 4], "b": [8, 4, 2, 3], "c": [1, 2, 1, 0]})) == pytest.approx(1)


def test_split_halves_are_spearman_and_browns() -> None:
    # Two methods, of four pictures one that says the contrary, and the louder: halves always disagree.
    assert halves(column({"a": [1, 1, 1, -9], "b": [0, 0, 0, 0]})) == pytest.approx(-1)
    # Two pictures: the only split is picture against picture; their Spearman's is .5, stepped up 2 * .5 / 1.5.
    each = column({"a": [3, 3], "b": [2, 1], "c": [1, 2]})
    assert spearmanr([3, 2, 1], [3, 1, 2]).statistic == pytest.approx(0.5)
    assert halves(each) == pytest.approx(2 * 0.5 / 1.5)


def test_more_pictures_are_more_reliable() -> None:
    level = np.array([0.0, 0.1, 0.2, 0.3])[:, np.newaxis]
    noisy = level + GENERATOR.normal(0, 0.3, (4, 200))
    few, many = (halves(column(dict(zip("abcd", noisy[:, :n], strict=True)))) for n in (8, 200))
    assert many > 0.95 > few


def test_halves_average_over_classes_where_the_metric_does() -> None:
    # In class 1, of one picture in six, b is better by so much that the mean over classes is for b.
    scores = {"a": [1, 1, 1, 1, 1, 0], "b": [0.9, 0.9, 0.9, 0.9, 0.9, 1]}
    targets = [0, 0, 0, 0, 0, 1]
    assert halves(column(scores, targets=targets, average="classes")) == pytest.approx(-1)


def test_cases_and_methods_without_scores_are_left_out() -> None:
    a, b, c = GENERATOR.random((3, 8))
    gone = np.full(8, np.nan)
    holes = column(
        {"a": np.append(a, np.nan), "b": np.append(b, 0), "c": np.append(c, 0), "d": np.append(gone, np.nan)}
    )
    assert alpha(holes) == pytest.approx(alpha(column({"a": a, "b": b, "c": c})))
    (card,) = reliability_card([holes]).to_dict("records")
    assert card["pictures"] == 8


def test_the_card_leaves_nulls_out_and_says_what_they_would_add() -> None:
    first = GENERATOR.random((2, 30))
    scores = {"a": first[0], "b": first[1], "random": np.full(30, -1.0), "centre": np.full(30, -2.0)}
    (card,) = reliability_card([column(scores)]).to_dict("records")
    assert card["alpha"] == pytest.approx(0, abs=0.1)
    assert card["alpha_with_nulls"] > 0.7
    assert card["halves_with_nulls"] > 0.8


@pytest.mark.parametrize(
    "scores",
    [{"a": [1.0], "b": [0.0]}, {"a": [1.0, 2.0]}, {"a": [1, 1, 1, 1], "b": [1, 1, 1, 1]}, {"a": [np.nan], "b": [1.0]}],
)
def test_what_says_nothing_is_nan_without_a_warning(scores: dict[str, list[float]]) -> None:
    (card,) = reliability_card([column(scores)]).to_dict("records")
    assert np.isnan([card["alpha"], card["halves"], card["alpha_with_nulls"], card["halves_with_nulls"]]).all()


def test_metrics_agree_on_pictures_and_on_means() -> None:
    first = column({"a": [3, 3, 9], "b": [2, 2, 0], "c": [1, 1, 1], "random": [9, 9, 9]})
    second = replace(
        column({"a": [1, 3, 1], "b": [2, 2, 2], "c": [3, 1, 3], "random": [0, 0, 0]}),
        metric="deletion", metric_id="Deletion()", direction="lower",
    )  # fmt: skip
    (row,) = agreement_of_metrics([first, second]).to_dict("records")
    # Picture by picture: 1, -1, and 1 3 2 against 1 2 3: .5. Means 5, 4/3, 1 against 5/3, 2, 7/3, lower the better: 1.
    assert row["by_picture"] == pytest.approx((1 - 1 + 0.5) / 3)
    assert (row["over_means"], row["pictures"]) == (pytest.approx(1), 3)


def test_settings_of_a_measure_are_compared_two_by_two() -> None:
    scores = {name: GENERATOR.random(5) for name in "abcd"}
    other = {name: GENERATOR.random(5) for name in "abcd"}
    columns = [
        column(scores, metric="rise", metric_id="Deletion(steps=14)"),
        column(other, metric="torchcam", metric_id="Deletion(steps=28)"),
        column(scores, metric="insertion", metric_id="Insertion(steps=28)"),
        column({n: -s for n, s in scores.items()}, metric="quantus", metric_id="Deletion(steps=9)", direction="lower"),
    ]
    found = sensitivity(columns)
    assert list(zip(found["first"], found["second"], strict=True)) == [
        ("rise", "torchcam"),
        ("rise", "quantus"),
        ("torchcam", "quantus"),
    ]
    means = [[each[name].mean() for name in "abcd"] for each in (scores, other)]
    assert found["tau"].tolist() == pytest.approx([kendalltau(*means).statistic, 1, kendalltau(*means).statistic])
    assert found["first_best"][0] == "abcd"[int(np.argmax(means[0]))]
    assert set(found["measure"]) == {"Deletion"}


def test_a_single_method_or_metric_has_nothing_to_compare() -> None:
    lonely = column({"a": [1, 2]})
    assert agreement_of_metrics([lonely]).empty
    assert sensitivity([lonely]).empty
    twice = [lonely, replace(lonely, metric="two", metric_id="Insertion(steps=2)", main=False)]
    assert np.isnan(sensitivity(twice)["tau"]).all()
    other = replace(lonely, metric="deletion", metric_id="Deletion()")
    assert agreement_of_metrics([lonely, other])[["over_means", "by_picture"]].isna().all(axis=None)
