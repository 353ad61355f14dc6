"""Input times gradient: what each pixel would add to the answer if the network were linear.

Reference: A. Shrikumar, P. Greenside, A. Shcherbina, A. Kundaje, "Not Just a Black Box: Learning Important Features
Through Propagating Activation Differences", arXiv 1605.01713, 2016:

    map(p) = sum over channels c of  X_c(p)  d y / d X_c(p)

with y the target's logit, or another score. The channels' values are parts of one sum, so they are added with their
signs. Where the network is linear without a bias, the map's sum is y. Computed by Captum's ``InputXGradient``. It
costs one forward and one backward pass.
"""

from dataclasses import dataclass

import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from torch import Tensor, nn

from baselines.gradients import (
    Channels,
    batches,
    leaf,
    needs_a_gradient,
    over_channels,
    require_channels,
    scores_of_batch,
)
from mint.contract import explaining
from mint.parameters import require_batch_size
from mint.scores import Score, require_score


@dataclass(frozen=True)
class InputXGradient:
    """The picture times its gradient. In the normalised space, a pixel of the mean colour gets 0.

    Parameters
    ----------
    channels
        What is told of a pixel's channels: "sum", with the signs; "sum-abs" or "max-abs", of the absolute values.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    score
        y: "logit", "probability", "log-probability", "sigmoid", or a function; see `mint.scores.read_scores`.
    """

    channels: Channels = "sum"
    batch_size: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_channels(self.channels)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets), needs_a_gradient():
            captum = CaptumInputXGradient(scores_of_batch(model, self.score))
            products = [
                captum.attribute(leaf(part), additional_forward_args=(classes,)).detach()
                for part, classes in batches(images, targets, self.batch_size)
            ]
        return over_channels(torch.cat(products), self.channels)
