"""What a reader must know before the numbers: that a run had not ended, and that several devices made them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.report.numbers import counted, listed


def unfinished(provenance: Mapping[str, Any]) -> str:
    """Say that a report was made while its run was going on, in Markdown; "" if the run had ended."""
    run, cases = provenance["run"], [setting["cases"] for setting in provenance["inputs"]["settings"]]
    if run.get("complete", True):
        return ""
    there = sum(each.get("gathered", each["all"]) for each in cases)
    count = run.get("missing", 0)
    missing = f", and {count:,} {'map or score is' if count == 1 else 'maps or scores are'} missing" if count else ""
    every = counted(sum(each["all"] for each in cases))
    return f"**Made while the run was going on: {there:,} of {every} are there{missing}.**"


def mixed_devices(inputs: Mapping[str, Any]) -> list[str]:
    """Say for a table's notes which devices made the numbers of a setting, where they are several."""
    said = []
    for setting in inputs["settings"]:
        devices = setting.get("devices", {})
        if len(devices) > 1:
            names = listed(f"{name} ({counted(cells, 'cell')})" for name, cells in devices.items())
            said.append(f"{setting['network']['name']} on {setting['dataset']} by {names}")
    if not said:
        return []
    return [
        f"Several devices made these numbers, which may differ in their last digits between them: {'; '.join(said)}."
    ]


def of_one_device(timings: pd.DataFrame) -> pd.DataFrame:
    """Keep, of each setting's timings, those of the device that timed most methods: others do not compare with them."""
    counts = timings.groupby(["dataset", "network", "device"], sort=False, observed=True)["method"].transform("nunique")
    timings = timings.assign(timed=counts).sort_values("timed", ascending=False, kind="stable")
    first = timings.groupby(["dataset", "network"], sort=False, observed=True)["device"].transform("first")
    return timings[timings["device"] == first].drop(columns="timed").sort_index()
