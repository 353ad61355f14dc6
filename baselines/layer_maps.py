"""What the class activation maps share: finding the layer, reading it in batches, and enlarging its map.

A method is a :class:`LayerMap` that makes maps of the layer's size from a batch of pictures. Most do so by one line of
arithmetic on what :func:`read_layer` gives: the layer's output, and the target's gradient there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.gradients import batches
from mint.contract import InputError, explaining, read_scores
from mint.features import require_tensor, resolve_layer, single
from mint.grids import Layout, placeless, require_layouts
from mint.layers import find_layers
from mint.parameters import require_batch_size, require_layer


@dataclass(frozen=True)
class LayerMap:
    """Base of the methods that explain by the map of one layer, enlarged bilinearly to the picture.

    Parameters
    ----------
    deep_layer
        Name of a module whose output is a map or tokens, one for each patch: Grad-CAM's "last convolutional layer".
        None: the last one with a map, found by tracing, as for MINT.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    """

    deep_layer: str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_layer("deep_layer", self.deep_layer)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps.

        Raises
        ------
        InputError
            If the layer does not exist, is never called, does not act on the answer, its output cannot be read as a
            grid, or the answer reads only tokens of it that have no place in the picture.
        """
        with explaining(model, images, targets):
            name = find_layers(model, images[0])[1] if self.deep_layer is None else self.deep_layer
            parts = [self.layer_maps(model, name, *batch) for batch in batches(images, targets, self.batch_size)]
            return enlarge(torch.cat(parts), images.shape[-2:]).float()

    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``."""
        raise NotImplementedError


def enlarge(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Enlarge (n, h', w') maps bilinearly to (n, h, w)."""
    return F.interpolate(maps[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]


def read_layer(model: nn.Module, name: str, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Read a layer's output and the gradient of the targets' logits there, in one forward and one backward pass.

    The graph is cut below the layer, so the backward pass runs through the rest of the network alone. What follows is
    given a copy, so that an in-place ReLU does not change what is read. Where the network calls the layer several
    times, the last call is read.

    Returns
    -------
    activations, gradients : Tensor
        (n, channels, height, width) each, in single precision at least; tokens and channels-last maps are turned into
        this form, see :mod:`mint.grids`.

    Raises
    ------
    InputError
        If the layer does not exist, is never called, does not act on the answer, its output cannot be read as a
        grid, or the answer reads only tokens of it that have no place in the picture.
    """
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: object) -> Tensor:
        leaves.append(require_tensor(name, output).detach().requires_grad_())
        return leaves[-1].clone()

    with hooked(resolve_layer(model, name), cut), torch.enable_grad():
        score = read_scores(model, images, targets, "logit").sum()
    leaf = _last_call(name, leaves)
    gradient = torch.autograd.grad(score, leaf, allow_unused=True)[0] if score.requires_grad else None
    if gradient is None:
        raise InputError(no_gradient(name))
    layout = require_layout(model, name, images, leaf)
    at_places = layout.as_map(gradient)
    if layout.dropped and not at_places.any() and gradient.any():
        raise placeless(name)
    return single(layout.as_map(leaf.detach())), single(at_places)


@torch.no_grad()
def read_activations(model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
    """Read a layer's output, (n, channels, height, width), as :func:`read_layer` does, without a gradient.

    Raises
    ------
    InputError
        If the layer does not exist, is never called, or its output cannot be read as a grid; or if the network's
        answer cannot be used.
    """
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        outputs.append(require_tensor(name, output).detach().clone())

    with hooked(resolve_layer(model, name), keep):
        read_scores(model, images, targets, "logit")
    output = _last_call(name, outputs)
    return single(require_layout(model, name, images, output).as_map(output))


@contextmanager
def hooked(layer: nn.Module, hook: Callable[[nn.Module, Any, Any], Any]) -> Iterator[None]:
    """Call ``hook`` after each run of the layer, inside the with block alone."""
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def no_gradient(name: str) -> str:
    """Say that a layer does not act on the answer."""
    return f"No gradient leads from the network's answer to its layer {name!r}; name one that the answer depends on."


def never_called(name: str) -> InputError:
    """Make the error of a layer that the network does not run."""
    return InputError(
        f"The network never calls its layer {name!r}; name another one, or, in place of a network that torch.compile "
        "made, give the one that it was made of."
    )


def require_layout(model: nn.Module, name: str, images: Tensor, output: Tensor) -> Layout:
    """Find where a layer's output for some images holds its channels and places.

    Raises
    ------
    InputError
        If it cannot be read as a grid.
    """
    return require_layouts(model, images, {name: output.shape})[name]


def _last_call(name: str, outputs: Sequence[Tensor]) -> Tensor:
    if not outputs:
        raise never_called(name)
    return outputs[-1]
