"""The surrogate: how it is fitted to perturbed samples (Sections 6 and 7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mint.parameters import require_number, require_word
from mint.problem import Constraint, Problem, Samples, Solution, build_problem
from mint.solver import solve, solve_cvxpy

Solver = Literal["admm", "cvxpy"]


@dataclass(frozen=True)
class Surrogate:
    """How the surrogate is fitted; called with perturbed samples, it fits one.

    Attributes
    ----------
    mu : float
        Weight of the fine scale in Eq. 17.
    alpha : float
        Strength of both L1 penalties, in [0, 1], as a share of the smallest penalty that would make all weights zero.
        The paper names no value; what other values do is measured in results/ablations.
    intercept : bool
        Fit an intercept without a penalty at each scale (the paper has none).
    constraint : {"hard", "soft", "off"}
        The inter-scale constraint w_f T = w_c: the paper's, a penalty in its place, or none; see
        :func:`~mint.problem.build_problem`.
    solver : {"admm", "cvxpy"}
        Algorithm 1, or an interior-point solver.
    """

    mu: float = 1.0
    alpha: float = 0.02
    intercept: bool = False
    constraint: Constraint = "hard"
    solver: Solver = "admm"

    def __post_init__(self) -> None:
        require_number("mu", self.mu, 0)
        require_number("alpha", self.alpha, 0, 1)
        require_word("intercept", self.intercept, (False, True))
        require_word("constraint", self.constraint, get_args(Constraint))
        require_word("solver", self.solver, get_args(Solver))

    def __call__(self, samples: Samples) -> Solution:
        """Fit the surrogate to perturbed samples."""
        problem = build_problem(
            samples, mu=self.mu, alpha=self.alpha, intercept=self.intercept, constraint=self.constraint
        )
        return _SOLVERS[self.solver](problem)


_SOLVERS: Mapping[str, Callable[[Problem], Solution]] = {"admm": solve, "cvxpy": solve_cvxpy}
