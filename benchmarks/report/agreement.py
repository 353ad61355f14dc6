"""Two runs beside each other: the sentences and the table of ``python -m benchmarks compare``."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.agreement import agreement, side_by_side
from benchmarks.report.numbers import counted
from benchmarks.results.records import Records, RecordsError, load

MOST_NAMES = 5  # that a line lists


def compare(one: Path, other: Path, tolerance: float) -> tuple[str, bool]:
    """Compare the scores of two runs.

    Returns
    -------
    text : str
        Where each is from, a table of the differences, what only one of them has, and the verdict.
    same : bool
        Whether no score that both have differs by more than the tolerance.

    Raises
    ------
    RecordsError
        If records cannot be read, or the runs share no score.
    """
    runs = load(one), load(other)
    table = side_by_side(runs[0].scores, runs[1].scores)
    found = agreement(table)
    if found.empty:
        raise RecordsError(
            f"{one} and {other} share no score of a metric with the same settings; compare runs of one plan."
        )
    beyond = table.loc[table["difference"] > tolerance, "method"].value_counts()
    total = counted(int(found["shared"].sum()), "score")
    parts = [
        "\n".join(f"{name}: {_origin(records)}" for name, records in zip((one, other), runs, strict=True)),
        _spelled(found).to_string(index=False),
        *(_only(table, side, name) for side, name in zip(("one", "other"), (one, other), strict=True)),
        _otherwise_set(table),
        "inf: the metric applies to the case in one of the runs only." if np.isinf(found["largest"]).any() else "",
        f"Of {total} compared, these differ by more than {tolerance:g}: "
        f"{_names([f'{number:,} of {method}' for method, number in beyond.items()])}."
        if len(beyond)
        else f"No difference of {total} compared is more than {tolerance:g}.",
    ]
    return "\n\n".join(filter(None, parts)), beyond.empty


def _origin(records: Records) -> str:
    run: dict[str, Any] = records.provenance["run"]
    hardware, git = run.get("hardware") or {}, run.get("git") or {}
    machine = hardware.get("gpu") or hardware.get("cpu") or "several machines"
    commit = str(git.get("commit") or "several or none")[:12]
    return f"commit {commit}{' and changes' * bool(git.get('dirty'))}, {machine}"


def _spelled(found: pd.DataFrame) -> pd.DataFrame:
    method = found["method"] + (" (" + found["control"] + ")").where(found["control"] != "", "")
    where = (method + ", " + found["case"]).where(found["largest"] > 0, "")
    numbers = {name: found[name].map("{:.2g}".format) for name in ("median", "largest")}
    return found[["dataset", "network", "metric", "shared"]].assign(**numbers, where=where)


def _only(table: pd.DataFrame, side: str, run: Path) -> str:
    """Say what only one run has, and the names that the other lacks."""
    rows = table[table["in"] == side]
    if rows.empty:
        return ""
    lines = [f"Only in {run}: {counted(len(rows), 'score')}"]
    for column in ("dataset", "network", "metric", "method", "control", "case"):
        lacking = sorted({*rows[column]} - {*table.loc[table["in"] != side, column]})
        lines += [f"  {column}: {_names(lacking)}"] if lacking else []
    return "\n".join(lines)


def _otherwise_set(table: pd.DataFrame) -> str:
    rows = table[table["settings"]]
    if rows.empty:
        return ""
    names = _names(list(rows["metric"].unique()))
    return (
        f"In both, but not compared, as the metric is set otherwise: {counted(len(rows), 'score')}\n  metric: {names}"
    )


def _names(names: list[str]) -> str:
    more = [f"and {len(names) - MOST_NAMES} more"] * (len(names) > MOST_NAMES)
    return "; ".join([*names[:MOST_NAMES], *more])
