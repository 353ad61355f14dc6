"""Folding batch norms: each is a scale and a shift, which the convolution before it can take over."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

# How far answers may move, as a share of the largest. What reads a convolution past its batch norm moves them far more.
TOLERANCE = 1e-5


@torch.no_grad()
def fold_batch_norms(module: nn.Module, size: int) -> int:
    """Fold each batch norm into the convolution that it follows, in place, if the network's answers stay the same.

    Parameters
    ----------
    module : nn.Module
        A network in evaluation mode that takes (n, 3, size, size) float32 pictures. A folded batch norm becomes an
        `nn.Identity`, so that every other module keeps its name.
    size : int
        Height and width of its pictures, in pixels.

    Returns
    -------
    int
        How many batch norms were folded. 0 as well if the answers to a random picture would move by more than
        `TOLERANCE` of the largest: the network is then as it was. They are compared on the CPU, as a GPU may round
        more coarsely than that (tf32), and a network must be the same on every device. A network that is on several
        devices, or cannot run on the CPU, keeps its batch norms.
    """
    devices = {tensor.device for tensor in (*module.parameters(), *module.buffers())}
    if len(devices) != 1 or not any(type(each) is nn.BatchNorm2d for each in module.modules()):
        return 0
    (device,) = devices
    try:
        return _fold_on_cpu(module.cpu(), size)
    finally:
        module.to(device)


def _fold_on_cpu(module: nn.Module, size: int) -> int:
    picture = torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    try:
        with _watching(module) as pairs:
            before = module(picture)
    except RuntimeError:  # it has something that does not run there
        return 0
    if not pairs or not isinstance(before, Tensor):
        return 0
    kept = [(convolution, convolution.weight, convolution.bias) for convolution, _ in pairs]
    places = {child: (parent, name) for parent in module.modules() for name, child in parent.named_children()}
    for convolution, norm in pairs:
        _fold(convolution, norm)
        parent, name = places[norm]
        setattr(parent, name, nn.Identity().eval())
    after = module(picture)
    if bool((after - before).abs().max() <= TOLERANCE * before.abs().max()):
        return len(pairs)
    for convolution, weight, bias in kept:
        convolution.weight, convolution.bias = weight, bias
    for _, norm in pairs:
        parent, name = places[norm]
        setattr(parent, name, norm)
    return 0


@contextmanager
def _watching(module: nn.Module) -> Iterator[list[tuple[nn.Conv2d, nn.BatchNorm2d]]]:
    """Note, while a picture goes through, which batch norm takes the very tensor that a convolution returned."""
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    outputs: list[tuple[Tensor, nn.Conv2d]] = []  # the tensors are kept, so that no other takes an address of theirs
    calls: list[nn.Module] = []

    def after_convolution(convolution: nn.Module, _inputs: Any, output: Tensor) -> None:
        outputs.append((output, convolution))  # type: ignore[arg-type]
        calls.append(convolution)

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append(norm)
        pairs.extend((each, norm) for output, each in outputs if output is inputs[0])  # type: ignore[misc]

    parents = [child for parent in module.modules() for child in parent.children()]
    with ExitStack() as hooks:
        for each in module.modules():
            # What another module holds as well, what a subclass does, and what has hooks of its own is left alone.
            if parents.count(each) != 1 or each._forward_hooks or each._forward_pre_hooks:
                continue
            if type(each) is nn.Conv2d:
                hooks.callback(each.register_forward_hook(after_convolution).remove)
            elif type(each) is nn.BatchNorm2d and each.running_mean is not None and not each.training:
                hooks.callback(each.register_forward_pre_hook(before_norm).remove)
        yield pairs
    pairs[:] = [pair for pair in pairs if all(calls.count(each) == 1 for each in pair)]


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    def double(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.double()

    weights = (convolution.weight, convolution.bias, norm.running_mean, norm.running_var)
    scale_and_shift = (double(norm.weight), double(norm.bias))
    folded = fuse_conv_bn_weights(*map(double, weights), norm.eps, *scale_and_shift)  # type: ignore[arg-type, call-arg]
    like = convolution.weight
    convolution.weight, convolution.bias = (
        nn.Parameter(each.to(like.dtype).contiguous(), requires_grad=like.requires_grad) for each in folded
    )
    if like.is_contiguous(memory_format=torch.channels_last):
        convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
