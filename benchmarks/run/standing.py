"""Where a run stands: what is done, left and failed, from its journal and its cells alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.results.provenance import now
from benchmarks.run.failure import Failure
from benchmarks.run.journal import Expected, Journal, read_journal
from benchmarks.run.store import Store

Place = tuple[str, str, str]
"""Data set, network and method."""


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
    store = Store(directory / "cells")
    counts = store.counts()
    store.close()
    maps: Counter[Place] = Counter()
    scores: Counter[tuple[Place, str, str]] = Counter()
    for label, count in counts.items():
        place = label.dataset, label.network, label.method
        if label.step != "map":
            scores[place, label.control, label.step] += count.cells
        elif not label.control:
            maps[place] += count.cells
    found = [
        _standing(journal, setting, method, maps, scores) for setting in journal.settings for method in setting.methods
    ]
    seconds = (datetime.fromisoformat(now()) - datetime.fromisoformat(journal.started)).total_seconds()
    if journal.ended and counts:
        seconds = max(each.last for each in counts.values()) - datetime.fromisoformat(journal.started).timestamp()
    computed = sum(each.cells for each in counts.values()) - journal.cells_before
    return journal, found, max(0, computed) / max(seconds, 1.0)


def _standing(
    journal: Journal,
    setting: Expected,
    method: str,
    maps: Counter[Place],
    scores: Counter[tuple[Place, str, str]],
) -> Standing:
    place, cases = (setting.dataset, setting.network, method), setting.end - setting.first
    explained = min(maps[place], cases)
    done, wanted = map(sum, zip(*_scores(setting, place, scores), strict=True))
    # What is wrong with a case's data fails under no method's name, and for all of them.
    failures = [
        each for each in journal.failures if (each.dataset, each.network) == place[:2] and each.method in ("", method)
    ]
    never = sum(_never(setting, method, each) for each in failures)
    left = 0 if journal.ended else max(0, cases - explained + wanted - done - never)
    return Standing(*place, (explained, cases), (done, wanted), len(failures), left)


def _never(setting: Expected, method: str, failure: Failure) -> int:
    """Count the maps and scores that never come because of a failure, as if its case had all controls."""
    if failure.step not in ("data", "map"):
        return int(failure.step in setting.metrics)
    if failure.control:
        return len(setting.controlling)
    controls = sum(name == method for name, _ in setting.controls)
    return 1 + len(setting.metrics) + controls * len(setting.controlling)


def _scores(setting: Expected, place: Place, scores: Counter[tuple[Place, str, str]]) -> Iterator[tuple[int, int]]:
    """Yield, for every metric, how many scores are there of how many; a key changed since then counts no more often."""
    cases = setting.end - setting.first
    yield 0, 0
    for metric in setting.metrics:
        yield min(scores[place, "", metric], cases), cases
    for method, control in setting.controls:
        if method == place[2]:
            for metric in setting.controlling:
                yield min(scores[place, control, metric], setting.controlled), setting.controlled
