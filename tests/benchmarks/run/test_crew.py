"""What is kept of workers' answers."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from small_runs import with_part

from benchmarks.maker import MAKER, work_on
from benchmarks.run.crew import compute
from benchmarks.run.executors.pool import Worker
from benchmarks.run.journal import begin
from benchmarks.run.plan import Options
from benchmarks.run.store import Store
from benchmarks.run.units import Done, Job, Unit


class Here:
    """A worker in this process, and the pool of it."""

    name = "here"
    size = 1

    def __init__(self, work: Callable[[Unit], Done]) -> None:
        self.work = work

    def open(self) -> Worker:
        return self

    def give(self, unit: Unit) -> None:
        self.unit = unit

    def wait(self, busy: Sequence[Worker], seconds: float) -> list[Worker]:
        return [*busy]

    def answer(self) -> Done:
        return self.work(self.unit)

    def close(self) -> None:
        pass


@pytest.mark.usefixtures("stopwatch")
def test_a_picture_that_cannot_be_read_for_timing_either_fails_once(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_part(world.plan(log), timed=6)
    monkeypatch.setitem(world.PLANS, "fake", plan)
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(6, broken=(1, 5)))
    with closing(Store(tmp_path / "cells")) as store:
        scribe = begin(tmp_path, "fake", ("run",), 1, "cpu", store)
        work = work_on(Job(MAKER, ("run", "--plan", "fake"), "fake", str(tmp_path)))
        compute(Here(work), plan, Options(), store, scribe)
    assert [(each.step, each.case) for each in scribe.journal.failures] == [("data", "number 2"), ("data", "number 6")]
