"""Means over cases, and how far they can be trusted: a bootstrap over pictures. Knows no torch.

Cases of one picture are not independent (the same picture is explained for several classes), so pictures are drawn,
each with all of its cases: a cluster bootstrap. All methods share the draws, so that differences are paired.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

RESAMPLES = 5000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % percentile interval.

    Attributes
    ----------
    mean, low, high : float
        NaN where there is nothing to average; the interval is NaN for fewer than two pictures.
    n : int
        Cases averaged: those to which the metric applies.
    replicates : numpy.ndarray
        (resamples,), the mean of each resample; NaN where the interval is.
    """

    mean: float
    low: float
    high: float
    n: int
    replicates: np.ndarray


def draw(pictures: int) -> np.ndarray:
    """Draw how often each picture occurs in each resample: (resamples, pictures) float64, the same every time."""
    if not pictures:
        return np.zeros((RESAMPLES, 0))
    generator = np.random.default_rng(SEED)
    return generator.multinomial(pictures, np.full(pictures, 1 / pictures), size=RESAMPLES).astype(np.float64)


def estimate(cases: pd.DataFrame, average: str, pictures: pd.Index, draws: np.ndarray) -> Estimate:
    """Average the scores of one method under one metric.

    Parameters
    ----------
    cases : pandas.DataFrame
        Columns picture, target and score, one row a case.
    average : {"cases", "classes"}
        "classes": the mean over classes of each class's mean, as in the pointing game; a class that a resample
        lacks does not count in it.
    pictures : pandas.Index
        All pictures, those without a case among them.
    draws : numpy.ndarray
        What `draw` gave for them.
    """
    kept = cases[cases["score"].notna()]
    groups = kept["target"] if average == "classes" else pd.Series(0, index=kept.index)
    group_codes, names = pd.factorize(groups)
    place = (pictures.get_indexer(pd.Index(kept["picture"])), group_codes)
    sums = np.zeros((len(pictures), len(names)))
    counts = np.zeros_like(sums)
    np.add.at(sums, place, kept["score"].to_numpy())
    np.add.at(counts, place, 1)
    mean = float(_mean_of_ratios(sums.sum(0, keepdims=True), counts.sum(0, keepdims=True))[0])
    replicates = _mean_of_ratios(draws @ sums, draws @ counts)
    if kept["picture"].nunique() < 2:
        replicates = np.full(len(draws), np.nan)
    return Estimate(mean, *interval(replicates), len(kept), replicates)


def _mean_of_ratios(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average sums / counts over the groups (columns) that have any."""
    present = counts > 0
    ratios = np.divide(sums, counts, out=np.zeros_like(sums), where=present)
    total = present.sum(1)
    means: np.ndarray = np.divide(ratios.sum(1), total, out=np.full(len(sums), np.nan), where=total > 0)
    return means


def interval(replicates: np.ndarray) -> tuple[Any, Any]:
    """Return the bounds between which 95 % of the resamples lie, along the first axis, leaving NaN out."""
    tail = 100 * (1 - LEVEL) / 2
    finite = replicates[np.isfinite(replicates).reshape(len(replicates), -1).all(1)]
    if not len(finite):
        return np.nan, np.nan
    return tuple(np.percentile(finite, [tail, 100 - tail], axis=0))


def curve_band(values: np.ndarray, picture_codes: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, ...]:
    """Average curves point by point.

    Parameters
    ----------
    values : numpy.ndarray
        (cases, points).
    picture_codes : numpy.ndarray
        (cases,) int64, each case's picture, a column of ``draws``.
    draws : numpy.ndarray
        What `draw` gave.

    Returns
    -------
    mean, low, high : numpy.ndarray
        (points,) each.
    """
    sums = np.zeros((draws.shape[1], values.shape[1]))
    counts = np.zeros(draws.shape[1])
    np.add.at(sums, picture_codes, values)
    np.add.at(counts, picture_codes, 1)
    drawn = draws @ counts
    replicates = (draws[drawn > 0] @ sums) / drawn[drawn > 0, None]
    return values.mean(0), *interval(replicates)
