"""The lasso from its Gram matrix, by ADMM with an exact finish: for surrogates without the constraint."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]


def solve_lasso(
    gram: Tensor, moment: Tensor, penalty: Tensor, *, max_iterations: int = 20_000
) -> tuple[Tensor, int, bool]:
    """Minimise 1/2 w G w' - m w' + sum_j penalty_j |w_j|.

    Parameters
    ----------
    gram : Tensor
        G, (n, n) float64, positive semi-definite.
    moment : Tensor
        m, (n,) float64, in the range of G.
    penalty : Tensor
        (n,) float64, not negative.
    max_iterations : int
        Most iterations.

    Returns
    -------
    weights : Tensor
        (n,) float64, exact zeros included.
    iterations : int
        Iterations made.
    certified : bool
        Whether the optimality conditions were verified, to 1e-9 of the data's scale.
    """
    curvature = gram.numpy().diagonal()
    # Coordinates of equal curvature, whatever their scale.
    scale = 1 / np.sqrt(np.where(curvature > 0, curvature, 1.0))
    matrix = scale[:, None] * gram.numpy() * scale
    linear, price = scale * moment.numpy(), scale * penalty.numpy()
    values, vectors = np.linalg.eigh(matrix)
    split, dual, rho, iterations = np.zeros_like(linear), np.zeros_like(linear), 0.1, 0
    while iterations < max_iterations:
        for _ in range(_ITERATIONS_BEFORE_TRIAL):
            weights = vectors @ ((vectors.T @ (linear + rho * (split - dual))) / (values + rho))
            before, raised = split, weights + dual
            split = np.sign(raised) * np.maximum(np.abs(raised) - price / rho, 0.0)
            dual = raised - split
        iterations += _ITERATIONS_BEFORE_TRIAL
        exact = _finish(matrix, linear, price, split)
        if exact is not None:
            return torch.from_numpy(scale * exact), iterations, True
        # Raise the penalty where the split lags behind the weights, lower it where the split still moves.
        lag, move = np.linalg.norm(weights - split), rho * np.linalg.norm(split - before)
        factor = float(np.clip(np.sqrt(lag / move), 0.1, 10.0)) if lag > 0 and move > 0 else 1.0
        if not 0.5 < factor < 2.0:
            rho, dual = rho * factor, dual / factor
    return torch.from_numpy(scale * split), iterations, False


_ITERATIONS_BEFORE_TRIAL = 25


def _finish(matrix: Vector, linear: Vector, price: Vector, reached: Vector) -> Vector | None:
    """Solve the optimality conditions on the support and signs reached; None if the solution violates them.

    Of all solutions, where there are several, it is the nearest to what was reached, which keeps the signs.
    """
    sign = np.sign(reached)
    support = sign != 0
    weights = reached.copy()
    missing = (linear - price * sign - matrix @ reached)[support]
    weights[support] += np.linalg.lstsq(matrix[np.ix_(support, support)], missing, rcond=None)[0]
    slack = linear - matrix @ weights
    tolerance = 1e-9 * (np.abs(linear).max() + price)
    holds = np.where(support, np.abs(slack - price * sign) <= tolerance, np.abs(slack) <= price + tolerance)
    same_sign = (weights * sign >= 0) | (price == 0)
    return weights if bool((holds & same_sign).all()) else None
