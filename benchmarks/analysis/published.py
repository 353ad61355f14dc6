"""A paper's numbers, and the run's beside them."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results.published import Paper

PLACE = ["dataset", "network", "metric", "subset", "method"]
NOT_RUN = "not in this run"


def measure_published(paper: Paper | None, summary: pd.DataFrame) -> pd.DataFrame:
    """Find for each number of a paper the run's own, in what `scores.summarise` made of the run.

    Returns
    -------
    pandas.DataFrame
        One row for each number, in the paper's order, with the fields of `Published` and, in the paper's unit: ``ours``
        with its interval ``low``, ``high``; ``difference``, ours minus the paper's, with its interval
        ``difference_low``, ``difference_high``, which is that of ours alone; ``n``, the cases averaged; and ``held``,
        whether the interval of ours holds the paper's number. Where the run has no such number these are NaN, 0 and
        False, and ``reason`` says why.
    """
    if paper is None:
        return pd.DataFrame()
    known = {tuple(row[name] for name in PLACE): row for row in summary.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for number in paper.numbers:
        about = asdict(number)
        own = known.get(tuple(about[name] for name in PLACE), {})
        ours, low, high = (paper.factor * own.get(name, np.nan) for name in ("mean", "low", "high"))
        row = about | {"ours": ours, "low": low, "high": high, "n": own.get("n", 0)}
        row |= {"difference": ours - number.value, "held": bool(low <= number.value <= high)}
        row |= {"difference_low": low - number.value, "difference_high": high - number.value}
        rows.append(row | {"reason": _reason(own)})
    return pd.DataFrame(rows)


def _reason(own: dict[Any, Any]) -> str:
    """Say why there is no number; "" where there is one."""
    if not own:
        return NOT_RUN
    if own["n"]:
        return ""
    return "does not apply" if own["not_applicable"] else "failed"
