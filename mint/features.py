"""Reading a network's layers: activations, and one gradient.

A layer is read through a forward hook that is removed before the function returns. What a hook keeps is a copy
that later in-place operations (torchvision's in-place ReLUs) cannot touch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mint.grids import placeless, require_layouts
from mint.parameters import InputError, nearest
from mint.scores import NOT_FINITE, Score, read_logits, score_classes

Pooling = Literal["mean-one", "raw", "ones"]
Prior = Literal["elementwise", "grad-cam"]


@dataclass(frozen=True, eq=False)
class Features:
    """What one forward and one backward pass tell about an image, in single precision at least.

    Attributes
    ----------
    deep : Tensor
        (c_d, h_d, w_d) activations of the deep layer.
    gradient : Tensor
        (c_d, h_d, w_d) derivative of the target's score with respect to ``deep``.
    shallow : Tensor or None
        (c_s, h_s, w_s) activations of the shallow layer; None if none was asked for.
    """

    deep: Tensor
    gradient: Tensor
    shallow: Tensor | None = None


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
    names = nearest(name, (other for other in modules if other))
    raise InputError(f"{type(model).__name__} has no layer {name!r}; the nearest names are {names}.")


def read_features(
    model: nn.Module,
    image: Tensor,
    target: int,
    deep_layer: str,
    shallow_layer: str | None = None,
    *,
    derivative_of: Score = "logit",
) -> Features:
    """Read a deep layer, the target's gradient there, and a shallow layer, in one forward and one backward pass.

    The graph is cut below the deep layer, so the backward pass runs through the network's head alone.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode.
    image : Tensor
        (c, h, w), normalised.
    target : int
        The class whose score is differentiated.
    deep_layer : str
        Name of a module that runs once and whose output :func:`~mint.grids.find_layouts` can read as a grid: a map, or
        tokens.
    shallow_layer : str, optional
        Name of another such module; None reads the deep layer alone.
    derivative_of : {"logit", "probability", "log-probability"}
        The score that is differentiated.

    Raises
    ------
    InputError
        If a layer does not exist, does not run exactly once, gives no such tensor, if both are the same, or if the
        score does not depend on the deep layer, or on none of its tokens that have a place in the picture.
    """
    if shallow_layer == deep_layer:
        raise InputError(f"the shallow and the deep layer are both {deep_layer!r}; MINT needs two different layers.")
    kept: dict[str, list[Tensor]] = {}

    def keep_copy(output: Tensor) -> tuple[Tensor, None]:
        return output.detach().clone(), None

    def keep_leaf(output: Tensor) -> tuple[Tensor, Tensor]:
        leaf = output.detach().requires_grad_(True)
        # What follows gets a copy: an in-place ReLU must not change the leaf.
        return leaf, leaf.clone()

    def hook_on(name: str, keep: Callable[[Tensor], tuple[Tensor, Tensor | None]]) -> RemovableHandle:
        kept[name] = []

        def hook(_module: nn.Module, _inputs: object, output: object) -> Tensor | None:
            mine, theirs = keep(require_tensor(name, output))
            kept[name].append(mine)
            return theirs

        return resolve_layer(model, name).register_forward_hook(hook)

    hooks = []
    try:
        if shallow_layer is not None:
            hooks.append(hook_on(shallow_layer, keep_copy))
        hooks.append(hook_on(deep_layer, keep_leaf))
        with torch.enable_grad():
            images = image[None].clone(memory_format=torch.channels_last)  # a network may write on its input
            logits = read_logits(model, images, target)
            if not torch.isfinite(logits).all():
                raise InputError(NOT_FINITE)
            score = score_classes(derivative_of, logits, target)[:, target]
            for name, outputs in kept.items():
                _check_layer(name, outputs)
            (leaf,) = kept[deep_layer]
            gradient = None
            if score.requires_grad:
                (gradient,) = torch.autograd.grad(score.sum(), leaf, allow_unused=True)
    finally:
        for each in hooks:
            each.remove()
    if gradient is None:
        raise InputError(f"the class score does not depend on layer {deep_layer!r}; name another deep layer.")
    layouts = require_layouts(model, image[None], {name: outputs[0].shape for name, outputs in kept.items()})
    deep = layouts[deep_layer]
    at_places = deep.as_map(gradient)
    if deep.dropped and not at_places.any() and gradient.any():
        raise placeless(deep_layer)
    return Features(
        deep=single(deep.as_map(leaf.detach())[0]),
        gradient=single(at_places[0]),
        shallow=None if shallow_layer is None else single(layouts[shallow_layer].as_map(kept[shallow_layer][0])[0]),
    )


def single(values: Tensor) -> Tensor:
    """Widen half precision, in which sums over channels overflow and products vanish, to float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def require_tensor(name: str, output: object) -> Tensor:
    """Refuse a layer's output that is no tensor of floating point numbers, by an InputError."""
    if not isinstance(output, Tensor):
        raise InputError(f"layer {name!r} gives a {type(output).__name__}; name one that gives a tensor.")
    if not output.is_floating_point():
        raise InputError(f"layer {name!r} gives {output.dtype}; name one that gives floating point numbers.")
    return output


def _check_layer(name: str, outputs: list[Tensor]) -> None:
    if len(outputs) != 1:
        raise InputError(
            f"layer {name!r} ran {len(outputs)} times in one forward pass; name a layer that runs exactly once."
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


def class_saliency(features: Features, prior: Prior = "elementwise") -> Tensor:
    """Join gradient and activation of the deep layer and sum over its channels: M(m, n), (h', w') (Section 1)."""
    return (_PRIORS[prior](features.gradient) * features.deep).sum(dim=0)


_PRIORS: dict[str, Callable[[Tensor], Tensor]] = {
    "elementwise": lambda gradient: gradient,
    "grad-cam": lambda gradient: gradient.mean(dim=(1, 2), keepdim=True),
}
