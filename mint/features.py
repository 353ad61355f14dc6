"""Reading a network's layers: activations, and one gradient.

A layer is read through a forward hook that is removed before the function returns. What a hook keeps is a copy
that later in-place operations (torchvision's in-place ReLUs) cannot touch.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mint.contract import InputError
from mint.perturbation import Score, read_scores

Pooling = Literal["mean-one", "raw", "ones"]


@dataclass(frozen=True, eq=False)
class Features:
    """What one forward and one backward pass tell about an image.

    Attributes
    ----------
    shallow : Tensor
        (c_s, h_s, w_s) activations of the shallow layer.
    deep : Tensor
        (c_d, h_d, w_d) activations of the deep layer.
    gradient : Tensor
        (c_d, h_d, w_d) derivative of the target's score with respect to ``deep``.
    """

    shallow: Tensor
    deep: Tensor
    gradient: Tensor


def resolve_layer(model: nn.Module, name: str) -> nn.Module:
    """Find a submodule by its dotted name.

    Raises
    ------
    InputError
        If the network has no such layer; the sentence lists the nearest names.
    """
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if name in modules and name:
        return modules[name]
    names = [other for other in modules if other]
    nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
    raise InputError(f"{type(model).__name__} has no layer {name!r}; the nearest names are {', '.join(nearest)}.")


def read_features(
    model: nn.Module,
    image: Tensor,
    target: int,
    shallow_layer: str,
    deep_layer: str,
    derivative_of: Score = "logit",
) -> Features:
    """Read two layers and the target's gradient at the deep one, in one forward and one backward pass.

    The graph is cut below the deep layer, so the backward pass runs through the network's head alone.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode.
    image : Tensor
        (c, h, w), normalised.
    target : int
        The class whose score is differentiated.
    shallow_layer, deep_layer : str
        Names of modules that run once and give a (1, channels, height, width) tensor.
    derivative_of : {"logit", "probability", "log-probability"}
        The score that is differentiated.

    Raises
    ------
    InputError
        If a layer does not exist, does not run exactly once, gives no such tensor, or if the score does not
        depend on the deep layer.
    """
    kept: dict[str, list[Tensor]] = {shallow_layer: [], deep_layer: []}

    def keep_copy(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        _check_output(shallow_layer, output)
        kept[shallow_layer].append(output.detach().clone())

    def keep_leaf(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        _check_output(deep_layer, output)
        leaf = output.detach().requires_grad_(True)
        kept[deep_layer].append(leaf)
        # What follows gets a copy: an in-place ReLU must not change the leaf.
        return leaf.clone()

    if shallow_layer == deep_layer:
        raise InputError(f"shallow_layer and deep_layer are both {deep_layer!r}; MINT needs two different layers.")
    hooks = [
        resolve_layer(model, shallow_layer).register_forward_hook(keep_copy),
        resolve_layer(model, deep_layer).register_forward_hook(keep_leaf),
    ]
    try:
        with torch.enable_grad():
            images = image[None].contiguous(memory_format=torch.channels_last)
            score = read_scores(model, images, torch.tensor([target], device=image.device), derivative_of)
            for name, outputs in kept.items():
                _check_layer(name, outputs)
            (leaf,) = kept[deep_layer]
            gradient = None
            if score.requires_grad:
                (gradient,) = torch.autograd.grad(score.sum(), leaf, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    if gradient is None:
        raise InputError(f"the class score does not depend on layer {deep_layer!r}; name another deep_layer.")
    return Features(shallow=kept[shallow_layer][0][0], deep=leaf.detach()[0], gradient=gradient[0])


def _check_output(name: str, output: object) -> None:
    if not isinstance(output, Tensor):
        raise InputError(f"layer {name!r} gives a {type(output).__name__}; name one that gives a tensor.")


def _check_layer(name: str, outputs: list[Tensor]) -> None:
    if len(outputs) != 1:
        raise InputError(
            f"layer {name!r} ran {len(outputs)} times in one forward pass; name a layer that runs exactly once."
        )
    if outputs[0].ndim != 4:
        raise InputError(
            f"layer {name!r} gives a tensor of shape {tuple(outputs[0].shape)}; name a convolutional layer, "
            "whose output is (n, channels, height, width)."
        )


def upsample(layer_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge one (h', w') map bilinearly to (h, w)."""
    return F.interpolate(layer_map[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def represent(feature_map: Tensor, labels: Tensor, count: int, pooling: Pooling = "mean-one") -> Tensor:
    """Pool a layer's channel sum inside every super-pixel (Eqs. 3-6).

    Parameters
    ----------
    feature_map : Tensor
        (h, w), the layer's activations summed over channels and upsampled to the image.
    labels : Tensor
        (h, w) int64, the super-pixel of each pixel, 0 to ``count - 1``, none of them empty.
    count : int
        Number of super-pixels.
    pooling : {"mean-one", "raw", "ones"}
        "raw" is the paper's text: the mean over the super-pixel. "mean-one" divides the map by its image mean
        first and keeps the result at or above 0.05, so that layers with different numbers of channels do not
        fight in the inter-scale constraint. "ones" ignores the features.

    Returns
    -------
    Tensor
        (count,) float64 on the CPU.
    """
    values = feature_map.detach().double().cpu().flatten()
    flat = labels.cpu().flatten()
    sizes = torch.bincount(flat, minlength=count)
    means = torch.zeros(count, dtype=torch.float64).index_add_(0, flat, values) / sizes
    return _POOLINGS[pooling](means, values.mean())


def _mean_one(means: Tensor, overall: Tensor) -> Tensor:
    scaled = means / overall if overall > 0 else torch.zeros_like(means)
    return scaled.clamp(min=0.05)


_POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean-one": _mean_one,
    "raw": lambda means, _overall: means,
    "ones": lambda means, _overall: torch.ones_like(means),
}
