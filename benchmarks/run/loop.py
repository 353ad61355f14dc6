"""The run: explain every case by every method, measure every map, keep what comes out.

`run` is a loop over a plan's parts, networks, cases, methods and metrics. What it computes goes through a `Store`,
so that whatever was computed before is read instead. A failure costs its own case only and is never stored.
"""

import hashlib
import io
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.datasets import DATASETS, REQUIREMENTS, Case, DataOptions
from benchmarks.metrics import Context, MethodMetric, Metric
from benchmarks.metrics.metric import controlling, declaration
from benchmarks.networks.network import Network, load_network
from benchmarks.results.provenance import code_digest, versions
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
from benchmarks.run import methods
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Part, Plan
from benchmarks.run.store import Cell, Identity, Store, key_of
from benchmarks.run.timing import device_name, time_attributor
from mint.contract import Attributor, InputError, attribute, explaining

CASES_PER_CELL = 4
"""How many cases are explained at a time, and lost at most if the run is killed."""

JPEG_QUALITY = 80

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How to run a plan, as the command line says it.

    Attributes
    ----------
    data : pathlib.Path or None
        Folder of a dataset that is not shipped.
    weights : Mapping
        Weights files by network name, in place of the networks' own.
    device : str
        As torch spells it.
    batch_size : int or None
        Pictures through a network at a time; None: found. Results do not depend on it.
    seed : int or None
        Replaces the seed of every method and dataset; None: each its own.
    skipped : int
        How many cases of each dataset, its first, are left to another run. Numbers do not depend on it.
    """

    data: Path | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = "cpu"
    batch_size: int | None = None
    seed: int | None = None
    skipped: int = 0


@dataclass(frozen=True)
class Failure:
    """What went wrong, with which case, in which step: "data", "map", "pictures", "timing", or a metric's name.

    ``control`` names the derived control that it went wrong with; "" is the method's own map.
    """

    dataset: str
    network: str
    method: str
    step: str
    case: str
    reason: str
    control: str = ""


@dataclass
class Results:
    """What a run finds. Rows are in the order in which they are computed, the same in every run.

    Attributes
    ----------
    records, curves, timings : list of dict
        The rows of ``records.parquet``, ``curves.parquet`` and ``timing.csv``.
    gallery : list of Shown
        The cases that are shown.
    maps : list of CaseMaps
        Every case with its maps, small.
    inputs : list of dict
        For each dataset and network, all that determines the numbers.
    failures : list of Failure
        What is missing in the above, and why.
    asked, forwarded : int
        Where a part is remembering: pictures shown to the networks, and those not answered from memory.
    """

    records: list[Row] = field(default_factory=list)
    curves: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    gallery: list[Shown] = field(default_factory=list)
    maps: list[CaseMaps] = field(default_factory=list)
    inputs: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    asked: int = 0
    forwarded: int = 0


def run(plan: Plan, options: Options, store: Store) -> Results:
    """Run a plan.

    Parameters
    ----------
    plan : Plan
        What to do.
    options : Options
        How to do it.
    store : Store
        Where maps, scores and timings are kept and found.

    Raises
    ------
    InputError
        If a network or a dataset cannot be had at all, or has no case after those skipped. What goes wrong with one
        case is a `Failure` instead.
    """
    results = Results()
    data = DataOptions(options.data, options.seed or 0)
    for part in plan.parts:
        if part.dataset in REQUIREMENTS:
            REQUIREMENTS[part.dataset](data)
    for part in plan.parts:
        for name in part.networks:
            network = load_network(name, weights=options.weights.get(name), device=options.device)
            dataset = DATASETS[part.dataset](network, data)
            _Bench(plan.name, part, network, options, store, results).measure(dataset)
    return results


def as_records(plan: Plan, options: Options, results: Results, facts: Mapping[str, Any]) -> Records:
    """Put what a run found into the form that is stored and reported.

    Parameters
    ----------
    plan, options, results
        What was run, how, and what came out.
    facts : Mapping
        The "run" part of the provenance: when, where, by which command.
    """
    pictures = {"asked": results.asked, "forwarded": results.forwarded}
    inputs = {"plan": plan.name, "summary": plan.summary, "seed": options.seed, "settings": results.inputs}
    return Records(
        pd.DataFrame(results.records, columns=list(RECORD_COLUMNS)),
        pd.DataFrame(results.curves, columns=list(CURVE_COLUMNS)),
        pd.DataFrame(results.timings, columns=list(TIMING_COLUMNS)),
        {"inputs": inputs, "run": {**facts, **({"pictures": pictures} if results.asked else {})}},
        results.gallery,
        results.maps,
    )


class _Bench:
    """One network in front of one part of a plan."""

    def __init__(
        self, plan: str, part: Part, network: Network, options: Options, store: Store, results: Results
    ) -> None:
        self.plan = plan
        self.part = part
        self.network = network
        self.batch_size = options.batch_size
        self.skipped = options.skipped
        self.store = store
        self.results = results
        self.methods = {
            name: methods.bind(method, network.entry, batch_size=options.batch_size, seed=options.seed)
            for name, method in part.methods.items()
        }
        self.setting = {
            "network": _network_identity(network),
            "device": network.device.type,
            "precision": f"{torch.get_default_dtype()}, {torch.get_float32_matmul_precision()}",
            "versions": versions(),
        }
        self.method_identities = {name: methods.identity(method) for name, method in self.methods.items()}
        self.metric_identities = {
            name: {"metric": repr(metric), "code": code_digest(metric)} for name, metric in part.metrics.items()
        }
        self.control_identities = {
            name: {"control": repr(control), "code": code_digest(control)} for name, control in part.controls.items()
        }
        self.nulls = [name for name in self.methods if name in part.nulls]
        self.controlling = controlling(part.metrics)

    def measure(self, dataset: Sequence[Case]) -> None:
        """Explain, measure and show the cases, a few at a time; then time the methods."""
        end = len(dataset) if self.part.limit is None else min(self.part.limit, len(dataset))
        if self.skipped >= end > 0:
            raise InputError(
                f"of {self.part.dataset}, the plan has {end} cases, none from the one numbered {self.skipped + 1} on; "
                "give --cases a smaller number."
            )
        first = self.skipped
        to_time: list[Context] = []
        data = hashlib.sha256()
        difficult = 0
        title = f"{self.part.dataset}, {self.network.entry.name}"
        controlled = end if self.part.controlled is None else min(max(first, self.part.controlled), end)
        own = [method for method in self.methods if method not in self.nulls]
        total = (end - first) * len(self.methods) + (controlled - first) * len(own) * len(self.part.controls)
        with tqdm(total=total, desc=title, unit="map", mininterval=1) as bar:
            # The same cells wherever the first case is, but for the first cell.
            starts = [first, *range(first - first % CASES_PER_CELL + CASES_PER_CELL, end, CASES_PER_CELL)]
            for start, stop in pairwise([*starts, end]):
                chunk = self._read(dataset, range(start, stop))
                maps = {}
                memory = Memory()
                with remembering(self.network.module, memory) if self.part.remembering else nullcontext():
                    for method in self.methods:
                        bar.set_postfix_str(method)
                        maps[method] = self._explain(method, chunk)
                        for metric in self.part.metrics:
                            self._score(method, "", metric, chunk, maps[method])
                        bar.update(stop - start)
                # Not from memory: a control may ask the network with other weights.
                to_control = chunk[: max(0, controlled - start)]
                for method, control in product(own, self.part.controls):
                    bar.set_postfix_str(f"{method}, {control}")
                    self._control(method, control, to_control, maps[method])
                    bar.update(max(0, min(stop, controlled) - start))
                self.results.asked += memory.asked
                self.results.forwarded += memory.forwarded
                for context in chunk[: max(0, self.part.shown - start)]:
                    self._show(context, maps)
                self.results.maps += [self._small(context, maps) for context in chunk]
                to_time += chunk[: max(0, self.part.timed - start)]
                data.update("".join(_digest(context) for context in chunk).encode())
                difficult += sum(bool(context.case.difficult) for context in chunk)
        if to_time:
            cases = {context.case.key for context in to_time}
            explained = [method for method in self.methods if not self._failed(method, cases)]
            for method in tqdm(explained, desc=f"{title}: timing", unit="method", mininterval=1):
                self._time(method, to_time)
        counts = {"all": end - first, "difficult": difficult}
        self.results.inputs.append(
            self._inputs(counts, data.hexdigest(), None if self.part.controlled is None else controlled - first)
        )

    def _read(self, dataset: Sequence[Case], indices: range) -> list[Context]:
        contexts = []
        for index in indices:
            try:
                case = dataset[index]
                image = self.network.tensor(case.image)
            except Exception as error:
                self._fail("", "data", f"number {index + 1}", error)
            else:
                contexts.append(Context(self.network, case, image, self.batch_size))
        return contexts

    def _explain(self, method: str, chunk: list[Context]) -> Cell:
        def compute(contexts: list[Context]) -> Cell:
            images = torch.stack([context.image for context in contexts])
            targets = torch.tensor([context.case.target for context in contexts], device=images.device)
            # Whatever a method does to the network's mode or gradients, the next one finds it as it was.
            with explaining(self.network.module, images, targets):
                maps = attribute(self.methods[method], self.network.module, images, targets).detach().cpu().numpy()
            return {context.case.key: {"map": each} for context, each in zip(contexts, maps, strict=True)}

        return self._cells(chunk, lambda contexts: self._map_identity(method, contexts), compute, (method, "", "map"))

    def _control(self, method: str, name: str, chunk: list[Context], own: Cell) -> None:
        """Derive a control's maps from a method's own, and score them."""
        control = self.part.controls[name]

        def compute(contexts: list[Context]) -> Cell:
            images = torch.stack([context.image for context in contexts])
            targets = torch.tensor([context.case.target for context in contexts], device=images.device)
            maps = torch.from_numpy(np.stack([own[context.case.key]["map"] for context in contexts])).to(images.device)
            with explaining(self.network.module, images, targets):
                derived = control(self.methods[method], self.network.module, images, targets, maps).detach().cpu()
            return {context.case.key: {"map": each} for context, each in zip(contexts, derived.numpy(), strict=True)}

        explained = [context for context in chunk if context.case.key in own]
        maps = self._cells(
            explained,
            lambda contexts: self._map_identity(method, contexts, name),
            compute,
            (method, name, "map"),
            stored=control.asks,
        )
        for metric in self.controlling:
            self._score(method, name, metric, explained, maps)

    def _score(self, method: str, control: str, metric: str, chunk: list[Context], maps: Cell) -> None:
        """Measure the maps there are of some cases: a method's own, or, if there is a control, those derived."""

        def identify(contexts: list[Context]) -> Identity:
            maps_key = key_of(self._map_identity(method, contexts, control))
            return {"kind": "score", "maps": maps_key, **self.metric_identities[metric]}

        def compute(contexts: list[Context]) -> Cell:
            return {
                context.case.key: _measurement(
                    self.part.metrics[metric], context, maps[context.case.key]["map"], self.methods[method]
                )
                for context in contexts
            }

        mapped = [context for context in chunk if context.case.key in maps]
        scores = self._cells(mapped, identify, compute, (method, control, metric))
        for case in (context.case for context in mapped if context.case.key in scores):
            found = scores[case.key]
            place = {"dataset": self.part.dataset, "network": self.network.entry.name, "method": method}
            place |= {"control": control, "metric": metric, "case": case.key, "picture": case.picture}
            self.results.records.append(
                place
                | {"plan": self.plan, "metric_id": repr(self.part.metrics[metric]), "target": case.target}
                | {"target_name": case.target_name, "difficult": case.difficult, "score": float(found["score"])}
            )
            # The controls' curves would take several times the room of all others.
            if "values" in found and not control:
                curve = {name: found[name].astype(np.float32) for name in ("fractions", "values")}
                self.results.curves.append(place | curve)

    def _show(self, context: Context, maps: Mapping[str, Cell]) -> None:
        case = context.case
        panels: dict[str, np.ndarray] = {}
        for name, method in self.methods.items():
            draw = getattr(method, "pictures", None)
            if draw is None or case.key not in maps[name]:
                continue

            def identify(contexts: list[Context], name: str = name) -> Identity:
                return {"kind": "pictures", "maps": key_of(self._map_identity(name, contexts))}

            def compute(contexts: list[Context], draw: Callable[..., Any] = draw) -> Cell:
                drawn = draw(self.network.module, contexts[0].image, contexts[0].case.target)
                return {contexts[0].case.key: {panel: _panel(picture) for panel, picture in drawn.items()}}

            cell = self._cells([context], identify, compute, (name, "", "pictures"))
            panels |= {f"{name}: {panel}": picture for panel, picture in cell.get(case.key, {}).items()}
        self.results.gallery.append(
            Shown(
                self.part.dataset,
                self.network.entry.name,
                case.key,
                case.target_name,
                case.image,
                case.region,
                {name: evidence_bytes(cell[case.key]["map"]) for name, cell in maps.items() if case.key in cell},
                panels,
            )
        )

    def _small(self, context: Context, maps: Mapping[str, Cell]) -> CaseMaps:
        case = context.case
        picture = io.BytesIO()
        Image.fromarray(case.image).save(picture, "JPEG", quality=JPEG_QUALITY)
        return CaseMaps(
            self.part.dataset,
            self.network.entry.name,
            case.key,
            case.picture,
            case.target_name,
            picture.getvalue(),
            None if case.region is None else _reduced(case.region) >= 0.5,
            {name: evidence_bytes(_reduced(cell[case.key]["map"])) for name, cell in maps.items() if case.key in cell},
        )

    def _time(self, method: str, chunk: list[Context]) -> None:
        device = device_name(self.network.device)
        identity = {
            "kind": "timing",
            "device": device,
            "threads": torch.get_num_threads(),
            "batch_size": self.batch_size,
            "code": code_digest(time_attributor),
            "maps": key_of(self._map_identity(method, chunk)),
        }
        cell = self.store.read(identity)
        if cell is None:
            images = torch.stack([context.image for context in chunk])
            targets = torch.tensor([context.case.target for context in chunk], device=images.device)
            try:
                timing = time_attributor(self.methods[method], self.network, images, targets)
            except Exception as error:
                self._fail(method, "timing", f"the first {len(chunk)}", error)
                return
            cell = {"timing": {name: np.array(value) for name, value in vars(timing).items()}}
            self.store.write(identity, cell)
        self.results.timings.append(
            {"dataset": self.part.dataset, "network": self.network.entry.name, "method": method}
            | {name: array.item() for name, array in cell["timing"].items()}
        )

    def _cells(
        self,
        chunk: list[Context],
        identify: Callable[[list[Context]], Identity],
        compute: Callable[[list[Context]], Cell],
        step: tuple[str, str, str],
        *,
        stored: bool = True,
    ) -> Cell:
        """Find or compute the cell of a few cases; if that fails, one cell for each, so that only the guilty fail.

        ``step`` is for failures: method, control, and what is done. What is not to be stored is computed again.
        """
        if not chunk:
            return {}
        identity = identify(chunk)
        cell = self.store.read(identity) if stored else None
        if cell is not None:
            return cell
        try:
            cell = compute(chunk)
        except Exception as error:
            if len(chunk) > 1:
                alone = [self._cells([context], identify, compute, step, stored=stored) for context in chunk]
                return {key: arrays for each in alone for key, arrays in each.items()}
            method, control, what = step
            self._fail(method, what, chunk[0].case.key, error, control)
            return {}
        if stored:
            self.store.write(identity, cell)
        return cell

    def _map_identity(self, method: str, chunk: list[Context], control: str = "") -> Identity:
        cases = [[context.case.key, _digest(context)] for context in chunk]
        own = {"kind": "map", **self.setting, "method": self.method_identities[method], "cases": cases}
        return {"kind": "derived", "maps": key_of(own), **self.control_identities[control]} if control else own

    def _fail(self, method: str, step: str, case: str, error: Exception, control: str = "") -> None:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        names = (self.part.dataset, self.network.entry.name, method, step, case)
        failure = Failure(*names, " ".join(reason.split()), control)
        if not any(replace(other, case=case) == failure for other in self.results.failures):
            where = ", ".join(filter(None, (*names[1:4], control, case)))
            tqdm.write(f"failed, and the run goes on: {where}: {failure.reason}", file=sys.stderr)
        self.results.failures.append(failure)

    def _failed(self, method: str, cases: Collection[str]) -> bool:
        """Tell whether a method could not explain one of some cases."""
        place = (self.part.dataset, self.network.entry.name, method, "map", "")
        return any(
            (f.dataset, f.network, f.method, f.step, f.control) == place and f.case in cases
            for f in self.results.failures
        )

    def _inputs(self, counts: dict[str, int], data: str, controlled: int | None) -> Row:
        def subsets(metric: Metric | MethodMetric) -> list[str]:
            return list(dict.fromkeys([*metric.subsets, *["difficult"] * self.part.apart]))

        return {
            "dataset": self.part.dataset,
            "cases": counts,
            "data_sha256": data,
            **self.setting,
            "methods": self.method_identities,
            "nulls": self.nulls,
            "controls": {name: {"id": repr(each), "null": each.null} for name, each in self.part.controls.items()},
            "controlled": controlled,
            "metrics": {
                name: {
                    **declaration(metric),
                    "subsets": subsets(metric),
                    "controls": name in self.controlling,
                    "code": self.metric_identities[name]["code"],
                }
                for name, metric in self.part.metrics.items()
            },
        }


