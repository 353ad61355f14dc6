"""Means over cases, and how far they can be trusted: a bootstrap over pictures, tests by pictures.

Cases of one picture are not independent (the same picture is explained for several classes), so pictures are drawn,
each with all of its cases: a cluster bootstrap. All methods share the draws, so that differences are paired.
"""

import bisect
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import chi2, pearsonr, rankdata, t

RESAMPLES = 5000
FLIPS = 9999
FLIPS_A_TEST = 100
SEED = 0
LEVEL = 0.95
SIGNIFICANT = 0.05
POWER = 0.8
MOST_PICTURES = 10_000
"""Beyond this many pictures, a difference counts as hopeless."""
MOST_EFFECT = 3.5
"""Larger effects count as this one: on pictures that hardly differ, the effect seen may be far larger by chance."""
BLOCK = 4_000_000
"""Numbers of a large matrix that are at hand as floats at a time; below it, all of them."""
GAUSS = np.polynomial.legendre.leggauss(400)
DIGITS = 9
"""Decimals at which numbers that are equal on paper are equal."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % percentile interval; NaN where there is nothing to average."""

    mean: float
    low: float  # NaN for fewer than two pictures, and so is ``high``
    high: float
    n: int  # cases averaged: those to which the metric applies
    replicates: np.ndarray  # (resamples,), the mean of each resample; NaN where the interval is


@functools.lru_cache(maxsize=4)
def draw(pictures: int) -> np.ndarray:
    """Draw how often each picture occurs in each resample: (resamples, pictures) uint8, the same every time."""
    if not pictures:
        return np.zeros((RESAMPLES, 0), np.uint8)
    generator = np.random.default_rng(SEED)
    equally = np.full(pictures, 1 / pictures)
    draws = np.concatenate(
        [generator.multinomial(pictures, equally, size=rows).astype(np.uint8) for rows in blocks(RESAMPLES, pictures)]
    )
    draws.setflags(write=False)  # it is handed out again
    return draws


