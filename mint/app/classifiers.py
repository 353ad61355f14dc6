"""Classifiers for the command line: torchvision's by name, and anybody's by ``module:function``."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mint.app.weights import fit_state, read_state
from mint.parameters import InputError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

EXTRA = 'install it with pip install "mint-attribution[explain]"'


@dataclass(frozen=True)
class Preprocessing:
    """What most classifiers do to a picture: resize its shorter side, cut out the middle, normalise.

    Attributes
    ----------
    size : int
        Height and width of the result in pixels.
    mean, std : tuple of float
        Channel statistics (RGB, for pixels in [0, 1]) to normalise with; ImageNet's by default.
    """

    size: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, picture: "Image") -> Tensor:
        """Turn an RGB picture into a (3, size, size) float32 tensor."""
        from PIL import Image, ImageOps

        fitted = ImageOps.fit(picture, (self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(fitted)).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std


@dataclass(frozen=True)
class Classifier:
    """A network with what it takes to show it a picture and to name its answer.

    Attributes
    ----------
    module : nn.Module
        Takes normalised (n, 3, h, w) float32 pictures, answers (n, classes) logits.
    preprocess : callable
        Turns a `PIL.Image.Image` in RGB into one (3, h, w) float32 picture.
    classes : tuple of str
        The class names in the order of the outputs; empty if they have none.
    """

    module: nn.Module
    preprocess: "Callable[[Image], Tensor]" = Preprocessing()
    classes: tuple[str, ...] = ()


def load_classifier(name: str, weights: Path | None = None, device: str = "cpu") -> Classifier:
    """Load a classifier and make it ready to be explained.

    Parameters
    ----------
    name : str
        The name of one of torchvision's classifiers, such as "resnet50"; or ``module:function``, with a function (or
        anything else to be called without arguments) that returns a :class:`Classifier`, or an ``nn.Module`` whose
        attributes ``preprocess`` and ``classes``, if it has them, are those of a :class:`Classifier`. Modules are
        found as by ``python -m``, in the current directory first.
    weights : pathlib.Path, optional
        A state dict to use. By default torchvision's own are downloaded, once; and a function's network is taken as
        it is returned.
    device : str
        Where to put the network.

    Returns
    -------
    Classifier
        In evaluation mode, channels-last, without parameter gradients.

    Raises
    ------
    InputError
        If the name, the weights or the device cannot be used, or torchvision is needed and not installed.
    """
    where = usable_device(device)
    found = _from_function(name, weights) if ":" in name else _from_torchvision(name, weights)
    found.module.eval().requires_grad_(False)
    found.module.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return found


def usable_device(device: str | torch.device) -> torch.device:
    """Return a torch device, or raise an `InputError` if this machine cannot use it."""
    try:
        # Read back, since the device meta takes any tensor and holds none; some devices import a package of their own.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(f"the device {str(device)!r} cannot be used on this machine; try --device cpu.") from error
    return torch.device(device)


# --- torchvision ----------------------------------------------------------------------------------------------

# What building takes where torchvision would not set it without weights of its own: the answers are those of the
# published weights, and what only training needs is left out.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": False, "init_weights": False},
}
_ONLY_TRAINING_NEEDS = ("AuxLogits.", "aux1.", "aux2.")


def _from_torchvision(name: str, weights: Path | None) -> Classifier:
    import mint.app.torchvision_ops  # noqa: F401  (before torchvision)

    try:
        from torchvision import models
    except ImportError as error:
        raise InputError(f"the classifier {name!r} needs torchvision; {EXTRA}.") from error
    names = models.list_models(module=models)
    if name not in names:
        raise InputError(f"torchvision has no classifier {name!r}; the nearest are {nearest(name, names)}.")
    published = list(models.get_model_weights(name))
    if weights is None:
        chosen: Any = models.get_model_weights(name).DEFAULT
        try:
            module = models.get_model(name, weights=chosen)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"torchvision's weights for {name} could not be downloaded ({error}); pass a local file with --weights."
            ) from error
    else:
        # A file of torchvision's is recognised by its name; what others have trained is mostly preprocessed alike.
        chosen = next((each for each in published if each.url.endswith(f"/{weights.name}")), published[0])
        state = read_state(weights, name)
        module = models.get_model(name, weights=None, **_OPTIONS.get(name, {}))
        fit_state(module, state, name, weights, _ONLY_TRAINING_NEEDS)
    return Classifier(module, chosen.transforms(), tuple(chosen.meta["categories"]))


# --- module:function ------------------------------------------------------------------------------------------


def _from_function(name: str, weights: Path | None) -> Classifier:
    module_name, _, function_name = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(f"the module {module_name!r} of --model cannot be imported: {said(error)}.") from error
    if not hasattr(module, function_name):
        public = [each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")]
        raise InputError(
            f"the module {module_name!r} has no {function_name!r}; the nearest are {nearest(function_name, public)}."
        )
    returned = getattr(module, function_name)
    if not isinstance(returned, nn.Module | Classifier):
        try:
            returned = returned()
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{name} could not be called without arguments: {said(error)}.") from error
    if isinstance(returned, nn.Module):
        defaults = Classifier(returned)
        returned = Classifier(
            returned,
            getattr(returned, "preprocess", defaults.preprocess),
            tuple(map(str, getattr(returned, "classes", defaults.classes))),
        )
    if not isinstance(returned, Classifier):
        raise InputError(
            f"{name} returned a {type(returned).__name__}; it must return an nn.Module or a "
            "mint.app.classifiers.Classifier."
        )
    if not callable(returned.preprocess):
        raise InputError(
            f"the preprocess of {name} is a {type(returned.preprocess).__name__}; it must be a function from a picture "
            "to a tensor."
        )
    if weights is not None:
        fit_state(returned.module, read_state(weights, name), name, weights)
    return returned


def said(error: Exception) -> str:
    """Name an error that somebody else's code raised and quote it, without the full stop."""
    return f"{type(error).__name__}: {error}".rstrip(". ")
