"""Workers on a Ray cluster: one actor is one worker, with a GPU of its own where there are GPUs.

Ray only dispatches: a unit goes out, and its `Done` comes back. What is computed is in the cells, in a folder that
all machines share. Ray restarts nothing and tries nothing again, as `benchmarks.run.executors.dispatch` does that.
"""

import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from baselines.packages import Package
from benchmarks.run.executors.arrival import code_here
from benchmarks.run.executors.pool import UnitFailed, Worker, WorkerLost, WorkerUnable
from benchmarks.run.units import Done, Job, Unit
from mint.contract import InputError

RAY = Package("ray", "ray")
PLACE_SECONDS = 60.0  # how long the first worker may wait for a place in the cluster
NEXT_SECONDS = 10.0  # and those after it, while others work
SHORT_SECONDS = 60.0  # after such a wait was in vain, nobody waits for so long
CONNECT_SECONDS = 5.0  # to the cluster's address
STORE_BYTES = 100_000_000  # of Ray's shared memory on this machine: next to nothing travels through it

# What Ray's long messages say, in short; the first that is found.
ENDS = {
    "node has died": "its machine left the cluster",
    "node was terminated": "its machine left the cluster",
    "low on memory": "its machine ran out of memory",
    "ray.kill": "it was closed",
    "worker process has died": "its process crashed or was killed",
}


def _actor_class() -> type:
    """Return the class of the actors. It is made in a function, as then Ray sends its code, not its name.

    So an actor can say that the project is not there.
    """

    class Host:
        def arrive(self, path: list[str], folder: str, home: tuple[Any, ...]) -> tuple[str, str]:
            """Go to the driver's folder and look round; return the worker's name, and what is wrong there or ""."""
            import os
            import platform
            import sys

            name = f"{platform.node()} process {os.getpid()}"
            sys.path[:0] = path
            try:
                os.chdir(folder)
                from benchmarks.run.executors.arrival import fault_here
            except (OSError, ImportError) as error:
                return name, f"{error}; all machines must have the project, and see {folder}, at the same path."
            return name, fault_here(*home)

        def begin(self, job: object) -> None:
            """Make what computes; if that fails, the first unit is told."""
            from benchmarks.run.executors.pool import WorkerUnable
            from benchmarks.run.executors.worker import make

            try:
                self.compute, self.unable = make(job), None  # type: ignore[arg-type]
            except WorkerUnable as error:
                self.unable = error

        def work(self, unit: object) -> object:
            """Return `Done`, or the error in its place."""
            from benchmarks.run.executors.pool import UnitFailed
            from benchmarks.run.executors.worker import answer

            try:
                return self.unable or answer(self.compute, unit)  # type: ignore[arg-type]
            except UnitFailed as error:
                return error

    return Host


class RayWorker:
    """An actor, seen from the driver; see `benchmarks.run.executors.pool.Worker`."""

    def __init__(self, actor: Any, name: str, job: Job) -> None:
        self.name = name
        self.closed = False
        self.coming: Any = None  # the reference to the answer
        self._actor = actor
        self._begun = actor.begin.remote(job)

    def give(self, unit: Unit) -> None:
        """Send a unit to the actor, which does one thing after the other."""
        self.coming = self._actor.work.remote(unit)

    def answer(self) -> Done:
        """Return what came of the unit, or raise what came in its place."""
        import ray

        try:
            ray.get(self._begun)
        except ray.exceptions.RayError as error:
            raise WorkerUnable(f"it ended before it was ready: {ending(error)}") from None
        try:
            done: Done | Exception = ray.get(self.coming)
        except ray.exceptions.RayTaskError as error:  # an answer that cannot be sent
            raise UnitFailed(last_line(error)) from None
        except ray.exceptions.RayError as error:
            raise WorkerLost(ending(error)) from None
        if isinstance(done, Exception):
            raise done
        return done

    def close(self) -> None:
        """End the actor's process, whatever it is doing."""
        self.closed = True
        kill(self._actor)


