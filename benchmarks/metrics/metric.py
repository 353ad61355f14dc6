"""What every metric sees, answers and promises."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import torch

from mint.contract import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from benchmarks.datasets import Case
    from benchmarks.networks.network import Network

Answer = TypeVar("Answer")
Direction = Literal["higher", "lower"]
Average = Literal["cases", "classes"]


@dataclass
class Context:
    """One case in front of one network: all that a metric may use besides the map.

    The runner makes one per (network, case) and hands it to every metric of every method, so that what
    does not depend on the map is computed once.

    Attributes
    ----------
    network
        The network explained, in evaluation mode.
    case
        Picture, target and annotated region.
    image
        The case's picture as the network sees it: (c, h, w) float32, normalised, on the network's device.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose.
    """

    network: Network
    case: Case
    image: Tensor
    batch_size: int | None = None
    _memory: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return ``compute()``, called at most once for each key."""
        if key not in self._memory:
            self._memory[key] = compute()
        answer: Answer = self._memory[key]
        return answer


@dataclass(frozen=True)
class Measurement:
    """One metric's verdict on one map.

    Attributes
    ----------
    score
        NaN where the metric does not apply to the case.
    curve
        (fractions, values), two float64 arrays of one length, where the score is the area under a curve.
    """

    score: float
    curve: tuple[np.ndarray, np.ndarray] | None = None


class Metric(Protocol):
    """A frozen dataclass whose fields, all of them, are the metric's identity: its ``repr``.

    Direction, average and subsets may belong to the class, or be fields where they differ between its instances.

    Attributes
    ----------
    direction
        Which scores are better.
    average
        "cases": the table shows the mean over cases. "classes": the mean over classes of each class's mean.
    subsets
        The rows of cases it is averaged over: "all", or "all" and "difficult".
    """

    @property
    def direction(self) -> Direction: ...  # noqa: D102
    @property
    def average(self) -> Average: ...  # noqa: D102
    @property
    def subsets(self) -> tuple[str, ...]: ...  # noqa: D102

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a saliency map, (h, w) float32, of ``context.case``."""
        ...


def check_saliency(context: Context, saliency: Tensor) -> None:
    """Refuse a map that cannot be ranked.

    Raises
    ------
    InputError
        If the map's shape is not the picture's, or it holds a NaN or an infinity.
    """
    expected = tuple(context.image.shape[-2:])
    if tuple(saliency.shape) != expected:
        raise InputError(
            f"The map of {context.case.key} has shape {tuple(saliency.shape)}; "
            f"it must be {expected}, one value for each pixel of the picture."
        )
    if not bool(torch.isfinite(saliency).all()):
        raise InputError(
            f"The map of {context.case.key} holds NaN or infinite values, which have no rank; "
            "make the method answer with finite values."
        )


def annotated_region(context: Context) -> np.ndarray | None:
    """Return the target's region, (h, w) bool, or None where there is none to point at: absent or empty."""
    region = context.case.region
    return region if region is not None and region.any() else None
