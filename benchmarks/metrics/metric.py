"""What every metric sees, answers and declares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch

from mint.contract import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.datasets import Case
    from benchmarks.networks.network import Network
    from mint.contract import Attributor

Answer = TypeVar("Answer")
Direction = Literal["higher", "lower"]
Average = Literal["cases", "classes"]


@dataclass
class Context:
    """One case in front of one network: all that a metric may use besides the map.

    A run makes one for each case and network and hands it to every metric of every method, so that what does not
    depend on the map is computed once.
    """

    network: Network  # in evaluation mode
    case: Case  # picture, target and annotated region
    image: Tensor  # as the network sees it: (c, h, w) float32, normalised, on the network's device
    batch_size: int | None = None  # pictures through the network at a time; None lets the perturbation engine choose
    _memory: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return ``compute()``, called at most once for each key."""
        if key not in self._memory:
            self._memory[key] = compute()
        answer: Answer = self._memory[key]
        return answer

    def forget(self) -> None:
        """Drop all answers of `once`."""
        self._memory.clear()

    def on_device(self, key: Hashable, compute: Callable[[], np.ndarray]) -> Tensor:
        """Return the array ``compute()`` as a tensor beside the picture, made at most once for each key."""
        return self.once(key, lambda: torch.tensor(np.ascontiguousarray(compute()), device=self.image.device))


@dataclass(frozen=True)
class Measurement:
    """What one metric answers about one map.

    ``score`` is NaN where the metric does not apply to the case. ``curve`` is (fractions, values), two float64 arrays
    of one length, where the score is computed from a curve.
    """

    score: float
    curve: tuple[np.ndarray, np.ndarray] | None = None


NOT_APPLICABLE = Measurement(float("nan"))


@dataclass(frozen=True)
class CurveLabels:
    """How a metric's curve is drawn."""

    score: Literal["area", "mean"]  # what the score is of the curve: the area under it, or the mean of its points
    x: str  # what the fractions are
    y: str  # what the values are


class Declared:
    """What a metric declares about itself; each metric states only what differs from these defaults."""

    direction: Direction = "higher"  # which scores are better
    # "cases": a table shows the mean over cases. "classes": the mean over classes of each class's mean.
    average: Average = "cases"
    subsets: tuple[str, ...] = ("all",)  # of cases, that it is averaged over: "all", or "all" and "difficult"
    judges: bool = True  # whether a better score means a better explanation; False where it only describes a map
    regional: bool = False  # whether it needs the target's annotated region, and is NaN without one
    controlled: bool = True  # whether maps made from a method's map (derived controls) are scored, too
    curve_labels: CurveLabels | None = None  # how its curve is drawn; None where it has no curve

    @property
    def measure(self) -> str:
        """The quantity measured, by default the class's name. Metrics of one measure differ only in their settings."""
        return type(self).__name__


class Metric(Declared):
    """Base of the metrics of a map: a frozen dataclass, whose ``repr`` identifies it among all others.

    A metric defines `score_map`; users call the metric itself, which checks the map first.
    """

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32, of ``context.case``; InputError as `check_saliency`."""
        check_saliency(context, saliency)
        return as_measurement(self, self.score_map(context, saliency))

    def score_map(self, context: Context, saliency: Tensor) -> Any:
        """Measure a map that has been checked: a number, or a `Measurement`."""
        raise NotImplementedError("a Metric defines score_map(self, context, saliency)")


class DeviceMetric(Metric):
    """Base of the metrics that are computed where the network is: the check of the map and the score are read at once.

    `score_map` answers a tensor of one number, whatever the map holds.
    """

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32, of ``context.case``; InputError as `check_saliency`."""
        check_shape(context, saliency)
        saliency = saliency.to(context.image.device)
        found = self.score_map(context, saliency)
        if isinstance(found, Measurement):
            check_saliency(context, saliency)
            return found
        score, finite = torch.stack([found.double(), torch.isfinite(saliency).all().double()]).tolist()
        if not finite:
            raise not_finite(context)
        return Measurement(score)


