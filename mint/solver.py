"""Section 7: Algorithm 1, which solves the problem of Section 6, and two other solvers.

Algorithm 1 is for the paper's constraint. A problem without it is one lasso. An interior-point solver is the reference
that both are tested against.
"""

import importlib
import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mint.lasso import solve_lasso
from mint.parameters import InputError
from mint.problem import Problem, Solution


def solve(problem: Problem) -> Solution:
    """Solve the problem: by Algorithm 1 if it has the constraint, as one lasso if it does not."""
    return solve_coupled(problem) if math.isfinite(problem.coupling) else solve_admm(problem)


def solve_coupled(problem: Problem) -> Solution:
    """Solve a problem whose scales are coupled by a penalty, or not at all, as one lasso in (w_c, w_f)."""
    p, q = len(problem.moment_c), len(problem.moment_f)
    gram = torch.zeros(p + q, p + q, dtype=torch.float64)
    gram[:p, :p], gram[p:, p:] = problem.gram_c, problem.mu * problem.gram_f
    difference = torch.cat([-torch.eye(p, dtype=torch.float64), problem.relation])
    gram = gram + problem.coupling * difference @ difference.T
    moment = torch.cat([problem.moment_c, problem.mu * problem.moment_f])
    penalty = torch.cat([problem.penalty_c, problem.penalty_f])
    weights, iterations, certified = solve_lasso(gram, moment, penalty)
    return _solution(problem, weights[:p], weights[p:], iterations, certified)


