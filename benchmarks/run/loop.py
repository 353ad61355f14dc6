"""The run: explain every case by every method, measure every map, collect what comes out.

`run` is a loop over a plan's settings and their cases. Everything that it computes comes from `benchmarks.run.cells`,
which reads what was computed before. Where workers compute (`benchmarks.run.crew`), the same loop gathers afterwards:
it finds every cell in the store and computes nothing.
"""

import hashlib
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from tqdm import tqdm

from benchmarks.datasets import check_options
from benchmarks.metrics import Context
from benchmarks.registry import DATASET, find
from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS, TIMING_COLUMNS, CaseMaps, Records, Shown
from benchmarks.run.collecting import Row, inputs_of, rows_of, shown_of, small
from benchmarks.run.failure import Absent, Failure
from benchmarks.run.folders import check_maps
from benchmarks.run.measuring import Measured, before, measure
from benchmarks.run.plan import Options, Plan
from benchmarks.run.precision import computing_in
from benchmarks.run.rows import Rows
from benchmarks.run.setting import MOST, Setting, open_setting, say, settings_of
from benchmarks.run.store import Store
from benchmarks.run.timing import bare_seconds, tidied
from mint.contract import InputError
from mint.scores import PROBABILITIES

MAPS_KEPT = 2000  # of the cases of each setting: their maps are kept for the page


@dataclass
class Results:
    """What a run finds. Rows are in the order in which they are computed, the same in every run."""

    records: Rows = field(default_factory=partial(Rows, RECORD_COLUMNS))  # of records.parquet
    curves: Rows = field(default_factory=partial(Rows, CURVE_COLUMNS))  # of curves.parquet
    timings: Rows = field(default_factory=partial(Rows, TIMING_COLUMNS))  # of timing.csv
    gallery: list[Shown] = field(default_factory=list)  # the cases that are shown
    maps: list[CaseMaps] = field(default_factory=list)  # every case with its maps, small
    inputs: list[Row] = field(default_factory=list)  # for each setting, all that determines the numbers
    failures: list[Failure] = field(default_factory=list)  # what is missing in the above, and why
    missing: int = 0  # maps and scores that are not there yet, where nothing was computed
    efficiency: list[Row] = field(default_factory=list)  # for each setting, what its pictures cost
    # Where a part is remembering: pictures shown to the networks, and those not answered from memory.
    asked: int = 0
    forwarded: int = 0
    # Of each data set that was read from files, how many of them were passed over, by what they are.
    passed_over: dict[str, Mapping[str, int]] = field(default_factory=dict)


def run(
    plan: Plan,
    options: Options,
    store: Store,
    seen: Callable[[Results], None] = lambda found: None,
    opened: Callable[[Setting], None] = lambda setting: None,
    moved: Callable[[Results], None] = lambda found: None,
    absent: Absent | None = None,
) -> Results:
    """Run a plan; maps, scores and timings are kept and found in the store.

    Before each setting, ``opened`` is called with it. ``moved`` is called with what was found so far after every few
    cases, and ``seen`` after each setting. If ``absent`` is given, nothing is computed: what the store has is gathered,
    and what it lacks is counted.

    Raises
    ------
    InputError
        If a network or a data set cannot be had at all, or has no case after those skipped. What goes wrong with one
        case is a `Failure` instead.
    """
    results = Results()
    with ready(plan, options):
        for part, source in settings_of(plan):
            # What is gathered was said when it was computed.
            tell = say if absent is None else lambda _: None
            setting = open_setting(part, source, options, store, results.failures, absent, tell)
            opened(setting)
            if absent is None:
                setting.announce(results.passed_over)
            if setting.passed_over:
                results.passed_over[setting.part.dataset] = setting.passed_over
            to_time = _collect(plan.name, setting, results, moved)
            for method, timing in timings(setting, to_time, setting.cells.methods):
                results.timings.append(setting.names | {"method": method} | timing)
            seen(results)
    results.missing = 0 if absent is None else absent.count
    if not results.missing:
        for inputs in results.inputs:
            inputs["cases"].pop("gathered", None)
    return results


def check_plan(plan: Plan, options: Options) -> None:
    """Raise an `InputError` for what can be refused before a network is loaded: nothing to do, data, given maps."""
    check_maps(plan)
    for part in plan.parts:
        for word, things in (("method", part.methods), ("metric", part.metrics)):
            if not things:
                raise InputError(f"the plan {plan.name} has no {word} on {part.dataset}; add one by --{word} NAME.")
        check_options(find(DATASET, part.dataset), options.data_options(part.dataset))


@contextmanager
def ready(plan: Plan, options: Options) -> Iterator[None]:
    """Check what needs no network, and set how torch computes as long as the plan is run."""
    check_plan(plan, options)
    with computing_in(options.precision), warnings.catch_warnings():
        # It is said once, of each network that it is true of.
        warnings.filterwarnings("ignore", re.escape(PROBABILITIES))
        yield


