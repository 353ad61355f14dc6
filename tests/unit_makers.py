"""Makers of what computes units, for the tests of executors: a cell is a file, and a method is what it does.

They import no torch, so that a worker starts in less than a second.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.run.units import Done, Job, Unit


def work(job: Job) -> Callable[[Unit], Done]:
    """Make what computes a cell file for each case and method; a cell that is there is not computed again."""
    directory = Path(job.directory)
    log = directory / f"computed-{os.getpid()}"

    def compute(unit: Unit) -> Done:
        (directory / f"pid-{os.getpid()}").touch()
        for method in unit.methods:
            for case in range(unit.start, unit.stop):
                cell = cell_of(directory, unit.setting, case, method)
                if not cell.exists():
                    METHODS[method](job, case)
                    whole = cell.with_suffix(f".{os.getpid()}")
                    whole.write_text(cell.name)
                    whole.replace(cell)
                    with log.open("a") as lines:
                        lines.write(f"{cell.name}\n")
        return Done(unit)

    return compute


def cannot_begin(job: Job) -> Callable[[Unit], Done]:
    """Fail before there is a unit."""
    raise ValueError("no such plan")


def cell_of(directory: Path, setting: int, case: int, method: str) -> Path:
    """Return the file of a cell."""
    return directory / f"{setting}-{case}-{method}.cell"


def _steady(job: Job, case: int) -> None:
    time.sleep(float(job.words[0]))


def _raises(job: Job, case: int) -> None:
    raise RuntimeError(f"no layer fits case {case}")


def _crashes(job: Job, case: int) -> None:
    if case == 1:
        os._exit(3)


def _full(job: Job, case: int) -> None:
    """Fail as a full disk does on the node that the job names."""
    import ray

    if ray.get_runtime_context().get_node_id() == job.words[1]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _steady(job, case)


METHODS: Mapping[str, Callable[[Job, int], None]] = {
    "steady": _steady,
    "other": _steady,
    "raises": _raises,
    "crashes": _crashes,
    "full": _full,
}
