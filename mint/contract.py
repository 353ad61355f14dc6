"""The contract every attribution method of the suite meets, and the function that holds one to it.

An attributor is a callable ``(model, images, targets) -> maps``. Its hyper-parameters live in its constructor
(a frozen dataclass gives repr, equality and the cache key for nothing) and the network in the call, so that no
hook outlives a call and one attributor serves any number of networks.
"""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class InputError(ValueError):
    """Bad input, described in one sentence that says what was wrong and what to do."""


class Attributor(Protocol):
    """Explain each image's target class by one saliency map.

    Implementations are frozen dataclasses of hyper-parameters. Three optional fields are filled by whoever knows
    the network, when they are None: ``shallow_layer`` and ``deep_layer`` (module names) and ``batch_size`` (which
    never changes a result).
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
    after an error.

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
    _check_autograd(model, images, targets)
    parameters = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    for parameter, _, _ in parameters:
        parameter.grad = None
    try:
        with _modes_kept(model):
            model.eval()
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
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


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
    name = type(attributor).__name__
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


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or images.numel() == 0:
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"images must be a tensor of shape (n, c, h, w) with at least one image, not {shape}.")
    if not images.is_floating_point():
        raise InputError(f"images must be floating point and normalised as the network expects, not {images.dtype}.")
    if not torch.isfinite(images).all():
        raise InputError("images contain NaN or infinite values; check how they were loaded and normalised.")


def _check_targets(targets: Tensor, count: int) -> None:
    if not isinstance(targets, Tensor) or targets.dtype != torch.int64 or targets.shape != (count,):
        kind = f"{targets.dtype} {tuple(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
        raise InputError(f"targets must be an int64 tensor with one class per image, shape ({count},), not {kind}.")
    if (targets < 0).any():
        raise InputError(f"targets must be class indices from 0, not {int(targets.min())}.")


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
        raise InputError(
            f"images are {images.dtype} on {images.device} but the network is {parameter.dtype} on "
            f"{parameter.device}; pass images.to({str(parameter.device)!r}, {parameter.dtype})."
        ) from error
    if targets.device != images.device and "same device" in str(error):
        raise InputError(
            f"targets are on {targets.device} but the images on {images.device}; pass targets.to(images.device)."
        ) from error
    if _TOO_SMALL.search(str(error)):
        raise InputError(
            f"pictures of {images.shape[-2]} x {images.shape[-1]} pixels are too small for the network; "
            "pass them at the size that it was trained at."
        ) from error


def check_attributor(
    attributor: Attributor, model: nn.Module, images: Tensor, targets: Tensor, *, tolerance: float = 1e-5
) -> None:
    """Hold a method to the contract of :class:`Attributor`; pass silently or say what is broken.

    Checks the answer's shape, dtype and finiteness; that it does not require grad, even where the images do; that
    a second call gives the same maps, also under another state of the global random generators, which must be left
    alone; that a map does not depend on the other images of the batch nor on ``batch_size`` (1, 7 and 64, where the
    method has such a field); that the input, the network's mode, parameters, gradients and hooks are left as they
    were, the network being handed over in training mode and in evaluation mode; and that wrong input is refused
    with a ``ValueError`` (:class:`InputError` is one). The network's modes are restored at the end, also after an
    error.

    Parameters
    ----------
    attributor : Attributor
        The method, with its layers already named if it needs any.
    model : nn.Module
        A small classifier. It is called many times.
    images, targets : Tensor
        At least two images, (n, c, h, w), and their classes, (n,).
    tolerance : float
        Largest difference allowed between maps that must agree, relative to the largest absolute value.

    Raises
    ------
    AssertionError
        At the first clause broken, in one sentence.
    """
    name = type(attributor).__name__
    _require(len(images) >= 2, "check_attributor needs at least two images to test independence of the batch.")
    original = images.clone()
    generators = _global_generators()

    with _modes_kept(model):
        before = _fingerprint(model.train())
        maps = attribute(attributor, model, images, targets)

        _require(
            _global_generators() == generators,
            f"{name} drew from a global random generator; it must own a seeded one.",
        )
        _require(torch.equal(images, original), f"{name} changed the images it was given.")
        _require(maps.device == images.device, f"{name} returned maps on {maps.device}, not on {images.device}.")
        _require(not maps.requires_grad, f"{name} returned maps that still carry a gradient graph; detach them.")
        _require_left_alone(name, model, before)
        tracked = attributor(model, images.detach().clone().requires_grad_(), targets)
        _require(not tracked.requires_grad, f"{name}'s maps of images that require grad do so, too; detach them.")

        before = _fingerprint(model.eval())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            repeated = attributor(model, images, targets)
        _require_close(repeated, maps, tolerance, f"{name} gives other maps when repeated")
        _require_left_alone(name, model, before)
        alone = torch.cat([attributor(model, images[i : i + 1], targets[i : i + 1]) for i in range(len(images))])
        _require_close(alone, maps, tolerance, f"{name}'s map depends on the other images of the batch")
        if dataclasses.is_dataclass(attributor) and any(f.name == "batch_size" for f in dataclasses.fields(attributor)):
            for batch_size in (1, 7, 64):
                resized = dataclasses.replace(attributor, batch_size=batch_size)
                _require_close(
                    resized(model, images, targets),
                    maps,
                    tolerance,
                    f"{name}'s map changes with batch_size={batch_size}",
                )
        _require_refusals(attributor, model, images, targets)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


def _require_left_alone(name: str, model: nn.Module, before: dict[str, object]) -> None:
    changed = [what for what, value in _fingerprint(model).items() if value != before[what]]
    _require(not changed, f"{name} did not leave the network as it was: {', '.join(changed)} changed.")


def _require_close(found: Tensor, expected: Tensor, tolerance: float, sentence: str) -> None:
    difference = float((found - expected).abs().max())
    scale = float(expected.abs().max()) or 1.0
    _require(difference <= tolerance * scale, f"{sentence}: relative difference {difference / scale:.2g}.")


def _require_refusals(attributor: Attributor, model: nn.Module, images: Tensor, targets: Tensor) -> None:
    broken = images.clone()
    broken[0, 0, 0, 0] = float("nan")
    with torch.no_grad():
        classes = model.eval()(images[:1]).shape[1]
    model.train()
    wrong = {
        "an image containing NaN": (broken, targets),
        "an image without its batch dimension": (images[0], targets[:1]),
        "fewer targets than images": (images, targets[:-1]),
        "a target outside the classes": (images, torch.full_like(targets, classes)),
        "an image with one channel too many": (torch.cat([images, images[:, :1]], dim=1), targets),
    }
    for what, (bad_images, bad_targets) in wrong.items():
        before = _fingerprint(model)
        try:
            attributor(model, bad_images, bad_targets)
        except ValueError:
            pass
        except Exception as error:
            sentence = f"{type(attributor).__name__} met {what} with {type(error).__name__}; raise an InputError."
            raise AssertionError(sentence) from error
        else:
            raise AssertionError(f"{type(attributor).__name__} accepted {what}; it must raise an InputError.")
        _require(
            _fingerprint(model) == before,
            f"{type(attributor).__name__} did not leave the network as it was after refusing {what}.",
        )


def _global_generators() -> tuple[bytes, str]:
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())  # noqa: NPY002 - only watched


def _fingerprint(model: nn.Module) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "mode": tuple(module.training for module in model.modules()),
        "hooks": tuple(len(getattr(module, kind)) for module in model.modules() for kind in hooks),
        "gradients": tuple(None if p.grad is None else float(p.grad.double().sum()) for p in model.parameters()),
        "requires_grad": tuple(p.requires_grad for p in model.parameters()),
        "parameters": tuple(float(t.double().sum()) for t in model.state_dict().values()),
    }
