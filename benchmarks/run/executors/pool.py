"""What a pool of workers is, and how a worker fails. Workers read this file, too, and so it imports nothing heavy."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.run.units import Done, Unit


class WorkerLost(Exception):  # noqa: N818
    """The worker's process has ended, or there is no place for one; the text says how or why."""


class WorkerUnable(Exception):  # noqa: N818
    """The worker never became ready: the job's maker raised, or the process ended in it. The text says why."""


class UnitFailed(Exception):  # noqa: N818
    """`compute` raised; the text is one sentence.

    ``place`` is True if the fault may lie with the place rather than the unit, as that of a full disk does.
    """

    def __init__(self, text: str, place: bool = False) -> None:
        super().__init__(text)
        self.place = place


class Worker(Protocol):
    """One process, with one `compute` made by the job's maker. It has at most one unit at a time."""

    name: str  # for people: host and number

    def give(self, unit: Unit) -> None:
        """Let the worker begin with a unit, and return at once; it may raise what `answer` does."""

    def answer(self) -> Done:
        """Tell what came of the unit, after `Pool.wait` has named this worker.

        Raises
        ------
        WorkerLost, WorkerUnable, UnitFailed
            As they say.
        """

    def close(self) -> None:
        """End the process, busy or not, within two seconds; a second call does nothing."""


class Pool(Protocol):
    """Where workers come from."""

    size: int  # how many workers at most at a time

    def open(self) -> Worker:
        """Start a worker without waiting for it to be ready; `WorkerLost` if there is no place for it."""

    def wait(self, busy: Sequence[Worker], seconds: float) -> list[Worker]:
        """Name those that have an answer or have ended, as soon as there is one; [] after so many seconds."""

    def close(self) -> None:
        """End all workers."""
