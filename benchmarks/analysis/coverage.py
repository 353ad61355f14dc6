"""Coverage: which cases the scores leave out, and why.

A metric may not apply to a case (its score is NaN: a region is missing, say), and a run may fail on one (there is no
score; provenance.json has the reason). Neither enters a mean.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.analysis.scores import asked_of
from benchmarks.results.records import Records, place_in, rows_of

COVERAGE = (
    "dataset", "network", "metric", "method", "control", "asked", "scored", "not_applicable", "failed", "reasons",
)  # fmt: skip

LATER = "not there yet"
"""Why there is no score of a case, where a run is going on."""


def measure_coverage(records: Records) -> pd.DataFrame:
    """Count cases with and without a score.

    Returns
    -------
    pandas.DataFrame
        One row for each dataset, network, metric, method and control ("": the method's own map): cases ``asked``, of
        them ``scored``, ``not_applicable`` and ``failed``, and ``reasons``, those of the failures. A step that yields
        no score (timing, pictures) has a row only where it failed.
    """
    rows: list[dict[str, Any]] = []
    for setting in records.provenance["inputs"]["settings"]:
        dataset, network = place_in(setting)
        here = rows_of(records.scores, (dataset, network))
        counts = (
            here.groupby(["metric", "method", "control"], observed=True)["score"]
            .agg(["size", "count"])
            .to_dict("index")
        )
        failures = [
            failure
            for failure in records.provenance["run"].get("failures", ())
            if (failure["dataset"], failure["network"]) == (dataset, network)
        ]
        controlled = {*here.loc[here["control"] != "", "case"]}
        # What failed on a case without controls is no reason why a control has no score. Which cases these are can be
        # told only if every case with controls has a score of one.
        known = len(controlled) == setting.get("controlled")
        of_controls = [failure for failure in failures if failure["case"] in controlled or not known]
        for metric, about in setting["metrics"].items():
            for method, control in _asked(setting, about):
                found = counts.get((metric, method, control), {"size": 0, "count": 0})
                asked = asked_of(setting["cases"])
                if control and setting.get("controlled") is not None:
                    asked = min(asked, setting["controlled"])
                row = {"dataset": dataset, "network": network, "metric": metric, "method": method, "control": control}
                row |= {"asked": asked, "scored": int(found["count"])}
                row |= {"not_applicable": int(found["size"] - found["count"]), "failed": int(asked - found["size"])}
                possible = of_controls if control else failures
                reasons = _reasons(possible, method, control, metric) if row["failed"] else Counter()
                if records.provenance["run"].get("complete") is False:
                    reasons += Counter({LATER: row["failed"] - reasons.total()})
                rows.append(row | {"reasons": "; ".join(f"{reason} ({count})" for reason, count in reasons.items())})
        rows += _others(failures, {*setting["metrics"], "data", "map"})
    return pd.DataFrame(rows, columns=list(COVERAGE))


def _asked(setting: Mapping[str, Any], about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the methods and controls that a metric was to score."""
    asked = [(method, "") for method in setting["methods"]]
    if about["controls"]:
        contenders = [method for method in setting["methods"] if method not in setting["nulls"]]
        asked += [(method, control) for method in contenders for control in setting.get("controls", {})]
    uncontrolled = setting.get("uncontrolled", {})
    return [(method, control) for method, control in asked if control not in uncontrolled.get(method, ())]


def _reasons(failures: Sequence[Mapping[str, str]], method: str, control: str, metric: str) -> Counter[str]:
    """Count why there is no score: the picture, the method's own map, the control's, or the metric itself."""
    behind = {(method, "", "map"), (method, control, "map"), (method, control, metric)}
    return Counter(
        failure["reason"]
        for failure in failures
        if failure["step"] == "data" or (failure["method"], failure.get("control", ""), failure["step"]) in behind
    )


def _others(failures: Sequence[Mapping[str, str]], accounted: set[str]) -> list[dict[str, Any]]:
    steps = Counter(
        (each["dataset"], each["network"], each["step"], each["method"], each["reason"])
        for each in failures
        if each["step"] not in accounted
    )
    rows = []
    for (dataset, network, step, method, reason), count in steps.items():
        row = {"dataset": dataset, "network": network, "metric": step, "method": method, "control": "", "asked": count}
        rows.append(row | {"scored": 0, "not_applicable": 0, "failed": count, "reasons": reason})
    return rows