def blocks(rows: int, columns: int) -> list[int]:
    """Divide the rows of a matrix, so that no part has more than `BLOCK` numbers if it can be helped."""
    size = max(1, BLOCK // max(1, columns))
    return [min(size, rows - start) for start in range(0, rows, size)]


def resampled(draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Add up the pictures' values, (pictures, n), over each resample: (resamples, n) float64."""
    ends = np.cumsum(blocks(*draws.shape))[:-1]
    return np.concatenate([part.astype(np.float64) @ values for part in np.split(draws, ends)])


def estimates(
    scores: np.ndarray, pictures: np.ndarray, classes: np.ndarray | None, draws: np.ndarray
) -> list[Estimate]:
    """Average the scores of each method under one metric.

    Parameters
    ----------
    scores : numpy.ndarray
        (cases, methods), NaN where a case is left out.
    pictures : numpy.ndarray
        (cases,) int, each case's picture, a column of ``draws``.
    classes : numpy.ndarray or None
        (cases,) int, each case's class, from 0 on: the mean is that over classes of each class's mean, as in the
        pointing game; a class that a resample lacks does not count in it. None: the mean over cases.
    draws : numpy.ndarray
        What `draw` gave.
    """
    replicates = replicate(scores, pictures, classes, draws)
    found = []
    for values, each in zip(scores.T, np.ascontiguousarray(replicates.T), strict=True):
        kept = ~np.isnan(values)
        mean = _mean(values[kept], pictures[kept], None if classes is None else classes[kept], draws.shape[1])
        several = kept.any() and np.ptp(pictures[kept]) > 0
        each = each if several else np.full(len(draws), np.nan)
        found.append(Estimate(mean, *interval(each), int(kept.sum()), each))
    return found


def _mean(values: np.ndarray, pictures: np.ndarray, classes: np.ndarray | None, count: int) -> float:
    """Average scores, picture by picture in their order, so that equal methods have equal means to the last digit."""
    if not len(values):
        return math.nan
    if classes is None:
        return float(np.bincount(pictures, values, count).sum() / len(values))
    classes, names = pd.factorize(classes)
    both, place = np.unique(pictures * len(names) + classes, return_inverse=True)
    sums = np.bincount(both % len(names), np.bincount(place, values))
    return float((sums / np.bincount(classes)).sum() / len(names))


def replicate(scores: np.ndarray, pictures: np.ndarray, classes: np.ndarray | None, draws: np.ndarray) -> np.ndarray:
    """Average scores as `estimates` does over each resample: (resamples, methods), NaN where there is nothing."""
    kept = ~np.isnan(scores)
    # Methods that miss the same cases, as most do, share their counts.
    masks, places = np.unique(kept, axis=1, return_inverse=True)
    groups = [np.arange(len(scores))]
    if classes is not None:
        groups = np.split(np.argsort(classes, kind="stable"), np.cumsum(np.bincount(classes))[:-1])
    values = np.where(kept, scores, 0)
    summed, present = np.zeros((2, len(draws), scores.shape[1]))
    for group in groups:
        drawn, codes = draws, pictures
        if classes is not None:  # the pictures of the class alone
            own, codes = np.unique(pictures[group], return_inverse=True)
            drawn = draws[:, own]
        weights = [*values[group].T, *masks[group].T]
        added = resampled(drawn, np.array([np.bincount(codes, weight, drawn.shape[1]) for weight in weights]).T)
        sums, counts = added[:, : len(places)], added[:, len(places) :][:, places]
        summed += np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        present += counts > 0
    averaged: np.ndarray = np.divide(summed, present, out=np.full(summed.shape, np.nan), where=present > 0)
    return averaged


def interval(replicates: np.ndarray) -> tuple[Any, Any]:
    """Return the bounds between which 95 % of the resamples lie, along the first axis, leaving NaN out."""
    tail = 100 * (1 - LEVEL) / 2
    finite = replicates[np.isfinite(replicates).reshape(len(replicates), -1).all(1)]
    if not len(finite):
        return np.nan, np.nan
    return tuple(np.percentile(finite, [tail, 100 - tail], axis=0))


def curve_band(curves: np.ndarray, pictures: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, ...]:
    """Average a method's curves point by point: the mean and its interval's bounds, (points,) each.

    Parameters
    ----------
    curves : numpy.ndarray
        (cases, points).
    pictures : numpy.ndarray
        (cases,) int, each case's picture, a column of ``draws``.
    draws : numpy.ndarray
        What `draw` gave.
    """
    size = draws.shape[1]
    sums = [np.bincount(pictures, points, size) for points in curves.T]
    added = resampled(draws, np.array([*sums, np.bincount(pictures, minlength=size)]).T)
    added = added[added[:, -1] > 0]
    return curves.mean(0), *interval(added[:, :-1] / added[:, -1:])


def flips(tests: int) -> int:
    """Return how many patterns of signs are drawn: enough for all of a family to be significant after correction.

    The smallest possible p is 2 / (flips + 1).
    """
    return max(FLIPS, FLIPS_A_TEST * tests)


def sign_flip(contributions: np.ndarray, most: int | None = None) -> np.ndarray:
    """Test whether sums of paired differences are 0, by flipping the pictures' signs at random.

    If two methods are exchangeable, a picture's difference is as likely to be of the other sign. Exact where there
    are no more patterns of signs than `flips` says, else by as many of them, drawn from an own generator. Two-sided
    (twice the smaller side). Patterns are shared by all tests.

    Parameters
    ----------
    contributions : numpy.ndarray
        (pictures, tests): what each picture adds to each test's difference, 0 where it has no part in it.
    most : int, optional
        So many patterns instead: for tests of several families at once.

    Returns
    -------
    numpy.ndarray
        (tests,), p-values; 1 where nothing differs; NaN for fewer than two pictures.
    """
    pictures, tests = contributions.shape
    if pictures < 2:
        return np.full(tests, np.nan)
    scale = np.abs(contributions).sum(0)
    shares = contributions / np.where(scale > 0, scale, 1)
    # Rounded, that sums of the same terms in another order are as extreme as each other.
    observed = np.round(shares.sum(0), DIGITS)
    drawn = _patterns(pictures, most or flips(tests))
    sums = np.concatenate([np.round(_signs(packed, pictures) @ shares, DIGITS) for packed in drawn])
    # The pattern that was seen counts as drawn, too; all patterns have it anyway.
    seen = int(len(sums) < 2**pictures)
    counts = [np.count_nonzero(side, axis=0) for side in (sums <= observed, sums >= observed)]
    p: np.ndarray = np.minimum(2 * ((np.minimum(*counts) + seen) / (len(sums) + seen)), 1)
    return p


@functools.lru_cache(maxsize=4)
def _patterns(pictures: int, most: int) -> list[np.ndarray]:
    """Draw patterns of signs, or list all where there are no more than ``most``: batches of patterns, 8 signs a byte.

    They are those of `scipy.stats.permutation_test`, which takes a minute to draw them for 20,000 pictures.
    """
    if 2**pictures <= most:
        numbers = np.arange(2**pictures)[:, None] >> np.arange(pictures)[::-1]
        return [np.packbits(numbers & 1 == 0, axis=1)]
    generator = np.random.PCG64(SEED)
    drawn, left = [], np.zeros(0, bool)
    for patterns in blocks(most, pictures):
        # SciPy takes the lowest bit of each 32.
        raw = generator.random_raw((patterns * pictures - len(left) + 1) // 2)
        signs = np.concatenate([left, (raw.view(np.uint32) & 1).astype(bool)])
        signs, left = np.split(signs, [patterns * pictures])
        drawn.append(np.packbits(signs.reshape(patterns, pictures), axis=1))
    return drawn


def _signs(packed: np.ndarray, pictures: int) -> np.ndarray:
    """Spell a batch of patterns out: (patterns, pictures) float64 of 1 and -1."""
    signs = np.unpackbits(packed, axis=1, count=pictures).astype(np.float64)
    signs *= 2
    signs -= 1
    return signs


def smallest_p(pictures: int, tests: int) -> float:
    """Return the smallest p that `sign_flip` can find in a family of tests, after Holm's correction."""
    patterns = min(2**pictures, flips(tests) + 1)
    return min(1.0, 2 / patterns * tests) if pictures > 1 else 1.0


def holm(p: np.ndarray) -> np.ndarray:
    """Correct a family of p-values by Holm's method; those that are NaN stay so, and are no part of the family.

    statsmodels has the method, too, but collects all garbage before each call, which takes most of a report's time.
    """
    p = np.asarray(p, dtype=float)
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected


def pictures_needed(effect: float, tests: int = 1) -> float:
    """Return how many pictures a paired t test needs to see an effect: power of 80 %, two-sided at 5 % / ``tests``.

    Parameters
    ----------
    effect : float
        The mean of the paired differences divided by their standard deviation.
    tests : int
        The size of the family: at this level Holm's method supports a difference, whatever the others are.

    Returns
    -------
    float
        A whole number; infinity for more than `MOST_PICTURES`; NaN for an effect that is NaN.
    """
    if math.isnan(effect):
        return math.nan
    level = SIGNIFICANT / tests
    counts = range(2, MOST_PICTURES + 1)
    enough = bisect.bisect_left(counts, True, key=lambda count: power(abs(effect), count, level) >= POWER)
    return counts[enough] if enough < len(counts) else math.inf


def power(effect: float, pictures: int, level: float) -> float:
    """Return how likely a two-sided paired t test finds an effect, (0, 1].

    The test's statistic is a normal variable over the root of an independent chi-squared one: its probability, given
    the latter, is integrated over the latter's quantiles. (SciPy's non-central t is NaN at many of these points.)
    """
    shift, bound = min(effect, MOST_EFFECT) * math.sqrt(pictures), _bounds(pictures, level)
    return float(GAUSS[1] / 2 @ (ndtr(shift - bound) + ndtr(-shift - bound)))


# Kept, as the search of every pair of methods begins with the same numbers of pictures.
@functools.lru_cache(maxsize=4096)
def _bounds(pictures: int, level: float) -> np.ndarray:
    """Return what the normal variable of `power` must exceed, at each of the chi-squared's quantiles."""
    scatter = np.sqrt(chi2.isf((1 - GAUSS[0]) / 2, pictures - 1) / (pictures - 1))
    return np.asarray(t.isf(level / 2, pictures - 1) * scatter)


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate two matrices of equal shape row by row: Spearman's, (rows,), NaN where a row is constant."""
    ranks = [rankdata(each, axis=1) for each in (first, second)]
    correlations = np.full(len(first), np.nan)
    if not first.size:
        return correlations
    varied = np.logical_and(*(np.ptp(each, axis=1) > 0 for each in ranks))
    if varied.any():
        correlations[varied] = pearsonr(ranks[0][varied], ranks[1][varied], axis=1).statistic
    return correlations
