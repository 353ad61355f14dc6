"""Workers that are processes of this machine: fresh interpreters, each at the other end of a pair of sockets."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import IO, cast

from tqdm import tqdm

from benchmarks.run.executors.pool import Worker, WorkerLost, WorkerUnable
from benchmarks.run.executors.worker import READY
from benchmarks.run.units import Done, Job, Unit

ENDING = 1.0  # seconds that a process may take to end after it was killed
LINES = 1000  # different ones of the workers that are shown at most: somebody's progress bar must not fill the screen

# The path comes first, so that the worker finds the same modules as the driver.
START = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from benchmarks.run.executors.worker import serve
serve(connection)
"""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # read by torch and numpy at their import


class LocalWorker:
    """A process of this machine; see `benchmarks.run.executors.pool.Worker`.

    What it prints goes, line by line, to ``tell``.
    """

    def __init__(self, job: Job, number: int, tell: Callable[[str], None]) -> None:
        self.name = f"{socket.gethostname()} process {number}"
        self.number = number
        self.ready = False
        self.message: Done | Exception = WorkerLost("it was not asked")
        # Bars of several processes would be written over each other, and the driver has one for all.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
        if job.threads is not None:
            environment |= dict.fromkeys(THREADS, str(job.threads))
        self.connection, others = Pipe()
        with others:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, str(others.fileno())],
                pass_fds=[others.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C in a terminal is for the driver alone
            )
        self.printing = threading.Thread(target=_read, args=(cast(IO[bytes], self.process.stdout), tell), daemon=True)
        self.printing.start()
        with suppress(OSError):  # it has ended already, as `hear` will notice
            self.connection.send(sys.path)
            self.connection.send(job)

    def give(self, unit: Unit) -> None:
        """Send a unit to the process."""
        try:
            self.connection.send(unit)
        except OSError:
            raise self._ended() from None

    def hear(self) -> bool:
        """Read what the process has sent, and tell whether it is an answer, or its end."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            message = self._ended()
        if message == READY:
            self.ready = True
            return False
        self.message = message
        return True

    def answer(self) -> Done:
        """Return or raise what was heard last."""
        if isinstance(self.message, Exception):
            raise self.message
        return self.message

    def close(self) -> None:
        """Kill the process and those that it has started: a kill at any moment harms no cell."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING)
        self.connection.close()
        self.printing.join(ENDING / 2)

    def _ended(self) -> Exception:
        try:
            how = _ending(self.process.wait(ENDING))
        except subprocess.TimeoutExpired:
            how = "it hung up"
        return WorkerLost(how) if self.ready else WorkerUnable(f"it ended before it was ready: {how}")


class LocalPool:
    """Opens processes of this machine; see `benchmarks.run.executors.pool.Pool`."""

    def __init__(self, job: Job, workers: int) -> None:
        self.job = job
        self.size = workers
        self.workers: list[LocalWorker] = []
        self.told: set[str] = set()

    def open(self) -> LocalWorker:
        """Start a process, by the lowest number that is free."""
        self.workers = [worker for worker in self.workers if not worker.connection.closed]
        taken = {worker.number for worker in self.workers}
        number = next(number for number in count(1) if number not in taken)
        try:
            worker = LocalWorker(self.job, number, self._tell)
        except OSError as error:
            raise WorkerLost(f"{type(error).__name__}: {error}") from error
        self.workers.append(worker)
        return worker

    def wait(self, busy: Sequence[Worker], seconds: float) -> list[Worker]:
        """Wait for what the processes send."""
        workers = [worker for worker in busy if isinstance(worker, LocalWorker)]
        heard = wait([worker.connection for worker in workers], seconds)
        return [worker for worker in workers if worker.connection in heard and worker.hear()]

    def close(self) -> None:
        """Kill all processes."""
        for worker in self.workers:
            worker.close()

    def _tell(self, line: str) -> None:
        """Write a line that a process printed beside the progress bar; what several of them print, once."""
        if line and line not in self.told and len(self.told) < LINES:
            self.told.add(line)
            tqdm.write(line, file=sys.stderr)


def _read(lines: IO[bytes], tell: Callable[[str], None]) -> None:
    with lines:
        for line in lines:
            # Somebody's progress bar goes back to the beginning of its line; only its last state is told.
            tell(line.decode("utf-8", "replace").rstrip().rpartition("\r")[2])


def _ending(status: int) -> str:
    if status < 0:
        return f"signal {-status}, {(signal.strsignal(-status) or 'unknown').lower()}"
    return f"exit status {status}"
