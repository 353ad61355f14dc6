"""Who is ahead: the leading group of a column, and one method against its rivals."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.analysis.scores import PLACE, Column, estimate
from benchmarks.analysis.statistics import DIGITS

DUEL = (*PLACE, "method", "rival", "best", "lead", "low", "high", "state", "needed")
REFERENCE = "mint"
"""The method that every other one is compared with, if the plan has it."""


def order(column: Column, methods: Sequence[str]) -> dict[str, float]:
    """Return the means of the methods that have scores, the best first; equal ones stay as they came."""
    found = {method: estimate(column, method) for method in methods}
    means = {method: round(each.mean, DIGITS) for method, each in found.items() if each.n}
    return dict(sorted(means.items(), key=lambda item: -column.sign * item[1]))


def leaders(column: Column, pairs: pd.DataFrame) -> tuple[str, ...]:
    """Name the method with the best mean, and those that no test tells apart from it, best first.

    ``pairs`` is what `comparisons.compare_pairs` found. Two nulls are never compared, so that one alone can lead.
    """
    means = order(column, [*column.contenders, *column.nulls])
    if not means or not column.judges:
        return ()
    best = next(iter(means))
    here = column.among(pairs)
    beaten = {*here[here["better"] == best][["first", "second"]].to_numpy().ravel()}
    unasked = {*column.nulls} if best in column.nulls and best not in column.contenders else set()
    return tuple(method for method in means if method == best or method not in beaten | unasked)


def duels(columns: Sequence[Column], pairs: pd.DataFrame, method: str, against: Sequence[str] = ()) -> pd.DataFrame:
    """Compare one method with its rivals: those named, else MINT and, in each column, the best of the others.

    Returns
    -------
    pandas.DataFrame
        One row for each column and rival that it has: ``best``, whether the rival is the best of the others there;
        ``lead``, by how much the method is better, with its interval ``low``, ``high``; ``state``: "ahead" or "behind"
        where a test supports it, else "undecided"; ``needed``, pictures that would decide.
    """
    rows: list[dict[str, Any]] = []
    for column in columns:
        others = order(column, [name for name in column.contenders if name != method])
        best = next(iter(others), "")
        rivals = against or dict.fromkeys(name for name in (best, REFERENCE) if name in others)
        here = column.among(pairs)
        for row in here[(here["first"] == method) | (here["second"] == method)].to_dict("records"):
            rival = row["second"] if row["first"] == method else row["first"]
            if rival not in rivals or not row["cases"]:
                continue
            sign = column.sign * (1 if row["first"] == method else -1)
            low, high = sorted((sign * row["low"], sign * row["high"]))
            state = {method: "ahead", rival: "behind"}.get(row["better"], "undecided")
            about = {"method": method, "rival": rival, "best": rival == best, "lead": sign * row["difference"]}
            about |= {"low": low, "high": high, "state": state, "needed": row["needed"]}
            rows.append(column.place | about)
    return pd.DataFrame(rows, columns=list(DUEL))
