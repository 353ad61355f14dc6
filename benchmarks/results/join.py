"""Joining runs: one set of records of what was measured in parts, on several machines or on several days.

The runs may be of different networks and datasets, or, with ``run --cases``, of different cases of the same. What
else determines their numbers must be equal, and no score may be there twice: else there is nothing to join.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results.records import Records, RecordsError, load, place_in
from benchmarks.results.tables import joined

COUNTED = ("cases", "controlled", "data_sha256", "devices", "not_deterministic")
"""The inputs of a dataset and network in which runs of different cases differ."""
TIMED = ["dataset", "network", "method"]
SCORE = ["dataset", "network", "method", "control", "metric", "case"]


def join(directories: Sequence[Path]) -> Records:
    """Join the records of several runs of one plan.

    Rows, and the networks of a table, come in the order of the directories. A method that several runs timed has the
    timing of the first. In the provenance, cases are added up, ``data_sha256`` of cases that several runs measured is
    the runs' own, joined by "+", and "run" has every run's facts as ``runs``.

    Raises
    ------
    RecordsError
        If records cannot be read, are of different plans or seeds, or hold one score twice; or if runs of one
        dataset and network differ in anything but their cases.
    """
    parts = [load(directory) for directory in directories]
    inputs = [records.provenance["inputs"] for records in parts]
    for name in ("plan", "seed"):
        found = list(dict.fromkeys(str(each[name]) for each in inputs))
        if len(found) > 1:
            raise RecordsError(f"the runs have different {name}s ({', '.join(found)}); join runs of one.")
    scores, curves, timings = (
        joined([getattr(records, name) for records in parts]) for name in ("scores", "curves", "timings")
    )
    twice = scores.duplicated(SCORE)
    if twice.any():
        row = scores[twice].iloc[0]
        raise RecordsError(
            f"{row['method']}'s {row['metric']} of case {row['case']} ({row['network']} on {row['dataset']}) is in "
            "several of the runs; join runs of different cases."
        )
    settings: dict[tuple[str, str], dict[str, Any]] = {}
    for directory, each in zip(directories, inputs, strict=True):
        for setting in each["settings"]:
            place = place_in(setting)
            settings[place] = _added(settings[place], setting, directory) if place in settings else setting
    return Records(
        scores,
        curves,
        timings.drop_duplicates(TIMED, ignore_index=True),
        {
            "inputs": {**inputs[0], "settings": list(settings.values())},
            "run": _runs([records.provenance["run"] for records in parts]),
        },
        [shown for records in parts for shown in records.gallery],
        [maps for records in parts for maps in records.maps],
    )


def _added(setting: Mapping[str, Any], other: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Add the cases of a run to those that are there."""
    differ = [name for name in {**setting, **other} if name not in COUNTED and setting.get(name) != other.get(name)]
    if differ:
        raise RecordsError(
            f"the run in {directory} differs from another in the {' and '.join(differ)} of "
            f"{setting['network']['name']} on {setting['dataset']}; join runs that differ in their cases only."
        )
    controlled = [each.get("controlled") for each in (setting, other)]
    devices: Counter[str] = sum((Counter(each.get("devices")) for each in (setting, other)), Counter())
    return {
        **setting,
        "cases": _cases(setting["cases"], other["cases"]),
        "data_sha256": f"{setting['data_sha256']}+{other['data_sha256']}",
        "controlled": None if None in controlled else sum(controlled),
        **({"devices": dict(devices)} if devices else {}),
        "not_deterministic": {**setting.get("not_deterministic", {}), **other.get("not_deterministic", {})},
    }


def _cases(cases: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Add cases up; of those of a run that had ended, all are "gathered"."""

    def count(name: str, counts: Mapping[str, int]) -> int:
        return counts.get("gathered", counts["all"]) if name == "gathered" else counts[name]

    return {name: count(name, cases) + count(name, others) for name in dict.fromkeys([*cases, *others])}


def _runs(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keep every run's facts, and say of all what a report asks for."""
    each = [single for run in runs for single in run.get("runs", [run])]
    summed: dict[str, Any] = {
        "command": "; ".join(dict.fromkeys(run["command"] for run in each)),
        "seconds": round(sum(run["seconds"] for run in each), 1),
        "failures": [failure for run in each for failure in run.get("failures", ())],
    }
    if all("pictures" in run for run in each):
        summed["pictures"] = {name: sum(run["pictures"][name] for run in each) for name in ("asked", "forwarded")}
    summed["efficiency"] = [row for run in each for row in run.get("efficiency", ())]
    if not all(run.get("complete", True) for run in each):
        summed |= {"complete": False, "missing": sum(run.get("missing", 0) for run in each)}
    for name in ("git", "hardware"):
        if all(run.get(name) == each[0].get(name) for run in each):
            summed[name] = each[0].get(name)
    return {**summed, "runs": each}