def _measurement(
    metric: Metric | MethodMetric, context: Context, saliency: np.ndarray, method: Attributor
) -> dict[str, np.ndarray]:
    if isinstance(metric, MethodMetric):
        found = metric.examine(context, method)
    else:
        found = metric(context, torch.from_numpy(saliency).to(context.image.device))
    if np.isinf(found.score):
        raise InputError(f"{metric!r} answered {found.score}; a score is a number, or NaN where it does not apply.")
    arrays = {"score": np.array(found.score, dtype=np.float64)}
    if found.curve is not None:
        arrays |= {"fractions": found.curve[0], "values": found.curve[1]}
    return arrays


def _digest(context: Context) -> str:
    """Hash a case once, not for each of its maps and scores."""
    return context.once("digest", lambda: context.case.digest)


def _reduced(plane: np.ndarray) -> np.ndarray:
    """Average a map or mask over areas, to at most `MAP_SIZE` pixels high and wide."""
    height, width = (min(length, MAP_SIZE) for length in plane.shape)
    return F.adaptive_avg_pool2d(torch.from_numpy(plane).double()[None], (height, width))[0].numpy()


def _panel(picture: Any) -> np.ndarray:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"pictures() answered {array.dtype} of shape {array.shape}; a panel is uint8 (h, w, 3).")
    return array


def _network_identity(network: Network) -> Row:
    entry = network.entry
    return {
        "name": entry.name,
        "weights_sha256": network.weights_sha256,
        "architecture_sha256": hashlib.sha256(repr(network.module).encode()).hexdigest(),
        "input_size": entry.input_size,
        "mean": list(entry.mean),
        "std": list(entry.std),
    }
