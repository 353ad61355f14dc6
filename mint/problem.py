"""Section 6: the sparse problem at two scales whose solution is the surrogate.

    min over w_c, w_f   1/2 sum_k h_k (w_c z^c_k - y_k)^2 + lambda_c ||w_c||_1
                    + mu/2 sum_k h_k (w_f z^f_k - y_k)^2 + lambda_f ||w_f||_1
    subject to          w_f T = w_c                                                    (Eqs. 17 and 21)

Nothing here knows a network or an image. The samples enter the problem through their Gram matrices alone, so the cost
of a solution does not depend on how many samples there are.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Constraint = Literal["hard", "soft", "off"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Perturbed samples of an image, the network's answers to them, and the super-pixels that the samples are made of.

    Attributes
    ----------
    states : Tensor
        (K, q) bool, the fine states; row 0 is the unperturbed image.
    answers : Tensor
        (K,), y.
    proximity : Tensor
        (K,), h, the samples' weights.
    parent : Tensor
        (q,) int64, the coarse super-pixel of each fine one.
    a_c, a_f : Tensor
        (p,) and (q,), the pooled features.
    """

    states: Tensor
    answers: Tensor
    proximity: Tensor
    parent: Tensor
    a_c: Tensor
    a_f: Tensor

    def take(self, rows: slice | Tensor) -> "Samples":
        """Keep some of the samples, chosen by a slice or by (K,) booleans."""
        return replace(self, states=self.states[rows], answers=self.answers[rows], proximity=self.proximity[rows])


@dataclass(frozen=True, eq=False)
class Problem:
    """The surrogate problem in terms of Gram matrices; all tensors are float64 on the CPU.

    Attributes
    ----------
    gram_c, gram_f : Tensor
        Z_c' H Z_c, (p, p), and Z_f' H Z_f, (q, q).
    moment_c, moment_f : Tensor
        Z_c' H y, (p,), and Z_f' H y, (q,).
    energy : float
        y' H y.
    relation : Tensor
        T, (q, p).
    mu : float
        Weight of the fine scale.
    penalty_c, penalty_f : Tensor
        The L1 penalty of each coordinate, (p,) and (q,): lambda_c and lambda_f, repeated.
    coupling : float
        How w_f T = w_c is imposed: infinity makes it a constraint, as the paper has it; a finite value adds
        coupling / 2 ||w_f T - w_c||^2 to the objective instead.
    """

    gram_c: Tensor
    gram_f: Tensor
    moment_c: Tensor
    moment_f: Tensor
    energy: float
    relation: Tensor
    mu: float
    penalty_c: Tensor
    penalty_f: Tensor
    coupling: float = math.inf

    def objective(self, w_c: Tensor, w_f: Tensor) -> float:
        """Evaluate the objective of Eq. 21, the coupling's term included where it is finite."""
        coarse = w_c @ self.gram_c @ w_c / 2 - self.moment_c @ w_c + self.energy / 2
        fine = w_f @ self.gram_f @ w_f / 2 - self.moment_f @ w_f + self.energy / 2
        value = coarse + self.mu * fine + self.penalty_c @ w_c.abs() + self.penalty_f @ w_f.abs()
        if math.isfinite(self.coupling):
            value = value + self.coupling / 2 * (w_f @ self.relation - w_c).square().sum()
        return float(value)


@dataclass(frozen=True, eq=False)
class Solution:
    """The surrogate's weights and how they were found.

    Attributes
    ----------
    w_c, w_f : Tensor
        (p,) and (q,) float64.
    objective : float
        The value of Eq. 21 there.
    constraint_residual : float
        Largest |w_f T - w_c|.
    iterations : int
        Outer iterations of Algorithm 1, or those of the lasso; 0 for cvxpy.
    certified : bool
        Whether the optimality conditions were verified at the solution, to 1e-8 of the data's scale.
    """

    w_c: Tensor
    w_f: Tensor
    objective: float
    constraint_residual: float
    iterations: int
    certified: bool


def build_problem(
    samples: Samples,
    *,
    mu: float = 1.0,
    alpha: float = 0.02,
    intercept: bool = False,
    constraint: Constraint = "hard",
) -> Problem:
    """Reduce the perturbed samples to the problem's Gram matrices.

    Everything follows from S'HS and S'Hy of the fine states: the coarse states are s^c = diag(1/n) T' s^f
    (Section 3), and the representations scale them, z = s * a (Section 4).

    Parameters
    ----------
    samples : Samples
        The samples. The method makes their weights sum to 1, so that objectives can be compared.
    mu : float
        Weight of the fine scale.
    alpha : float
        The penalties as a share of the smallest that would make each scale's weights zero:
        lambda_f = alpha mu ||Z_f' H y||_inf and lambda_c = alpha ||Z_c' H y||_inf.
    intercept : bool
        Fit an intercept without a penalty at each scale. For that, states and answers are centred at their weighted
        means. The paper has none.
    constraint : {"hard", "soft", "off"}
        The inter-scale constraint: "hard" is the paper's; "soft" is a penalty on its violation, as strong as the mean
        curvature of the coarse fit; "off" leaves it out, and the two scales are fitted apart.
    """
    s = samples.states.double()
    h = samples.proximity.double()
    y = samples.answers.double()
    a_c, a_f = samples.a_c, samples.a_f
    if intercept:
        s = s - h @ s / h.sum()
        # The first answer is subtracted before the mean, so that answers that are all equal become exact zeros.
        y = y - y[0]
        y = y - h @ y / h.sum()
    relation = torch.nn.functional.one_hot(samples.parent, len(a_c)).double()
    to_coarse = relation / relation.sum(dim=0)
    gram = s.T @ (h[:, None] * s)
    moment = s.T @ (h * y)
    moment_c = a_c * (to_coarse.T @ moment)
    moment_f = a_f * moment
    gram_c = a_c[:, None] * (to_coarse.T @ gram @ to_coarse) * a_c
    couplings = {"hard": math.inf, "soft": float(gram_c.diagonal().mean()), "off": 0.0}
    return Problem(
        gram_c=gram_c,
        gram_f=a_f[:, None] * gram * a_f,
        moment_c=moment_c,
        moment_f=moment_f,
        energy=float(y @ (h * y)),
        relation=relation,
        mu=mu,
        penalty_c=torch.full_like(moment_c, alpha * float(moment_c.abs().max())),
        penalty_f=torch.full_like(moment_f, alpha * mu * float(moment_f.abs().max())),
        coupling=couplings[constraint],
    )
