"""How well a surrogate follows the network, and how far its importances have settled.

Neither costs a forward pass: fidelity on samples held out is found by fitting the surrogate again without them, and
agreement by fitting it to two halves of the samples.
"""

from dataclasses import dataclass

import torch
from scipy.stats import rankdata
from torch import Tensor

from mint.surrogate import Fit, Solution


@dataclass(frozen=True)
class Fidelity:
    """The share of the answers' weighted variance that each scale of a surrogate explains, R^2.

    1 is a perfect surrogate, 0 one that is no better than the weighted mean answer; it can be negative. NaN where all
    answers are equal.

    Attributes
    ----------
    coarse, fine : float
        On the samples that the surrogate was fitted to.
    coarse_held_out, fine_held_out : float
        On samples held out: every fifth pair of samples is predicted by a surrogate fitted to the others (five-fold
        cross-validation, with the same weights).
    """

    coarse: float
    fine: float
    coarse_held_out: float
    fine_held_out: float


FOLDS = 5


def measure_fidelity(
    fit: Fit,
    solution: Solution,
    states: Tensor,
    answers: Tensor,
    proximity: Tensor,
    parent: Tensor,
    a_c: Tensor,
    a_f: Tensor,
) -> Fidelity:
    """Measure both scales' weighted R^2, on the samples fitted and on samples held out.

    Parameters
    ----------
    fit : Fit
        How the surrogate was fitted, and is fitted again.
    solution : Solution
        The surrogate fitted to all samples.
    states, answers, proximity, parent, a_c, a_f : Tensor
        As :func:`~mint.surrogate.build_problem` takes them.
    """
    fitted = _predict(fit, solution, states, answers, proximity, parent, a_c, a_f, states)
    held_out = torch.zeros_like(fitted)
    fold = _pairs(len(states)) % FOLDS
    for i in range(FOLDS):
        kept = fold != i
        if not kept.any() or kept.all():
            continue
        again = fit(states[kept], answers[kept], proximity[kept], parent, a_c, a_f)
        held_out[:, ~kept] = _predict(
            fit, again, states[kept], answers[kept], proximity[kept], parent, a_c, a_f, states[~kept]
        )
    scores = [weighted_r_squared(answers, row, proximity) for row in (*fitted, *held_out)]
    return Fidelity(*scores)


def weighted_r_squared(answers: Tensor, predictions: Tensor, weights: Tensor) -> float:
    """Return 1 - sum h (y - y^)^2 / sum h (y - mean y)^2, the mean weighted alike; NaN if the answers do not vary."""
    mean = weights @ answers / weights.sum()
    variance = float(weights @ (answers - mean).square())
    # Answers that differ by rounding alone do not vary.
    if variance <= 1e-24 * float(weights @ answers.square()):
        return float("nan")
    return 1 - float(weights @ (answers - predictions).square()) / variance


def _predict(
    fit: Fit,
    solution: Solution,
    states: Tensor,
    answers: Tensor,
    proximity: Tensor,
    parent: Tensor,
    a_c: Tensor,
    a_f: Tensor,
    asked: Tensor,
) -> Tensor:
    """Predict the answers to the states asked, at both scales, (2, asked); the others are those fitted."""
    relation = torch.nn.functional.one_hot(parent, len(a_c)).double()
    share = relation / relation.sum(dim=0)
    u_c, u_f = solution.w_c * a_c, solution.w_f * a_f
    # The coarse states are fractions of the fine ones, so each scale is linear in the fine states.
    effects = torch.stack([share @ u_c, u_f])
    predictions = effects @ asked.double().T
    if fit.intercept:
        residual = answers - effects @ states.double().T
        predictions = predictions + (residual @ proximity / proximity.sum())[:, None]
    return predictions


def split_half_agreement(
    fit: Fit, states: Tensor, answers: Tensor, proximity: Tensor, parent: Tensor, a_c: Tensor, a_f: Tensor
) -> float:
    """Tell how far the fine importances have settled: the rank correlation of two halves, stepped up to all samples.

    The samples are dealt into two halves, in pairs, the unperturbed image (row 0) goes to both, and a surrogate is
    fitted to each. From Spearman's correlation r of the two sets of u_f, the Spearman-Brown formula 2 r / (1 + r)
    estimates how well importances from all these samples would agree with those from as many others.

    Returns
    -------
    float
        In [-1, 1]; 1 where both halves find the same ranks, all equal included; 0 where only one finds any.
    """
    pair = _pairs(len(states))
    first, second = (
        (fit(states[half], answers[half], proximity[half], parent, a_c, a_f).w_f * a_f)
        for half in ((pair % 2 == 1) | (pair == 0), pair % 2 == 0)
    )
    correlation = rank_correlation(first, second)
    return 2 * correlation / (1 + correlation) if correlation > 0 else correlation


def _pairs(samples: int) -> Tensor:
    """Count the pairs of samples, (1, 2), (3, 4), ...: the two of an antithetic pair depend on each other."""
    return (torch.arange(samples) + 1) // 2


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation; of constant vectors: 1 if both are, 0 if one is."""
    ranks = torch.from_numpy(rankdata(torch.stack([first, second]).numpy(), axis=1))
    centred = ranks - ranks.mean(dim=1, keepdim=True)
    sizes = centred.square().sum(dim=1).sqrt()
    constant = sizes == 0
    if constant.any():
        return float(constant.all())
    return float(centred[0] @ centred[1] / sizes.prod())
