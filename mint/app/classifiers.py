"""Classifiers: torchvision's by name, and anybody's by ``FILE.py:NAME`` or ``module:NAME``."""

import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mint.app.folding import fold_batch_norms
from mint.app.weights import fit_state, read_state
from mint.attributor import evaluate
from mint.parameters import InputError, nearest, said

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
    weights : pathlib.Path or None
        The file that the weights come from; None where they do not come from one file.
    """

    module: nn.Module
    preprocess: "Callable[[Image], Tensor]" = Preprocessing()
    classes: tuple[str, ...] = ()
    weights: Path | None = None


def load_classifier(
    name: str, weights: str | Path | None = None, device: str = "cpu", classes: Sequence[str] = ()
) -> Classifier:
    """Load a classifier and make it ready to be explained.

    Parameters
    ----------
    name : str
        The name of one of torchvision's classifiers, such as "resnet50"; or ``FILE.py:NAME`` or ``module:NAME``, with
        a function (or anything else to be called without arguments) that returns a :class:`Classifier`, or an
        ``nn.Module`` whose attributes ``preprocess`` and ``classes``, if it has them, are those of a
        :class:`Classifier`. Modules are found as by ``python -m``, in the current directory first.
    weights : path-like, optional
        A state dict to use. By default torchvision's own are downloaded, once; and a function's network is taken as
        it is returned.
    device : str
        Where to put the network.
    classes : sequence of str
        The names of the classes, in place of the classifier's own. For given weights, a network of torchvision gets as
        many outputs.

    Returns
    -------
    Classifier
        In evaluation mode, channels-last, without parameter gradients.

    Raises
    ------
    InputError
        If the name, the weights or the device cannot be used, or torchvision is needed and not installed.
    """
    where, file = usable_device(device), None if weights is None else Path(weights)
    if ":" in name:
        return ready(make_classifier(imported(name, "--model"), name, file, classes), where)
    found = ready(torchvision_classifier(name, file, classes=classes), where)
    fold_batch_norms(found.module, *found.preprocess.crop_size)  # type: ignore[attr-defined]
    return found


def read_classes(file: Path) -> tuple[str, ...]:
    """Read class names: one in each line, or as JSON, a list or a mapping, as :func:`class_names` takes them.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or holds no names.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"the class names in {file} cannot be read ({error}).") from error
    given: Any = None
    with suppress(ValueError, RecursionError):
        given = json.loads(text)
    if not isinstance(given, list | dict):  # a name of one line, such as 7, may happen to be JSON
        given = [line.strip() for line in text.splitlines() if line.strip()]
    names = class_names(given, str(file))
    if not names:
        raise InputError(f"{file} holds no class names; write one in each line.")
    return names


def class_names(given: Any, where: str) -> tuple[str, ...]:
    """Put class names into the order of the outputs.

    Parameters
    ----------
    given : sequence or mapping
        The names in order; or a mapping from each output's number to its name, to a list that ends in its name (as
        Keras's ``imagenet_class_index.json``), or from each name to its number.
    where : str
        Whose names they are, for the error's sentence.

    Raises
    ------
    InputError
        If they are something else, or numbers are missing.
    """
    if isinstance(given, Mapping):
        pairs = list(given.items())
        if pairs and all(isinstance(value, int) for value in given.values()):
            pairs = [(number, name) for name, number in pairs]
        pairs = [(number, name[-1] if isinstance(name, list) and name else name) for number, name in pairs]
        # Cut off, as Python reads no number of thousands of digits.
        numbered = {int(str(number)[:20]): str(name) for number, name in pairs if str(number).isdecimal()}
        if sorted(numbered) == list(range(len(pairs))):
            return tuple(numbered[number] for number in sorted(numbered))
    elif not isinstance(given, str) and hasattr(given, "__iter__"):
        return tuple(map(str, given))
    raise InputError(
        f"the class names of {where} must be a list, or a mapping from the numbers 0, 1, ... of the outputs to names, "
        f"not {str(given)[:60]}."
    )


def make_classifier(found: Any, name: str, weights: Path | None = None, classes: Sequence[str] = ()) -> Classifier:
    """Make a classifier of what a name stands for, and give it its weights.

    Parameters
    ----------
    found : Classifier, nn.Module or callable
        A classifier, a module whose attributes ``preprocess`` and ``classes``, if it has them, are those of a
        :class:`Classifier`, or a function without arguments that returns one of the two. The function may have two
        optional parameters. With ``weights_file``, it loads the given weights itself; otherwise they are fitted to
        the network that it returns. With ``class_names``, it gives its network as many outputs as ``classes``.
    name : str
        The network's, for the error's sentence.
    weights : pathlib.Path, optional
        A state dict to use in place of the network's own.
    classes : sequence of str
        The names of the classes, in place of the classifier's own.

    Raises
    ------
    InputError
        If there is no classifier, or the weights do not fit.
    """
    left = weights
    if not isinstance(found, nn.Module | Classifier):
        try:
            given: dict[str, Any] = {"weights_file": weights, "class_names": tuple(classes) or None}
            taken = inspect.signature(found).parameters if any(given.values()) else {}
            given = {key: value for key, value in given.items() if value is not None and key in taken}
            left = None if "weights_file" in given else weights
            # Building draws initial weights; they are overwritten, and the caller's random numbers must not notice.
            with torch.random.fork_rng(devices=[]):
                found = found(**given)
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(f"{name} could not be called without arguments: {said(error, found)}.") from error
    if isinstance(found, nn.Module):
        defaults = Classifier(found)
        found = Classifier(
            found,
            getattr(found, "preprocess", defaults.preprocess),
            class_names(getattr(found, "classes", defaults.classes), name),
        )
    if not isinstance(found, Classifier):
        raise InputError(
            f"{name} returned a {type(found).__name__}; it must return an nn.Module or a "
            "mint.app.classifiers.Classifier."
        )
    if not callable(found.preprocess):
        raise InputError(
            f"the preprocess of {name} is a {type(found.preprocess).__name__}; it must be a function from a picture "
            "to a tensor."
        )
    classifier: Classifier = replace(found, classes=tuple(classes) or class_names(found.classes, name))
    if left is not None:
        fit_state(classifier.module, read_state(left, name), name, left)
        classifier = replace(classifier, weights=left)
    if isinstance(classifier.module, torch.jit.ScriptModule):  # which takes no hooks
        classifier = replace(classifier, module=nn.Sequential(classifier.module))
    return classifier


