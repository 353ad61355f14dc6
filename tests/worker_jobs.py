"""Makers of jobs for tests of worker processes: what a unit's methods are called is what is done, case by case.

What was done leaves an empty file ``SETTING-CASE-METHOD`` in the job's directory, as a cell would be there.
"""

import errno
import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.run.units import Done, Job, Unit


def _raise(_directory: Path) -> None:
    raise ValueError("no such luck")


def _crash(_directory: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _warn(_directory: Path) -> None:
    warnings.warn("the sky is low", stacklevel=2)
    print("printed by a method")


def _bar(_directory: Path) -> None:
    for done in range(4):
        print(f"\r{done} of 3", end="", flush=True)
    print()


def _spin(_directory: Path) -> None:
    while True:
        pass


def _full_here(directory: Path) -> None:
    """Have no space in the process that comes here first; the others wait until it has refused something."""
    owner = directory / "full"
    try:
        with owner.open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        time.sleep(0.05)
    if owner.read_text() == str(os.getpid()):
        _full(directory)


def _full(directory: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


ACTIONS: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "nap": lambda _: time.sleep(0.02),
    "sleep": lambda _: time.sleep(600),
    "spin": _spin,
    "bar": _bar,
    "raise": _raise,
    "exit": lambda _: os._exit(3),
    "crash": _crash,
    "full here": _full_here,
    "full": _full,
    "warn": _warn,
}


def doing(job: Job) -> Callable[[Unit], Done]:
    """Leave a file ``pid-PID``, and do what the units' methods are called."""
    directory = Path(job.directory)
    (directory / f"pid-{os.getpid()}").touch()

    def compute(unit: Unit) -> Done:
        for method in unit.methods:
            for case in range(unit.start, unit.stop):
                ACTIONS[method](directory)
                (directory / f"{unit.setting}-{case}-{method}").touch()
        return Done(unit, pictures=unit.stop - unit.start)

    return compute


def threads(job: Job) -> Callable[[Unit], Done]:
    """Answer, as the number of pictures, how many threads torch would take."""
    return lambda unit: Done(unit, pictures=int(os.environ["OMP_NUM_THREADS"]))


def refusing(job: Job) -> Callable[[Unit], Done]:
    """Be a maker that cannot make anything."""
    raise RuntimeError("there is no such device")


def dying(job: Job) -> Callable[[Unit], Done]:
    """Be a maker that takes its process with it."""
    os._exit(7)


def first_refusing(job: Job) -> Callable[[Unit], Done]:
    """Refuse in the process that comes first."""
    try:
        (Path(job.directory) / "refused").touch(exist_ok=False)
    except FileExistsError:
        return doing(job)
    raise RuntimeError("there is no such device")


def drive(directory: str) -> None:
    """Be a driver of two workers, one at rest and one that computes, for tests that kill it; it needs no torch."""
    from benchmarks.run.executors.local import LocalPool

    pool = LocalPool(Job("worker_jobs:doing", (), "", directory), 2)
    for method in ("sleep", "spin"):
        pool.open().give(Unit(0, 0, 1, (method,)))
    time.sleep(600)
