"""Hand units to workers, and see to it that each is answered exactly once, whatever becomes of the workers.

This file knows neither processes nor clusters: a `Pool` opens workers, and a `Worker` computes a unit at a time.
"""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tqdm import tqdm

from benchmarks.run.executors.pool import Pool, UnitFailed, Worker, WorkerLost, WorkerUnable
from benchmarks.run.units import Done, Unit
from mint.contract import InputError

ATTEMPTS = 3  # workers that a unit may cost before it is divided
RAISES = 2  # times that a unit may raise an error before it is divided
REST = 60.0  # seconds until a worker is opened again in place of one whose place had a fault
PATIENCE = 1.0  # seconds to wait for answers before looking whether such a rest is over


def dispatch(pool: Pool, units: Iterable[Unit | None]) -> Iterator[Done]:
    """Hand units to workers, in their order, and yield what came of each as it ends.

    Where the next unit hangs on answers that are still to come, ``units`` yields None, and is asked again after each.

    Every unit is answered exactly once: by one `Done` for it or, if it was divided, by those of its parts. A unit
    whose worker is lost goes to another one; what has cost `ATTEMPTS` workers or has raised `RAISES` times is divided,
    and given up if it cannot be. When the iterator is closed or at its end, its workers are closed; the pool is not.

    Raises
    ------
    InputError
        If no worker can be opened and none works, or if none has done anything since each has failed by its place.
    """
    desk = _Desk(pool, units)
    try:
        yield from desk.work()
    finally:
        desk.close()


@dataclass
class _Task:
    unit: Unit
    lost: int = 0  # workers that have ended over it
    raised: int = 0  # times that it has raised an error
    refused: int = 0  # workers whose place had a fault


class _Desk:
    """Who is busy with what, and what is to be tried again."""

    def __init__(self, pool: Pool, units: Iterable[Unit | None]) -> None:
        self.pool = pool
        self.units = iter(units)
        self.again: deque[_Task] = deque()  # before the units that are still to come
        self.busy: dict[Worker, _Task] = {}
        self.idle: list[Worker] = []
        self.resting: list[float] = []  # of each place with a fault, when it may be tried again
        self.faults = 0  # of places, since the last unit that was done
        self.reason = ""  # of the last of them
        self.said: set[str] = set()

    def work(self) -> Iterator[Done]:
        self._give_out()
        while self.busy:
            ready = self.pool.wait(list(self.busy), PATIENCE)
            answers = [done for worker in ready for done in self._receive(worker)]
            self._give_out()  # before the answers are looked at, which may take long
            yield from answers
            self._give_out()  # what hangs on the answers

    def close(self) -> None:
        if workers := [*self.busy, *self.idle]:
            with ThreadPoolExecutor(len(workers)) as together:
                list(together.map(lambda worker: worker.close(), workers))

    def _next(self) -> _Task | None:
        if self.again:
            return self.again.popleft()
        unit = next(self.units, None)
        return None if unit is None else _Task(unit)

    def _give_out(self) -> None:
        while task := self._next():
            worker = self._worker()
            if worker is None:
                self.again.appendleft(task)
                return
            try:
                worker.give(task.unit)
            except (WorkerLost, WorkerUnable) as error:  # it has ended before it had this unit
                self.again.appendleft(task)
                worker.close()
                if isinstance(error, WorkerUnable):
                    self._rest(worker, error)
            else:
                self.busy[worker] = task

    def _worker(self) -> Worker | None:
        """Find a worker that has nothing to do, or open one; None if that has to wait."""
        if self.idle:
            return self.idle.pop()
        if self.busy:
            self.resting = [until for until in self.resting if until > time.monotonic()]
            if len(self.busy) + len(self.resting) >= self.pool.size:
                return None
        else:  # nobody is left who could do it, so that no place rests
            if self.faults >= max(ATTEMPTS, self.pool.size):
                raise InputError(f"no worker can go on: {self.reason}")
            self.resting = self.resting[1:]
        try:
            return self.pool.open()
        except WorkerLost as error:
            if not self.busy:
                raise InputError(f"no worker can be started: {error}") from error
            self.resting.append(time.monotonic() + REST)
            return None

    def _receive(self, worker: Worker) -> Iterator[Done]:
        """Take a worker's answer. A worker that has failed is closed: it may be the reason, or have been damaged."""
        task = self.busy.pop(worker)
        try:
            done = worker.answer()
        except WorkerUnable as error:
            worker.close()
            self._rest(worker, error)
            self.again.appendleft(task)
        except WorkerLost as error:
            worker.close()
            self._say(f"{worker.name} ended, and its work is done by another", error)
            task.lost += 1
            reason = f"its worker ended {task.lost} times: {error}"
            yield from self._try_again(task, worker, reason, divide=task.lost >= ATTEMPTS)
        except UnitFailed as error:
            worker.close()
            if error.place:
                task.refused += 1
                self._rest(worker, error)
                if task.refused < self.pool.size:
                    self.again.appendleft(task)
                else:
                    yield Done(task.unit, worker.name, lost=str(error))
            else:
                task.raised += 1
                yield from self._try_again(task, worker, str(error), divide=task.raised >= RAISES)
        else:
            self.faults = 0
            self.idle.append(worker)
            yield replace(done, worker=worker.name)

    def _try_again(self, task: _Task, worker: Worker, reason: str, *, divide: bool) -> Iterator[Done]:
        parts = [_Task(part) for part in task.unit.parts()] if divide else [task]
        self.again.extendleft(reversed(parts))
        if not parts:
            yield Done(task.unit, worker.name, lost=reason)

    def _rest(self, worker: Worker, error: Exception) -> None:
        self._say(f"{worker.name} cannot go on", error)
        self.faults += 1
        self.reason = str(error)
        self.resting.append(time.monotonic() + REST)

    def _say(self, what: str, error: Exception) -> None:
        """Say it beside the progress bar, once for each reason."""
        if str(error) not in self.said:
            self.said.add(str(error))
            tqdm.write(f"{what}: {error}", file=sys.stderr)
