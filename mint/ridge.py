"""A weighted ridge regression, with an intercept for each group of samples."""

import math

import torch
from torch import Tensor

from mint.fidelity import vary


def ridge(inputs: Tensor, answers: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
    """Fit a weighted ridge regression whose penalty is chosen by generalised cross-validation.

    Source: G. H. Golub, M. Heath, G. Wahba, "Generalized cross-validation as a method for choosing a good ridge
    parameter", Technometrics 21(2), 1979. The penalties that are tried are 21, from a thousandth to a hundred times the
    mean squared singular value.

    Parameters
    ----------
    inputs : Tensor
        (K, n) float64.
    answers, weights : Tensor
        (K,) float64; the weights are positive.
    groups : Tensor
        (K,) int64, 0 to g - 1 without gaps: the group of each sample. Each group has an intercept of its own, which is
        not penalised.

    Returns
    -------
    Tensor
        (n,) float64, the coefficients without the intercepts.
    """
    weights = weights / weights.sum()
    root = weights.sqrt()
    # To take each group's mean away is to fit its intercept.
    member = torch.nn.functional.one_hot(groups).double() * weights[:, None]
    means = (member / member.sum(dim=0)).T
    centred = root[:, None] * (inputs - (means @ inputs)[groups])
    target = root * (answers - (means @ answers)[groups])
    # The Gram matrix holds all that is needed, and costs far less than the singular values of the samples.
    curvature, vectors = torch.linalg.eigh(centred.T @ centred)
    curvature = curvature.clamp(min=0)
    pull = vectors.T @ (centred.T @ target)
    penalties = float(curvature.sum()) / min(inputs.shape) * torch.logspace(-3, 2, 21, dtype=torch.float64)[:, None]
    # Inputs that never change within a group leave nothing but rounding, and so do answers that never change.
    if not vary(answers) or float(curvature.sum()) <= 1e-20 * float((weights @ inputs.square()).sum()):
        return torch.zeros(inputs.shape[1], dtype=torch.float64)
    # One row for each penalty: coefficients along the vectors, the residual, and the freedom that it leaves.
    fitted = pull / (curvature + penalties)
    residual = target @ target - (fitted * (2 * pull - curvature * fitted)).sum(dim=1)
    # Each intercept is one more coefficient.
    freedom = 1 - ((curvature / (curvature + penalties)).sum(dim=1) + len(means)) / len(answers)
    score = torch.where(freedom > 0, residual / freedom.square(), torch.inf)
    best = int(score.argmin())
    if not math.isfinite(float(score[best])):
        return torch.zeros(inputs.shape[1], dtype=torch.float64)
    coefficients: Tensor = vectors @ fitted[best]
    return coefficients