class RegionMetric(Metric):
    """Base of the metrics that compare a map with the target's annotated region; NaN where there is no such region."""

    regional = True

    def score_map(self, context: Context, saliency: Tensor) -> Any:
        """Measure a map where the target has a region that is not empty."""
        region = context.case.region
        if region is None or not region.any():
            return NOT_APPLICABLE
        return self.score_region(context, saliency, region)

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> Any:
        """Measure a map by a region, (h, w) bool with at least one pixel: a number, or a `Measurement`."""
        raise NotImplementedError("a RegionMetric defines score_region(self, context, saliency, region)")


class MethodMetric(Declared):
    """Base of the metrics of a method's explanation of a case, rather than of its map; otherwise as `Metric`."""

    controlled = False

    def examine(self, context: Context, method: Attributor) -> Any:
        """Measure how a method, its layers named, explains ``context.case``: a number, or a `Measurement`."""
        raise NotImplementedError("a MethodMetric defines examine(self, context, method)")


def as_measurement(metric: Metric | MethodMetric, found: Any) -> Measurement:
    """Take what a metric answered; InputError if it is neither a number nor a `Measurement`."""
    try:
        return found if isinstance(found, Measurement) else Measurement(float(found))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{metric!r} answered with a {type(found).__name__} that is no number; answer with one number (NaN where "
            "the metric does not apply), or a Measurement."
        ) from error


def passed_over(context: Context, every: int) -> bool:
    """Tell whether a metric that takes one case in ``every`` leaves this one out; the case's digest decides."""
    return int(context.case.digest, 16) % every != 0


def check_saliency(context: Context, saliency: Tensor) -> None:
    """Refuse a map whose shape is not the picture's, or that holds a NaN or an infinity, by an InputError."""
    check_shape(context, saliency)
    if not bool(torch.isfinite(saliency).all()):
        raise not_finite(context)


def check_shape(context: Context, saliency: Tensor) -> None:
    """Refuse a map whose shape is not the picture's, by an InputError."""
    expected = tuple(context.image.shape[-2:])
    if tuple(saliency.shape) != expected:
        raise InputError(
            f"The map of {context.case.key} has shape {tuple(saliency.shape)}; "
            f"it must be {expected}, one value for each pixel of the picture."
        )


def sized(saliency: Tensor) -> Tensor:
    """Return maps with zeros for what only puts tied pixels in order, as `mint.display.break_ties` does.

    That is what lies below float32's smallest normal number. A metric that reads how large values are does this first.
    """
    return saliency.where(saliency.abs() >= torch.finfo(torch.float32).tiny, 0)


def not_finite(context: Context) -> InputError:
    """Say that a map of the case holds a NaN or an infinity."""
    return InputError(
        f"The map of {context.case.key} holds NaN or infinite values, which have no rank; "
        "make the method answer with finite values."
    )


def declaration(metric: Metric | MethodMetric) -> dict[str, Any]:
    """Return what a metric declares, in the form that results keep: plain JSON values.

    ``id`` is the repr, for display alone. ``settings`` are the fields in the repr; a dataclass among them is
    ``{"class": NAME, field: ...}``. ``curve`` is None, or the labels ``score``, ``x`` and ``y``.
    """
    labels = metric.curve_labels
    return {
        "id": repr(metric),
        "measure": metric.measure,
        "judges": metric.judges,
        "direction": metric.direction,
        "average": metric.average,
        "subsets": list(metric.subsets),
        "settings": _settings(metric),
        "curve": None if labels is None else dataclasses.asdict(labels),
    }


def _settings(instance: Any) -> dict[str, Any]:
    return {each.name: _plain(getattr(instance, each.name)) for each in dataclasses.fields(instance) if each.repr}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {"class": type(value).__name__, **_settings(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def controlling(metrics: Mapping[str, Metric | MethodMetric]) -> tuple[str, ...]:
    """Name the metrics that derived controls are scored under: of each measure that judges a map, the first."""
    first: dict[str, str] = {}
    for name, metric in metrics.items():
        if metric.controlled and metric.judges:
            first.setdefault(metric.measure, name)
    return tuple(first.values())
