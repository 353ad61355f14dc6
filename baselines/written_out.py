"""A copy of a network in which each activation, pooling and sum is a module of its own: called once, and not in place.

Guided backpropagation, DeepLIFT and LRP change what a layer gives back, by a hook on its module. Captum and zennit see
modules only. A ``torch.relu(x)`` escapes them without a word; of a module that is called twice, as the ReLUs in
torchvision's ResNets, they mix up the calls or fail; an in-place module overwrites what they keep. In the copy, none of
these are left. It shares the network's weights, and the network itself stays as it is. It is made by ``torch.fx``,
which follows the network's code once without numbers: it takes as long as a few forward passes of a small network.
"""

import copy
import operator
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from baselines.written_modules import Affine, Join, Mean, Sum
from mint.contract import InputError, read_scores
from mint.parameters import said
from mint.scores import Score, read_answer

ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus, nn.Softsign),
)
"""The activations of one number each."""


LINEAR = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm)
POOLINGS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, Mean)
_PASSING = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Flatten, nn.ZeroPad2d)
_KNOWN = (*ELEMENTWISE, *LINEAR, *POOLINGS, *_PASSING, nn.MaxPool2d, Sum, Join, Affine)

_NEUTRAL = {
    *(torch.flatten, torch.cat, torch.concat, torch.stack, torch.reshape, torch.squeeze, torch.unsqueeze),
    *(torch.permute, torch.transpose, torch.chunk, torch.split, operator.getitem, F.pad, F.dropout),
    *("flatten", "reshape", "view", "squeeze", "unsqueeze", "permute", "transpose", "contiguous", "chunk", "split"),
    *("to", "float", "double", "type", "clone"),
}
"""Functions, and methods of tensors, that move values and do not change them."""


def _max_pool(kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False) -> nn.Module:  # type: ignore[no-untyped-def]
    return nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


# What makes the module of a function, from the function's arguments behind the first.
_MODULES: Mapping[Any, Callable[..., nn.Module]] = {
    **{F.relu: nn.ReLU, torch.relu: nn.ReLU, "relu": nn.ReLU, F.relu6: nn.ReLU6, F.hardtanh: nn.Hardtanh},
    **{F.leaky_relu: nn.LeakyReLU, F.elu: nn.ELU, F.celu: nn.CELU, F.selu: nn.SELU, F.gelu: nn.GELU, F.silu: nn.SiLU},
    **{F.mish: nn.Mish, F.hardswish: nn.Hardswish, F.hardsigmoid: nn.Hardsigmoid, F.softplus: nn.Softplus},
    **{F.sigmoid: nn.Sigmoid, torch.sigmoid: nn.Sigmoid, "sigmoid": nn.Sigmoid, F.logsigmoid: nn.LogSigmoid},
    **{F.tanh: nn.Tanh, torch.tanh: nn.Tanh, "tanh": nn.Tanh, F.softsign: nn.Softsign},
    **{F.max_pool2d: _max_pool, F.avg_pool2d: nn.AvgPool2d, F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d},
    **{torch.mean: Mean, "mean": Mean},
}
_ARITHMETIC: Mapping[Any, Callable[..., Any]] = {
    **{operator.add: operator.add, torch.add: operator.add, "add": operator.add},
    **{operator.sub: operator.sub, torch.sub: operator.sub, "sub": operator.sub},
    **{operator.mul: operator.mul, torch.mul: operator.mul, "mul": operator.mul},
    **{operator.truediv: operator.truediv, torch.div: operator.truediv, "div": operator.truediv},
}
_NOT_IN_PLACE: Mapping[Any, Callable[..., Any]] = {
    **{operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul},
    **{operator.itruediv: operator.truediv, F.relu_: F.relu, torch.relu_: F.relu},
}


