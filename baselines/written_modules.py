"""The modules that `baselines.written_out` puts in place of sums, means and sums and products with a constant."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Sum(nn.Module):
    """Adds two tensors, as the end of a residual block does; they arrive stacked, as hooks see one input."""

    def forward(self, stacked: Tensor) -> Tensor:
        """Add (..., 2) over the last axis."""
        return stacked.sum(dim=-1)


class Join(nn.Module):
    """Stacks two tensors for its `Sum`."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Add the two."""
        added: Tensor = self.sum(torch.stack(torch.broadcast_tensors(first, second), dim=-1))  # type: ignore[no-untyped-call]
        return added


class Affine(nn.Module):
    """Adds a constant to each number, or multiplies it by one."""

    def __init__(self, function: Callable[..., Tensor], constant_first: bool) -> None:
        super().__init__()
        self.function, self.constant_first = function, constant_first

    def forward(self, values: Tensor, *, constant: Any) -> Tensor:
        """Answer with the function of both."""
        return self.function(constant, values) if self.constant_first else self.function(values, constant)


class Mean(nn.Module):
    """Takes the mean over some axes, as a pooling."""

    def __init__(self, *where: Any, **options: Any) -> None:
        super().__init__()
        self.where, self.options = where, options

    def forward(self, values: Tensor) -> Tensor:
        """Take the mean."""
        return values.mean(*self.where, **self.options)
