"""What is read of a network's answer: one score of each image's target class."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mint.parameters import InputError

Score = Literal["probability", "logit", "log-probability"]

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "probability": lambda logits: F.softmax(logits, dim=1),
    "logit": lambda logits: logits,
    "log-probability": lambda logits: F.log_softmax(logits, dim=1),
}
NOT_FINITE = "the network answered with NaN or infinite values; check its weights and the normalisation of its input."


def read_scores(
    model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, score: Score = "probability"
) -> Tensor:
    """Ask a classifier for one score per image, and check its answer.

    Parameters
    ----------
    model : nn.Module
        A classifier: images to (n, classes) logits.
    images : Tensor
        (n, c, h, w), normalised.
    targets : Tensor
        (n,) int64.
    score : {"probability", "logit", "log-probability"}
        What is read of the target's class.

    Returns
    -------
    Tensor
        (n,), in the logits' dtype, differentiable where gradients are enabled.

    Raises
    ------
    InputError
        If the answer is not (n, classes), is not finite, or a target lies outside the classes.
    """
    logits = read_logits(model, images, int(targets.max()))
    if not torch.isfinite(logits).all():
        raise InputError(NOT_FINITE)
    return SCORES[score](logits).gather(1, targets[:, None])[:, 0]


def read_logits(model: Callable[[Tensor], Tensor], images: Tensor, target: int) -> Tensor:
    """Ask a classifier for its logits, (n, classes); check their shape, and that ``target`` is one of the classes."""
    logits = model(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"the network must answer {len(images)} images with (n, classes) logits, not with {shape}.")
    if target >= logits.shape[1]:
        raise InputError(
            f"target {target} lies outside the network's {logits.shape[1]} classes, 0 to {logits.shape[1] - 1}."
        )
    return logits
