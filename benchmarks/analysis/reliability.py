"""How far a metric can be relied on to rank methods: by pictures, by halves, by metrics, by settings.

After R. Tomsett et al., "Sanity Checks for Saliency Metrics", AAAI 2020. Nulls are left out unless said otherwise:
every picture and every metric tells noise from a method, so that with nulls any metric would look reliable.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata

from benchmarks.analysis import statistics
from benchmarks.analysis.scores import PLACE, Column, by_picture, estimate
from benchmarks.analysis.statistics import DIGITS

SPLITS = 1000
SEED = 0
CARD = (*PLACE, "pictures", "alpha", "alpha_with_nulls", "halves", "halves_with_nulls")
AGREEMENT = ("dataset", "network", "first", "second", "pictures", "over_means", "by_picture")
SETTINGS = (
    "dataset", "network", "measure", "subset", "first", "second", "first_id", "second_id", "tau", "first_best",
    "second_best",
)  # fmt: skip


def reliability_card(columns: Sequence[Column]) -> pd.DataFrame:
    """Say of every column how far pictures, and halves of them, agree on the order of the methods.

    Returns
    -------
    pandas.DataFrame
        One row for each column: ``pictures`` on which every method has a score, ``alpha`` (`agreement_of_pictures`)
        and ``halves`` (`agreement_of_halves`), both with nulls, too.
    """
    rows = []
    for column in columns:
        row: dict[str, Any] = {"pictures": len(by_picture(column, column.contenders))}
        known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for name, methods in (("_with_nulls", column.methods), ("", column.contenders)):
            row[f"alpha{name}"] = agreement_of_pictures(column, methods)
            row[f"halves{name}"] = agreement_of_halves(column, methods, known)
        rows.append(column.place | row)
    return pd.DataFrame(rows, columns=list(CARD))


def agreement_of_pictures(column: Column, methods: tuple[str, ...]) -> float:
    """Return Krippendorff's ordinal alpha of the pictures, as raters that rank the methods.

    1: all rank alike; 0: as chance would; NaN where two pictures do not rank two methods. Customarily, alpha below
    .667 supports no conclusion, and .8 is asked for (K. Krippendorff, "Content Analysis", 2004).
    """
    scores = by_picture(column, methods)
    ranks = rankdata((-column.sign * scores).round(DIGITS), axis=1) if scores.size else np.zeros((0, 0))
    if min(ranks.shape) < 2 or not np.ptp(ranks):
        return np.nan
    return float(krippendorff.alpha(ranks, level_of_measurement="ordinal"))


def agreement_of_halves(
    column: Column, methods: tuple[str, ...], known: dict[bytes, tuple[np.ndarray, np.ndarray]] | None = None
) -> float:
    """Return the split-half reliability of the order of the methods' means.

    Spearman's correlation between the means on two random halves of the pictures, averaged over seeded splits (those
    in which either half tells methods apart), and, if it is above 0, stepped up to the whole number of pictures by
    Spearman and Brown's formula. NaN for fewer than two methods or pictures, or where no split has a correlation.
    ``known`` keeps the means of all methods, by the cases that they are over.
    """
    kept = column.scores[list(methods)].dropna(axis=1, how="all")
    shared = kept.notna().all(axis=1).to_numpy()
    codes, everyone = column.pictures
    taking_part = np.unique(codes[shared])
    half = len(taking_part) // 2
    if half < 1 or kept.shape[1] < 2:
        return np.nan
    known = {} if known is None else known
    if shared.tobytes() not in known:
        scores = np.where(shared[:, None], column.scores.to_numpy(), np.nan)
        counts = [_spread(drawn, taking_part, len(everyone)) for drawn in _halves(len(taking_part))]
        means = [statistics.replicate(scores, codes, column.classes, each) for each in counts]
        first, second = (np.round(each, DIGITS) for each in means)
        known[shared.tobytes()] = first, second
    places = column.scores.columns.get_indexer(kept.columns)
    halves = [half[:, places] for half in known[shared.tobytes()]]
    correlations = statistics.rank_correlations(*halves)
    if np.isnan(correlations).all():
        return np.nan
    correlation = float(np.nanmean(correlations))
    return 2 * correlation / (1 + correlation) if correlation > 0 else correlation


def _spread(drawn: np.ndarray, taking_part: np.ndarray, pictures: int) -> np.ndarray:
    """Say of all pictures how often each is in a half, (splits, pictures), from bits of those that take part."""
    counts = np.zeros((len(drawn), pictures), np.uint8)
    counts[:, taking_part] = np.unpackbits(drawn, axis=1, count=len(taking_part))
    return counts


@functools.lru_cache(maxsize=4)
def _halves(pictures: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw which pictures are in either half: (splits, pictures) bits each, 8 of them a byte."""
    half, generator = pictures // 2, np.random.default_rng(SEED)
    chosen: list[list[np.ndarray]] = [[], []]
    for splits in statistics.blocks(SPLITS, pictures):
        drawn = generator.permuted(np.tile(np.arange(pictures), (splits, 1)), axis=1)
        for own, part in zip(chosen, (drawn[:, :half], drawn[:, half : 2 * half]), strict=True):
            bits = np.zeros((splits, pictures), bool)
            np.put_along_axis(bits, part, True, axis=1)
            own.append(np.packbits(bits, axis=1))
    return np.concatenate(chosen[0]), np.concatenate(chosen[1])


