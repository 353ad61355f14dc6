"""The run: explain every case by every method, measure every map, collect what comes out.

`run` is a loop over a plan's parts, networks, cases, methods and metrics. Everything it computes comes from
`benchmarks.run.cells`, which reads what was computed before.
"""

import hashlib
import io
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.datasets import Case, DataOptions, check_options
from benchmarks.datasets.case import faults, without_region
from benchmarks.metrics import Context
from benchmarks.metrics.metric import controlling, declaration
from benchmarks.networks.network import load_network
from benchmarks.registry import DATASET, find, name_of
from benchmarks.results.records import (
    CURVE_COLUMNS,
    MAP_SIZE,
    RECORD_COLUMNS,
    TIMING_COLUMNS,
    CaseMaps,
    Records,
    Shown,
    evidence_bytes,
)
from benchmarks.run.cases import cases_of
from benchmarks.run.cells import Cells, digest_of
from benchmarks.run.failure import Failure
from benchmarks.run.folders import check_maps, find_maps
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Options, Plan
from benchmarks.run.precision import computing_in, lower
from benchmarks.run.rows import Rows
from benchmarks.run.scoring import check_scores, scored
from benchmarks.run.store import Cell, Store
from benchmarks.run.timing import bare_seconds, counting
from mint.app.pictures import spelled
from mint.contract import InputError
from mint.scores import PROBABILITIES

CASES_PER_CELL = 4  # explained at a time, and lost at most if the run is killed
MAPS_KEPT = 2000  # of the cases of each network and data set: their maps are kept for the page
JPEG_QUALITY = 80

Row = dict[str, Any]


@dataclass
class Results:
    """What a run finds. Rows are in the order in which they are computed, the same in every run."""

    records: Rows = field(default_factory=partial(Rows, RECORD_COLUMNS))  # of records.parquet
    curves: Rows = field(default_factory=partial(Rows, CURVE_COLUMNS))  # of curves.parquet
    timings: Rows = field(default_factory=partial(Rows, TIMING_COLUMNS))  # of timing.csv
    gallery: list[Shown] = field(default_factory=list)  # the cases that are shown
    maps: list[CaseMaps] = field(default_factory=list)  # every case with its maps, small
    inputs: list[Row] = field(default_factory=list)  # for each dataset and network, all that determines the numbers
    failures: list[Failure] = field(default_factory=list)  # what is missing in the above, and why
    efficiency: list[Row] = field(default_factory=list)  # for each dataset and network, what its pictures cost
    # Where a part is remembering: pictures shown to the networks, and those not answered from memory.
    asked: int = 0
    forwarded: int = 0
    # Of each data set that was read from files, how many of them were passed over, by what they are.
    passed_over: dict[str, Mapping[str, int]] = field(default_factory=dict)


def run(plan: Plan, options: Options, store: Store, seen: Callable[[Results], None] = lambda found: None) -> Results:
    """Run a plan; maps, scores and timings are kept and found in the store.

    After each data set and network, ``seen`` is called with what was found there.

    Raises
    ------
    InputError
        If a network or a data set cannot be had at all, or has no case after those skipped. What goes wrong with one
        case is a `Failure` instead.
    """
    results = Results()
    check_maps(plan)
    data = DataOptions(options.data, options.seed or 0)
    for part in plan.parts:
        check_options(find(DATASET, part.dataset), data)
    with computing_in(options.precision), warnings.catch_warnings():
        # It is said once, of each network that it is true of.
        warnings.filterwarnings("ignore", re.escape(PROBABILITIES))
        for part in plan.parts:
            dataset = find(DATASET, part.dataset)
            part = scored(replace(part, dataset=name_of(part.dataset)), options.score)
            for name in part.networks:
                shown = name_of(name)
                weights, classes = options.weights.get(shown), options.classes.get(shown, ())
                network = load_network(name, weights=weights, classes=classes, device=options.device)
                check_scores(part, network)
                lower(network.module, options.precision)
                cases = cases_of(dataset, part.dataset, network, data)
                part = find_maps(part, cases, options.skipped, _say)
                cells = Cells(part, network, name, options, store, results.failures)
                bench = _Bench(plan.name, cells, results)
                bench.announce(cases, options.skipped)
                bench.measure(cases, options.skipped)
                bench.time_methods()
                seen(_latest(results))
    return results


