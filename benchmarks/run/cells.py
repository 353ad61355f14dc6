"""What a run computes, a few cases at a time: found in the store, or computed and kept there.

A failure costs its own case only and is never stored.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.metrics import Context, MethodMetric, Metric
from benchmarks.metrics.metric import NOT_APPLICABLE
from benchmarks.metrics.removal.points import prepare
from benchmarks.networks.network import Network
from benchmarks.registry import NETWORK, find
from benchmarks.results.provenance import device_name, versions
from benchmarks.run.binding import bind
from benchmarks.run.failure import Failure
from benchmarks.run.identity import code_digest, method_identity, network_identity, object_identity
from benchmarks.run.plan import Options, Part
from benchmarks.run.precomputed import Precomputed
from benchmarks.run.repetition import distance_of_repetitions
from benchmarks.run.store import Cell, Identity, Store, key_of
from benchmarks.run.timing import time_attributor
from mint.contract import Attributor, InputError, attribute, explaining, unchanged
from mint.parameters import said
from mint.unchanged import copies_of


class Cells:
    """The maps, scores, pictures and timings of one network in front of one part of a plan.

    ``source`` is the name that the network was asked for by. Failures are added to ``failures``.
    """

    def __init__(
        self, part: Part, network: Network, source: str, options: Options, store: Store, failures: list[Failure]
    ) -> None:
        self.part = part
        self.network = network
        self.store = store
        self.failures = failures
        self.batch_size = options.batch_size
        self.copies = copies_of(network.module)
        given = {"batch_size": options.batch_size, "seed": options.seed}
        self.methods = {name: bind(method, network, **given) for name, method in part.methods.items()}
        # The methods whose maps are read from files: there is nothing to time, and no other picture is explained.
        self.given = {name: method for name, method in self.methods.items() if isinstance(method, Precomputed)}
        self.setting: dict[str, Any] = {
            "network": network_identity(network, find(NETWORK, source)),
            "device": network.device.type,
            "precision": options.precision,
            "versions": versions(),
        }
        self.method_identities = {name: method_identity(method) for name, method in self.methods.items()}
        self.metric_identities = {name: object_identity("metric", each) for name, each in part.metrics.items()}
        self.control_identities = {name: object_identity("control", each) for name, each in part.controls.items()}

    def maps(self, method: str, chunk: list[Context]) -> Cell:
        """Explain some cases by a method."""

        def compute(contexts: list[Context]) -> Cell:
            if method in self.given:
                sizes = {each.case.key: (each.image.shape[-2], each.image.shape[-1]) for each in contexts}
                return {key: {"map": self.given[method].read(key, size)} for key, size in sizes.items()}
            images, targets = _stacked(contexts)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                return _by_case(contexts, attribute(self.methods[method], self.network.module, images, targets))

        def identify(contexts: list[Context]) -> Identity:
            return self._map_identity(method, contexts)

        return _joined(self._cells(alike, identify, compute, (method, "", "map")) for alike in _of_one_size(chunk))

    def controls_of(self, method: str) -> list[str]:
        """Name the controls that can be made from a method's maps: of those from files, what asks nothing."""
        return [name for name, each in self.part.controls.items() if not (each.asks and method in self.given)]

    @property
    def uncontrolled(self) -> dict[str, dict[str, list[str]]]:
        """The controls that cannot be made, by method, under their name in the provenance; {} if there are none."""
        lacking = {each: sorted({*self.part.controls} - {*self.controls_of(each)}) for each in self.given}
        return {"uncontrolled": lacking} if any(lacking.values()) else {}

    def derived(self, method: str, name: str, chunk: list[Context], own: Cell) -> Cell:
        """Derive a control's maps from a method's own."""
        control = self.part.controls[name]

        def compute(contexts: list[Context]) -> Cell:
            images, targets = _stacked(contexts)
            maps = torch.from_numpy(np.stack([own[context.case.key]["map"] for context in contexts])).to(images.device)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                return _by_case(contexts, control(self.methods[method], self.network.module, images, targets, maps))

        def identify(contexts: list[Context]) -> Identity:
            return self._map_identity(method, contexts, name)

        step = (method, name, "map")
        return _joined(
            self._cells(alike, identify, compute, step, stored=control.asks) for alike in _of_one_size(chunk)
        )

    def scores(self, method: str, control: str, metric: str, chunk: list[Context], maps: Cell) -> Cell:
        """Measure the maps of some cases: a method's own, or those of a control."""

        def identify(contexts: list[Context]) -> Identity:
            return self._score_identity(method, control, metric, contexts)

        def compute(contexts: list[Context]) -> Cell:
            found, measure = {}, self.part.metrics[metric]
            for context in contexts:
                key = context.case.key
                with self._lent(f"the metric {metric}"):
                    found[key] = _measurement(measure, context, maps[key]["map"], self.methods[method])
            return found

        return self._cells(chunk, identify, compute, (method, control, metric))

    def prepare(self, chunk: list[Context], mapped: Mapping[tuple[str, str], Cell], metrics: Collection[str]) -> None:
        """Ask the network, in common batches, for what scores that are not stored need of all maps of a case.

        ``mapped`` has the maps by method and control; "" is the method's own.
        """
        wanted: dict[tuple[str, ...], list[Cell]] = {}
        for (method, control), maps in mapped.items():
            there = [context for context in chunk if context.case.key in maps]
            identities = {metric: self._score_identity(method, control, metric, there) for metric in metrics}
            missing = tuple(metric for metric, identity in identities.items() if not self.store.has(identity))
            wanted.setdefault(missing, []).append(maps)
        for context, (missing, cells) in product(chunk, wanted.items()):
            key = context.case.key
            found = [torch.from_numpy(maps[key]["map"]) for maps in cells if key in maps]
            # What fails here fails again in `scores`, where it costs its own case, method and metric only.
            with suppress(Exception):
                prepare(context, [self.part.metrics[metric] for metric in missing], found)

    def pictures(self, method: str, context: Context) -> Cell:
        """Draw the pictures by which a method shows how it explains a case; empty if it draws none."""
        draw = getattr(self.methods[method], "pictures", None)
        if draw is None:
            return {}

        def identify(contexts: list[Context]) -> Identity:
            return {"kind": "pictures", "maps": key_of(self._map_identity(method, contexts))}

        def compute(contexts: list[Context]) -> Cell:
            with self._lent(f"the method {method}"):
                drawn = draw(self.network.module, contexts[0].image, contexts[0].case.target)
            return {contexts[0].case.key: {panel: _panel(picture) for panel, picture in drawn.items()}}

        return self._cells([context], identify, compute, (method, "", "pictures"))

    def repetition(self, method: str, context: Context, own: Cell) -> float:
        """Explain a case a second time, and return how far apart the maps are: `distance_of_repetitions`."""

        def identify(contexts: list[Context]) -> Identity:
            maps = key_of(self._map_identity(method, contexts))
            return {"kind": "repetition", "maps": maps, "code": code_digest(distance_of_repetitions)}

        def compute(contexts: list[Context]) -> Cell:
            images, targets = _stacked(contexts)
            known = torch.from_numpy(own[contexts[0].case.key]["map"]).to(images.device)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                found = distance_of_repetitions(
                    lambda: attribute(self.methods[method], self.network.module, images, targets)[0], known
                )
            return {contexts[0].case.key: {"distance": np.array(found)}}

        cell = self._cells([context], identify, compute, (method, "", "second call"))
        return float(cell[context.case.key]["distance"]) if cell else 0.0

    def timing(self, method: str, chunk: list[Context]) -> dict[str, Any] | None:
        """Time a method on some cases; None if it failed."""
        identity = {
            "kind": "timing",
            "device": device_name(self.network.device),
            "threads": torch.get_num_threads(),
            "batch_size": self.batch_size,
            "code": code_digest(time_attributor),
            "maps": key_of(self._map_identity(method, chunk)),
        }
        cell = self.store.read(identity)
        if cell is None:
            try:
                with self._lent(f"the method {method}"):
                    images, targets = zip(*(_stacked([context]) for context in chunk), strict=True)
                    pictures = [image[0] for image in images]
                    timing = time_attributor(self.methods[method], self.network, pictures, torch.cat(targets))
            except Exception as error:
                self.fail(method, "timing", f"the first {len(chunk)}", error)
                return None
            cell = {"timing": {name: np.array(value) for name, value in vars(timing).items()}}
            self.store.write(identity, cell)
        return {name: array.item() for name, array in cell["timing"].items()}

    def _lent(self, by: str) -> AbstractContextManager[None]:
        """Lend the network out: whatever is done to it, the next one finds it as it was, and who did it fails."""
        return unchanged(self.network.module, by, self.copies)

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
        except (Exception, SystemExit) as error:  # a method or metric can do anything
            if len(chunk) > 1:
                return _joined(self._cells([context], identify, compute, step, stored=stored) for context in chunk)
            method, control, what = step
            self.fail(method, what, chunk[0].case.key, error, control)
            return {}
        if stored:
            self.store.write(identity, cell)
        return cell

    def _map_identity(self, method: str, chunk: list[Context], control: str = "") -> Identity:
        cases = [[context.case.key, digest_of(context)] for context in chunk]
        own = {"kind": "map", **self.setting, "method": self.method_identities[method], "cases": cases}
        if method in self.given:
            own["files"] = [self.given[method].digest(context.case.key) for context in chunk]
        return {"kind": "derived", "maps": key_of(own), **self.control_identities[control]} if control else own

    def _score_identity(self, method: str, control: str, metric: str, chunk: list[Context]) -> Identity:
        maps_key = key_of(self._map_identity(method, chunk, control))
        return {"kind": "score", "maps": maps_key, **self.metric_identities[metric]}

    def fail(self, method: str, step: str, case: str, error: BaseException, control: str = "") -> None:
        """Note a failure; say so on the terminal if none like it was said before."""
        called = self.part.metrics.get(step) or self.methods.get(method)
        reason = str(error) if isinstance(error, InputError) else said(error, called)
        names = (self.part.dataset, self.network.name, method, step, case)
        failure = Failure(*names, " ".join(reason.split()), control)
        if not any(replace(other, case=case) == failure for other in self.failures):
            where = ", ".join(filter(None, (*names[1:4], control, case)))
            tqdm.write(f"failed, and the run goes on: {where}: {failure.reason}", file=sys.stderr)
        self.failures.append(failure)

    def failed(self, method: str, cases: Collection[str]) -> bool:
        """Tell whether a method could not explain one of some cases."""
        place = (self.part.dataset, self.network.name, method, "map", "")
        return any(
            (f.dataset, f.network, f.method, f.step, f.control) == place and f.case in cases for f in self.failures
        )


