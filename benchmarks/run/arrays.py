"""Cases become batches for a network, and what a step makes of them becomes arrays that the store can keep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics import Context, MethodMetric, Metric
from benchmarks.metrics.metric import NOT_APPLICABLE, as_measurement
from benchmarks.run.precomputed import Precomputed
from benchmarks.run.store import Arrays
from mint.contract import Attributor, InputError

ByCase = Mapping[str, Arrays]
"""What one step made of some cases: arrays by the case's key."""


def of_one_size(contexts: list[Context]) -> list[list[Context]]:
    """Part cases by the size of their pictures, as a batch has one."""
    parts: dict[torch.Size, list[Context]] = {}
    for context in contexts:
        parts.setdefault(context.image.shape, []).append(context)
    return list(parts.values())


def stacked(contexts: Sequence[Context]) -> tuple[Tensor, Tensor]:
    """Put the pictures of some cases of one size, and their targets, on the device."""
    images = torch.stack([context.image for context in contexts])
    return images, torch.tensor([context.case.target for context in contexts], device=images.device)


def by_case(contexts: Sequence[Context], maps: Tensor) -> ByCase:
    """Give every case its map, (n, h, w)."""
    arrays = maps.detach().cpu().numpy()
    return {context.case.key: {"map": each} for context, each in zip(contexts, arrays, strict=True)}


def measurement(
    metric: Metric | MethodMetric, context: Context, saliency: np.ndarray, method: Attributor
) -> dict[str, np.ndarray]:
    """Measure a map, or the method itself: score and curve; InputError if the score is infinite or the curve is bad."""
    if isinstance(metric, MethodMetric):
        given = isinstance(method, Precomputed)
        found = NOT_APPLICABLE if given else as_measurement(metric, metric.examine(context, method))
    else:
        found = metric(context, torch.from_numpy(saliency).to(context.image.device))
    if np.isinf(found.score):
        raise InputError(f"{metric!r} answered {found.score}; a score is a number, or NaN where it does not apply.")
    arrays = {"score": np.array(found.score, dtype=np.float64)}
    if found.curve is not None:
        fractions, values = map(np.asarray, found.curve)
        if fractions.ndim != 1 or fractions.shape != values.shape:
            raise InputError(
                f"{metric!r} answered a curve of fractions {fractions.shape} and values {values.shape}; both are (n,)."
            )
        arrays |= {"fractions": fractions, "values": values}
    return arrays


def panel(picture: Any) -> np.ndarray:
    """Take a picture that a method drew of itself; InputError if it is none."""
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"pictures() answered {array.dtype} of shape {array.shape}; a panel is uint8 (h, w, 3).")
    return array
