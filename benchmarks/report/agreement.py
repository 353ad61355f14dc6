"""Two runs beside each other: the sentences and the table of ``python -m benchmarks compare``."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.agreement import PLACE, agreement, side_by_side
from benchmarks.report.numbers import counted
from benchmarks.results.records import Records, RecordsError, load

MOST_NAMES = 5  # that a line lists


def compare(one: Path, other: Path, tolerance: float) -> tuple[str, bool]:
    """Compare the scores of two runs.

    Returns
    -------
    text : str
        Where each is from, a table of the differences, what only one has or was given otherwise, and the verdict.
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
        _otherwise_made(*runs),
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
    settings = records.provenance["inputs"]["settings"]
    devices = dict.fromkeys(device for each in settings for device in each.get("devices") or {})
    kind = "gpu" if any(each["device"] != "cpu" for each in settings) else "cpu"
    machine = _names([*devices]) or hardware.get(kind) or "several machines"
    commit = str(git["commit"])[:12] if git.get("commit") else "several or none"
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
    for column in PLACE:
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


def _otherwise_made(one: Records, other: Records) -> str:
    """Say what the runs gave otherwise to the networks and methods that both have, and so why scores may differ."""
    first, second = _facts(one), _facts(other)
    # There is one hash of all pictures: it tells nothing where the runs have other cases.
    apart = {(dataset, network) for dataset, network, _ in _cases(one) ^ _cases(other)}
    lines = []
    for place in first.keys() & second.keys():
        left, right = first[place], second[place]
        shared = [name for name in left if name in right and left[name] != right[name]]
        shared = [name for name in shared if name != "pictures" or place not in apart]
        names = _names([f"{name} ({left[name]}, {right[name]})" for name in shared])
        lines += [f"  {place[1]} on {place[0]}: {names}"] if shared else []
    return "\n".join(["Compared, though the runs differ in", *sorted(lines)]) if lines else ""


def _facts(records: Records) -> dict[tuple[str, str], dict[str, str]]:
    """Give what determines scores besides code, machine and versions, as a reader calls it, by data set and network."""
    found = {}
    for setting in records.provenance["inputs"]["settings"]:
        network = setting["network"]
        facts = {"precision": setting.get("precision", "float32"), "weights": network["weights_sha256"][:8]}
        facts |= {name: str(network[name]) for name in ("input_size", "mean", "std") if name in network}
        facts |= {f"the control {name}": str(each["id"]) for name, each in (setting.get("controls") or {}).items()}
        for method, each in setting["methods"].items():
            facts |= {f"{method}'s class": each["class"]} if "class" in each else {}
            facts |= {f"{method}'s {name}": value for name, value in (each.get("parameters") or {}).items()}
        if "+" not in setting["data_sha256"]:  # joined runs have several
            facts["pictures"] = setting["data_sha256"][:8]
        found[setting["dataset"], network["name"]] = facts
    return found


def _cases(records: Records) -> set[tuple[str, ...]]:
    return {
        *records.scores[["dataset", "network", "case"]].drop_duplicates().astype(str).itertuples(index=False, name=None)
    }


def _names(names: list[str]) -> str:
    more = [f"and {len(names) - MOST_NAMES} more"] * (len(names) > MOST_NAMES)
    return "; ".join([*names[:MOST_NAMES], *more])