def write_out(model: nn.Module, image: Tensor, method: str) -> fx.GraphModule:
    """Copy a network in evaluation mode so that each call is a module of its own, and none works in place.

    Parameters
    ----------
    model : nn.Module
        A classifier. The copy shares its parameters and buffers, but none of its modules.
    image : Tensor
        (c, h, w): the network and its copy are both asked for this picture's answer, which must be the same.
    method : str
        Who needs the copy, for the error's sentence.

    Raises
    ------
    InputError
        If torch.fx cannot follow the network's code, or the copy answers otherwise.
    """
    network = model.module if isinstance(model, nn.DataParallel) else getattr(model, "_orig_mod", model)  # if compiled
    graph, attributes = _trace(network, method)
    _leave_places(graph, network)
    modules = _own_modules(graph, network, attributes)
    written = fx.GraphModule(modules, graph).eval()
    # Who watches the network, such as a benchmark that counts what it is asked, watches its copy.
    for key, hook in model._forward_pre_hooks.items():
        keywords = key in model._forward_pre_hooks_with_kwargs
        written.register_forward_pre_hook(partial(_as_of, model, hook), with_kwargs=keywords)
    for key, hook in model._forward_hooks.items():
        keywords = key in model._forward_hooks_with_kwargs
        written.register_forward_hook(partial(_as_of, model, hook), with_kwargs=keywords)
    _require_same_answer(model, written, image, method)
    return written


def _as_of(model: nn.Module, hook: Callable[..., Any], _written: nn.Module, *arguments: Any) -> Any:
    return hook(model, *arguments)


def require_rules(written: fx.GraphModule, method: str) -> None:
    """Refuse a copy with calls that are neither linear, nor of one number each, nor pooling.

    Raises
    ------
    InputError
        If there is one; the sentence names it.
    """
    data = _depending_on_the_picture(written.graph)
    for node in written.graph.nodes:
        if node not in data or node.op in ("placeholder", "output"):
            continue
        called = written.get_submodule(node.target) if node.op == "call_module" else None
        # Without running statistics, a batch norm divides by those of the batch.
        of_the_batch = isinstance(called, nn.modules.batchnorm._BatchNorm) and called.running_mean is None
        known = isinstance(called, _KNOWN) if called is not None else node.target in _NEUTRAL
        if known and not of_the_batch:
            continue
        name = type(called).__name__ if called is not None else getattr(node.target, "__name__", node.target)
        raise InputError(
            f"{method} has no rule for {name}, which the network calls; choose a method that needs none, such as "
            "InputXGradient, IntegratedGradients or GradientSHAP."
        )


class _Tracer(fx.Tracer):
    """Follows the code down to torch's own layers, and to those that are derived from them and compute the same."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # A class derived from torch's that computes something else, such as a cosine layer, is followed further down.
        as_in_torch = str(getattr(m.forward, "__module__", "")).startswith("torch.nn.")
        return as_in_torch and (isinstance(m, _KNOWN) or super().is_leaf_module(m, module_qualified_name))

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        # While torch.fx traces, the calls of every thread come here.
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


# Two traces at once would undo each other's changes to nn.Module.
_TRACING = threading.Lock()


def _trace(network: nn.Module, method: str) -> tuple[fx.Graph, dict[str, Any]]:
    """Trace a network; return the constants that it computed on the way, too, which torch.fx leaves on the network."""
    if not isinstance(network, nn.Module) or any(isinstance(m, torch.jit.ScriptModule) for m in network.modules()):
        raise InputError(f"{method} must see the network's layers; give the nn.Module, not a function or a script.")
    before = set(vars(network))
    try:
        with _TRACING:
            graph = _Tracer().trace(network)
    except Exception as error:  # whatever the network's code raises when it is given no numbers
        raise InputError(
            f"{method} needs each activation of the network as a module, but torch.fx cannot follow the network's "
            f"code ({said(error)}); rewrite what depends on values or shapes there, or choose a method that needs "
            "gradients only, such as Saliency, SmoothGrad or IntegratedGradients."
        ) from error
    finally:
        constants = {name: vars(network).pop(name) for name in set(vars(network)) - before}
    return graph, constants


def _leave_places(graph: fx.Graph, network: nn.Module) -> None:
    """Replace in-place calls. What reads the overwritten tensor later gets the call's result."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in order:
        in_place = bool(node.kwargs.get("inplace", False))
        if node.op == "call_module":
            in_place = bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
        elif node.op == "call_function" and node.target in _NOT_IN_PLACE:
            in_place, node.target = True, _NOT_IN_PLACE[node.target]
        elif node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__"):
            in_place, node.target = True, str(node.target)[:-1]
        if "inplace" in node.kwargs:
            node.kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
        overwritten = next(iter(node.all_input_nodes), None)
        if in_place and overwritten is not None:
            for user in [user for user in overwritten.users if order[user] > order[node]]:
                user.replace_input_with(overwritten, node)


