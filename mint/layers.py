"""Finding MINT's two layers in any convolutional network or vision transformer, by tracing one forward pass.

The *trunk* of a network is what every path from the picture to the answer runs through: the stem, the ends of the
blocks, and the head, but not the branches inside a residual block or an Inception module. The graph that autograd
records shows it. Some modules give the maps on the trunk. The shallow layer is the one that ends the first stage; the
deep layer is the one that gives the last map. In torchvision's networks these are the layers that people choose:
``features.3`` and ``features.29`` of VGG16, ``relu`` and ``layer4`` of ResNets, ``Conv2d_2b_3x3`` and ``Mixed_7c`` of
Inception-V3. A map may also be tokens, or have its channels last; :mod:`mint.grids` says how these are read. In a ViT
whose answer is read from the class token, the two layers are the first block and the last but one.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from mint.grids import Layout, find_layouts, in_proportion, observed
from mint.parameters import InputError
from mint.scores import read_answer


class NoGradientError(InputError):
    """A network from whose answer no gradient leads to a layer, so that it can only be asked."""


@dataclass(frozen=True)
class _Map:
    """What one run of a module gave: a map on the trunk."""

    name: str
    size: tuple[int, int]
    node: Any  # of autograd's graph
    blocks: int  # how often the network has branched and joined on the way from the picture
    before_parameters: bool  # parameters act on what follows
    read: bool  # the answer depends on it, and not only on tokens that have no place in the picture

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

    The shallow layer ends the first stage. That stage lasts from the first convolution (or linear layer) to the first
    map on the trunk that is clearly smaller. If some of the stage's maps are made by an activation, only these are
    candidates; or else those behind a branch, such as a residual connection, if there are any. Of the candidates, those
    of the outermost modules are kept, and the last one of these is taken. Where no map is clearly smaller, as in a
    ViT, it is the first of the candidates: the end of the first block.

    The deep layer gives the last map on the trunk that has more than one pixel, is not made by pooling, and is not a
    map of class scores (some parameter acts on what follows). Where tokens without a place in the picture, such as a
    class token, are among the map's, the gradient at the others must not be zero: the last block of many a ViT is
    read at its class token alone, so that the block before it is the last that tells of places. A stage and its
    last block give the same map: of such modules, one inside another, the outermost that does not contain the shallow
    layer is named.

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
            f"{image.shape[-1]} pixels; name a shallow and a deep layer, two of model.named_modules() that give maps "
            "or tokens with one for each patch of the picture (layers; --shallow-layer and --deep-layer)."
        )
    return shallow.name, deep.name


def layers_or_none(model: nn.Module, image: Tensor) -> tuple[str, str] | None:
    """Do what :func:`find_layers` does for a method; None, with a warning, where no gradient leads to a layer."""
    try:
        return find_layers(model, image)
    except NoGradientError as error:
        goes_on = "MINT goes on without a gradient: SLIC alone cuts the picture, and no foreground is found."
        # At the line that calls the method, which calls this by a function of its own.
        warnings.warn(f"{error} {goes_on}", stacklevel=4)
        return None


def _end_of_first_stage(maps: Sequence[_Map]) -> _Map | None:
    if not maps:
        return None
    stage: list[_Map] = []
    for each in maps:
        # Unpadded convolutions take a few pixels off without ending the stage, as in Inception's stem.
        if each.size[0] < 0.75 * maps[0].size[0]:
            break
        stage.append(each)
    activated = [each for each in stage if _ACTIVATIONS.fullmatch(each.kind)]
    ends = activated or [each for each in stage if each.blocks] or stage
    if len(stage) == len(maps):
        return ends[0]
    highest = min(each.level for each in ends)
    return [each for each in ends if each.level == highest][-1]


def _last_map(maps: Sequence[_Map], shallow: _Map) -> _Map | None:
    behind = [
        each
        for each in maps[maps.index(shallow) + 1 :]
        if each.node is not shallow.node and not each.contains(shallow) and "Pool" not in each.kind and each.read
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


@dataclass(frozen=True)
class _Output:
    """A tensor that a module gave, or that went into the last module with parameters."""

    name: str
    shape: tuple[int, ...]
    edge: GradientEdge
    like: Tensor  # empty, of its type and device


def _trace(model: nn.Module, image: Tensor) -> list[_Map]:
    """Run the network once; list the trunk's maps, from the first convolution on, of modules that ran once.

    They stand in the order in which their modules ended, so that a module follows what it contains.
    """
    runs: dict[str, int] = {}
    outputs: list[_Output] = []
    begun = False
    head: _Output | None = None  # what went into the last module with parameters and no modules inside
    with_parameters = 0  # how many of the outputs were there when the last module with parameters of its own had run

    def record(name: str, module: nn.Module, inputs: Sequence[Any], output: Any) -> None:
        nonlocal begun, head, with_parameters
        runs[name] = runs.get(name, 0) + 1
        begun = begun or isinstance(module, nn.Conv2d | nn.Linear)
        if next(module.parameters(recurse=False), None) is not None:
            with_parameters = len(outputs)
            # What contains others, as the network itself, may hold parameters too, such as a class token.
            head = head if any(module.children()) else _output(name, inputs[0] if inputs else None)
        kept = _output(name, output)
        if begun and kept is not None and len(kept.shape) in (3, 4):
            outputs.append(kept)

    with observed(model, record), torch.enable_grad():
        images = image.detach()[None].requires_grad_()
        answer = model(images.clone())  # a network may write on its input
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
    blocks = _trunk(logits.grad_fn, images)
    found = [
        (i, each) for i, each in enumerate(outputs) if each.name and runs[each.name] == 1 and each.edge.node in blocks
    ]
    layouts = find_layouts(model, image, {each.name: each.shape for _, each in found})
    maps = [(i, each) for i, each in found if each.name in layouts and _is_map_of(image, layouts[each.name].size)]
    ends = [_output("", logits), head if head and head.edge.node in blocks else None]
    read = _read_at_places([each for each in ends if each], [each for _, each in maps], layouts)
    return [
        _Map(
            each.name,
            layouts[each.name].size,
            each.edge.node,
            blocks[each.edge.node],
            i < with_parameters,
            each.name in read,
        )
        for i, each in maps
    ]


def _output(name: str, output: Any) -> _Output | None:
    """Keep what a gradient needs; the tensor itself may be changed in place later."""
    if not isinstance(output, Tensor) or output.grad_fn is None:
        return None
    return _Output(name, tuple(output.shape), get_gradient_edge(output), output.detach().new_empty(0))


def _is_map_of(image: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether a map has more than one pixel and the picture's proportions."""
    return size[0] * size[1] > 1 and in_proportion(size, image)


