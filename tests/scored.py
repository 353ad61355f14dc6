"""Scores on paper: a column, and the records of a run that would have it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.scores import Column
from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS, TIMING_COLUMNS, Records

NULLS = ("random", "centre")


def column(
    scores: Mapping[str, Sequence[float]],
    pictures: Sequence[str] | None = None,
    targets: Sequence[int] | None = None,
    **about: Any,
) -> Column:
    """Make a column of cases that are a picture each, and of one class, unless said otherwise."""
    cases = len(next(iter(scores.values())))
    names = list(pictures or (f"picture-{i:03d}" for i in range(cases)))
    index = pd.MultiIndex.from_arrays(
        [names, list(targets or [0] * cases), [f"case-{i:03d}" for i in range(cases)]],
        names=["picture", "target", "case"],
    )
    place = {"dataset": "scenes", "network": "net", "metric": "insertion", "metric_id": "Insertion()", "subset": "all"}
    kind = {"direction": "higher", "average": "cases", "headline": True}
    rest = {"nulls": tuple(name for name in scores if name in NULLS), "asked": cases}
    answered = dict.fromkeys(scores, cases)
    values = pd.DataFrame({name: np.asarray(each, dtype=float) for name, each in scores.items()}, index=index)
    return Column(
        **{**place, **kind, "methods": tuple(scores), **rest, "answered": answered, "scores": values, **about}
    )


def records(columns: Sequence[Column]) -> Records:
    """Write columns of one dataset and network down as a run does."""
    rows = []
    for each in columns:
        for (picture, target, case), scores in each.scores.iterrows():
            for method, score in scores.items():
                row = {"plan": "paper", "dataset": each.dataset, "network": each.network, "method": method}
                row |= {"control": "", "metric": each.metric, "metric_id": each.metric_id, "case": case}
                row |= {"picture": picture, "target": target, "target_name": f"class-{target}", "difficult": False}
                rows.append(row | {"score": score})
    first = columns[0]
    setting = {
        "dataset": first.dataset,
        "network": {"name": first.network, "input_size": 20, "weights_sha256": "0123456789abcdef"},
        "device": "cpu",
        "cases": {"all": first.asked, "difficult": 0},
        "methods": {method: {"class": method, "parameters": {}} for method in first.methods},
        "nulls": list(first.nulls),
        "metrics": {
            each.metric: {
                "id": each.metric_id, "direction": each.direction, "average": each.average, "subsets": [each.subset],
            }
            for each in columns
        },
    }  # fmt: skip
    inputs = {"plan": "paper", "summary": "On paper.", "settings": [setting]}
    return Records(
        pd.DataFrame(rows, columns=list(RECORD_COLUMNS)),
        pd.DataFrame(columns=list(CURVE_COLUMNS)),
        pd.DataFrame(columns=list(TIMING_COLUMNS)),
        {"inputs": inputs, "run": {"command": "python"}},
        [],
    )
