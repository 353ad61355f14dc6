"""What a worker does, whoever has started it. Nothing heavy is imported here: the job's maker does it if it must."""

import os
import signal
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from benchmarks.run.executors.pool import UnitFailed, WorkerUnable
from benchmarks.run.units import Done, Job, Unit

Compute = Callable[[Unit], Done]
READY = "ready"  # the first word of a worker that could be made


def make(job: Job) -> Compute:
    """Call the job's maker; `WorkerUnable` if it raises."""
    module, _, function = job.maker.partition(":")
    try:
        compute: Compute = getattr(import_module(module), function)(job)
    except (Exception, SystemExit) as error:
        raise WorkerUnable(said(error)) from error
    return compute


def answer(compute: Compute, unit: Unit) -> Done:
    """Compute a unit; `UnitFailed` if that raises."""
    try:
        return compute(unit)
    except BaseException as error:  # a worker hears no Ctrl-C: a KeyboardInterrupt, too, is a method's own
        raise UnitFailed(said(error), place=isinstance(error, OSError)) from error


def said(error: BaseException) -> str:
    """Put an error into one line; the project's own are sentences already."""
    own = type(error).__module__.partition(".")[0] == "mint"
    return " ".join((str(error) if own else f"{type(error).__name__}: {error}").split())


def serve(connection: Connection) -> None:
    """Be a worker process: read the job and then units, answer each, and end when the driver hangs up or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver has it, too, and closes its workers
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    received: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, received), daemon=True).start()
    try:
        compute = make(received.get())
    except WorkerUnable as error:
        connection.send(error)
        return
    connection.send(READY)
    while True:
        try:
            done: Done | UnitFailed = answer(compute, received.get())
        except UnitFailed as error:
            done = error
        connection.send(done)


def _listen(connection: Connection, received: "SimpleQueue[Any]") -> None:
    """Pass on what the driver sends. At its end, leave at once, whatever the main thread computes."""
    try:
        while True:
            received.put(connection.recv())
    finally:
        os._exit(0)
