"""How well a surrogate follows the network, and how far its importances have settled.

Neither costs a forward pass. Fidelity on samples held out is found by fitting the surrogate again without them.
Agreement is found by fitting the surrogate to two halves of the samples.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from scipy.stats import rankdata
from torch import Tensor

from mint.parameters import require_count, require_number
from mint.problem import Samples, Solution
from mint.surrogate import Surrogate


@dataclass(frozen=True)
class Fidelity:
    """The share of the answers' weighted variance that each scale of a surrogate explains, R^2.

    It is 1 for a perfect surrogate and 0 for one that is no better than the weighted mean answer; it can be negative.
    It is NaN where all answers are equal, or all those that have any weight.

    Attributes
    ----------
    coarse, fine : float
        On the samples that the surrogate was fitted to.
    coarse_held_out, fine_held_out : float
        On samples held out: the pairs of samples are divided into five parts, and each part is predicted by a surrogate
        fitted to the other four (five-fold cross-validation, with the same weights).
    """

    coarse: float
    fine: float
    coarse_held_out: float
    fine_held_out: float


FOLDS = 5


def measure_fidelity(surrogate: Surrogate, solution: Solution, samples: Samples) -> Fidelity:
    """Measure both scales' weighted R^2, on the samples fitted and on samples held out.

    Parameters
    ----------
    surrogate : Surrogate
        How the surrogate was fitted, and is fitted again.
    solution : Solution
        The surrogate fitted to all samples.
    samples : Samples
        All samples.
    """
    fitted = _predict(surrogate, solution, samples, samples.states)
    held_out = torch.zeros_like(fitted)
    fold = _pairs(len(samples.states)) % FOLDS
    for i in range(FOLDS):
        kept = fold != i
        if not kept.any() or kept.all():
            continue
        others = samples.take(kept)
        held_out[:, ~kept] = _predict(surrogate, surrogate(others), others, samples.states[~kept])
    scores = [weighted_r_squared(samples.answers, row, samples.proximity) for row in (*fitted, *held_out)]
    return Fidelity(*scores)


def weighted_r_squared(answers: Tensor, predictions: Tensor, weights: Tensor) -> float:
    """Return 1 - sum h (y - y^)^2 / sum h (y - mean y)^2, the mean weighted alike; NaN if the answers do not vary."""
    mean = weights @ answers / weights.sum()
    variance = float(weights @ (answers - mean).square())
    # Answers without weight do not count, as where a narrow kernel leaves the whole picture alone.
    if not vary(answers) or variance == 0:
        return float("nan")
    return 1 - float(weights @ (answers - predictions).square()) / variance


def vary(answers: Tensor) -> bool:
    """Tell whether answers, (K,), differ by more than rounding, which float32 networks do to seven digits."""
    low, high = answers.min(), answers.max()
    return bool(high - low > 1e-6 * max(abs(low), abs(high)))


def _predict(surrogate: Surrogate, solution: Solution, fitted: Samples, asked: Tensor) -> Tensor:
    """Predict the answers to the states asked, (asked, q), at both scales, (2, asked)."""
    relation = torch.nn.functional.one_hot(fitted.parent, len(fitted.a_c)).double()
    share = relation / relation.sum(dim=0)
    u_c, u_f = solution.w_c * fitted.a_c, solution.w_f * fitted.a_f
    # The coarse states are fractions of the fine ones, so each scale is linear in the fine states.
    effects = torch.stack([share @ u_c, u_f])
    predictions = effects @ asked.double().T
    if surrogate.intercept:
        residual = fitted.answers - effects @ fitted.states.double().T
        predictions = predictions + (residual @ fitted.proximity / fitted.proximity.sum())[:, None]
    return predictions


@dataclass(frozen=True)
class UntilSettled:
    """Draw samples in rounds of 100, until the fine importances have settled.

    Attributes
    ----------
    level : float
        Stop when the fine importances found from two halves of the samples agree this well; see
        :func:`split_half_agreement`. Above 1 they never do.
    most : int
        Stop at this many samples anyway.
    """

    level: float = 0.9
    most: int = 5000

    def __post_init__(self) -> None:
        require_number("level", self.level, -1)
        require_count("most", self.most, 2)

    def take(self, surrogate: Surrogate, samples: Samples, ask: Callable[[Tensor], Tensor]) -> Samples:
        """Ask about samples, round by round, until their importances have settled.

        Parameters
        ----------
        surrogate : Surrogate
            How they are fitted.
        samples : Samples
            As many as may be asked about; their answers are (0, classes).
        ask : callable
            From some of the states to their answers, (k, classes).

        Returns
        -------
        Samples
            Those that were asked about, with their answers, (K, classes).
        """
        answers = samples.answers
        for known in (*range(_ROUND, self.most, _ROUND), self.most):
            answers = torch.cat([answers, ask(samples.states[len(answers) : known])])
            states, proximity = samples.states[:known], samples.proximity[:known]
            taken = replace(samples, states=states, answers=answers, proximity=proximity)
            if known < self.most and self.reached(surrogate, taken):
                break
        return taken

    def reached(self, surrogate: Surrogate, samples: Samples) -> bool:
        """Tell whether the importances of all classes have settled; here the samples' answers are (K, classes)."""
        each = [split_half_agreement(surrogate, replace(samples, answers=column)) for column in samples.answers.T]
        return min(each) >= self.level


_ROUND = 100


def split_half_agreement(surrogate: Surrogate, samples: Samples) -> float:
    """Tell how far the fine importances have settled: how well they agree between two halves of the samples.

    The samples are dealt into two halves, in pairs; the unperturbed image (row 0) goes to both. A surrogate is fitted
    to each half, and r is Spearman's correlation of the two sets of u_f. As each half has only half of the samples,
    the Spearman-Brown formula 2 r / (1 + r) then estimates how well importances from all these samples would agree
    with importances from as many others.

    Returns
    -------
    float
        In [-1, 1]; 1 where both halves find the same ranks, all equal included; 0 where only one finds any.
    """
    pair = _pairs(len(samples.states))
    first, second = (
        surrogate(samples.take(half)).w_f * samples.a_f for half in ((pair % 2 == 1) | (pair == 0), pair % 2 == 0)
    )
    correlation = rank_correlation(first, second)
    return 2 * correlation / (1 + correlation) if correlation > 0 else correlation


def _pairs(samples: int) -> Tensor:
    """Give each sample the number of its pair; the pairs are (1, 2), (3, 4), ...

    Pairs are kept together, because the two samples of an antithetic pair depend on each other.
    """
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
