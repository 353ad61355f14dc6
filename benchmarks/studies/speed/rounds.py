"""Timing contestants in turn, each beside bare forward passes of the same moment, until the time is up.

Times on a shared machine vary from minute to minute. So the contestants run in turn, round after round, with a block of
bare forward passes before and after each. A contestant's ratio is its time over that of as many bare forward passes, at
the mean speed of the two blocks around it.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from benchmarks.networks.network import Network
from benchmarks.run.timing import Run, counting, seconds_of

BARE = "bare forwards, tuned"
GUESS = 1.25  # times the bare forwards: what a contestant is expected to take before it has run
BY = ["task", "contestant", "setting", "pictures", "forwards"]


@dataclass(frozen=True)
class Contestant:
    """What is timed."""

    name: str
    run: Run
    forwards: int  # about how many pictures it sends through the network
    setting: str = ""
    task: str = ""  # what it computes: contestants of one task are compared with the suite's own, the first of them
    pictures: int = 1
    memory: torch.memory_format = torch.channels_last  # of the network
    once: bool = False  # it is slow, and timed in the first round alone


def warm_up(network: Network, contestants: Sequence[Contestant], small: Sequence[Contestant]) -> None:
    """Run each contestant once, untimed, so that no time holds what a process does once.

    On a CPU its ``small`` counterpart runs, which does a little of all that it does. A GPU also prepares itself for
    each size of a batch, so there the contestant itself runs, unless it is timed only once because it is slow.
    """
    for contestant, part in zip(contestants, small, strict=True):
        network.module.to(memory_format=contestant.memory)  # type: ignore[call-overload]
        (contestant if network.device.type == "cuda" and not contestant.once else part).run()


def in_turn(
    network: Network, bare: Contestant, contestants: Sequence[Contestant], rounds: int, until: float = math.inf
) -> Iterator[dict[str, Any]]:
    """Time the contestants.

    What would not end before ``until``, a time of `time.monotonic`, is left out.

    Yields
    ------
    dict
        What was timed: task, contestant, setting, pictures, forwards (as counted), round, seconds (NaN: left out), and
        unit, the seconds that one bare forward pass took. The blocks of bare forward passes are rows, too; ``bare`` is
        one block.
    """

    def timed(contestant: Contestant, number: int) -> dict[str, Any]:
        network.module.to(memory_format=contestant.memory)  # type: ignore[call-overload]
        with counting(network.module) as counts:
            seconds = seconds_of(contestant.run, network.device)
        return _row(contestant, number) | {"forwards": counts["forwards"], "seconds": seconds}

    block = timed(bare, 0)
    unit = block["seconds"] / block["forwards"]
    yield block | {"unit": unit}
    expected = {index: GUESS * unit * each.forwards for index, each in enumerate(contestants)}
    for number in range(rounds):
        for index, contestant in enumerate(contestants):
            if number and contestant.once:
                continue
            if time.monotonic() + expected[index] > until:
                yield _row(contestant, number)
                continue
            found, block = timed(contestant, number), timed(bare, number)
            before, unit = unit, block["seconds"] / block["forwards"]
            expected[index] = found["seconds"]
            yield found | {"unit": (before + unit) / 2}
            yield block | {"unit": unit}
    network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _row(contestant: Contestant, number: int) -> dict[str, Any]:
    place: dict[str, Any] = {"task": contestant.task, "contestant": contestant.name, "setting": contestant.setting}
    place |= {"pictures": contestant.pictures, "forwards": contestant.forwards, "round": number}
    return place | {"seconds": math.nan, "unit": math.nan}


def with_ratios(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Divide each time by that of as many bare forward passes: the column ratio.

    The unit of a block of bare forward passes is the median block's: their ratios show how much the machine's speed
    varied.
    """
    times = pd.DataFrame(rows)
    is_bare = times["contestant"] == BARE
    times.loc[is_bare, "unit"] = times.loc[is_bare, "unit"].median()
    return times.assign(ratio=times["seconds"] / (times["unit"] * times["forwards"]))


def summary(times: pd.DataFrame) -> pd.DataFrame:
    """Summarise the rounds that were timed: a row for each contestant, with the median and range of its ratios."""
    timed = times[times["seconds"].notna()]
    table = timed.groupby(BY, sort=False).agg(
        **{"median s": ("seconds", "median"), "ratio to bare forwards": ("ratio", "median")},
        lowest=("ratio", "min"),
        highest=("ratio", "max"),
    )
    return table.reset_index()


def left_out(times: pd.DataFrame) -> str:
    """Say which contestants were left out in which rounds; "" if none was."""
    missing = times[times["seconds"].isna()]
    parts = []
    for _, rows in missing.groupby(["contestant", "setting", "pictures"], sort=False):
        parts.append(f"{called(rows.iloc[0])}, round {', '.join(str(number + 1) for number in rows['round'])}")
    return "; ".join(parts)


def called(row: "pd.Series[Any]", *first: str) -> str:
    """Name what a row is of, with other words before it."""
    several = f"{row['pictures']} pictures" if row["pictures"] != 1 else ""
    return ", ".join(filter(None, (*first, row["contestant"], row["setting"], several)))
