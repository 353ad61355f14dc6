"""What a run computes of a few cases at a time: found in the store, or computed and kept there, case by case.

A failure costs its own case only and is never stored.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import Any

import numpy as np
import torch

from benchmarks.metrics import Context, Metric
from benchmarks.metrics.removal.points import RemovalMetric, prepare
from benchmarks.networks.network import Network
from benchmarks.registry import NETWORK, find
from benchmarks.results.provenance import device_name, versions
from benchmarks.run.arrays import ByCase, by_case, measurement, of_one_size, panel, stacked
from benchmarks.run.binding import bind
from benchmarks.run.failure import Absent, Failure, Step, spelled_failure
from benchmarks.run.identity import code_digest, method_identity, network_identity, object_identity
from benchmarks.run.plan import Options, Part
from benchmarks.run.precomputed import Precomputed
from benchmarks.run.repetition import distance_of_repetitions
from benchmarks.run.store import Arrays, Entry, Label, Store, key_of
from benchmarks.run.timing import counting, time_attributor
from mint.contract import InputError, attribute, explaining, unchanged
from mint.parameters import said
from mint.unchanged import copies_of

Mapped = Mapping[tuple[str, str], ByCase]  # maps by method and control; "" is the method's own
Place = tuple[str, str, str]  # of a score: method, control, metric

REPETITION = "second call"
TIMING = "timing"


class Cells:
    """The maps, scores, pictures and timings of one setting: of a part of a plan with one of its networks.

    ``source`` is the name that the network was asked for by. Failures are added to ``failures``. With ``absent``,
    nothing is computed: what the store lacks is counted there. ``tell`` is called with sentences for the user.
    """

    def __init__(
        self,
        part: Part,
        network: Network,
        source: str,
        options: Options,
        store: Store,
        failures: list[Failure],
        absent: Absent | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.part = part
        self.place = part.dataset, network.name
        self.network = network
        self.store = store
        self.failures = failures
        self.absent = absent
        self.tell = tell
        self.batch_size = options.batch_size
        self.device = device_name(network.device)
        self.devices: dict[str, int] = {}  # on which devices the cells were computed, and how many on each
        self.copies = copies_of(network.module)
        given = {"batch_size": options.batch_size, "seed": options.seed}
        self.methods = {name: bind(method, network, **given) for name, method in part.methods.items()}
        # The methods whose maps are read from files: there is nothing to time, and no other picture is explained.
        self.given = {name: method for name, method in self.methods.items() if isinstance(method, Precomputed)}
        self.setting_identity: dict[str, Any] = {
            "network": network_identity(network, find(NETWORK, source)),
            # Of what others computed, the device may be missing here.
            "device": (network.device if absent is None else torch.device(options.device)).type,
            "precision": options.precision,
            "versions": versions(),
        }
        self.method_identities = {name: method_identity(method) for name, method in self.methods.items()}
        self.metric_identities = {name: object_identity("metric", each) for name, each in part.metrics.items()}
        self.control_identities = {name: object_identity("control", each) for name, each in part.controls.items()}
        # Hashed once, and not again for every case.
        self._method_keys = {
            name: key_of({**self.setting_identity, "method": identity})
            for name, identity in self.method_identities.items()
        }
        self.shown = 0  # pictures that went through the network
        self.cost = 0.0  # and those that it took to make the cells that were found, too

    def maps(self, method: str, chunk: Sequence[Context]) -> ByCase:
        """Explain some cases by a method."""

        def compute(contexts: list[Context]) -> ByCase:
            if method in self.given:
                sizes = {each.case.key: (each.image.shape[-2], each.image.shape[-1]) for each in contexts}
                return {key: {"map": self.given[method].read(key, size)} for key, size in sizes.items()}
            images, targets = stacked(contexts)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                return by_case(contexts, attribute(self.methods[method], self.network.module, images, targets))

        return self._cells(chunk, lambda each: self._map_key(method, each), compute, Step(method, "", "map"))

    def controls_of(self, method: str) -> list[str]:
        """Name the controls that can be made from a method's maps: of those from files, what asks nothing."""
        return [name for name, each in self.part.controls.items() if not (each.asks and method in self.given)]

    @property
    def uncontrolled(self) -> dict[str, dict[str, list[str]]]:
        """The controls that cannot be made, by method, under their name in the provenance; {} if there are none."""
        lacking = {each: sorted({*self.part.controls} - {*self.controls_of(each)}) for each in self.given}
        return {"uncontrolled": lacking} if any(lacking.values()) else {}

    def derived(self, method: str, name: str, chunk: Sequence[Context], own: ByCase) -> ByCase:
        """Derive a control's maps from a method's own."""
        control = self.part.controls[name]

        def compute(contexts: list[Context]) -> ByCase:
            images, targets = stacked(contexts)
            maps = torch.from_numpy(np.stack([own[context.case.key]["map"] for context in contexts])).to(images.device)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                return by_case(contexts, control(self.methods[method], self.network.module, images, targets, maps))

        step = Step(method, name, "map")
        return self._cells(chunk, lambda each: self._map_key(method, each, name), compute, step, stored=control.asks)

    def scores(
        self, chunk: Sequence[Context], mapped: Mapped, metrics: Collection[str]
    ) -> dict[Place, dict[str, Arrays]]:
        """Measure maps of some cases: arrays by method, control and metric, and then by case.

        ``mapped`` has the maps by method and control; "" is the method's own. All maps of a case share their batches.
        """
        found: dict[Place, dict[str, Arrays]] = {(*each, metric): {} for each, metric in product(mapped, metrics)}
        keys = {
            context.case.key: {
                (method, control, metric): key_of({"kind": "score", "map": key, **self.metric_identities[metric]})
                for (method, control), maps in mapped.items()
                if context.case.key in maps
                for key in [self._map_key(method, context, control)]
                for metric in metrics
            }
            for context in chunk
        }
        stored = self._read([key for here in keys.values() for key in here.values()])
        for context in chunk:
            here = keys[context.case.key]
            known = [(place, stored[key]) for place, key in here.items() if key in stored]
            missing = {place: key for place, key in here.items() if key not in stored}
            for place, arrays in chain(known, self._measured(context, mapped, missing)):
                found[place][context.case.key] = arrays
        return found

    def _measured(
        self, context: Context, mapped: Mapped, missing: Mapping[Place, str]
    ) -> Iterator[tuple[Place, Arrays]]:
        """Measure what is missing of one case, by method, control and metric."""
        forwards = 0
        if self.absent is None:
            with self._counted() as counts:
                self._prepare(context, mapped, missing)
            forwards = counts["forwards"]
        together: list[Entry] = []
        for metric in dict.fromkeys(metric for *_, metric in missing):
            places = [place for place in missing if place[2] == metric]
            asked = self.part.metrics[metric]
            # Of the suite's own it is known that they put the network back after each map.
            own = isinstance(asked, Metric) and type(asked).__module__.startswith("benchmarks.")
            groups = [places] if own else [[place] for place in places]
            for place, (arrays, pictures) in chain.from_iterable(
                self._measured_by(metric, context, mapped, group).items() for group in groups
            ):
                entry = Entry(missing[place], self._label(Step(*place)), arrays, pictures)
                # What was answered in common batches is kept together, so that a killed run asks in the same ones.
                if isinstance(asked, RemovalMetric):
                    together.append(entry if together else entry._replace(pictures=pictures + forwards))
                else:
                    self._write([entry])
                yield place, arrays
        self._write(together)

    def _measured_by(
        self, metric: str, context: Context, mapped: Mapped, places: Sequence[Place]
    ) -> dict[Place, tuple[Arrays, float]]:
        """Measure maps of a case by a metric, which borrows the network once: arrays and pictures taken, by place."""
        case, found = context.case.key, dict[Place, tuple[Arrays, float]]()
        try:
            with self._lent(f"the metric {metric}") if self.absent is None else nullcontext():
                for method, control, _ in places:
                    compute = partial(self._measure, metric, method, mapped[method, control][case]["map"])
                    for made, pictures in self._tried([context], compute, Step(method, control, metric)):
                        found[method, control, metric] = made[case], pictures
        except Exception as error:  # that it was changed
            context.forget()  # it may hold answers of the changed network, which other metrics would read
            for place in found:
                self.fail(Step(*place), case, error)
            return {}
        return found

    def _measure(self, metric: str, method: str, saliency: np.ndarray, contexts: list[Context]) -> ByCase:
        (context,) = contexts
        return {context.case.key: measurement(self.part.metrics[metric], context, saliency, self.methods[method])}

    def _prepare(self, context: Context, mapped: Mapped, missing: Collection[Place]) -> None:
        """Ask the network, in common batches, for what the missing scores need of all maps of a case."""
        wanted: dict[tuple[str, ...], list[torch.Tensor]] = {}
        for place, maps in mapped.items():
            metrics = tuple(metric for *other, metric in missing if tuple(other) == place)
            if metrics:
                wanted.setdefault(metrics, []).append(torch.from_numpy(maps[context.case.key]["map"]))
        for metrics, found in wanted.items():
            # What fails here fails again when it is measured, where it costs its own case, method and metric only.
            with suppress(Exception):
                prepare(context, [self.part.metrics[metric] for metric in metrics], found)

    def pictures(self, method: str, context: Context) -> Arrays:
        """Draw the pictures by which a method shows how it explains a case; empty if it draws none."""
        draw = getattr(self.methods[method], "pictures", None)
        if draw is None:
            return {}

        def compute(contexts: list[Context]) -> ByCase:
            with self._lent(f"the method {method}"):
                drawn = draw(self.network.module, contexts[0].image, contexts[0].case.target)
            return {contexts[0].case.key: {name: panel(picture) for name, picture in drawn.items()}}

        def identify(each: Context) -> str:
            return key_of({"kind": "pictures", "map": self._map_key(method, each)})

        return self._cells([context], identify, compute, Step(method, "", "pictures")).get(context.case.key, {})

    def repetition(self, method: str, context: Context, own: ByCase) -> float:
        """Explain a case a second time, and return how far apart the maps are: `distance_of_repetitions`."""

        def compute(contexts: list[Context]) -> ByCase:
            images, targets = stacked(contexts)
            known = torch.from_numpy(own[contexts[0].case.key]["map"]).to(images.device)
            with explaining(self.network.module, images, targets), self._lent(f"the method {method}"):
                found = distance_of_repetitions(
                    lambda: attribute(self.methods[method], self.network.module, images, targets)[0], known
                )
            return {contexts[0].case.key: {"distance": np.array(found)}}

        def identify(each: Context) -> str:
            code = code_digest(distance_of_repetitions)
            return key_of({"kind": "repetition", "map": self._map_key(method, each), "code": code})

        cells = self._cells([context], identify, compute, Step(method, "", REPETITION))
        return float(cells[context.case.key]["distance"]) if cells else 0.0

    def timing(self, method: str, chunk: Sequence[Context]) -> dict[str, Any] | None:
        """Time a method on some cases; None if it failed, or nobody has timed it and nothing is computed."""
        step = Step(method, "", TIMING)
        identity = {
            "kind": "timing",
            "batch_size": self.batch_size,
            "code": code_digest(time_attributor),
            "maps": [self._map_key(method, each) for each in chunk],
        }
        keys = [key_of({**identity, "device": device, "threads": threads}) for device, threads in self.clocks]
        stored = self.store.read(keys)
        for found in (stored[key] for key in reversed(keys) if key in stored):
            return {**{name: array.item() for name, array in found.arrays.items()}, "device": found.device}
        if self.absent is not None:
            known = self.absent.known(self._failure(step, f"the first {len(chunk)}", ""))
            self.failures += [] if known is None else [known]
            return None
        (key,) = keys
        try:
            with self._lent(f"the method {method}"):
                images, targets = zip(*(stacked([context]) for context in chunk), strict=True)
                pictures = [image[0] for image in images]
                measured = vars(time_attributor(self.methods[method], self.network, pictures, torch.cat(targets)))
        except Exception as error:
            self.fail(step, f"the first {len(chunk)}", error)
            return None
        numbers = {name: np.array(value) for name, value in measured.items() if name != "device"}
        self.store.write([Entry(key, self._label(step), numbers, 0)])
        return dict(measured)

    @property
    def clocks(self) -> Sequence[tuple[str, int]]:
        """What timings are, or were, taken on: the device, and torch's number of threads."""
        if self.absent is None:
            return ((self.device, torch.get_num_threads()),)
        return self.absent.clocks.get(self.place, ())

    def _lent(self, by: str) -> AbstractContextManager[None]:
        """Lend the network out: whatever is done to it, the next one finds it as it was, and who did it fails."""
        return unchanged(self.network.module, by, self.copies)

    def _cells(
        self,
        chunk: Sequence[Context],
        identify: Callable[[Context], str],
        compute: Callable[[list[Context]], ByCase],
        step: Step,
        *,
        stored: bool = True,
    ) -> ByCase:
        """Find what a step made of each case, or compute it. What is not to be stored is computed again."""
        keys = {context.case.key: identify(context) for context in chunk}
        found = self._read(keys.values()) if stored else {}
        cells = {case: found[key] for case, key in keys.items() if key in found}
        for alike in of_one_size([context for context in chunk if context.case.key not in cells]):
            for made, pictures in self._tried(alike, compute, step, even_absent=not stored):
                cells |= made
                if stored:
                    label = self._label(step)
                    self._write([Entry(keys[case], label, arrays, pictures) for case, arrays in made.items()])
        return cells

    def _tried(
        self, chunk: list[Context], compute: Callable[[list[Context]], ByCase], step: Step, *, even_absent: bool = False
    ) -> Iterator[tuple[ByCase, float]]:
        """Compute some cases together; if that fails, each alone, so that only the guilty fail.

        With what was computed comes how many pictures it took through the network for each case.
        """
        if self.absent is not None and not even_absent:
            for context in chunk:
                known = self.absent.miss(self._failure(step, context.case.key, ""))
                self.failures += [] if known is None else [known]
            return
        try:
            with self._counted() as counts:
                made = compute(chunk)
        except (Exception, SystemExit) as error:  # a method or metric can do anything
            if len(chunk) > 1:
                for context in chunk:
                    yield from self._tried([context], compute, step, even_absent=even_absent)
            else:
                self.fail(step, chunk[0].case.key, error)
            return
        yield made, counts["forwards"] / len(chunk)

    @contextmanager
    def _counted(self) -> Iterator[Mapping[str, int]]:
        """Count the pictures that go through the network."""
        with counting(self.network.module) as counts:
            try:
                yield counts
            finally:
                self.shown += counts["forwards"]

    def _read(self, keys: Collection[str]) -> dict[str, Arrays]:
        found = self.store.read([*keys])
        for each in found.values():
            self.devices[each.device] = self.devices.get(each.device, 0) + 1
            self.cost += each.pictures
        return {key: each.arrays for key, each in found.items()}

    def _write(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.store.write(entries)
            self.devices[self.device] = self.devices.get(self.device, 0) + len(entries)
            self.cost += sum(entry.pictures for entry in entries)

    def _label(self, step: Step) -> Label:
        return Label(*self.place, step.method, step.control, step.what, self.device)

    def _map_key(self, method: str, context: Context, control: str = "") -> str:
        def hashed() -> str:
            case = context.case
            own = {"kind": "map", "of": self._method_keys[method], "case": case.key, "data": case.digest}
            if method in self.given:
                own["file"] = self.given[method].digest(case.key)
            return key_of(own)

        key = context.once(("key of a map", method), hashed)
        return key_of({"kind": "derived", "map": key, **self.control_identities[control]}) if control else key

    def _failure(self, step: Step, case: str, reason: str) -> Failure:
        return Failure(*self.place, step.method, step.what, case, reason, step.control)

    def fail(self, step: Step, case: str, error: BaseException) -> None:
        """Note a failure; say so on the terminal if none like it was said before."""
        called = self.part.metrics.get(step.what) or self.methods.get(step.method)
        reason = str(error) if isinstance(error, InputError) else said(error, called)
        failure = self._failure(step, case, " ".join(reason.split()))
        if not any(replace(other, case=case) == failure for other in self.failures):
            self.tell(spelled_failure(failure))
        self.failures.append(failure)

    def failed(self, method: str, cases: Collection[str]) -> bool:
        """Tell whether a method could not explain one of some cases."""
        place = (*self.place, method, "map", "")
        return any(
            (f.dataset, f.network, f.method, f.step, f.control) == place and f.case in cases for f in self.failures
        )
