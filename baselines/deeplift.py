"""DeepLIFT: how the difference to a reference picture travels through the network to the answer.

Reference: A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation
Differences", ICML 2017. Each layer's slope is taken between the reference B and the picture X instead of at the
picture. The Rescale rule (section 3.5.2) for an activation f of one number is

    slope = ( f(x) - f(b) ) / (x - b)

and the chain rule multiplies the slopes to m(p), section 3.2:

    map(p) = sum over channels c of  (X_c(p) - B_c(p)) m_c(p)

The map's sum is y(X) - y(B) (the paper's summation-to-delta), with y the target's logit, so the channels are added with
their signs. Computed by Captum's ``DeepLift`` on a copy of the network in which each activation is a module of its own,
see `baselines.written_out`. It costs a forward and a backward pass of two pictures, and for each call the copy and two
forward passes of one picture that check it.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import DeepLift as CaptumDeepLift
from torch import Tensor, fx, nn
from torch.nn import functional as F

from baselines.gradients import Channels, batches, leaf, needs_a_gradient, over_channels, require_channels
from baselines.written_out import (
    ELEMENTWISE,
    Scored,
    dress_as_relu,
    require_rules,
    require_single_precision,
    write_out,
)
from mint.contract import explaining
from mint.parameters import require_batch_size, require_number


@dataclass(frozen=True)
class DeepLIFT:
    """DeepLIFT by the Rescale rule. It explains the logit, as the paper does, and takes no other score.

    Parameters
    ----------
    baseline
        The reference's value in all channels, in the normalised space: 0 is the mean colour.
    channels
        What is told of a pixel's channels: "sum", with the signs; "sum-abs" or "max-abs", of the absolute values.
    batch_size
        Pictures through the network at a time, the references included; None lets the perturbation engine choose. The
        maps do not depend on it.
    """

    baseline: float = 0.0
    channels: Channels = "sum"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_number("baseline", self.baseline, -1e6, 1e6)
        require_channels(self.channels)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps.

        Raises
        ------
        InputError
            If torch.fx cannot follow the network's code, the network has a layer without a rule, such as attention, a
            layer norm or a product of two maps, or is in half precision.
        """
        with explaining(model, images, targets), warnings.catch_warnings(), needs_a_gradient():
            warnings.filterwarnings("ignore", r"\s*Setting forward, backward hooks")
            require_single_precision(images, "DeepLIFT")
            written = write_out(model, images[0].detach(), "DeepLIFT")
            require_rules(written, "DeepLIFT")
            _set_rules(written)
            parts = [
                CaptumDeepLift(Scored(written, classes, "logit")).attribute(leaf(part), float(self.baseline)).detach()
                for part, classes in batches(images, targets, self.batch_size, passes=2)
            ]
        return over_channels(torch.cat(parts), self.channels)


def _set_rules(written: fx.GraphModule) -> None:
    # Captum's Rescale rule is right for any activation of one number, but it is given to a few types only.
    dress_as_relu(written, *ELEMENTWISE)
    for name, module in list(written.named_children()):
        if isinstance(module, nn.MaxPool2d):
            written.add_module(name, _MaxPool(module))


class _MaxPool(nn.Module):
    """A max pooling with DeepLIFT's slopes.

    Captum's own rule loses what a pixel gives to all windows but one, where windows overlap as in ResNets. Right behind
    a ReLU it is not used at all, as both modules hook one tensor. Where a pixel is as in the reference, it takes the
    gradient of the batch's first picture. With this one the contributions add up.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.return_indices = pool.return_indices
        self.options = (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, None]:
        """Pool pictures and their references, (2 n, c, h, w); no layer with a rule reads the indices."""
        pooled: Tensor = _MaxPoolSlopes.apply(values, self.options)  # type: ignore[no-untyped-call]
        return (pooled, None) if self.return_indices else pooled


class _MaxPoolSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, options: tuple[Any, ...]) -> Tensor:
        pooled, places = F.max_pool2d(values, *options, return_indices=True)
        ctx.save_for_backward(values, pooled, places)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Share out each window's change: up to the larger maximum at the picture's place, the rest at the other's."""
        values, pooled, places = ctx.saved_tensors
        gradient = gradients[0].chunk(2)[0].flatten(2)  # the same for pictures and references
        (values, reference), (pooled, pooled_reference) = (each.flatten(2).chunk(2) for each in (values, pooled))
        place, place_of_reference = places.flatten(2).chunk(2)
        larger = torch.maximum(pooled, pooled_reference)
        parts = torch.zeros_like(values).scatter_add_(2, place, gradient * (larger - pooled_reference))
        parts = parts.scatter_add_(2, place_of_reference, gradient * (pooled - larger))
        plain = torch.zeros_like(values).scatter_add_(2, place, gradient)
        change = values - reference
        slopes = torch.where(change == 0, plain, parts / torch.where(change == 0, 1, change))
        return torch.cat([slopes, slopes]).view_as(ctx.saved_tensors[0]), None
