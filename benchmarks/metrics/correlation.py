"""Correlations of two vectors, on the device where they are; NaN where one of them is constant."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Correlation = Literal["pearson", "spearman"]


def pearson(first: Tensor, second: Tensor, same: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)) -> Tensor:
    """Return Pearson's correlation of two vectors, (n,) float64.

    ``same`` says, for each of the two, how far apart two values may be that count as one; a vector of one value is
    constant.
    """
    flat = [vector.max() - vector.min() <= near for vector, near in zip((first, second), same, strict=True)]
    one, other = first - first.mean(), second - second.mean()
    found = (one @ other) / (torch.linalg.vector_norm(one) * torch.linalg.vector_norm(other))
    return torch.where(flat[0] | flat[1], torch.nan, found.clamp(-1, 1))


def spearman(first: Tensor, second: Tensor, same: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)) -> Tensor:
    """Return Spearman's rank correlation of two vectors, (n,) float64, tied values at their mean rank; see `pearson`.

    Values that are ``same`` tie, so that rounding does not put equal ones into an order.
    """
    return pearson(_ranks(first, same[0]), _ranks(second, same[1]))


def _ranks(vector: Tensor, same: Tensor | float) -> Tensor:
    """Count how many values are below each, minus those above: twice the mean rank, centred. Vectors are short."""
    differences = vector.unsqueeze(1) - vector
    return torch.where(differences.abs() <= same, 0.0, differences.sign()).sum(1)


CORRELATIONS: Mapping[str, Callable[..., Tensor]] = {"pearson": pearson, "spearman": spearman}