class RayPool:
    """Actors of a Ray cluster as workers.

    Parameters
    ----------
    job
        What the workers are for.
    workers
        How many at most; None: as many as the cluster has places for when the run begins.
    address
        "auto" or HOST:PORT joins a cluster; None starts Ray on this machine, and ends it at the end.

    Raises
    ------
    InputError
        If Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, job: Job, workers: int | None = None, address: str | None = None) -> None:
        RAY.require()
        import ray

        directory = Path(job.directory).resolve()
        self.job = replace(job, directory=str(directory))
        self._mine = not ray.is_initialized()
        if self._mine:
            _connect(address, workers and workers * (job.threads or 1))
        self.needs = {"CPU": job.threads or 1}
        if job.device.startswith("cuda") and places({"GPU": 1}):
            self.needs["GPU"] = 1
            self.job = replace(self.job, device="cuda")  # Ray shows a worker its own GPU only
        self.size = workers or max(1, places(self.needs))
        self._class: Any = ray.remote(max_restarts=0, max_task_retries=0)(_actor_class())
        self._marker = directory / f".run-{uuid.uuid4().hex}"
        self._marker.touch()
        self._home = (str(directory), str(self._marker), code_here())
        self._coming: dict[Any, Any] = {}  # actors that have been asked for, by the reference to their arrival
        self._workers: list[RayWorker] = []
        self._refused: list[Any] = []  # actors where a worker cannot work; they keep others from that place
        self._short = 0.0  # until when nobody waits for a place

    def open(self) -> RayWorker:
        """Return a worker that has arrived; raise `WorkerLost` if none has for some time.

        Workers are asked for all at once, as a machine may take seconds to start one.
        """
        import ray

        self._workers = [worker for worker in self._workers if not worker.closed]
        patience = NEXT_SECONDS if self._workers else PLACE_SECONDS
        if self._workers and time.monotonic() < self._short:
            patience = 0.0
        until = time.monotonic() + patience
        needs = " and ".join(f"{amount} {kind}" for kind, amount in self.needs.items())
        reason = f"the Ray cluster has no free place for a worker, which needs {needs}"
        while True:
            while len(self._coming) < max(1, self.size - len(self._workers)):
                self._ask()
            ready, _ = ray.wait([*self._coming], timeout=max(0.0, until - time.monotonic()))
            if not ready:
                self._short = time.monotonic() + SHORT_SECONDS
                raise WorkerLost(reason)
            actor = self._coming.pop(ready[0])
            try:
                name, fault = ray.get(ready[0])
            except ray.exceptions.RayError as error:  # Ray may send it to a machine that has just gone
                reason = f"a worker could not start: {ending(error)}"
                continue
            if fault:
                self._refused.append(actor)
                sentence = f"the worker {name} is of no use: {fault}"
                if not self._workers:
                    raise InputError(sentence)
                tqdm.write(f"left out: {sentence}", file=sys.stderr)
                raise WorkerLost(sentence)
            self._workers.append(RayWorker(actor, name, self.job))
            return self._workers[-1]

    def wait(self, busy: Sequence[Worker], seconds: float) -> list[Worker]:
        """Name those that have an answer or have ended, as soon as there is one."""
        import ray

        by_answer: dict[Any, Worker] = {worker.coming: worker for worker in busy if isinstance(worker, RayWorker)}
        ready, rest = ray.wait([*by_answer], timeout=seconds)
        if ready and rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [by_answer[each] for each in ready]

    def close(self) -> None:
        """End all actors, and Ray if it was started for this pool."""
        import ray

        for actor in (*self._coming.values(), *self._refused):
            kill(actor)
        for worker in self._workers:
            worker.close()
        self._marker.unlink(missing_ok=True)
        if self._mine:
            ray.shutdown()
            self._mine = False

    def _ask(self) -> None:
        resources = {"num_cpus": self.needs["CPU"], "num_gpus": self.needs.get("GPU", 0)}
        actor = self._class.options(**resources).remote()
        self._coming[actor.arrive.remote([*sys.path], os.getcwd(), self._home)] = actor


def places(needs: Mapping[str, int]) -> int:
    """Return how many workers fit into the cluster as it is, when it is empty."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return sum(min(int(node.get(kind, 0) // amount) for kind, amount in needs.items()) for node in alive)


def kill(actor: Any) -> None:
    """End an actor, if Ray still answers."""
    import ray

    with suppress(ray.exceptions.RayError, ValueError):
        ray.kill(actor, no_restart=True)


def ending(error: Exception) -> str:
    """Say in a few words how an actor ended."""
    text = str(error)
    return next((short for long, short in ENDS.items() if long in text), last_line(error))


def last_line(error: Exception) -> str:
    """Return the last line that says something: Ray puts the traceback before it."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def _connect(address: str | None, processors: int | None) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init("local", num_cpus=processors, include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
            return
        if address != "auto":  # Ray would try for two minutes, and then end this process
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal():
                raise InputError(f"--address {address!r} is not of the form HOST:PORT, and not auto.")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        cure = "start one by `ray start --head`, or leave --address out to use this machine alone"
        reason = last_line(error).rstrip(".")
        raise InputError(f"no Ray cluster at {address or 'this machine'}: {reason}; {cure}.") from None
