"""Every two methods compared, and the order of all.

A difference of two means, averaged as the tables average, is a sum over pictures: each adds its cases' paired
differences, with the weight that they have in the mean. So pictures are the units of every test, and a test is about
the very difference that is printed, also where the mean is over classes.

p is of the two-sided sign-flip permutation test of these sums, corrected by Holm's method. A column, that is one metric
and subset on one network and data set, has two families: the pairs of methods that are no nulls, and those of a method
and a null. Two nulls against each other are nobody's question: no p_holm. Cases that either of two methods has no score
for are left out of their comparison, and counted.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.scores import PLACE, Column, Name, estimate, estimate_all
from benchmarks.analysis.statistics import DIGITS, SIGNIFICANT, Estimate

PAIR = (
    *PLACE, "first", "second", "null", "cases", "dropped", "pictures", "difference", "low", "high", "p", "p_holm",
    "better", "wins", "ties", "losses", "win_rate", "effect", "needed",
)  # fmt: skip
ORDER = (*PLACE, "place", "method", "mean", "needed", "whole")


def compare_pairs(columns: Sequence[Column]) -> pd.DataFrame:
    """Compare every two methods in every column.

    Returns
    -------
    pandas.DataFrame
        One row for each pair, its first method before the second in the plan: ``null``, whether one of them or both
        know nothing of the network; ``cases`` compared, ``dropped`` for want of a score of either, and their
        ``pictures``; ``difference``, first minus second, with its interval ``low``, ``high``; ``p``; ``p_holm``;
        ``better``, the better method where the difference is supported (p_holm < 5 %), else ""; pictures on which the
        first ``wins``, ``ties``, ``losses``, and its ``win_rate``, a tie being half a win; ``effect``, the mean
        divided by the standard deviation over pictures; ``needed``, pictures that a paired t test needs for it.
        NaN where there are fewer than two pictures; ``p_holm`` and ``needed`` also for two nulls.
    """
    return pd.DataFrame([row for column in columns for row in _pairs(column)], columns=list(PAIR))


@dataclass(frozen=True)
class Paired:
    """Two methods, or a method and a control, on the cases that both have a score for.

    ``shares`` (all pictures,) are what each adds to the difference of the means (`contributions`); ``differences`` (all
    cases,) are NaN where either has no score.
    """

    names: tuple[Name, Name]
    one: Estimate
    other: Estimate
    cases: int
    pictures: int
    shares: np.ndarray
    differences: np.ndarray


def pair_all(column: Column, names: Sequence[tuple[Name, Name]]) -> list[Paired]:
    """Compare pairs of a column's scores, each on the cases that both have."""
    values = {name: column.scores[name].to_numpy() for pair in names for name in pair}
    differences = [values[one] - values[other] for one, other in names]
    shared = [~np.isnan(each) for each in differences]
    wanted = [(name, kept) for pair, kept in zip(names, shared, strict=True) for name in pair]
    estimates = iter(estimate_all(column, wanted))
    codes, pictures = column.pictures
    return [
        Paired(
            pair,
            next(estimates),
            next(estimates),
            int(kept.sum()),
            int(np.count_nonzero(np.bincount(codes[kept], minlength=len(pictures)))),
            contributions(each, codes, column.classes, len(pictures)),
            each,
        )
        for pair, each, kept in zip(names, differences, shared, strict=True)
    ]


def sign_tests(column: Column, pairs: Sequence[Paired], most: int) -> np.ndarray:
    """Test pairs by ``most`` flips of the pictures' signs: (pairs,), NaN for those that share one picture."""
    new = [each for each in pairs if (*each.names, most) not in column.tested]
    if new:
        p = statistics.sign_flip(np.array([each.shares for each in new]).T, most)
        for each, own in zip(new, p, strict=True):
            # Two-sided: it is the same the other way round.
            for names in (each.names, each.names[::-1]):
                column.tested[(*names, most)] = float(own) if each.pictures > 1 else np.nan
    return np.array([column.tested[(*each.names, most)] for each in pairs])


