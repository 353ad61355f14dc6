"""Contexts for tests of metrics: one case in front of one network, without a dataset."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.datasets import Case
from benchmarks.metrics import Context


def context_of(
    image: Tensor | tuple[int, ...],
    region: np.ndarray | None = None,
    model: nn.Module | None = None,
    target: int = 0,
    batch_size: int | None = None,
) -> Context:
    """A context of an image, (c, h, w), or of a black one of this size; the network's other facts are not needed."""
    pixels = image if isinstance(image, Tensor) else torch.zeros(3, *image)
    case = Case("case-0", "case", target, str(target), np.zeros((*pixels.shape[1:], 3), np.uint8), region, False)
    network: Any = SimpleNamespace(module=model)
    return Context(network, case, pixels, batch_size)


def region_of(size: tuple[int, int], *places: tuple[int | slice, int | slice]) -> np.ndarray:
    """Mark some places of a picture of a size."""
    region = np.zeros(size, dtype=bool)
    for place in places:
        region[place] = True
    return region


class Linear(nn.Module):
    """One logit that is linear in the pixels, and one that is 0."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        answers = (images * self.weights).flatten(1).sum(1)
        return torch.stack([answers, torch.zeros_like(answers)], dim=1)
