"""Multigrid for ROAD's systems of equations: many masks of one picture at once, on the picture's device.

The operator A of a mask: at a missing pixel, (A x)_i = sum over neighbours j in the picture of w_ij (x_i - x_j), x
being 0 where pixels stay; elsewhere 0. Conjugate gradients alone take about as many iterations as a hole is wide. With
one V-cycle over ever coarser grids as their preconditioner they take about ten, whatever the size.

Source: W. L. Briggs, V. E. Henson, S. F. McCormick, "A Multigrid Tutorial", 2nd ed., SIAM 2000: Jacobi's smoothing
(chapter 2), bilinear interpolation, its transpose as restriction and Galerkin's coarse operators (chapters 3 and 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

DIAGONAL = 1 / 12
"""Weight of a pixel's diagonal neighbours in ROAD; its direct ones weigh twice as much, and all eight sum to 1."""

COARSEST = 8
"""Points a side of the grid on which the equations are solved exactly."""

OFFSETS = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))
CENTRE = OFFSETS.index((0, 0))


def neighbour_sum(pictures: Tensor) -> Tensor:
    """Return the weighted sum of each pixel's eight neighbours, (..., h, w); those beyond the border are 0."""
    padded = F.pad(pictures, (1, 1, 1, 1))
    # (1, 2, 1) down, then across: 4 times the centre, twice its direct and once its diagonal neighbours.
    rows = (padded[..., :-2, :] + padded[..., 2:, :]).add_(padded[..., 1:-1, :], alpha=2)
    both = (rows[..., :-2] + rows[..., 2:]).add_(rows[..., 1:-1], alpha=2)
    return both.sub_(pictures, alpha=4).mul_(DIAGONAL)


@dataclass(frozen=True)
class System:
    """The systems of some masks of pictures of one size.

    Attributes
    ----------
    missing : Tensor
        (k, 1, h, w) of 0 and 1, in the precision to compute in.
    degree : Tensor
        (1, 1, h, w): the sum of the weights of each pixel's neighbours in the picture.
    """

    missing: Tensor
    degree: Tensor

    @staticmethod
    def of(missing: Tensor) -> System:
        """Take the missing pixels, (k, 1, h, w)."""
        return System(missing, neighbour_sum(torch.ones_like(missing[:1])))

    def apply(self, pictures: Tensor) -> Tensor:
        """Multiply pictures, (k, c, h, w) and 0 where pixels stay, by A."""
        return (self.degree * pictures).sub_(neighbour_sum(pictures)).mul_(self.missing)


@dataclass(frozen=True)
class _Level:
    apply: Callable[[Tensor], Tensor]
    smoother: Tensor  # the inverse of the (damped) diagonal, 0 where that is
    inside: Tensor | None  # what interpolation from the next grid is multiplied by
    size: torch.Size


