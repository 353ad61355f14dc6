"""Guided backpropagation: the gradient without what any ReLU would take from the answer.

Reference: J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, "Striving for Simplicity: The All Convolutional
Net", ICLR workshop 2015, section 3.4. On the way back through a ReLU with input f and output max(f, 0), the signal R is

    R  ->  R  where f > 0 and R > 0, else 0

and through all other layers it is the gradient. Computed by Captum's ``GuidedBackprop`` on a copy of the network in
which each ReLU is a module of its own, see `baselines.written_out`. It costs one forward and one backward pass, and for
each call the copy and two forward passes of one picture that check it.

The map is known to depend little on the class and on the upper layers' weights (J. Adebayo et al., NeurIPS 2018).
"""

import warnings
from dataclasses import dataclass

import torch
from captum.attr import GuidedBackprop as CaptumGuidedBackprop
from torch import Tensor, nn

from baselines.gradients import Channels, batches, leaf, needs_a_gradient, over_channels, require_channels
from baselines.written_out import Scored, dress_as_relu, write_out
from mint.contract import InputError, explaining
from mint.parameters import require_batch_size
from mint.scores import Score, require_score


@dataclass(frozen=True)
class GuidedBackprop:
    """Guided backpropagation. ReLU6 counts as a ReLU; other activations pass the gradient as it is.

    Parameters
    ----------
    channels
        What is told of a pixel's channels: "max-abs", the largest absolute value, as for `Saliency` (the paper shows
        the channels as colours); "sum-abs"; or "sum", which keeps the signs.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    score
        What is explained: "logit", "probability", "log-probability", "sigmoid", or a function; see
        `mint.scores.read_scores`.
    """

    channels: Channels = "max-abs"
    batch_size: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_channels(self.channels)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps.

        Raises
        ------
        InputError
            If torch.fx cannot follow the network's code, or the network has no ReLU.
        """
        with explaining(model, images, targets), warnings.catch_warnings(), needs_a_gradient():
            warnings.filterwarnings("ignore", "Setting backward hooks on ReLU activations")
            written = write_out(model, images[0].detach(), "GuidedBackprop")
            dress_as_relu(written, nn.ReLU6)
            if not any(isinstance(module, nn.ReLU) for module in written.modules()):
                raise InputError(
                    "GuidedBackprop changes the gradient of ReLUs, and the network has none, so that the map would be "
                    "that of Saliency; choose Saliency."
                )
            signals = [
                CaptumGuidedBackprop(Scored(written, classes, self.score)).attribute(leaf(part)).detach()
                for part, classes in batches(images, targets, self.batch_size)
            ]
        return over_channels(torch.cat(signals), self.channels)
