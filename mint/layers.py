"""Finding MINT's two layers in any convolutional classifier, by tracing one forward pass.

The *trunk* of a network is what every path from the picture to the answer runs through: the stem, the ends of the
blocks, and the head, but not the branches inside a residual block or an Inception module. The graph that autograd
records shows it. Some modules give the maps on the trunk. The shallow layer is the one that ends the first stage; the
deep layer is the one that gives the last map. In torchvision's networks these are the layers that people choose:
``features.3`` and ``features.29`` of VGG16, ``relu`` and ``layer4`` of ResNets, ``Conv2d_2b_3x3`` and ``Mixed_7c`` of
Inception-V3.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mint.parameters import InputError
from mint.scores import read_answer


class NoGradientError(InputError):
    """A network from whose answer no gradient leads to a layer, so that it can only be asked."""


@dataclass(frozen=True)
class _Map:
    """What one run of a module gave: a (1, channels, height, width) map on the trunk."""

    name: str
    size: tuple[int, int]
    node: Any  # of autograd's graph
    before_parameters: bool  # parameters act on what follows

    @property
    def kind(self) -> str:
        """The operation that made the map, as autograd calls it: "Relu", "Convolution", ..."""
        return str(self.node.name()).partition("Backward")[0]

    @property
    def level(self) -> int:
        return self.name.count(".")

    def contains(self, other: "_Map") -> bool:
        return other.name.startswith(f"{self.name}.")


def find_layers(model: nn.Module, image: Tensor) -> tuple[str, str]:
    """Name MINT's shallow and deep layer, by tracing one forward pass.

    The shallow layer ends the first stage. That stage lasts from the first convolution to the first map on the trunk
    that is clearly smaller. If some of the stage's maps are made by an activation, only these are candidates. Of the
    candidates, those of the outermost modules are kept, and the last one of these is taken.

    The deep layer gives the last map on the trunk that has more than one pixel, is not made by pooling, and is not a
    map of class scores (some parameter acts on what follows). A stage and its last block give the same map: of such
    modules, one inside another, the outermost that does not contain the shallow layer is named.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode.
    image : Tensor
        (c, h, w), normalised. What is found may depend on its size: on small pictures a network's last maps shrink
        to one pixel.

    Returns
    -------
    tuple of str
        The names of the shallow and the deep layer: two modules that run once.

    Raises
    ------
    NoGradientError
        If no gradient leads from the answer to a layer: the network computes without gradients, is scripted or traced,
        or is a function. It is an InputError.
    InputError
        If the answer has no logits, or no two such layers are found.
    """
    if not isinstance(model, nn.Module):
        raise NoGradientError("the network is a function, whose layers cannot be read; give the nn.Module itself.")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise NoGradientError("the network is scripted or traced, and its layers cannot be read; give the module.")
    maps = _trace(model, image)
    shallow = _end_of_first_stage(maps)
    deep = _last_map(maps, shallow) if shallow else None
    if shallow is None or deep is None:
        raise InputError(
            f"no two layers on the trunk of a {type(model).__name__} are found for pictures of {image.shape[-2]} x "
            f"{image.shape[-1]} pixels; name a shallow and a deep layer, two of model.named_modules()."
        )
    return shallow.name, deep.name


def _end_of_first_stage(maps: Sequence[_Map]) -> _Map | None:
    if not maps:
        return None
    stage: list[_Map] = []
    for each in maps:
        # Unpadded convolutions take a few pixels off without ending the stage, as in Inception's stem.
        if each.size[0] < 0.75 * maps[0].size[0]:
            break
        stage.append(each)
    ends = [each for each in stage if _ACTIVATIONS.fullmatch(each.kind)] or stage
    highest = min(each.level for each in ends)
    return [each for each in ends if each.level == highest][-1]


def _last_map(maps: Sequence[_Map], shallow: _Map) -> _Map | None:
    behind = [
        each
        for each in maps[maps.index(shallow) + 1 :]
        if each.node is not shallow.node and not each.contains(shallow) and "Pool" not in each.kind
    ]
    # In a network whose head is made of convolutions, no parameter follows the last maps; there any map will do.
    behind = [each for each in behind if each.before_parameters] or behind
    if not behind:
        return None
    maker = next(each for each in behind if each.node is behind[-1].node)
    # In evaluation mode a dropout passes the same map on, but it does not contain the module that made the map.
    return [each for each in behind if each.node is maker.node and (each is maker or each.contains(maker))][-1]


# What autograd calls the activations, the in-place ones and those of torch.nn.functional included.
_ACTIVATIONS = re.compile(
    "Celu|Clamp|ClampMin|Elu|Gelu|Hardsigmoid|Hardswish|Hardtanh|LeakyRelu|LogSigmoid|Mish|PreluKernel|Relu|Sigmoid|"
    "Silu|Softplus|Tanh|Threshold"
)


def _trace(model: nn.Module, image: Tensor) -> list[_Map]:
    """Run the network once; list the trunk's maps, from the first convolution on, of modules that ran once.

    They stand in the order in which their modules ended, so that a module follows what it contains.
    """
    runs: dict[str, int] = {}
    maps: list[tuple[str, tuple[int, int], Any]] = []
    convolved = False
    with_parameters = 0  # how many of the maps were there when the last module with parameters of its own had run

    def record(name: str, module: nn.Module, output: Any) -> None:
        nonlocal convolved, with_parameters
        runs[name] = runs.get(name, 0) + 1
        convolved = convolved or isinstance(module, nn.Conv2d)
        if next(module.parameters(recurse=False), None) is not None:
            with_parameters = len(maps)
        if convolved and isinstance(output, Tensor) and output.ndim == 4 and _is_map_of(image, output):
            maps.append((name, (output.shape[-2], output.shape[-1]), output.grad_fn))

    def hook(name: str) -> Any:
        return lambda module, _inputs, output: record(name, module, output)

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules()]
    try:
        with torch.enable_grad():
            images = image.detach()[None].requires_grad_()
            answer = model(images.clone())  # a network may write on its input
    finally:
        for handle in handles:
            handle.remove()
    logits = read_answer(answer, 1)
    if logits.grad_fn is None:
        raise NoGradientError(
            "no gradient leads from the network's answer to its layers, as where its forward runs under no_grad or "
            "detaches."
        )
    owners = [
        name
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    if owners and not any(name in runs for name in owners):
        raise NoGradientError("the network runs none of its layers as modules, as an exported program does.")
    trunk = _trunk(logits.grad_fn, images)
    return [
        _Map(name, size, node, i < with_parameters)
        for i, (name, size, node) in enumerate(maps)
        if name and runs[name] == 1 and node in trunk
    ]


def _is_map_of(image: Tensor, output: Tensor) -> bool:
    """Tell whether a tensor of four dimensions is a map of more than one pixel, in the picture's proportions.

    Others are, for instance, the channels-last maps inside ConvNeXt's blocks and in Swin transformers.
    """
    height, width = output.shape[-2:]
    across, down = width / image.shape[-1], height / image.shape[-2]
    # Rounding and unpadded convolutions change a side by a few pixels.
    return height * width > 1 and abs(across - down) <= 0.1 * max(across, down) + 2 / min(image.shape[-2:])


def _trunk(end: Any, images: Tensor) -> frozenset[Any]:
    """Find the nodes of autograd's graph that every path from the images to ``end`` runs through."""
    order = list(_from_the_images(end, images))
    place = {node: i for i, node in enumerate(order)}
    # In such an order a node is on every path if and only if no edge leads past it.
    furthest = [0] * len(order)
    for node, i in place.items():
        for source, _ in node.next_functions:
            if source in place:
                furthest[place[source]] = max(furthest[place[source]], i)
    trunk, reach = [], 0
    for i, node in enumerate(order):
        if reach <= i:
            trunk.append(node)
        reach = max(reach, furthest[i])
    return frozenset(trunk)


def _from_the_images(end: Any, images: Tensor) -> Iterator[Any]:
    """Go through the graph's nodes between the images and ``end``, each after all that it depends on."""
    depends: dict[Any, bool] = {}
    stack = [(end, False)] if end is not None else []
    while stack:
        node, seen = stack.pop()
        sources = [source for source, _ in node.next_functions if source is not None]
        if seen:
            depends[node] = getattr(node, "variable", None) is images or any(depends[source] for source in sources)
            if depends[node]:
                yield node
        elif node not in depends:
            stack.append((node, True))
            stack.extend((source, False) for source in sources if source not in depends)
