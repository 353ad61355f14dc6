"""Where a run stands: what is done, left and failed, from its journal and its cells alone."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path

from benchmarks.run.failure import Failure
from benchmarks.run.journal import Expected, Journal, read_journal
from benchmarks.run.store import Store


@dataclass(frozen=True)
class Standing:
    """How much of a method's work in one setting is done."""

    dataset: str
    network: str
    method: str
    maps: tuple[int, int]  # done, of how many; those made for derived controls are not counted, as not all are stored
    scores: tuple[int, int]  # likewise, under all metrics; of derived maps, too
    failed: int  # times that something could not be computed
    left: int  # maps and scores that are still to come


def standings(directory: Path) -> tuple[Journal, list[Standing], float]:
    """Read where the run into a folder stands, method by method, and how many cells it has computed in a second.

    It reads neither pictures nor networks, and may be called while the run goes on.

    Raises
    ------
    InputError
        If no run was begun in the folder.
    """
    journal = read_journal(directory)
    with closing(Store(directory / "cells")) as store:
        counts = store.counts()
    cells: Counter[tuple[str, ...]] = Counter()
    for label, count in counts.items():
        cells[label.dataset, label.network, label.method, label.control, label.step] += count.cells
    found = [_standing(journal, setting, method, cells) for setting in journal.settings for method in setting.methods]
    until = max(each.last for each in counts.values()) if journal.ended and counts else time.time()
    seconds = until - datetime.fromisoformat(journal.started).timestamp()
    computed = sum(each.cells for each in counts.values()) - journal.cells_before
    return journal, found, max(0, computed) / max(seconds, 1.0)


def _standing(journal: Journal, setting: Expected, method: str, cells: Mapping[tuple[str, ...], int]) -> Standing:
    place, cases = (setting.dataset, setting.network, method), setting.end - setting.first
    # A key that was changed since then counts no more often.
    explained = min(cells[*place, "", "map"], cases)
    own = [min(cells[*place, "", metric], cases) for metric in setting.metrics]
    controls = [control for name, control in setting.controls if name == method]
    places = [(*place, *each) for each in product(controls, setting.controlling)]
    derived = [min(cells[each], setting.controlled) for each in places]
    done, wanted = sum(own) + sum(derived), len(own) * cases + len(derived) * setting.controlled
    # What is wrong with a case's data fails under no method's name, and for all of them.
    failures = [
        each for each in journal.failures if (each.dataset, each.network) == place[:2] and each.method in ("", method)
    ]
    never = sum(_never(setting, len(controls), each) for each in failures)
    left = 0 if journal.ended else max(0, cases - explained + wanted - done - never)
    return Standing(*place, (explained, cases), (done, wanted), len(failures), left)


def _never(setting: Expected, controls: int, failure: Failure) -> int:
    """Count the maps and scores that never come because of a failure, as if its case had all controls."""
    if failure.step not in ("data", "map"):
        return int(failure.step in setting.metrics)
    if failure.control:
        return len(setting.controlling)
    return 1 + len(setting.metrics) + controls * len(setting.controlling)