def agreement_of_metrics(columns: Sequence[Column]) -> pd.DataFrame:
    """Correlate every two headline metrics of a setting, of those that judge: do they order the methods alike.

    Returns
    -------
    pandas.DataFrame
        One row for each pair of metrics: Spearman's correlation between the methods' means (``over_means``), and
        between their scores on one picture, averaged over the pictures that both rank (``by_picture``, on
        ``pictures``). Better is better in both. NaN for fewer than two methods.
    """
    rows = []
    kept = [column for column in columns if column.main and column.judges and column.subset == "all"]
    for (dataset, network), group in _settings(kept).items():
        ranked = [(column.sign * by_picture(column, column.contenders)).round(DIGITS) for column in group]
        means = [_means(column) for column in group]
        for i, j in itertools.combinations(range(len(group)), 2):
            row: dict[str, Any] = {"dataset": dataset, "network": network}
            row |= {"first": group[i].metric, "second": group[j].metric}
            one, other = ranked[i].align(ranked[j], join="inner")
            correlations = statistics.rank_correlations(one.to_numpy(), other.to_numpy())
            common = [method for method in means[i] if method in means[j]]
            ordered = [np.array([[means[k][method] for method in common]]) for k in (i, j)]
            over_means = statistics.rank_correlations(*ordered)
            pictures = int((~np.isnan(correlations)).sum())
            row |= {"pictures": pictures, "over_means": over_means[0]}
            rows.append(row | {"by_picture": float(np.nanmean(correlations)) if pictures else np.nan})
    return pd.DataFrame(rows, columns=list(AGREEMENT))


def _settings(columns: Sequence[Column]) -> dict[tuple[str, str], list[Column]]:
    # Columns come setting by setting.
    return {place: list(group) for place, group in itertools.groupby(columns, lambda column: column.setting)}


def _means(column: Column) -> dict[str, float]:
    """Return the methods' means, nulls left out, higher being better."""
    found = {method: estimate(column, method) for method in column.contenders}
    return {method: round(column.sign * each.mean, DIGITS) for method, each in found.items() if each.n}


def sensitivity(columns: Sequence[Column]) -> pd.DataFrame:
    """Compare the order of the methods under every two settings of a measure: steps, baseline value, score, ...

    Each metric declares its measure. Measures that only describe a map are left out.

    Returns
    -------
    pandas.DataFrame
        One row for each pair of settings: Kendall's ``tau`` between the methods' means, and the best method under
        either. NaN for fewer than two methods.
    """
    rows = []
    for (dataset, network), group in _settings([column for column in columns if column.judges]).items():
        means = {(column.metric, column.subset): _means(column) for column in group}
        for first, second in itertools.combinations(group, 2):
            if (first.measure, first.subset) != (second.measure, second.subset):
                continue
            one, other = (means[column.metric, column.subset] for column in (first, second))
            common = [method for method in one if method in other]
            tau = kendalltau([one[m] for m in common], [other[m] for m in common]) if len(common) > 1 else None
            row: dict[str, Any] = {"dataset": dataset, "network": network, "measure": first.measure}
            row |= {"subset": first.subset, "first": first.metric, "second": second.metric}
            row |= {"first_id": first.metric_id, "second_id": second.metric_id}
            row |= {"tau": float(tau.statistic) if tau else np.nan}
            row |= {"first_best": max(one, key=one.__getitem__, default="")}
            rows.append(row | {"second_best": max(other, key=other.__getitem__, default="")})
    return pd.DataFrame(rows, columns=list(SETTINGS))
