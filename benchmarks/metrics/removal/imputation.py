"""Noisy linear imputation: what ROAD puts where pixels are removed.

Source: Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient Evaluation Strategy for
Attribution Methods", ICML 2022, and the authors' ``imputations.py``, which solves one sparse system of equations for
each mask on the CPU.
"""

import torch
from torch import Tensor

from benchmarks.metrics.removal.multigrid import System, VCycle, neighbour_sum
from mint.perturbation import seeded

TOLERANCE = 1e-7
"""A system counts as solved when its residual is this share of its right-hand side (Euclidean norms)."""
ITERATIONS = 200
"""More than this is an error; six to eight are needed, so the first are made without asking the device."""
FIRST_CHECK = 6
MASKS_AT_ONCE = {"cpu": 9}
"""How many systems are solved together: on a CPU as many as its cache holds, elsewhere 256, a full batch."""


def noise_of(image: Tensor, noise: float, seed: int) -> Tensor:
    """Draw the noise of all copies of an image, (c, h, w) float64, on the image's device.

    ``noise`` is its standard deviation in the image's (normalised) units. It is drawn on the CPU, one picture of it for
    all masks, so that a copy depends neither on the other masks nor on the device.
    """
    generator = seeded(seed)
    return noise * torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image.device)


def fill_in(image: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    """Replace removed pixels by noisy linear imputation: each is the weighted mean of its eight neighbours, plus noise.

    For all removed pixels i at once, sum over neighbours j in the picture of w_ij (x_i - x_j) = 0, with w = 1/6 for
    direct and 1/12 for diagonal neighbours. Every mask is a system of equations of its own; all are solved together
    by conjugate gradients in double precision, on the image's device (:mod:`benchmarks.metrics.removal.multigrid`).

    Parameters
    ----------
    image : Tensor
        (c, h, w), normalised.
    removed : Tensor
        (k, h, w) bool: which pixels are missing in each copy. Where all are, they become the noise.
    noise : Tensor
        (c, h, w), as `noise_of` draws it.

    Returns
    -------
    Tensor
        (k, c, h, w) in the image's dtype; pixels that stay are untouched.
    """
    copies = image.expand(len(removed), *image.shape).clone()
    size = MASKS_AT_ONCE.get(image.device.type, 256)
    for missing, batch in zip(torch.split(removed, size), torch.split(copies, size), strict=True):
        filled = _solve(image.double(), missing.double()) + noise
        batch.copy_(torch.where(missing.unsqueeze(1), filled.to(image.dtype), batch))
    return copies


def _solve(image: Tensor, masks: Tensor) -> Tensor:
    """Solve for the missing pixels, (k, h, w) of 0 and 1, of an image, (c, h, w), both float64: (k, c, h, w)."""
    missing = masks.permute(1, 2, 0).contiguous().unsqueeze(0)
    system, approximately = System(missing), VCycle(System(missing.float()))
    residual = missing * neighbour_sum(image.unsqueeze(3) * (1 - missing))
    goal = TOLERANCE * _norm(residual)
    solution, direction = torch.zeros_like(residual), torch.zeros_like(residual)
    rho = torch.ones_like(residual[:, :1, :1])
    # Conjugate gradients for each mask and channel. A mask that is solved is left as it is while others go on.
    for iteration in range(ITERATIONS):
        going = _norm(residual) > goal
        if iteration >= FIRST_CHECK and not going.any():
            return solution.permute(3, 0, 1, 2)
        guess = approximately(residual.float()).double()
        previous, rho = rho, _inner(residual, guess)
        direction = guess.addcmul_(_ratio(rho, previous), direction)
        answer = system.apply(direction)
        step = torch.where(going, _ratio(rho, _inner(direction, answer)), 0.0)
        solution.addcmul_(step, direction)
        residual.addcmul_(-step, answer)
    raise RuntimeError(f"The imputation's equations were not solved within {ITERATIONS} iterations.")


def _norm(pictures: Tensor) -> Tensor:
    """Return the size of each mask's picture, (k,)."""
    size: Tensor = torch.linalg.vector_norm(pictures, dim=(0, 1, 2))
    return size


def _inner(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((1, 2), keepdim=True)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide; 0 where a channel is solved exactly, and there is nothing to divide by."""
    return torch.where(denominator > 0, numerator / denominator, 0.0)
