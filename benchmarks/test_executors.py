"""How much more work 64 worker processes do than one. Their units sleep, so that two cores are enough for it."""

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from benchmarks.run.executors.local import LocalPool
from benchmarks.run.executors.worker import Compute
from benchmarks.run.units import Done, Job, Unit

SLEEP = 0.1  # seconds a unit
ROUNDS = 30  # units a worker
WORKERS = 64


def sleeping(_job: Job) -> Compute:
    """Make what does nothing, for a while."""

    def compute(unit: Unit) -> Done:
        time.sleep(SLEEP)
        return Done(unit)

    return compute


def rate_of(workers: int) -> float:
    """Count the units a second from when every worker has answered once, as starting is not what is measured."""
    from benchmarks.run.executors.dispatch import dispatch  # here, as workers read this file, and it imports torch

    names: set[str] = set()
    times: list[float] = []

    def units() -> Iterator[Unit]:
        measured = 0
        for number in count():
            measured += len(names) == workers
            if measured > workers * ROUNDS:
                return
            yield Unit(0, number, number + 1, ("sleep",))

    for done in dispatch(LocalPool(Job(f"{__name__}:sleeping", (), "", ""), workers), units()):
        if len(names) == workers:
            times.append(time.perf_counter())
        names.add(done.worker)
    # Workers may answer in waves; whole waves are counted.
    return (len(times) - workers) / (times[-1] - times[workers - 1])


def test_many_workers_beside_one(benchmark: Any) -> None:
    alone = rate_of(1)
    together = benchmark.pedantic(rate_of, args=(WORKERS,), rounds=1)
    benchmark.extra_info |= {"unit": SLEEP, "workers": WORKERS, "times one worker": together / alone}
    print(f"{WORKERS} workers do {together / alone:.1f} times what one does")