def ready(classifier: Classifier, device: torch.device) -> Classifier:
    """Put a classifier on a device: in evaluation mode, channels-last, without parameter gradients."""
    evaluate(classifier.module)
    classifier.module.requires_grad_(False)
    classifier.module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return classifier


def usable_device(device: str | torch.device) -> torch.device:
    """Return a torch device, or raise an `InputError` if this machine cannot use it; "auto" is cuda if there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
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
    # A VGG takes seconds to draw weights that are overwritten at once.
    **{f"vgg{depth}{suffix}": {"init_weights": False} for depth in (11, 13, 16, 19) for suffix in ("", "_bn")},
}
_ONLY_TRAINING_NEEDS = ("AuxLogits.", "aux1.", "aux2.")


def torchvision_names() -> list[str]:
    """List torchvision's classifiers.

    Raises
    ------
    InputError
        If torchvision is not installed.
    """
    import mint.app.torchvision_ops  # noqa: F401  (before torchvision)

    try:
        from torchvision import models
    except ImportError as error:
        raise InputError(f"torchvision's classifiers need torchvision; {EXTRA}.") from error
    names: list[str] = models.list_models(module=models)
    return names


def torchvision_classifier(
    name: str,
    weights: Path | None = None,
    *,
    first: bool = False,
    untrained: bool = False,
    classes: Sequence[str] = (),
) -> Classifier:
    """Build one of torchvision's classifiers.

    Parameters
    ----------
    name : str
        As torchvision spells it, such as "resnet50".
    weights : pathlib.Path, optional
        A state dict to use. By default torchvision's own are used, from its cache or downloaded there.
    first : bool
        Of torchvision's own weights, take the first that were published (mostly ``IMAGENET1K_V1``), not the best.
    untrained : bool
        Leave the random weights as they are: nothing is downloaded.
    classes : sequence of str
        The names of the classes that given weights were trained for, where they are not torchvision's.

    Raises
    ------
    InputError
        If there is no such classifier, or its weights cannot be had.
    """
    names = torchvision_names()
    if name not in names:
        raise InputError(f"torchvision has no classifier {name!r}; the nearest are {nearest(name, names)}.")
    from torchvision import models

    published: list[Any] = list(models.get_model_weights(name))
    chosen: Any = published[0] if first or weights is not None else models.get_model_weights(name).DEFAULT
    if weights is not None:
        # A file of torchvision's is recognised by its name; what others have trained is mostly preprocessed alike.
        chosen = next((each for each in published if each.url.endswith(f"/{weights.name}")), chosen)
    file = None if untrained else weights or _downloaded(name, chosen)
    state = {} if file is None else read_state(file, name)
    with torch.random.fork_rng(devices=[]):
        outputs = {"num_classes": len(classes)} if classes and weights is not None else {}
        module = models.get_model(name, weights=None, **_OPTIONS.get(name, {}), **outputs)
    if file is not None:
        fit_state(module, state, name, file, _ONLY_TRAINING_NEEDS)
    return Classifier(module, chosen.transforms(), tuple(classes) or tuple(chosen.meta["categories"]), file)


def _downloaded(name: str, published: Any) -> Path:
    cached: Path = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rsplit("/", 1)[-1]
    if not cached.is_file():
        try:
            published.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"torchvision's weights for {name} could not be downloaded ({error}); pass a local file with "
                f"--weights, or put {cached.name} into {cached.parent}."
            ) from error
    return cached


# --- module:function ------------------------------------------------------------------------------------------


def imported(name: str, option: str) -> Any:
    """Return what ``FILE.py:NAME`` or ``module:NAME`` stands for; ``option`` is the one that named it, for errors.

    Raises
    ------
    InputError
        If the module cannot be imported, or has nothing of that name.
    """
    import mint.app.torchvision_ops  # noqa: F401  (the module may import torchvision)

    module_name, _, function_name = name.rpartition(":")
    file = Path(module_name)
    if file.suffix == ".py" and not file.is_file():
        raise InputError(f"the file {file} of {option} does not exist.")
    folder = str(file.resolve().parent) if file.suffix == ".py" else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a file may import what lies in a checkout, as by python -m
    try:
        module = _run(file) if file.suffix == ".py" else importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise InputError(f"the module {module_name!r} of {option} cannot be imported: {said(error)}.") from error
    if not hasattr(module, function_name):
        public = [each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")]
        raise InputError(
            f"the module {module_name!r} has no {function_name!r}; the nearest are {nearest(function_name, public)}."
        )
    return getattr(module, function_name)


def _run(file: Path) -> ModuleType:
    # A name of its own, so that a mine.py can neither hide nor be hidden by an installed module.
    name = f"_users_network_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module
