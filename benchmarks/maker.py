"""Make the function that computes units in a worker, on whatever machine that is. Its results go to the store."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

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
        began, written, reused = time.perf_counter(), store.written, store.reused
        with ready(plan, how):
            if unit.setting not in opened:
                opened.clear()  # before the next network is loaded, so that a device need not hold two
                part, source = settings_of(plan)[unit.setting]
                opened[unit.setting] = open_setting(part, source, how, store, [], tell=lambda _: None)
            setting = opened[unit.setting]
            setting.cells.failures.clear()
            pictures, asked, forwarded, bare = 0, 0, 0, 0.0
            if unit.timing:
                contexts = [*setting.read(range(unit.start, unit.stop)).values()]
                list(timings(setting, contexts, unit.methods))
                bare = bare_seconds(setting.network, setting.sizes)
            else:
                with tqdm(disable=True) as bar:
                    found = measure(setting, range(unit.start, unit.stop), unit.methods, bar)
                pictures, asked, forwarded = found.shown, found.asked, found.forwarded
        return Done(
            unit,
            failures=tuple(setting.cells.failures),
            seconds=time.perf_counter() - began,
            pictures=pictures,
            asked=asked,
            forwarded=forwarded,
            written=store.written - written,
            reused=store.reused - reused,
            bare_seconds=bare,
            clock=setting.cells.clocks[0],
        )

    return compute