def as_records(plan: Plan, options: Options, results: Results, facts: Mapping[str, Any]) -> Records:
    """Put what a run found into the form that is stored and reported.

    ``facts`` is the "run" part of the provenance: when, where, by which command.
    """
    measured: dict[str, Any] = {"efficiency": results.efficiency}
    if results.asked:
        measured["pictures"] = {"asked": results.asked, "forwarded": results.forwarded}
    if results.passed_over:
        measured["passed_over"] = results.passed_over
    if results.missing:
        measured |= {"complete": False, "missing": results.missing}
    inputs = {
        "plan": plan.name,
        "summary": plan.summary,
        "report": plan.report,
        "headline": plan.headline,
        "focus": plan.focus,
        "against": plan.against,
        "published": plan.published and asdict(plan.published),
        "seed": options.seed,
        "settings": results.inputs,
    }
    return Records(
        results.records.frame(),
        results.curves.frame(),
        results.timings.frame(),
        {"inputs": inputs, "run": {**facts, **measured}},
        results.gallery,
        results.maps,
    )


def _collect(plan: str, setting: Setting, results: Results, moved: Callable[[Results], None]) -> list[Context]:
    """Explain, measure and show all cases of a setting, or read what was made of them; return those to be timed."""
    part, gathering = setting.part, setting.cells.absent is not None
    counts = {"all": setting.end - setting.first, "difficult": 0} | ({"gathered": 0} if gathering else {})
    repeated: dict[str, float] = {}  # by method, how far apart the maps of its first case are
    to_time: list[Context] = []
    rows: tuple[list[Row], list[Row]] = ([], [])  # of records and of curves, not among the results yet
    data, shown, began = hashlib.sha256(), 0, time.perf_counter()
    title = f"gathering {setting.title}" if gathering else setting.title
    total = setting.maps_of(range(setting.first, setting.end))
    with tqdm(total=total, desc=title, unit="map", mininterval=1) as bar:
        for numbers, found in _chunks(setting, bar):
            contexts = [*found.contexts.values()]
            repeated |= found.repeated
            for kept, new in zip(rows, rows_of(plan, setting, found), strict=True):
                kept += new
            if numbers.stop % MOST == 0 or numbers.stop == setting.end:
                _append(results, rows, [*found.scores])
            results.asked += found.asked
            results.forwarded += found.forwarded
            results.gallery += [shown_of(setting, each, found) for each in before(part.shown, found.contexts)]
            pictured = before(setting.first + MAPS_KEPT, found.contexts)
            results.maps += [small(setting, each, found) for each in pictured]
            to_time += before(part.timed, found.contexts)
            data.update("".join(each.case.digest for each in contexts).encode())
            counts["difficult"] += sum(bool(each.case.difficult) for each in contexts)
            if gathering:
                counts["gathered"] += sum(all(each.case.key in m for m in found.maps.values()) for each in contexts)
            shown += found.shown
            moved(results)
    seconds = time.perf_counter() - began
    if shown and not gathering and (bare := bare_seconds(setting.network, setting.sizes)):
        spent = {"pictures": shown, "seconds": seconds, "bare_seconds": shown * bare}
        results.efficiency.append(setting.names | spent)
    results.inputs.append(inputs_of(setting, counts, data.hexdigest(), repeated))
    return to_time


def _chunks(setting: Setting, bar: "tqdm[Any]") -> Iterator[tuple[range, Measured]]:
    """Measure all cases, a few at a time; what the first ones cost says how many come at a time after them."""
    beginning, methods = setting.first_chunk(), setting.cells.methods
    found = measure(setting, beginning, methods, bar)
    yield beginning, found
    for numbers in setting.chunks(beginning.stop, found.cost):
        yield numbers, measure(setting, numbers, methods, bar)


def _append(results: Results, rows: tuple[list[Row], list[Row]], places: list[tuple[str, str, str]]) -> None:
    """Add rows to the results, in an order that does not hang on how many cases came at a time."""
    order = {place: number for number, place in enumerate(places)}
    for some, table in zip(rows, (results.records, results.curves), strict=True):
        for row in sorted(some, key=lambda row: order[row["method"], row["control"], row["metric"]]):
            table.append(row)
        some.clear()


def timings(setting: Setting, contexts: list[Context], methods: Iterable[str]) -> Iterator[tuple[str, Row]]:
    """Time those of some methods that explained all of some cases."""
    if not contexts:
        return
    cells = setting.cells
    cases = {context.case.key for context in contexts}
    explained = [each for each in methods if each not in cells.given and not cells.failed(each, cases)]
    title, gathering = f"{setting.title}: timing", cells.absent is not None
    with nullcontext() if gathering else tidied():
        for method in tqdm(explained, desc=title, unit="method", mininterval=1, disable=gathering):
            timing = cells.timing(method, contexts)
            if timing is not None:
                yield method, timing
