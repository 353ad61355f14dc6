"""Disagreement of maps and of scores: numbers known on paper."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from benchmarks.analysis.disagreement import map_disagreement, score_disagreement


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ([[1, 2, 3, 4], [10, 20, 30, 40]], 0.0),
        ([[1, 2, 3, 4], [4, 3, 2, 1]], 2.0),
        ([[1, 2, 3, 4], [4, 3, 2, 1], [5, 6, 7, 8]], 1 - (-1 - 1 + 1) / 3),
        ([[1, 2, 3, 4], [10, 20, 30, 40], [7, 7, 7, 7]], 0.0),  # a constant ranks nothing
    ],
)
def test_disagreement_of_maps_is_that_on_paper(maps: list[list[int]], expected: float) -> None:
    found = map_disagreement([np.array(each, dtype=np.uint8).reshape(2, 2) for each in maps])
    assert found == pytest.approx(expected, abs=1e-12)


def test_disagreement_needs_two_maps() -> None:
    assert np.isnan(map_disagreement([np.arange(4), np.zeros(4)]))
    assert np.isnan(map_disagreement([]))


@settings(deadline=None)
@given(arrays(np.uint8, (2, 12), unique=True))
def test_disagreement_of_two_maps_is_scipys(maps: np.ndarray) -> None:
    assert map_disagreement(list(maps)) == pytest.approx(1 - spearmanr(*maps).statistic, abs=1e-12)


def test_disagreement_of_scores_is_that_on_paper() -> None:
    rows = [
        # Ranks of a in quarters: .25 and 1; .5 and .75. Of b: 1/3 and 2/3; one score alone, and 1.
        ("one", "x", "a", 0.0), ("one", "y", "a", 9.0), ("two", "x", "a", 1.0), ("two", "y", "a", 2.0),
        ("one", "x", "b", 5.0), ("one", "y", "b", 6.0), ("two", "x", "b", 7.0), ("two", "y", "b", np.nan),
    ]  # fmt: skip
    found = score_disagreement(pd.DataFrame(rows, columns=["case", "method", "metric", "score"]))
    assert found == pytest.approx({"one": (0.75 + 1 / 3) / 2, "two": 0.25})
