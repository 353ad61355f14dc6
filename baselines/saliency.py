"""Saliency: how fast the answer changes with each pixel.

Reference: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification
Models and Saliency Maps", ICLR workshop 2014, section 3:

    map(p) = max over channels c of  | d y / d X_c(p) |

with y the target's logit, before the softmax, as in the paper, or another score. Computed by Captum's ``Saliency``.
It costs one forward and one backward pass.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.gradients import Channels, batches, input_gradients, over_channels, require_channels
from mint.contract import explaining
from mint.parameters import require_batch_size
from mint.scores import Score, require_score


@dataclass(frozen=True)
class Saliency:
    """The gradient's size at each pixel.

    Parameters
    ----------
    channels
        What is told of a pixel's channels: "max-abs", the largest absolute value, as the paper does; "sum-abs"; or
        "sum", which keeps the signs.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    score
        y: "logit", "probability", "log-probability", "sigmoid", or a function; see `mint.scores.read_scores`.
    """

    channels: Channels = "max-abs"
    batch_size: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_channels(self.channels)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            gradients = [
                input_gradients(model, *batch, self.score) for batch in batches(images, targets, self.batch_size)
            ]
        return over_channels(torch.cat(gradients), self.channels)