def _latest(results: Results) -> Results:
    """Keep the scores and timings of the last data set and network."""
    inputs = results.inputs[-1]
    place = inputs["dataset"], inputs["network"]["name"]
    latest = Results(inputs=[inputs])
    for rows, chosen in ((results.records, latest.records), (results.timings, latest.timings)):
        for row in rows:
            if (row["dataset"], row["network"]) == place:
                chosen.append(row)
    return latest


def as_records(plan: Plan, options: Options, results: Results, facts: Mapping[str, Any]) -> Records:
    """Put what a run found into the form that is stored and reported.

    ``facts`` is the "run" part of the provenance: when, where, by which command.
    """
    measured: dict[str, Any] = {"efficiency": results.efficiency}
    if results.asked:
        measured["pictures"] = {"asked": results.asked, "forwarded": results.forwarded}
    if results.passed_over:
        measured["passed_over"] = results.passed_over
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


class _Bench:
    """One network in front of one part of a plan."""

    def __init__(self, plan: str, cells: Cells, results: Results) -> None:
        self.plan = plan
        self.cells = cells
        self.part = cells.part
        self.network = cells.network
        self.results = results
        self.title = f"{self.part.dataset}, {self.network.name}"
        self.keys: dict[str, int] = {}
        self.sizes: list[tuple[int, int]] = []  # height and width of every picture
        self.to_time: list[Context] = []
        self.repeated: dict[str, float] = {}  # by method, how far apart the maps of its first case are
        self.nulls = [name for name in cells.methods if name in self.part.nulls]
        self.controlling = controlling(self.part.metrics)

    def announce(self, dataset: Sequence[Case], first: int) -> None:
        """Say what the data set passed over, once, and which metrics do not apply for want of annotations."""
        passed_over = dict(getattr(dataset, "passed_over", {}))
        if passed_over and self.part.dataset not in self.results.passed_over:
            self.results.passed_over[self.part.dataset] = passed_over
            _say(f"passed over in {self.part.dataset}: {spelled(passed_over)}.")
        numbers = range(first, self._end(dataset))
        bare = without_region(dataset, numbers)
        regional = [name for name, metric in self.part.metrics.items() if metric.regional]
        if bare and regional:
            left = f"are of the other {len(numbers) - bare}" if bare < len(numbers) else "do not apply and stay empty"
            counts = f"{bare} of {len(numbers)} cases have no annotated region"
            _say(f"{self.title}: {counts}: the columns {', '.join(regional)} {left}.")

    def _end(self, dataset: Sequence[Case]) -> int:
        return len(dataset) if self.part.limit is None else min(self.part.limit, len(dataset))

    def measure(self, dataset: Sequence[Case], first: int) -> None:
        """Explain, measure and show the cases from number ``first`` on, a few at a time."""
        methods = self.cells.methods
        end = self._end(dataset)
        if first >= end > 0:
            raise InputError(
                f"of {self.part.dataset}, the plan has {end} cases, none from the one numbered {first + 1} on; "
                "give --cases a smaller number."
            )
        data = hashlib.sha256()
        difficult = 0
        controlled = end if self.part.controlled is None else min(max(first, self.part.controlled), end)
        own = [method for method in methods if method not in self.nulls]
        spoilt = [(method, control) for method in own for control in self.cells.controls_of(method)]
        total = (end - first) * len(methods) + (controlled - first) * len(spoilt)
        progress = tqdm(total=total, desc=self.title, unit="map", mininterval=1)
        with progress as bar, self._efficiency():
            # The same cells wherever the first case is, but for the first cell.
            starts = [first, *range(first - first % CASES_PER_CELL + CASES_PER_CELL, end, CASES_PER_CELL)]
            for start, stop in pairwise([*starts, end]):
                # By number: a case that cannot be read must not move the others up.
                numbered = self._read(dataset, range(start, stop))
                chunk = list(numbered.values())
                maps = {}
                memory = Memory()
                with remembering(self.network.module, memory) if self.part.remembering else nullcontext():
                    for method in methods:
                        bar.set_postfix_str(method)
                        maps[method] = self.cells.maps(method, chunk)
                    bar.set_postfix_str("removal curves")
                    self.cells.prepare(chunk, {(name, ""): cell for name, cell in maps.items()}, self.part.metrics)
                    for method in methods:
                        for metric in self.part.metrics:
                            self._score(method, "", metric, chunk, maps[method])
                        bar.update(stop - start)
                # Not from memory: a control may ask the network with other weights.
                derived = {}
                under_control = _before(controlled, numbered)
                for method, control in spoilt:
                    bar.set_postfix_str(f"{method}, {control}")
                    mapped = [each for each in under_control if each.case.key in maps[method]]
                    derived[method, control] = self.cells.derived(method, control, mapped, maps[method])
                self.cells.prepare(under_control, derived, self.controlling)
                for (method, control), cell in derived.items():
                    for metric in self.controlling:
                        self._score(method, control, metric, under_control, cell)
                    bar.update(max(0, min(stop, controlled) - start))
                self._repeat(chunk, maps)
                self.results.asked += memory.asked
                self.results.forwarded += memory.forwarded
                for context in _before(self.part.shown, numbered):
                    self._show(context, maps)
                self.results.maps += [self._small(each, maps) for each in _before(first + MAPS_KEPT, numbered)]
                self.to_time += _before(self.part.timed, numbered)
                data.update("".join(digest_of(context) for context in chunk).encode())
                difficult += sum(bool(context.case.difficult) for context in chunk)
        counts = {"all": end - first, "difficult": difficult}
        controlled_here = None if self.part.controlled is None else controlled - first
        own_ratio = getattr(dataset, "own_ratio", False)
        self.results.inputs.append(self._inputs(counts, data.hexdigest(), controlled_here, own_ratio))

    @contextmanager
    def _efficiency(self) -> Iterator[None]:
        """Note how long the work inside takes, and how long the network alone would take for its pictures."""
        results, began = self.results, time.perf_counter()
        from_memory = results.asked - results.forwarded
        with counting(self.network.module) as counts:
            yield
        seconds = time.perf_counter() - began
        pictures = counts["forwards"] - (results.asked - results.forwarded - from_memory)
        if pictures:
            place = {"dataset": self.part.dataset, "network": self.network.name}
            bare = pictures * bare_seconds(self.network, self.sizes)
            found = {"pictures": pictures, "seconds": seconds, "bare_seconds": bare}
            results.efficiency.append(place | found)

    def time_methods(self) -> None:
        """Time every method that explained the cases to be timed."""
        if not self.to_time:
            return
        cases = {context.case.key for context in self.to_time}
        own = [method for method in self.cells.methods if method not in self.cells.given]
        explained = [method for method in own if not self.cells.failed(method, cases)]
        for method in tqdm(explained, desc=f"{self.title}: timing", unit="method", mininterval=1):
            timing = self.cells.timing(method, self.to_time)
            if timing is not None:
                self.results.timings.append(self._place(method) | timing)

    def _read(self, dataset: Sequence[Case], numbers: Iterable[int]) -> dict[int, Context]:
        contexts = {}
        for number in numbers:
            try:
                case = dataset[number]
                if self.keys.setdefault(case.key, number) != number:
                    raise InputError(f"its key {case.key!r} is that of number {self.keys[case.key] + 1}, too.")
                if broken := faults(case, self.network):
                    raise InputError("; ".join(broken.values()) + ".")
                image = self.network.tensor(case.image)
            except Exception as error:
                self.cells.fail("", "data", f"number {number + 1}", error)
            else:
                contexts[number] = Context(self.network, case, image, self.cells.batch_size)
                self.sizes.append(case.image.shape[:2])
        return contexts

    def _place(self, method: str) -> Row:
        return {"dataset": self.part.dataset, "network": self.network.name, "method": method}

    def _score(self, method: str, control: str, metric: str, chunk: list[Context], maps: Cell) -> None:
        """Measure the maps there are of some cases: a method's own, or, if there is a control, those derived."""
        mapped = [context for context in chunk if context.case.key in maps]
        scores = self.cells.scores(method, control, metric, mapped, maps)
        for case in (context.case for context in mapped if context.case.key in scores):
            found = scores[case.key]
            place = {
                **self._place(method),
                "control": control,
                "metric": metric,
                "case": case.key,
                "picture": case.picture,
            }
            self.results.records.append(
                place
                | {"plan": self.plan, "metric_id": repr(self.part.metrics[metric]), "target": case.target}
                | {"target_name": case.target_name, "difficult": case.difficult, "score": float(found["score"])}
            )
            # The controls' curves would take several times the room of all others.
            if "values" in found and not control:
                curve = {name: found[name].astype(np.float32) for name in ("fractions", "values")}
                self.results.curves.append(place | curve)

    def _repeat(self, chunk: list[Context], maps: Mapping[str, Cell]) -> None:
        """Call every method a second time for its first case."""
        for method, cell in maps.items():
            explained = [context for context in chunk if context.case.key in cell]
            if explained and method not in self.repeated and method not in self.cells.given:
                self.repeated[method] = self.cells.repetition(method, explained[0], cell)

    def _show(self, context: Context, maps: Mapping[str, Cell]) -> None:
        case = context.case
        explained = {name: cell[case.key]["map"] for name, cell in maps.items() if case.key in cell}
        panels: dict[str, np.ndarray] = {}
        for name in explained:
            drawn = self.cells.pictures(name, context).get(case.key, {})
            panels |= {f"{name}: {panel}": picture for panel, picture in drawn.items()}
        evidence = {name: evidence_bytes(each) for name, each in explained.items()}
        place = self.part.dataset, self.network.name, case.key
        self.results.gallery.append(Shown(*place, case.target_name, case.image, case.region, evidence, panels))

    def _small(self, context: Context, maps: Mapping[str, Cell]) -> CaseMaps:
        case = context.case
        picture = io.BytesIO()
        Image.fromarray(case.image).save(picture, "JPEG", quality=JPEG_QUALITY)
        region = None if case.region is None else _reduced(case.region) >= 0.5
        small = {name: _reduced(cell[case.key]["map"]) for name, cell in maps.items() if case.key in cell}
        evidence = {name: evidence_bytes(each) for name, each in small.items()}
        place = self.part.dataset, self.network.name, case.key
        return CaseMaps(*place, case.picture, case.target_name, picture.getvalue(), region, evidence)

    def _inputs(self, counts: dict[str, int], data: str, controlled: int | None, own_ratio: bool) -> Row:
        return {
            "dataset": self.part.dataset,
            **({"own_ratio": True} if own_ratio else {}),
            "cases": counts,
            "data_sha256": data,
            **self.cells.setting,
            "methods": self.cells.method_identities,
            "nulls": self.nulls,
            "not_deterministic": {name: found for name, found in self.repeated.items() if found},
            "controls": {name: {"id": repr(each), "null": each.null} for name, each in self.part.controls.items()},
            "controlled": controlled,
            **self.cells.uncontrolled,
            "metrics": {
                name: {
                    **declaration(metric),
                    "subsets": list(dict.fromkeys([*metric.subsets, *["difficult"] * self.part.apart])),
                    "controls": name in self.controlling,
                    "code": self.cells.metric_identities[name]["code"],
                }
                for name, metric in self.part.metrics.items()
            },
        }


def _say(sentence: str) -> None:
    tqdm.write(sentence, file=sys.stderr)


def _before(end: int, numbered: Mapping[int, Context]) -> list[Context]:
    """Return the contexts of the cases whose number is below ``end``."""
    return [context for number, context in numbered.items() if number < end]


def _reduced(plane: np.ndarray) -> np.ndarray:
    """Average a map or mask over areas, to at most `MAP_SIZE` pixels high and wide."""
    height, width = (min(length, MAP_SIZE) for length in plane.shape)
    return F.adaptive_avg_pool2d(torch.from_numpy(plane).double()[None], (height, width))[0].numpy()