def _own_modules(graph: fx.Graph, network: nn.Module, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Give each call a module of its own, in the order of the calls; return what the graph's nodes name."""
    data = _depending_on_the_picture(graph)
    held: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "get_attr":
            name = str(node.target)
            held[name] = constants[name] if name in constants else operator.attrgetter(name)(network)
            continue
        if node.op == "call_module":
            own: nn.Module | None = twin(network.get_submodule(str(node.target)))
        elif node.target in _LAYERS:
            own = _as_layer(node, held)
        else:
            own = _as_module(node, data) if node in data else None
        if own is not None:
            node.op, node.target = "call_module", f"call{len(held)}_{type(own).__name__}"
            held[node.target] = own
    return held


def _as_layer(node: fx.Node, held: Mapping[str, Any]) -> nn.Module | None:
    """Make the layer of a call with weights, and let the node call it; None where the weights are computed.

    So is a layer of TensorFlow's padding, which pads, and then calls the function with its own weights.
    """
    names, make = _LAYERS[node.target]
    # Options at the end may be left out.
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    values, weights = given.pop("input"), {name: given.pop(name, None) for name in ("weight", "bias")}
    computed = [each for each in weights.values() if isinstance(each, fx.Node) and each.op != "get_attr"]
    if computed or any(isinstance(each, fx.Node) for each in given.values()):
        return None
    tensors: dict[str, Any] = {name: each and held[str(each.target)] for name, each in weights.items()}
    layer = make(tensors["weight"], given)
    for name, tensor in tensors.items():
        fixed = isinstance(tensor, Tensor) and not isinstance(tensor, nn.Parameter)
        layer.register_parameter(name, nn.Parameter(tensor, requires_grad=False) if fixed else tensor)
    node.args, node.kwargs = (values,), {}
    return layer


def _convolution(weight: Tensor, options: Mapping[str, Any]) -> nn.Module:
    filters, channels, height, width = weight.shape
    return nn.Conv2d(channels * options.get("groups", 1), filters, (height, width), device="meta", **options)


def _linear(weight: Tensor, _options: Mapping[str, Any]) -> nn.Module:
    return nn.Linear(weight.shape[1], weight.shape[0], device="meta")


# What makes the layer of a function with weights, and what its arguments are called.
_LAYERS: Mapping[Any, tuple[tuple[str, ...], Callable[[Any, Mapping[str, Any]], nn.Module]]] = {
    F.conv2d: (("input", "weight", "bias", "stride", "padding", "dilation", "groups"), _convolution),
    F.linear: (("input", "weight", "bias"), _linear),
}


def _as_module(node: fx.Node, data: set[fx.Node]) -> nn.Module | None:
    """Make the module of a call, and let the node call it; None for calls that stay as they are."""
    if node.op not in ("call_function", "call_method"):
        return None
    arguments = (*node.args, *([node.kwargs["input"]] if "input" in node.kwargs else []))
    options = {name: value for name, value in node.kwargs.items() if name != "input"}
    if node.target in _MODULES:
        values, rest = arguments[0], arguments[1:]
        if any(isinstance(each, fx.Node) for each in (*rest, *options.values())):
            return None
        own = _MODULES[node.target](*rest, **options)
        own.inplace = False  # type: ignore[assignment]
        node.args, node.kwargs = (values,), {}
        return own
    if node.target not in _ARITHMETIC or len(arguments) != 2 or options:
        return None
    function, from_data = _ARITHMETIC[node.target], [each in data for each in arguments]
    if all(from_data):
        if function is not operator.add:
            return None
        node.args, node.kwargs = arguments, {}
        return Join()
    values, constant = arguments if from_data[0] else arguments[::-1]
    if function is operator.truediv and not from_data[0]:
        return None
    node.args, node.kwargs = (values,), {"constant": constant}
    return Affine(function, constant_first=not from_data[0])


def _depending_on_the_picture(graph: fx.Graph) -> set[fx.Node]:
    """Find the nodes whose values, and not only shapes, depend on the network's first input."""
    data: set[fx.Node] = set()
    for node in graph.nodes:
        shape = node.target in ("size", "dim", "numel") or (node.target is getattr and node.args[1] in _FACTS)
        if (node.op == "placeholder" and not data) or (not shape and data.intersection(node.all_input_nodes)):
            data.add(node)
    return data


_FACTS = ("shape", "dtype", "device", "ndim")


def twin(module: nn.Module) -> nn.Module:
    """Copy a module and its children, without backward hooks; hooks set on the twin leave the module alone.

    The tensors are shared.
    """
    other = module.__class__.__new__(module.__class__)
    other.__dict__.update({k: copy.copy(v) if isinstance(v, dict) else v for k, v in vars(module).items()})
    other._modules.update({name: None if child is None else twin(child) for name, child in module._modules.items()})
    # Of the network's owner, they see gradients, and would mix with what a method changes on the way back.
    other._backward_hooks.clear()
    other._backward_pre_hooks.clear()
    if getattr(other, "inplace", False):
        other.inplace = False  # type: ignore[assignment]
    return other


@torch.no_grad()
def _require_same_answer(model: nn.Module, written: nn.Module, image: Tensor, method: str) -> None:
    expected, found = (read_answer(each(image[None].clone()), 1) for each in (model, written))
    tolerance = 1e-3 if image.dtype in (torch.float32, torch.float64) else 5e-2
    # Answers that are not finite are refused where they are read.
    if bool((found - expected).abs().max() > tolerance * expected.abs().max()):
        raise InputError(
            f"{method} rewrites the network so that each call is a module of its own, but the network answers "
            "otherwise then; it may overwrite a view of a tensor, or be random in evaluation mode. Choose a method "
            "that needs gradients only, such as Saliency, SmoothGrad or IntegratedGradients."
        )


class Scored(nn.Module):
    """A network that answers with the scores of given classes, as Captum's methods that need a module ask for."""

    def __init__(self, network: nn.Module, targets: Tensor, score: Score) -> None:
        super().__init__()
        self.network, self.targets, self.score = network, targets, score

    def forward(self, images: Tensor) -> Tensor:
        """Answer (k n, c, h, w) images, k rounds of the n targets, with (k n,) scores."""
        return read_scores(self.network, images, self.targets.repeat(len(images) // len(self.targets)), self.score)


def dress_as_relu(written: nn.Module, *kinds: type[nn.Module]) -> None:
    """Let Captum, which looks at the type alone, see a ReLU in each activation of other kinds."""
    for name, module in list(written.named_children()):
        if isinstance(module, kinds) and type(module) is not nn.ReLU:
            relu = nn.ReLU()
            relu.forward = module.forward  # type: ignore[method-assign]
            written.add_module(name, relu)


def require_single_precision(images: Tensor, method: str) -> None:
    """Refuse half precision, in which the small numbers that a method divides by are 0.

    Raises
    ------
    InputError
        If the images, and so the network, are in half precision.
    """
    if images.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"{method} divides by small numbers, and the images are {images.dtype}; pass model.float() and "
            "images.float()."
        )