def _pairs(column: Column) -> list[dict[str, Any]]:
    codes, pictures = column.pictures
    names = list(itertools.combinations(column.methods, 2))
    others = np.array([sum(method not in column.contenders for method in each) for each in names])
    found = pair_all(column, names)
    rows = []
    for (first, second), each, nulls in zip(names, found, others, strict=True):
        shared = ~np.isnan(each.differences)
        low, high = statistics.interval(each.one.replicates - each.other.replicates)
        taking_part = np.bincount(codes, shared, len(pictures)) > 0
        advantages = np.bincount(codes, column.sign * np.where(shared, each.differences, 0), len(pictures))
        effect = _effect(each.shares[taking_part] * each.pictures)
        needed = statistics.pictures_needed(effect, int((others == nulls).sum()))
        row: dict[str, Any] = {"first": first, "second": second, "null": bool({first, second} & {*column.nulls})}
        row |= {"cases": each.cases, "dropped": column.asked - each.cases, "pictures": each.pictures}
        row |= {"difference": each.one.mean - each.other.mean, "low": low, "high": high}
        row |= _wins(advantages[taking_part])
        rows.append(column.place | row | {"effect": effect, "needed": needed if nulls < 2 else np.nan})
    p = sign_tests(column, found, statistics.flips(len(found)))
    p_holm = np.full(len(names), np.nan)
    for nulls in (0, 1):
        p_holm[others == nulls] = statistics.holm(p[others == nulls])
    for row, raw, corrected in zip(rows, p, p_holm, strict=True):
        ahead = row["first"] if column.sign * row["difference"] > 0 else row["second"]
        row |= {"p": raw, "p_holm": corrected, "better": ahead if corrected < SIGNIFICANT else ""}
    return rows


def contributions(differences: np.ndarray, pictures: np.ndarray, classes: np.ndarray | None, count: int) -> np.ndarray:
    """Return what each picture adds to a difference of two means.

    Parameters
    ----------
    differences : numpy.ndarray
        (cases,), paired; NaN where either method has no score, which leaves the case out.
    pictures : numpy.ndarray
        (cases,) int, each case's picture.
    classes : numpy.ndarray or None
        (cases,) int, each case's class, for a mean over classes.
    count : int
        How many pictures there are.

    Returns
    -------
    numpy.ndarray
        (count,), whose sum is the difference.
    """
    shared = ~np.isnan(differences)
    classes = np.zeros(len(shared), dtype=int) if classes is None else classes
    sizes = np.bincount(classes, shared)
    weights = shared / np.maximum(sizes, 1)[classes] / max((sizes > 0).sum(), 1)
    return np.bincount(pictures, np.where(shared, differences, 0) * weights, count)


def _wins(advantages: np.ndarray) -> dict[str, float]:
    signs = np.sign(np.round(advantages, DIGITS))
    counts = {name: int((signs == sign).sum()) for name, sign in (("wins", 1), ("ties", 0), ("losses", -1))}
    return counts | {"win_rate": (1 + signs.mean()) / 2 if len(signs) else np.nan}


def _effect(each: np.ndarray) -> float:
    """Standardise the mean of paired differences; infinite where all are equal, and 0 where all are 0."""
    if len(each) < 2:
        return np.nan
    mean, deviation = (np.round(value, DIGITS) for value in (each.mean(), each.std(ddof=1)))
    return float(mean / deviation) if deviation else float(np.copysign(np.inf, mean)) if mean else 0.0


def order_methods(columns: Sequence[Column], pairs: pd.DataFrame) -> pd.DataFrame:
    """Order the methods of each column as printed, nulls left out, and say how sure that order is.

    Returns
    -------
    pandas.DataFrame
        One row for each method with a score, best mean first: ``needed``, pictures that would separate it from the
        next one; ``whole``, the share of bootstrap resamples in which the whole order is the printed one. Equal means
        of a resample are put in order by a fair coin. NaN where nothing can be drawn, or nothing comes next.
    """
    rows = []
    for column in columns:
        found = {method: estimate(column, method) for method in column.contenders}
        order = sorted((m for m in found if found[m].n), key=lambda m: -column.sign * found[m].mean)
        if not order:
            continue
        here = column.among(pairs)
        needed = {frozenset((row["first"], row["second"])): row["needed"] for row in here.to_dict("records")}
        replicates = np.array([found[method].replicates for method in order]).T
        leads = np.round(column.sign * -np.diff(replicates[~np.isnan(replicates).any(axis=1)]), DIGITS)
        whole = _share_in_order(leads) if leads.size else np.nan
        for place, (method, after) in enumerate(zip(order, [*order[1:], ""], strict=True), start=1):
            row = {"place": place, "method": method, "mean": found[method].mean, "whole": whole}
            rows.append(column.place | row | {"needed": needed.get(frozenset((method, after)), np.nan)})
    return pd.DataFrame(rows, columns=list(ORDER))


def _share_in_order(leads: np.ndarray) -> float:
    """Return the share of rows without a negative lead, (rows, leads); 1 / k! of a row where k methods are equal."""
    weights = (leads >= 0).all(axis=1).astype(float)
    equal = np.ones(len(leads))
    for lead in leads.T:
        equal = np.where(lead == 0, equal + 1, 1)
        weights /= equal
    return float(weights.mean())


def contested(column: Column, pairs: pd.DataFrame) -> pd.DataFrame:
    """Select a column's pairs of contenders, nulls left out."""
    here, names = column.among(pairs), list(column.contenders)
    return here[here["first"].isin(names) & here["second"].isin(names)]