class VCycle:
    """An approximate inverse of A, symmetric and positive on the missing pixels: one V-cycle.

    Parameters
    ----------
    system : System
        What to invert. Its precision is the cycle's.
    """

    def __init__(self, system: System) -> None:
        missing = system.missing
        apply, smoother, inside = system.apply, missing / system.degree, missing
        size = missing.shape[-2:]
        self.levels: list[_Level] = []
        while True:
            level = _Level(apply, smoother, inside, size)
            self.levels.append(level)
            if max(size) <= COARSEST:
                break
            size = torch.Size(length // 2 + 1 for length in size)
            stencil = _galerkin(level, size, missing)
            apply, inside = _nine_points(stencil), None
            smoother = _jacobi(stencil)
        points = size.numel()
        identity = torch.eye(points, dtype=missing.dtype, device=missing.device).view(1, points, *size)
        unit = identity.expand(len(missing), -1, -1, -1) if inside is None else identity * inside
        matrix = apply(unit).flatten(2)
        # Coarse points without a missing pixel near them have no equation, and others may share one: what is left of
        # their eigenvalues is rounding.
        rounding = points * torch.finfo(missing.dtype).eps
        self.inverse = torch.linalg.pinv((matrix + matrix.mT).double() / 2, rtol=rounding, hermitian=True)
        self.inverse = self.inverse.to(missing.dtype)

    def __call__(self, residual: Tensor, depth: int = 0) -> Tensor:
        """Solve approximately for a right-hand side, (k, c, h, w)."""
        level = self.levels[depth]
        if depth == len(self.levels) - 1:
            return (residual.flatten(2) @ self.inverse).view_as(residual)
        # On the finest grid Jacobi's iteration needs no damping: ROAD's weights make it leave a third of what is rough.
        solution = level.smoother * residual
        coarse = self(_restrict(residual - level.apply(solution), level.inside), depth + 1)
        solution += _interpolate(coarse, level.size, level.inside)
        return solution.addcmul_(level.smoother, residual - level.apply(solution))


def _galerkin(fine: _Level, size: torch.Size, missing: Tensor) -> list[Tensor]:
    """Return the coarse operator restrict * apply * interpolate by its nine coefficients at each point, (k, 1, h, w).

    Points whose row and column agree modulo 3 do not share a neighbour, so nine pictures ask for all columns at once.
    """
    rows, columns = (torch.arange(length, device=missing.device) for length in size)
    colours = (rows % 3)[:, None] * 3 + columns % 3
    probes = (colours == torch.arange(9, device=missing.device).view(1, 9, 1, 1)).to(missing.dtype)
    probes = probes.expand(len(missing), -1, -1, -1)
    answers = _restrict(fine.apply(_interpolate(probes, fine.size, fine.inside)), fine.inside)
    found = []
    for row, column in OFFSETS:
        neighbour = ((rows + row) % 3)[:, None] * 3 + (columns + column) % 3
        found.append(answers.gather(1, neighbour.expand(len(missing), 1, -1, -1)))
    return found


def _jacobi(stencil: list[Tensor]) -> Tensor:
    """Return Jacobi's smoother D^-1, damped where it must be for 2 D - A to be diagonally dominant, hence positive.

    Around scattered pixels a coarse operator may have positive neighbours, and the undamped iteration would diverge.
    """
    diagonal = torch.maximum(stencil[CENTRE], torch.stack(stencil).abs().sum(0) / 2)
    return torch.where(diagonal > 0, 1 / diagonal, 0.0)


def _nine_points(stencil: list[Tensor]) -> Callable[[Tensor], Tensor]:
    height, width = stencil[0].shape[-2:]

    def apply(pictures: Tensor) -> Tensor:
        padded = F.pad(pictures, (1, 1, 1, 1))
        product = torch.zeros_like(pictures)
        for (row, column), weight in zip(OFFSETS, stencil, strict=True):
            shifted = padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]
            product = product.addcmul_(weight, shifted)
        return product

    return apply


def _interpolate(coarse: Tensor, size: torch.Size, inside: Tensor | None) -> Tensor:
    """Interpolate linearly: coarse points lie on every other fine one, the last of them on or beyond the border."""
    fine = _stretch(_stretch(coarse, size[0]).mT, size[1]).mT
    return fine if inside is None else fine * inside


def _restrict(fine: Tensor, inside: Tensor | None) -> Tensor:
    """Do the transpose of `_interpolate`."""
    return _shrink(_shrink(fine if inside is None else fine * inside).mT).mT.contiguous()


def _stretch(coarse: Tensor, length: int) -> Tensor:
    fine = coarse.new_empty((*coarse.shape[:-2], length, coarse.shape[-1]))
    fine[..., ::2, :] = coarse[..., : (length + 1) // 2, :]
    fine[..., 1::2, :] = (coarse[..., : length // 2, :] + coarse[..., 1 : length // 2 + 1, :]) / 2
    return fine


def _shrink(fine: Tensor) -> Tensor:
    length = fine.shape[-2]
    coarse = fine.new_zeros((*fine.shape[:-2], length // 2 + 1, fine.shape[-1]))
    coarse[..., : (length + 1) // 2, :] = fine[..., ::2, :]
    between = fine[..., 1::2, :] / 2
    coarse[..., : length // 2, :] += between
    coarse[..., 1 : length // 2 + 1, :] += between
    return coarse
