"""The sections that every report has: what the methods and the run cost, and where the numbers are from."""

from pathlib import Path

import pandas as pd

from benchmarks.report.comparison_tables import cost_table
from benchmarks.report.page import Block, Folded, Picture
from benchmarks.report.verdict import efficiency
from benchmarks.results.records import Records


def cost_section(records: Records, figure: Path | None = None) -> Folded:
    """Say what the methods and the run itself cost, as far as it was measured."""
    blocks: list[Block] = [Picture(figure, "Scores over forward passes a picture")] if figure else []
    blocks += [cost_table(records.timings)] if len(records.timings) else []
    measured = pd.DataFrame(records.provenance["run"].get("efficiency", ()))
    if len(measured):
        # Joined runs have a row each.
        summed = measured.groupby(["dataset", "network"], sort=False, as_index=False).sum()
        blocks.append("\n".join(f"- {efficiency(row)}" for row in summed.to_dict("records")))
    return Folded("Cost", "Quality against forward passes, and what a picture takes.", blocks)


def provenance_section(records: Records) -> Folded:
    """Say how to make the numbers again, and list networks, methods, metrics and controls with their parameters."""
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    hardware, git = run.get("hardware") or {}, run.get("git") or {}
    commit = (git.get("commit") or "")[:12] + (" with changes" if git.get("dirty") else "")
    facts = {"command": f"`{run['command']}`", "machine": hardware.get("gpu") or hardware.get("cpu")}
    facts |= {"python": hardware.get("python"), "commit": commit}
    more = "Versions, seeds and hashes are in [provenance.json](provenance.json), every score is in `records.parquet`."
    blocks: list[Block] = ["\n".join(f"- {name}: {said}" for name, said in facts.items() if said), more]
    for setting in inputs["settings"]:
        network = setting["network"]
        side = network["input_size"]
        size = f"the shorter side has {side} pixels" if setting.get("own_ratio") else f"{side} x {side} pixels"
        lines = [f"{size}, weights `{network['weights_sha256'][:12]}` (SHA-256), on {setting['device']}"]
        for name, method in setting["methods"].items():
            parameters = ", ".join(f"{parameter}={value}" for parameter, value in method["parameters"].items())
            lines.append(f"{name}: `{method['class']}({parameters})`")
        measured = {**setting["metrics"], **setting.get("controls", {})}
        lines += [f"{name}: `{about['id']}`" for name, about in measured.items()]
        blocks += [f"### {network['name']} on {setting['dataset']}", "\n".join(f"- {line}" for line in lines)]
    return Folded("Provenance", "The command, and every parameter.", blocks)
