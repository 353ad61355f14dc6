"""What the suite's engines cost beside bare forward passes, kept for each machine: ``pytest benchmarks/`` compares."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.networks.network import Network
from benchmarks.results.provenance import ROOT, device_name
from benchmarks.studies.speed.contestants import WARM_UP, Work, bare_block, own_contestants, subject_of
from benchmarks.studies.speed.rounds import BARE, in_turn, summary, warm_up, with_ratios

FILE = ROOT / "results" / "speed" / "ratios.json"
WORSE = 1.2  # times the ratio kept: from here on it is marked
SAMPLES, BLOCK, ROUNDS = 200, 64, 5


def machine_of(device: torch.device) -> str:
    """Name what a ratio depends on besides the code."""
    return f"{device_name(device)}; torch {torch.__version__}"


def measure(network: Network) -> dict[str, float]:
    """Measure the ratio of each engine: its time over that of as many bare forward passes, side by side."""
    subject = subject_of(network, 1)
    engines = own_contestants(subject, Work(SAMPLES))
    warm_up(network, engines, own_contestants(subject, WARM_UP))
    table = summary(with_ratios(list(in_turn(network, bare_block(subject, BLOCK), engines, ROUNDS))))
    ratios = table.set_index("contestant")["ratio to bare forwards"].drop(BARE)
    return {str(name): round(float(ratio), 3) for name, ratio in ratios.items()}


def kept(machine: str, file: Path = FILE) -> dict[str, float]:
    """Read the ratios kept for a machine; none if it is a new one."""
    every: dict[str, dict[str, float]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return every.get(machine, {})


def keep(machine: str, found: Mapping[str, float], file: Path = FILE) -> None:
    """Keep ratios in place of those of the same machine."""
    every = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**every, machine: dict(found)}, indent=1, sort_keys=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def compare(found: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Say of each engine what its ratio is and was, and mark what is worse by a fifth."""
    lines = []
    for name, ratio in found.items():
        line = f"{name}: {ratio:.2f} times its bare forward passes"
        if name in before:
            line += f", {before[name]:.2f} kept"
            line += "  <-- WORSE BY A FIFTH OR MORE" if ratio >= WORSE * before[name] else ""
        else:
            line += ", none kept for this machine (--keep-ratios keeps it)"
        lines.append(line)
    return lines
