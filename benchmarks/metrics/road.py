"""ROAD: removal whose missing pixels are imputed from their neighbours, with a little noise.

Source: Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient Evaluation Strategy for
Attribution Methods", ICML 2022, section 4 and the authors' ``imputations.py``, which pytorch-grad-cam publishes
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from mint.attributor import InputError
from mint.perturbation import default_batch_size

if TYPE_CHECKING:
    from torch import Tensor

DIRECT, DIAGONAL = 1 / 6, 1 / 12
"""Weights of a pixel's direct and diagonal neighbours; all eight sum to 1."""

TOLERANCE = 1e-9
"""Residual at which a system counts as solved, as a share of its right-hand side (Euclidean norms)."""


def impute(image: Tensor, removed: Tensor, *, noise: float, seed: int) -> Tensor:
    """Replace removed pixels by noisy linear imputation: each is the weighted mean of its eight neighbours, plus noise.

    For all removed pixels i at once, sum over neighbours j in the picture of w_ij (x_i - x_j) = 0, with w = 1/6 for
    direct and 1/12 for diagonal neighbours. Every mask is a system of equations of its own; all are solved together
    by conjugate gradients in double precision, on the image's device.

    Parameters
    ----------
    image : Tensor
        (c, h, w), normalised.
    removed : Tensor
        (k, h, w) bool: which pixels are missing in each copy. At least one pixel of each copy stays.
    noise : float
        Standard deviation of the Gaussian noise that is added to imputed pixels, in the image's (normalised) units.
    seed : int
        Of the noise: one picture of it for all masks, drawn on the CPU, so that a copy does not depend on the other
        masks of the call, nor on the device.

    Returns
    -------
    Tensor
        (k, c, h, w) in the image's dtype, on its device; pixels that stay are untouched.

    Raises
    ------
    InputError
        If a shape or dtype is wrong, the noise is negative, or a mask removes the whole picture.
    """
    if removed.ndim != 3 or removed.dtype != torch.bool or removed.shape[1:] != image.shape[1:]:
        raise InputError(
            f"removed must be a bool tensor of shape (k, {image.shape[1]}, {image.shape[2]}), "
            f"not {removed.dtype} {tuple(removed.shape)}."
        )
    if not noise >= 0:
        raise InputError(f"The noise of an imputation is a standard deviation of at least 0, not {noise}.")
    if removed.flatten(1).all(1).any():
        raise InputError("A mask removes the whole picture, which leaves nothing to impute it from; keep a pixel.")
    generator = torch.Generator().manual_seed(seed)
    drawn = noise * torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image.device)
    copies = image.expand(len(removed), *image.shape).clone()
    for masks, batch in zip(*(each.split(default_batch_size(image)) for each in (removed, copies)), strict=True):
        missing = masks.to(image.device).unsqueeze(1)
        filled = _solve(image.double(), missing.double()) + drawn
        batch.copy_(torch.where(missing, filled.to(image.dtype), batch))
    return copies


def _neighbours(pictures: Tensor) -> Tensor:
    """Return the weighted sum of each pixel's neighbours, (..., h, w); those beyond the border are 0."""
    width = pictures.shape[-1]
    padded = F.pad(pictures, (1, 1, 1, 1))
    # The weights are the outer product of (1, 2, 1) with itself over 12, save for the centre's 1/3.
    rows = padded[..., :-2, :] + padded[..., 2:, :] + 2 * padded[..., 1:-1, :]
    both = rows[..., :width] + rows[..., 2:] + 2 * rows[..., 1:-1]
    return both / 12 - pictures / 3


def _solve(image: Tensor, missing: Tensor) -> Tensor:
    """Solve for the missing pixels, (k, 1, h, w) of 0 and 1, of the image, (c, h, w); zeros elsewhere."""
    degree = _neighbours(torch.ones_like(image[:1]))
    right = missing * _neighbours(image * (1 - missing))
    solution = torch.zeros_like(right)
    goal = TOLERANCE * right.flatten(1).norm(dim=1)
    # Conjugate gradients, preconditioned by the diagonal; one step length for each mask and channel.
    left = torch.arange(len(right), device=right.device)
    residual, x, mask = right, solution.clone(), missing
    z = residual / degree
    direction = z
    rho = (residual * z).sum((-2, -1), keepdim=True)
    while True:
        going = residual.flatten(1).norm(dim=1) > goal[left]
        solution[left[~going]] = x[~going]
        if not going.any():
            return solution
        if not going.all():
            left, residual, x, mask = left[going], residual[going], x[going], mask[going]
            direction, rho = direction[going], rho[going]
        image_of = mask * (degree * direction - _neighbours(direction))
        curvature = (direction * image_of).sum((-2, -1), keepdim=True)
        step = torch.where(curvature > 0, rho / curvature, 0.0)
        x = x + step * direction
        residual = residual - step * image_of
        z = residual / degree
        following = (residual * z).sum((-2, -1), keepdim=True)
        direction = z + torch.where(rho > 0, following / rho, 0.0) * direction
        rho = following