def _read_at_places(ends: Sequence[_Output], maps: Sequence[_Output], layouts: Mapping[str, Layout]) -> frozenset[str]:
    """Name the maps whose places the answer depends on: all but those that are read at placeless tokens alone.

    The gradient is also that of what goes into the head, since the weights of an untrained head may be zero.
    """
    asked = [each for each in maps if layouts[each.name].dropped]
    read = {each.name for each in maps} - {each.name for each in asked}
    if not asked:
        return frozenset(read)
    generator = torch.Generator().manual_seed(0)
    gradients = torch.autograd.grad(
        [each.edge for each in ends],
        [each.edge for each in asked],
        # Not ones: what a layer norm gives has a sum that does not depend on anything.
        [torch.randn(each.shape, generator=generator).to(each.like) for each in ends],
        allow_unused=True,
    )
    for each, gradient in zip(asked, gradients, strict=True):
        if gradient is not None and layouts[each.name].as_map(gradient).any():
            read.add(each.name)
    return frozenset(read)


def _trunk(end: Any, images: Tensor) -> dict[Any, int]:
    """Find the nodes of autograd's graph that every path from the images to ``end`` runs through.

    For each, count the places before it where the paths part.
    """
    order = list(_from_the_images(end, images))
    place = {node: i for i, node in enumerate(order)}
    # In such an order a node is on every path if and only if no edge leads past it.
    furthest = [0] * len(order)
    for node, i in place.items():
        for source, _ in node.next_functions:
            if source in place:
                furthest[place[source]] = max(furthest[place[source]], i)
    trunk: dict[Any, int] = {}
    reach = last = blocks = 0
    for i, node in enumerate(order):
        if reach <= i:
            blocks += i > last + 1
            trunk[node], last = blocks, i
        reach = max(reach, furthest[i])
    return trunk


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
