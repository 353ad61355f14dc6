"""LRP: the logit is handed down from layer to layer, and each unit shares what it gets among its inputs.

Reference: S. Bach et al., "On Pixel-wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
Propagation", PLOS ONE 2015; the rules for each kind of layer after M. Kohlbrenner et al., "Towards Best Practice in
Explaining Neural Network Decisions with LRP", IJCNN 2020 (epsilon-plus-flat). With relevance R_j of a unit
z_j = sum over i of  x_i w_ij + b_j, its input i gets the sum over j of

    linear layers (epsilon)            x_i w_ij / (z_j + epsilon sign z_j)  R_j
    convolutions (z-plus)              (x_i w_ij)+ / sum over i of (x_i w_ij)+  R_j
    the first layer (flat)             1 / (number of its inputs)  R_j

Activations pass relevance on, a max pooling gives it to the maximum, and sums and mean poolings share it by the values
that they add. The map is the sum of the relevances of a pixel's channels; its own sum is the logit, less what biases
and epsilon take. That is little without biases, and most of it in a deep network with many batch norms: compare values
within a map only. Where the first convolution has a stride, the flat rule shows its grid. Computed by zennit's
``EpsilonPlusFlat`` on a copy of the network in which each call is a module of its own, see `baselines.written_out`;
there, batch norms are folded into the layers before them, as zennit's canonizers do, but by the network's graph instead
of by the order in which its modules were made. A batch norm that follows no such layer is a linear layer of its own
(epsilon). It costs one forward and one backward pass, about two more of each for the rules, and for each call the copy
and two forward passes of one picture that check it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.nn.utils.parametrize import type_before_parametrizations

import mint.app.torchvision_ops  # noqa: F401 - before zennit, which imports torchvision
from baselines.gradients import Channels, batches, leaf, needs_a_gradient, over_channels, require_channels
from baselines.packages import Package
from baselines.written_modules import Affine, Mean, Sum
from baselines.written_out import ELEMENTWISE, LINEAR, require_rules, require_single_precision, write_out
from mint.contract import InputError, explaining
from mint.parameters import require_batch_size, require_number
from mint.scores import NOT_FINITE, read_logits, score_classes


@dataclass(frozen=True)
class LRP:
    """Layer-wise relevance propagation by epsilon-plus-flat. It explains the logit and takes no other score.

    Parameters
    ----------
    epsilon
        Of the linear layers, and of batch norms that are not folded; zennit's.
    channels
        What is told of a pixel's channels: "sum", with the signs; "sum-abs" or "max-abs", of the absolute values.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    """

    needs: ClassVar[Package] = Package("zennit", "methods")

    epsilon: float = 1e-6
    channels: Channels = "sum"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        self.needs.require()
        require_number("epsilon", self.epsilon, 0, beyond=True)
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
        from zennit.composites import EpsilonPlusFlat
        from zennit.rules import Epsilon, Norm, Pass

        with explaining(model, images, targets), needs_a_gradient():
            require_single_precision(images, "LRP")
            written = write_out(model, images[0].detach(), "LRP")
            require_rules(written, "LRP")
            _own_weights(written)
            _fold_batch_norms(written)
            epsilon = float(self.epsilon)
            rules = [
                ((*ELEMENTWISE, Affine), Pass()),
                ((Sum, Mean), Norm()),
                ((nn.modules.batchnorm._BatchNorm,), Epsilon(epsilon)),
            ]
            with EpsilonPlusFlat(epsilon, layer_map=rules).context(written) as hooked:
                parts = [_relevance(hooked, *batch) for batch in batches(images, targets, self.batch_size)]
        return over_channels(torch.cat(parts), self.channels)


def _relevance(hooked: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Hand down each target's logit: (n, c, h, w)."""
    pixels = leaf(images)
    with torch.enable_grad():
        logits = read_logits(hooked, pixels, int(targets.max()))
    if not torch.isfinite(logits).all():
        raise InputError(NOT_FINITE)
    with torch.no_grad():
        scores = score_classes("logit", logits, int(targets.max())).gather(1, targets[:, None])
        # Of a network with one output, both classes are explained by that output.
        start = torch.zeros_like(logits).scatter_(1, targets[:, None] % logits.shape[1], scores)
    (relevance,) = torch.autograd.grad(logits, pixels, start)
    return relevance


def _own_weights(written: fx.GraphModule) -> None:
    """Give the copy's layers parameters of their own with the same values, as zennit sets their ``data`` for a while.

    Of weights that are computed at each call, as by weight norm or pruning, it would change what they are made from.
    """
    for module in (each for each in written.children() if isinstance(each, LINEAR)):
        weights = {name: getattr(module, name) for name in ("weight", "bias")}
        # The class as it was before a parametrization derived another from it.
        module.__class__ = type_before_parametrizations(module)
        for key, hook in list(module._forward_pre_hooks.items()):
            if type(hook).__module__.startswith("torch.nn.utils."):
                del module._forward_pre_hooks[key]
        module._modules.clear()
        module._parameters.clear()
        for name, weight in weights.items():
            vars(module).pop(name, None)
            own = None if weight is None else nn.Parameter(weight.detach(), requires_grad=False)
            module.register_parameter(name, own)


def _fold_batch_norms(written: fx.GraphModule) -> None:
    """Fold each batch norm into the convolution or linear layer whose output it alone takes."""
    for node in list(written.graph.nodes):
        before = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        norm, layer = written.get_submodule(node.target), written.get_submodule(str(before.target))
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None:
            if len(before.users) == 1 and isinstance(layer, nn.modules.conv._ConvNd) and not layer.transposed:
                written.add_module(str(before.target), fuse_conv_bn_eval(layer, norm))
            elif len(before.users) == 1 and isinstance(layer, nn.Linear):
                written.add_module(str(before.target), fuse_linear_bn_eval(layer, norm))
            else:
                continue
            written.add_module(node.target, nn.Identity())
