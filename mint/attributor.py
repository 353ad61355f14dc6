"""What an attribution method is, and the guards around a call of one.

An attributor is a callable ``(model, images, targets) -> maps``. Its hyper-parameters are given when it is made, and
the network is given with each call. So one attributor serves any number of networks, and leaves no hook in any of
them. A frozen dataclass suits it well: it has a ``repr`` and equality, from which a cache key can be made.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import torch
from torch import Tensor, nn

from mint.parameters import InputError
from mint.turns import turn


class Attributor(Protocol):
    """Explain each image's target class by one saliency map.

    Implementations are frozen dataclasses of hyper-parameters. Three fields are optional. Where a method has one and
    its value is None, the benchmark fills it for each network: ``deep_layer``, the name of a module; ``layers``, the
    names of a shallow and a deep module; and ``batch_size``, which must never change a result.
    """

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Compute the saliency maps.

        Parameters
        ----------
        model : nn.Module
            A classifier: images to (n, classes) logits.
        images : Tensor
            (n, c, h, w) floating point, normalised as the network expects, of its dtype and on its device.
        targets : Tensor
            (n,) int64, the class to explain in each image, on the images' device.

        Returns
        -------
        Tensor
            (n, h, w) float32 on the images' device; a larger value is more evidence for the target.
        """
        ...


@contextmanager
def explaining(model: nn.Module, images: Tensor, targets: Tensor) -> Iterator[None]:
    """Check the input and lend the model out in evaluation mode; hand it back as it was.

    Every submodule's mode, every parameter's ``requires_grad`` and every ``.grad`` is restored on leaving, also
    after an error. Threads take turns on one network, and on networks that share a layer, see
    :func:`~mint.turns.turn`. A plain function is a network without modules.

    Parameters
    ----------
    model, images, targets
        As :class:`Attributor` takes them.

    Raises
    ------
    InputError
        If the images or targets have the wrong type, shape or values; in inference mode, or with tensors made in
        it; or if the network fails on images of another dtype, device or number of channels than its own, on
        targets on another device, or on pictures that are too small.
    """
    _check_images(images)
    _check_targets(targets, len(images))
    _check_values(images, targets)
    _check_network(model)
    with turn(model):
        if isinstance(model, nn.Module):
            with _lent(model, images, targets):
                yield
        else:
            _check_autograd(nn.Module(), images, targets)
            yield


@contextmanager
def _lent(model: nn.Module, images: Tensor, targets: Tensor) -> Iterator[None]:
    _check_autograd(model, images, targets)
    parameters = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    for parameter, _, _ in parameters:
        parameter.grad = None
    try:
        with modes_kept(model):
            evaluate(model)
            yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        _raise_if_input_is_to_blame(model, images, targets, error)
        raise
    finally:
        for parameter, requires_grad, grad in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Restore the mode of every submodule, training or evaluation, at the end, also after an error."""
    # Scripted modules that are frozen have no mode.
    modes = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate(model: nn.Module) -> None:
    """Put a network into evaluation mode, if it has modes."""
    if hasattr(model, "training"):
        with suppress(NotImplementedError):  # of an exported program, whose mode is built in
            model.eval()


def attribute(attributor: Attributor, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Call an attributor and check its answer.

    Returns
    -------
    Tensor
        (n, h, w) float32, finite.

    Raises
    ------
    InputError
        If the answer is not a finite float32 (n, h, w) tensor.
    """
    maps = attributor(model, images, targets)
    name = name_of(attributor)
    expected = (images.shape[0], *images.shape[2:])
    if not isinstance(maps, Tensor):
        raise InputError(f"{name} returned a {type(maps).__name__}; it must return a tensor of shape {expected}.")
    if tuple(maps.shape) != expected:
        raise InputError(f"{name} returned maps of shape {tuple(maps.shape)}; they must be (n, h, w) = {expected}.")
    if maps.dtype != torch.float32:
        raise InputError(f"{name} returned {maps.dtype} maps; they must be torch.float32.")
    if not torch.isfinite(maps).all():
        raise InputError(f"{name} returned a map with NaN or infinite values; a saliency map must be finite.")
    return maps


