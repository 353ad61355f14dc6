"""Margins over the nulls, and scores at equal resolution, which show whether a metric measures what it should.

A *null* is a method that knows nothing of the network. A *control* is made from a method's own map, and most controls
take away what the method found out. If one of these scores as well as the method's own map, the metric says nothing in
the method's favour. Controls are scored on some cases only, null methods on all; so the two are corrected and shown
apart. A positive margin means that the method is better, whichever direction the metric has. The smallest margin of
several is shown: choosing the null that did best on these cases makes it a little too small, never too large.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.comparisons import pair_all, sign_tests
from benchmarks.analysis.scores import PLACE, Column, Name, estimate, read_columns, with_controls
from benchmarks.results.records import Records, place_in

MARGIN = (
    *PLACE, "method", "null", "own", "cases", "pictures", "score", "null_score", "margin", "low", "high", "p_holm",
    "best",
)  # fmt: skip
RESOLUTION = (*PLACE, "method", "control", "cases", "score", "low", "high", "change", "change_low", "change_high")


def measure_margins(records: Records, columns: Sequence[Column] | None = None) -> pd.DataFrame:
    """Compare every method that is no null with every null: the null methods, and its own derived ones.

    Returns
    -------
    pandas.DataFrame
        One row for each column of the report, method and null: ``own``, whether the null is derived from the method's
        map; ``cases`` and ``pictures`` compared; the means ``score`` and ``null_score``; ``margin``, by how much the
        method is better, with its interval ``low``, ``high``; ``p_holm``, of the sign-flip test, corrected for the
        method's nulls of the same kind (``own`` or not); ``best``, whether it is the method's smallest margin of these.
    """
    rows: list[dict[str, Any]] = []
    for column, controls in _judging(records, columns):
        derived = [name for name, about in controls.items() if about["null"]]
        if not (column.nulls or derived):
            continue
        families: list[list[tuple[Name, Name]]] = [
            [((method, ""), null) for null in nulls]
            for method in column.contenders
            for nulls in ([(null, "") for null in column.nulls if null != method], [(method, name) for name in derived])
        ]
        rows += _margins(with_controls(column, records), families)
    return pd.DataFrame(rows, columns=list(MARGIN))


def _judging(records: Records, columns: Sequence[Column] | None) -> list[tuple[Column, dict[str, Any]]]:
    """List the columns that judge maps, of each measure the first, each with the controls of its setting."""
    settings = records.provenance["inputs"]["settings"]
    controls = {place_in(setting): setting.get("controls", {}) for setting in settings}
    columns = read_columns(records) if columns is None else columns
    return [(column, controls[column.setting]) for column in columns if column.main and column.judges]


def _margins(column: Column, families: Sequence[Sequence[tuple[Name, Name]]]) -> list[dict[str, Any]]:
    """Compare methods with nulls; a family has the nulls of a kind for a method."""
    names = [[pair for pair in family if {*pair} <= {*column.scores}] for family in families]
    pairs = iter(pair_all(column, [each for family in names for each in family]))
    found = [[each for each in itertools.islice(pairs, len(family)) if each.cases] for family in names]
    most = statistics.flips(max(map(len, found), default=0))
    sign_tests(column, [each for family in found for each in family], most)  # all in one go
    rows: list[dict[str, Any]] = []
    for family in found:
        own: list[dict[str, Any]] = []
        for each, corrected in zip(family, statistics.holm(sign_tests(column, family, most)), strict=True):
            own_map, null = each.names
            low, high = statistics.interval(column.sign * (each.one.replicates - each.other.replicates))
            row = {"method": own_map[0], "null": null[1] or null[0], "own": bool(null[1])}
            row |= {"cases": each.cases, "pictures": each.pictures, "score": each.one.mean}
            row |= {"null_score": each.other.mean, "margin": column.sign * (each.one.mean - each.other.mean)}
            own.append(column.place | row | {"low": low, "high": high, "p_holm": corrected})
        best = min(own, key=lambda row: row["margin"], default=None)
        rows += [row | {"best": row is best} for row in own]
    return rows


def measure_resolution(records: Records, columns: Sequence[Column] | None = None) -> pd.DataFrame:
    """Score every method that is no null with its map as it is, and averaged down.

    Returns
    -------
    pandas.DataFrame
        One row for each column of the report, method and ``control`` ("": the map as it is), over the cases that all
        of a method's resolutions have a score for: ``score`` with its interval ``low``, ``high``, and the ``change``
        from the map as it is, with its interval ``change_low``, ``change_high``.
    """
    rows: list[dict[str, Any]] = []
    for column, controls in _judging(records, columns):
        coarse = [name for name, about in controls.items() if not about["null"]]
        spoilt = with_controls(column, records) if coarse else column
        for method in column.contenders if coarse else ():
            names = [(method, name) for name in ("", *coarse) if (method, name) in spoilt.scores]
            if len(names) < 2 or (method, "") not in names:
                continue
            shared = spoilt.scores[names].notna().all(axis=1).to_numpy()
            own = estimate(spoilt, (method, ""), shared)
            for name in names:
                each = estimate(spoilt, name, shared)
                low, high = statistics.interval(each.replicates - own.replicates)
                row = {"method": method, "control": name[1], "cases": each.n, "score": each.mean}
                row |= {"low": each.low, "high": each.high, "change": each.mean - own.mean}
                rows.append(column.place | row | {"change_low": low, "change_high": high})
    return pd.DataFrame(rows, columns=list(RESOLUTION))
