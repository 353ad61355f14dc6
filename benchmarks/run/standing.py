"""Where a run stands: what is done, left and failed, from its journal and its cells alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.results.provenance import now
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
    failed: int  # cases or scores that could not be computed

    @property
    def left(self) -> int:
        """Maps and scores that are still to come."""
        return max(0, self.maps[1] - self.maps[0] + self.scores[1] - self.scores[0] - self.failed)


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
    failed = Counter((each.dataset, each.network, each.method) for each in journal.failures)
    found = [
        Standing(
            *place,
            (min(maps[place], cases), cases),
            tuple(map(sum, zip(*_scores(setting, place, scores), strict=True))),  # type: ignore[arg-type]
            failed[place],
        )
        for setting in journal.settings
        for cases in [setting.end - setting.first]
        for method in setting.methods
        for place in [(setting.dataset, setting.network, method)]
    ]
    seconds = (datetime.fromisoformat(now()) - datetime.fromisoformat(journal.started)).total_seconds()
    if journal.ended and counts:
        seconds = max(each.last for each in counts.values()) - datetime.fromisoformat(journal.started).timestamp()
    computed = sum(each.cells for each in counts.values()) - journal.cells_before
    return journal, found, max(0, computed) / max(seconds, 1.0)


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
