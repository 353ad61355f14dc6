"""Make the function that computes units in a worker, on whatever machine that is. Its results go to the store."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.commandline import parser, planned
from benchmarks.run.loop import ready, timings
from benchmarks.run.measuring import measure
from benchmarks.run.setting import Setting, open_setting, settings_of
from benchmarks.run.store import Store
from benchmarks.run.timing import bare_seconds
from benchmarks.run.units import Done, Job, Unit

MAKER = f"{__name__}:work_on"


def work_on(job: Job) -> Callable[[Unit], Done]:
    """Return the function that computes a job's units. It keeps the last unit's setting, and so its network, open."""
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    plans, how = planned(parser().parse_args(job.words), device=job.device)
    (plan,) = (each for each in plans if each.name == job.plan)
    store = Store(Path(job.directory) / "cells")
    opened: dict[int, Setting] = {}

    def compute(unit: Unit) -> Done:
        began, store.written, store.reused = time.perf_counter(), 0, 0
        with ready(plan, how):
            if unit.setting not in opened:
                opened.clear()  # before the next network is loaded, so that a device need not hold two
                part, source = settings_of(plan)[unit.setting]
                opened[unit.setting] = open_setting(part, source, how, store, [], tell=lambda _: None)
            setting, numbers = opened[unit.setting], range(unit.start, unit.stop)
            setting.cells.failures.clear()
            if unit.timing:
                list(timings(setting, [*setting.read(numbers).values()], unit.methods))
                bare = bare_seconds(setting.network, setting.sizes)
                done = Done(unit, bare_seconds=bare, clock=setting.cells.clocks[0])
            else:
                found = measure(setting, numbers, unit.methods)
                done = Done(unit, pictures=found.shown, asked=found.asked, forwarded=found.forwarded)
        failures, seconds = tuple(setting.cells.failures), time.perf_counter() - began
        return replace(done, failures=failures, seconds=seconds, written=store.written, reused=store.reused)

    return compute
