"""The lasso from its Gram matrix, by coordinate descent with an exact finish: for surrogates without the constraint."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]


def solve_lasso(gram: Tensor, moment: Tensor, penalty: Tensor, *, max_sweeps: int = 20_000) -> tuple[Tensor, int, bool]:
    """Minimise 1/2 w G w' - m w' + sum_j penalty_j |w_j|.

    Parameters
    ----------
    gram : Tensor
        G, (n, n) float64, positive semi-definite.
    moment : Tensor
        m, (n,) float64, in the range of G.
    penalty : Tensor
        (n,) float64, not negative.
    max_sweeps : int
        Most passes over the coordinates.

    Returns
    -------
    weights : Tensor
        (n,) float64, exact zeros included.
    sweeps : int
        Passes made.
    certified : bool
        Whether the optimality conditions were verified, to 1e-9 of the data's scale.
    """
    matrix, linear, price = gram.numpy(), moment.numpy(), penalty.numpy()
    curvature = matrix.diagonal()
    moving = np.flatnonzero(curvature > 0).tolist()
    weights, slack = np.zeros_like(linear), linear.copy()
    sweeps = 0
    while sweeps < max_sweeps:
        for _ in range(_SWEEPS_BEFORE_TRIAL):
            for j in moving:
                pull = slack[j] + curvature[j] * weights[j]
                new = np.sign(pull) * max(abs(pull) - price[j], 0.0) / curvature[j]
                if new != weights[j]:
                    slack -= matrix[:, j] * (new - weights[j])
                    weights[j] = new
        sweeps += _SWEEPS_BEFORE_TRIAL
        exact = _finish(matrix, linear, price, np.sign(weights))
        if exact is not None:
            return torch.from_numpy(exact), sweeps, True
    return torch.from_numpy(weights), sweeps, False


_SWEEPS_BEFORE_TRIAL = 10


def _finish(matrix: Vector, linear: Vector, price: Vector, sign: Vector) -> Vector | None:
    """Solve the optimality conditions on the support and signs reached; None if the solution violates them."""
    support = sign != 0
    weights = np.zeros_like(linear)
    system, right = matrix[np.ix_(support, support)], (linear - price * sign)[support]
    weights[support] = np.linalg.lstsq(system, right, rcond=None)[0]
    slack = linear - matrix @ weights
    tolerance = 1e-9 * (np.abs(linear).max() + price)
    holds = np.where(support, np.abs(slack - price * sign) <= tolerance, np.abs(slack) <= price + tolerance)
    same_sign = (weights * sign >= 0) | (price == 0)
    return weights if bool((holds & same_sign).all()) else None