def name_of(attributor: Attributor) -> str:
    """Return what a method is called in a message: a function's own name, or that of an object's class."""
    return str(getattr(attributor, "__name__", type(attributor).__name__))


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or images.numel() == 0:
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"images must be a tensor of shape (n, c, h, w) with at least one image, not {shape}.")
    if not images.is_floating_point():
        raise InputError(f"images must be floating point and normalised as the network expects, not {images.dtype}.")


def _check_targets(targets: Tensor, count: int) -> None:
    if not isinstance(targets, Tensor) or targets.dtype != torch.int64 or targets.shape != (count,):
        kind = f"{targets.dtype} {tuple(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
        raise InputError(f"targets must be an int64 tensor with one class per image, shape ({count},), not {kind}.")


def _check_values(images: Tensor, targets: Tensor) -> None:
    if images.is_meta or targets.is_meta:
        raise InputError("images and targets on the device meta hold no values; make them on a real device.")
    # Both are read in one go, as a GPU is waited for each time.
    flags = torch.isfinite(images).all(), (targets < 0).any().to(images.device)
    finite, negative = torch.stack(flags).tolist()
    if not finite:
        raise InputError("images contain NaN or infinite values; check how they were loaded and normalised.")
    if negative:
        raise InputError(f"targets must be class indices from 0, not {int(targets.min())}.")


def _check_network(model: object) -> None:
    if not callable(model) or isinstance(model, type):
        kind = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise InputError(f"the network must be an nn.Module, or a function from pictures to logits, not {kind}.")


def _check_autograd(model: nn.Module, images: Tensor, targets: Tensor) -> None:
    if torch.is_inference_mode_enabled():
        raise InputError("methods need gradients, which torch.inference_mode() rules out; call them outside of it.")
    if any(tensor.is_inference() for tensor in (images, targets, *model.parameters(), *model.buffers())):
        raise InputError(
            "the images, the targets or the network were made in torch.inference_mode(), which rules out gradients; "
            "make them under torch.no_grad() instead, or clone() them."
        )


# What torch says of pictures that end before the network does.
_TOO_SMALL = re.compile("output size is too small|kernel size can't be greater", re.IGNORECASE)


def _raise_if_input_is_to_blame(model: nn.Module, images: Tensor, targets: Tensor, error: RuntimeError) -> None:
    # Only after a failure, as a network may convert its input, and a method its targets.
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None and first.in_channels != images.shape[1]:
        raise InputError(
            f"images have {images.shape[1]} channels but the network's first convolution takes "
            f"{first.in_channels}; convert the pictures before normalising them."
        ) from error
    parameter = next(model.parameters(), images)
    if (parameter.dtype, parameter.device) != (images.dtype, images.device):
        hint = f"pass images.to({str(parameter.device)!r}, {parameter.dtype})"
        if parameter.is_meta:
            hint = "weights have no values there, so load the network's first"
        raise InputError(
            f"images are {images.dtype} on {images.device} but the network is {parameter.dtype} on "
            f"{parameter.device}; {hint}."
        ) from error
    if targets.device != images.device and "same device" in str(error):
        raise InputError(
            f"targets are on {targets.device} but the images on {images.device}; pass targets.to(images.device)."
        ) from error
    if "BackwardHookFunction" in str(error):
        raise InputError(
            "the network has a full backward hook on a module that works in place, which torch cannot differentiate; "
            "remove the hook, or build the module with inplace=False."
        ) from error
    if _TOO_SMALL.search(str(error)):
        raise InputError(
            f"pictures of {images.shape[-2]} x {images.shape[-1]} pixels are too small for the network; "
            "pass them at the size that it was trained at."
        ) from error
