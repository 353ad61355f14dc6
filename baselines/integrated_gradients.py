"""Integrated gradients: the gradients along the straight way from a baseline to the picture, added up.

Reference: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equations 1 and 3:

    map(p) = sum over channels c of  (X_c(p) - B_c(p))  integral from 0 to 1 of  d y(B + a (X - B)) / d X_c(p)  d a

with y the target's logit, or another score, and B the baseline, a picture of one colour. The map's sum is
y(X) - y(B), up to the error of the integral (the paper's completeness), so the channels are added with their signs.
Computed by Captum's ``IntegratedGradients`` with its Gauss-Legendre quadrature. It costs as many forward and backward
passes as there are steps.
"""

from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import Tensor, nn

from baselines.gradients import (
    Channels,
    batches,
    needs_a_gradient,
    over_channels,
    require_channels,
    scores_of_batch,
)
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count, require_number
from mint.perturbation import pictures_at_once
from mint.scores import Score, require_score


@dataclass(frozen=True)
class IntegratedGradients:
    """The picture's difference to a baseline, times the mean gradient between the two.

    Parameters
    ----------
    steps
        Points at which the gradient is taken; Captum's 50. The paper finds 20 to 300 to be enough.
    baseline
        B's value in all channels, in the normalised space: 0 is the mean colour. (The paper's black is another value in
        each channel.)
    channels
        What is told of a pixel's channels: "sum", with the signs; "sum-abs" or "max-abs", of the absolute values.
    batch_size
        Pictures through the network at a time, steps included (Captum's ``internal_batch_size``); None lets the
        perturbation engine choose. The maps do not depend on it.
    score
        y: "logit", "probability", "log-probability", "sigmoid", or a function; see `mint.scores.read_scores`.
    """

    steps: int = 50
    baseline: float = 0.0
    channels: Channels = "sum"
    batch_size: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_count("steps", self.steps, 1)
        require_number("baseline", self.baseline, -1e6, 1e6)
        require_channels(self.channels)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets), needs_a_gradient():
            captum = CaptumIntegratedGradients(scores_of_batch(model, self.score))
            parts = [
                captum.attribute(
                    part.detach(),
                    baselines=float(self.baseline),
                    additional_forward_args=(classes,),
                    n_steps=int(self.steps),
                    internal_batch_size=pictures_at_once(self.batch_size, images[0]),
                ).detach()
                for part, classes in batches(images, targets, self.batch_size, self.steps)
            ]
        return over_channels(torch.cat(parts), self.channels)