def solve_admm(problem: Problem, *, tolerance: float = 1e-10, max_iterations: int = 20_000) -> Solution:
    """Solve the problem by Algorithm 1.

    The paper's iteration is run on weights that are scaled to equal curvature, and its penalties are adjusted as it
    goes. Now and then, what it has reached is tried: which weights are not zero, and their signs, determine a linear
    system. If the solution of this system satisfies all optimality conditions, it is the exact solution of the problem,
    zeros included, and the iteration ends.

    Parameters
    ----------
    problem : Problem
        The surrogate problem.
    tolerance : float
        Without such an exact finish, the iteration ends when the primal and dual residuals, relative to the
        iterates, fall below this.
    max_iterations : int
        After so many outer iterations no further round of them begins, and a warning says that it did not converge.
    """
    scaled, _, scale_f = _equilibrate(problem)
    state = _Iterate.start(scaled)
    finish, iterations, settled = None, 0, False
    while finish is None and not settled and iterations < max_iterations:
        # The trials become rarer, as each costs as much as a hundred iterations.
        step = max(_FIRST_TRIAL, iterations // 2)
        state.advance(step)
        iterations += step
        finish = _exact_finish(scaled, state)
        settled = max(max(pair) for pair in state.residuals) < tolerance
        state.rebalance()
    if finish is None and not settled:
        warnings.warn(f"Algorithm 1 did not converge in {iterations} iterations.", RuntimeWarning, stacklevel=2)
    v_c, v_f = finish or (state.m_c, state.m_f)
    w_f = v_f * scale_f
    # The constraint holds to the last digit in the original units, whatever their scale.
    w_c = torch.where(v_c != 0, w_f @ problem.relation, 0.0)
    return _solution(problem, w_c, w_f, iterations, certified=finish is not None)


_FIRST_TRIAL = 25
_INNER_ITERATIONS = 2
_CORRECTIONS = 40


def _solution(problem: Problem, w_c: Tensor, w_f: Tensor, iterations: int, certified: bool) -> Solution:
    residual = float((w_f @ problem.relation - w_c).abs().max())
    return Solution(w_c, w_f, problem.objective(w_c, w_f), residual, iterations, certified)


def _equilibrate(problem: Problem) -> tuple[Problem, Tensor, Tensor]:
    """Rescale the weights, w = scale * v, so that all have about the same curvature, and the response to unit energy.

    Through the constraint a fine weight moves its coarse one too, so its curvature is mu (Z_f'HZ_f)_jj + (Z_c'HZ_c)_ii.
    The problem keeps its form; T becomes diag(scale_f) T diag(1 / scale_c). The entries of this matrix are in [0, 1],
    also where a feature is zero or where two features differ by orders of magnitude.
    """
    response = problem.energy**0.5 or 1.0
    fine = problem.mu * problem.gram_f.diagonal()
    gentlest = torch.where(problem.relation != 0, fine[:, None], torch.inf).amin(dim=0)
    coarse = problem.gram_c.diagonal() + gentlest
    coarse = torch.where(coarse > 0, coarse, 1.0)
    scale_c = coarse.rsqrt()
    scale_f = (fine + problem.relation @ coarse).rsqrt()
    scaled = Problem(
        gram_c=scale_c[:, None] * problem.gram_c * scale_c,
        gram_f=scale_f[:, None] * problem.gram_f * scale_f,
        moment_c=scale_c * problem.moment_c / response,
        moment_f=scale_f * problem.moment_f / response,
        energy=problem.energy / response**2,
        relation=scale_f[:, None] * problem.relation / scale_c,
        mu=problem.mu,
        penalty_c=scale_c * problem.penalty_c / response,
        penalty_f=scale_f * problem.penalty_f / response,
    )
    return scaled, response * scale_c, response * scale_f


def soft(values: Tensor, threshold: Tensor) -> Tensor:
    """Shrink towards zero: sign(v) max(|v| - t, 0)."""
    return values.sign() * (values.abs() - threshold).clamp(min=0)


@dataclass
class _Iterate:
    """The variables of Algorithm 1 and its three penalties; scaled duals, as the paper writes them."""

    problem: Problem
    w_c: Tensor
    w_f: Tensor
    m_c: Tensor
    m_f: Tensor
    g_c: Tensor
    g_f: Tensor
    g: Tensor
    lam: Tensor
    rho_c: float = 0.1
    rho_f: float = 0.1
    residuals: tuple[tuple[float, float], ...] = ()

    @classmethod
    def start(cls, problem: Problem) -> "_Iterate":
        coarse, fine = torch.zeros_like(problem.moment_c), torch.zeros_like(problem.moment_f)
        # One penalty for each row of the constraint, so that rows of very different size converge alike.
        lam = 1 / (1 + problem.relation.square().sum(dim=0))
        return cls(problem, coarse, fine, coarse, fine, coarse, fine, coarse, lam)

    def advance(self, iterations: int) -> None:
        """Run outer iterations of Algorithm 1 and take the residuals of the last."""
        problem, relation = self.problem, self.problem.relation
        inverse_c = torch.linalg.inv(problem.gram_c + torch.diag(self.lam + self.rho_c))
        inverse_f = torch.linalg.inv(
            problem.mu * problem.gram_f
            + relation @ (self.lam[:, None] * relation.T)
            + self.rho_f * torch.eye(len(self.w_f), dtype=torch.float64)
        )
        threshold_c, threshold_f = problem.penalty_c / self.rho_c, problem.penalty_f / self.rho_f
        for _ in range(iterations):
            before = self.m_c, self.m_f, self.w_f @ relation
            drift = problem.moment_c + self.lam * (before[2] - self.g)
            for _ in range(_INNER_ITERATIONS):
                self.w_c = inverse_c @ (drift + self.rho_c * (self.m_c + self.g_c))
                self.m_c = soft(self.w_c - self.g_c, threshold_c)
                self.g_c = self.g_c - (self.w_c - self.m_c)
            drift = problem.mu * problem.moment_f + relation @ (self.lam * (self.w_c + self.g))
            for _ in range(_INNER_ITERATIONS):
                self.w_f = inverse_f @ (drift + self.rho_f * (self.m_f + self.g_f))
                self.m_f = soft(self.w_f - self.g_f, threshold_f)
                self.g_f = self.g_f - (self.w_f - self.m_f)
            carried = self.w_f @ relation
            self.g = self.g - (carried - self.w_c)
        self.residuals = (
            _relative(self.w_c - self.m_c, self.m_c - before[0], self.w_c, self.g_c),
            _relative(self.w_f - self.m_f, self.m_f - before[1], self.w_f, self.g_f),
            _relative(carried - self.w_c, carried - before[2], self.w_c, self.g),
        )

    def rebalance(self) -> None:
        """Raise a penalty whose primal residual dominates, lower one whose dual residual does."""
        factors = [_balance(primal, dual) for primal, dual in self.residuals]
        self.rho_c, self.g_c = self.rho_c * factors[0], self.g_c / factors[0]
        self.rho_f, self.g_f = self.rho_f * factors[1], self.g_f / factors[1]
        self.lam, self.g = self.lam * factors[2], self.g / factors[2]


def _relative(primal: Tensor, dual: Tensor, variable: Tensor, multiplier: Tensor) -> tuple[float, float]:
    def norm(tensor: Tensor) -> float:
        return float(torch.linalg.vector_norm(tensor))

    tiny = 1e-300
    return norm(primal) / max(norm(variable), tiny), norm(dual) / max(norm(multiplier), tiny)


def _balance(primal: float, dual: float) -> float:
    if primal <= 0 or dual <= 0:
        return 1.0
    ratio = (primal / dual) ** 0.5
    return min(max(ratio, 0.1), 10.0) if not 0.5 < ratio < 2.0 else 1.0


def _exact_finish(problem: Problem, state: _Iterate) -> tuple[Tensor, Tensor] | None:
    """Try the support (the weights that are not zero) and the signs that were reached, and correct them a few times.

    Returns the exact solution, or None if no correction satisfies all optimality conditions.
    """
    sign_c, sign_f = state.m_c.sign(), state.m_f.sign()
    scale = float(torch.maximum(problem.moment_c.abs().max(), problem.mu * problem.moment_f.abs().max()))
    tolerance_c, tolerance_f = 1e-9 * (scale + problem.penalty_c), 1e-9 * (scale + problem.penalty_f)
    for _ in range(_CORRECTIONS):
        w_c, w_f, pull_c, pull_f = _solve_on_support(problem, sign_c, sign_f, -state.lam * state.g)
        size = max(float(w_c.abs().max()), float(w_f.abs().max()))
        met = (
            _subgradient_holds(pull_c, problem.penalty_c, sign_c, w_c, tolerance_c),
            _subgradient_holds(pull_f, problem.penalty_f, sign_f, w_f, tolerance_f),
            bool(((w_f @ problem.relation - w_c).abs() <= 1e-9 * size).all()),
        )
        if all(met):
            return w_c, w_f
        sign_c = _corrected(sign_c, w_c, pull_c, problem.penalty_c, tolerance_c)
        sign_f = _corrected(sign_f, w_f, pull_f, problem.penalty_f, tolerance_f)
    return None


def _subgradient_holds(pull: Tensor, penalty: Tensor, sign: Tensor, weights: Tensor, tolerance: Tensor) -> bool:
    on = sign != 0
    agrees = (pull - penalty * sign).abs() <= tolerance
    same_sign = (weights * sign >= 0) | (penalty == 0)
    return bool(((pull.abs() <= penalty + tolerance) & (agrees | ~on) & same_sign).all())


def _corrected(sign: Tensor, weights: Tensor, pull: Tensor, penalty: Tensor, tolerance: Tensor) -> Tensor:
    """Drop the weights that took the wrong sign and admit those that are pulled harder than the penalty holds."""
    kept = torch.where((weights * sign < 0) & (penalty > 0), 0.0, sign)
    return torch.where((sign == 0) & (pull.abs() > penalty + tolerance), pull.sign(), kept)


def _solve_on_support(
    problem: Problem, sign_c: Tensor, sign_f: Tensor, nu_hint: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Solve the optimality conditions on a given support with given signs.

    With a multiplier nu for w_f T = w_c and subgradients s of the two L1 norms, the conditions are

        mu (Z_f'H y - Z_f'HZ_f w_f) - T nu = lambda_f s_f        Z_c'H y - Z_c'HZ_c w_c + nu = lambda_c s_c

    Returns
    -------
    w_c, w_f : Tensor
        The weights, zero off the support.
    pull_c, pull_f : Tensor
        The left-hand sides, which lambda s must equal.
    """
    on_c, on_f = sign_c != 0, sign_f != 0
    n_c, n_f, p = int(on_c.sum()), int(on_f.sum()), len(on_c)
    relation = problem.relation
    # The constraint's rows are scaled to one size, so that the system's rank can be told.
    row_scale = (1 + relation.square().sum(dim=0)).rsqrt()
    fine, coarse, multiplier = slice(0, n_f), slice(n_f, n_f + n_c), slice(n_f + n_c, n_f + n_c + p)
    system = torch.zeros(n_f + n_c + p, n_f + n_c + p, dtype=torch.float64)
    system[fine, fine] = problem.mu * problem.gram_f[on_f][:, on_f]
    system[coarse, coarse] = problem.gram_c[on_c][:, on_c]
    system[fine, multiplier] = (relation * row_scale)[on_f]
    system[coarse, multiplier] = -torch.diag(row_scale)[on_c]
    system[multiplier, : n_f + n_c] = system[: n_f + n_c, multiplier].T.clone()
    right = torch.cat(
        [
            (problem.mu * problem.moment_f - problem.penalty_f * sign_f)[on_f],
            (problem.moment_c - problem.penalty_c * sign_c)[on_c],
            torch.zeros(p, dtype=torch.float64),
        ]
    )
    answer = torch.linalg.lstsq(system, right[:, None], driver="gelsd").solution[:, 0]
    w_c, w_f = torch.zeros_like(sign_c), torch.zeros_like(sign_f)
    w_f[on_f], w_c[on_c] = answer[fine], answer[coarse]
    slack_c = problem.moment_c - problem.gram_c @ w_c
    slack_f = problem.mu * (problem.moment_f - problem.gram_f @ w_f)
    nu = answer[multiplier] * row_scale
    owned = relation != 0
    for i in torch.nonzero(~on_c & ~(owned & on_f[:, None]).any(dim=0)).flatten().tolist():
        nu[i] = _free_multiplier(problem, i, owned[:, i], slack_c, slack_f, nu_hint[i])
    return w_c, w_f, slack_c + nu, slack_f - relation @ nu


def _free_multiplier(
    problem: Problem, i: int, members: Tensor, slack_c: Tensor, slack_f: Tensor, hint: Tensor
) -> Tensor:
    """Choose the multiplier of a coarse super-pixel whose weights are all zero: any that keeps them at zero will do."""
    weights, penalty = problem.relation[members, i], problem.penalty_f[members]
    ends = torch.stack([slack_f[members] - penalty, slack_f[members] + penalty]) / weights
    low = torch.maximum(ends.amin(dim=0).max(), -problem.penalty_c[i] - slack_c[i])
    high = torch.minimum(ends.amax(dim=0).min(), problem.penalty_c[i] - slack_c[i])
    return hint.clamp(min=low, max=torch.maximum(low, high))


def solve_cvxpy(problem: Problem) -> Solution:
    """Solve the problem as section 6 states it, with cvxpy and an interior-point solver: the reference.

    Raises
    ------
    InputError
        If cvxpy is not installed.
    """
    try:
        cvxpy: Any = importlib.import_module("cvxpy")
    except ModuleNotFoundError as error:
        raise InputError(
            'solver="cvxpy" needs cvxpy; install it with pip install "mint-attribution[cvxpy]".'
        ) from error
    scaled, scale_c, scale_f = _equilibrate(problem)
    v_c, v_f = cvxpy.Variable(len(scale_c)), cvxpy.Variable(len(scale_f))

    def fit(variable: Any, gram: Tensor, moment: Tensor) -> Any:
        quadratic = cvxpy.quad_form(variable, cvxpy.psd_wrap(gram.numpy()))
        return quadratic / 2 - moment.numpy() @ variable + problem.energy / 2

    coarse = fit(v_c, scaled.gram_c, scaled.moment_c) + scaled.penalty_c.numpy() @ cvxpy.abs(v_c)
    fine = problem.mu * fit(v_f, scaled.gram_f, scaled.moment_f) + scaled.penalty_f.numpy() @ cvxpy.abs(v_f)
    difference = v_f @ scaled.relation.numpy() - v_c
    hard = math.isinf(problem.coupling)
    # The difference is in the units of v_c; times scale_c it is that of the weights, over the response's scale.
    units = scale_c.numpy() / (problem.energy**0.5 or 1.0)
    coupled = 0.0 if hard else problem.coupling / 2 * cvxpy.sum_squares(cvxpy.multiply(units, difference))
    constraints = [difference == 0] if hard else []
    cvxpy.Problem(cvxpy.Minimize(coarse + fine + coupled), constraints).solve(
        solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
    )
    w_f = torch.from_numpy(v_f.value) * scale_f
    w_c = w_f @ problem.relation if hard else torch.from_numpy(v_c.value) * scale_c
    return _solution(problem, w_c, w_f, iterations=0, certified=False)