def _of_one_size(contexts: list[Context]) -> list[list[Context]]:
    """Part cases by the size of their pictures, as a batch has one."""
    parts: dict[torch.Size, list[Context]] = {}
    for context in contexts:
        parts.setdefault(context.image.shape, []).append(context)
    return list(parts.values())


def _joined(cells: Iterable[Cell]) -> Cell:
    return {key: arrays for each in cells for key, arrays in each.items()}


def _stacked(contexts: list[Context]) -> tuple[Tensor, Tensor]:
    images = torch.stack([context.image for context in contexts])
    return images, torch.tensor([context.case.target for context in contexts], device=images.device)


def _by_case(contexts: list[Context], maps: Tensor) -> Cell:
    arrays = maps.detach().cpu().numpy()
    return {context.case.key: {"map": each} for context, each in zip(contexts, arrays, strict=True)}


def _measurement(
    metric: Metric | MethodMetric, context: Context, saliency: np.ndarray, method: Attributor
) -> dict[str, np.ndarray]:
    if isinstance(metric, MethodMetric):
        found = NOT_APPLICABLE if isinstance(method, Precomputed) else metric.examine(context, method)
    else:
        found = metric(context, torch.from_numpy(saliency).to(context.image.device))
    if np.isinf(found.score):
        raise InputError(f"{metric!r} answered {found.score}; a score is a number, or NaN where it does not apply.")
    arrays = {"score": np.array(found.score, dtype=np.float64)}
    if found.curve is not None:
        arrays |= {"fractions": found.curve[0], "values": found.curve[1]}
    return arrays


def digest_of(context: Context) -> str:
    """Hash a case once, not for each of its maps and scores."""
    return context.once("digest", lambda: context.case.digest)


def _panel(picture: Any) -> np.ndarray:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"pictures() answered {array.dtype} of shape {array.shape}; a panel is uint8 (h, w, 3).")
    return array
