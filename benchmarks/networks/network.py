"""What a network is: a classifier with the size, mean, standard deviation and class names that the suite needs.

A network is brought as a function without arguments that returns a :class:`mint.app.classifiers.Classifier` (or a
module with the attributes ``preprocess`` and ``classes``). `load_network` makes it ready to be explained.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.registry import NETWORK, find, name_of
from mint.app.classifiers import Classifier, Preprocessing, make_classifier, ready, usable_device
from mint.app.folding import fold_batch_norms
from mint.checks import Check, report_all, require
from mint.contract import InputError
from mint.layers import find_layers
from mint.parameters import said
from mint.scores import read_answer


@dataclass(frozen=True)
class Network:
    """A loaded network: in evaluation mode, channels-last, batch norms folded, without parameter gradients.

    Its module takes normalised (n, 3, h, w) float32 pictures and answers (n, classes) logits, in one of the forms of
    `mint.scores.read_answer`; or one logit, of two classes.
    """

    name: str  # what the tables call it
    module: nn.Module
    preprocess: Preprocessing = field(default_factory=Preprocessing)  # size, mean and standard deviation of its input
    classes: tuple[str, ...] = ()  # the class names in the order of the outputs
    # Hexadecimal SHA-256 of the weights file, or of the state dict where there is no file: what identifies the network
    # in stored results.
    weights_sha256: str = ""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))  # where module and pictures are

    @property
    def input_size(self) -> int:
        """Height and width of the input in pixels."""
        return self.preprocess.size

    @cached_property
    def layers(self) -> tuple[str, str] | None:
        """The shallow and the deep layer that methods read, found as ``mint explain`` does; None if none are found."""
        try:
            return find_layers(self.module, torch.zeros(3, self.input_size, self.input_size, device=self.device))
        except InputError:
            return None

    @cached_property
    def blank(self) -> Tensor:
        """The logits, (1, outputs), of a picture of zeros; an InputError if the network cannot take or answer it."""
        picture = torch.zeros(1, 3, self.input_size, self.input_size, device=self.device)
        try:
            with torch.no_grad():
                return read_answer(self.module(picture), 1)
        except InputError as error:
            raise InputError(f"with the network {self.name}, {error}") from error
        except Exception as error:  # a user's network can raise anything
            raise InputError(f"the network {self.name} cannot take a picture: {said(error)}.") from error

    def tensor(self, image: np.ndarray) -> Tensor:
        """Turn a picture into the network's input.

        ``image`` is uint8 (h, w, 3), RGB; the answer float32 (3, h, w), normalised, on the network's device.

        Raises
        ------
        InputError
            If the picture is not uint8 or does not have three channels.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"a picture must be uint8 with shape (height, width, 3), but it is {image.dtype} with shape "
                f"{image.shape}: convert it to RGB."
            )
        pixels = torch.tensor(np.ascontiguousarray(image), device=self.device).permute(2, 0, 1).float() / 255
        channels = (self.preprocess.mean, self.preprocess.std)
        mean, std = (torch.tensor(values, device=self.device).view(3, 1, 1) for values in channels)
        return (pixels - mean) / std


def load_network(
    name: str, *, weights: str | Path | None = None, classes: Sequence[str] = (), device: str | torch.device = "cpu"
) -> Network:
    """Build a network, give it its weights, and make it ready to be explained.

    Parameters
    ----------
    name : str
        A registered name, the name of one of torchvision's classifiers, ``FILE.py:NAME`` or ``module:NAME``.
    weights : path-like, optional
        A state dict to use in place of the network's own weights, as `mint.app.weights.read_state` reads it. Half
        precision is cast to float32.
    classes : sequence of str
        The names of the classes, in place of the network's own. A network of torchvision gets as many outputs.

    Raises
    ------
    InputError
        If the network or the device is unknown, a package it needs is missing, its size or classes are not said,
        or the weights cannot be found, read or fitted.
    """
    where, file = usable_device(device), None if weights is None else Path(weights)
    return network_of(make_classifier(find(NETWORK, name), name, file, classes), name_of(name), where)


def network_of(classifier: Classifier, name: str, device: torch.device) -> Network:
    """Make a classifier ready to be explained; `load_network` says what it raises."""
    preprocess = _preprocessing(classifier.preprocess, name)
    if not classifier.classes:
        raise InputError(
            f"the network {name} has no class names; give it one for each output, with --classes {name}=FILE or as its "
            "attribute classes."
        )
    ready(classifier, device)
    file = classifier.weights
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file else hash_state(classifier.module.state_dict())
    network = Network(name, classifier.module, preprocess, classifier.classes, digest, device)
    outputs, names = network.blank.shape[1], len(network.classes)
    if names != max(2, outputs):
        raise InputError(
            f"the network {name} answers a picture with {outputs} outputs, but it has {names} class names; give it one "
            "for each output (with --classes, or as its attribute classes), or two where it has one output."
        )
    fold_batch_norms(classifier.module, preprocess.size)
    return network


def _preprocessing(given: Any, name: str) -> Preprocessing:
    """Read what torchvision's presets and `Preprocessing` both say of the input."""
    if isinstance(given, Preprocessing):
        return given
    try:
        (size,) = set(given.crop_size)
        return Preprocessing(int(size), tuple(given.mean), tuple(given.std))
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            f"the network {name} does not say the size, mean and standard deviation of its input; give its "
            "Classifier a mint.app.classifiers.Preprocessing(size, mean, std)."
        ) from None


def hash_state(state: Mapping[str, Any]) -> str:
    """Return the hexadecimal SHA-256 of the names, types, shapes and values of a state dict's tensors."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def check_network(network: Network, *, tolerance: float = 1e-3) -> None:
    """Hold a network to what the suite relies on, clause by clause, and report every clause that is broken.

    Answers to a picture may differ between batches by ``tolerance`` times the largest answer.

    Raises
    ------
    AssertionError
        With a line for each broken clause.
    """
    report_all(f"the network {network.name}", network_checks(network, tolerance=tolerance))


def network_checks(network: Network, *, tolerance: float = 1e-3) -> list[Check]:
    """Return the clauses of `check_network`, each with the function that checks it."""
    size, module = network.input_size, network.module
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    images = torch.stack([network.tensor(each) for each in pixels])
    classes = len(network.classes)

    def answers(images: Tensor) -> Tensor:
        return read_answer(module(images), len(images))

    ask: Callable[[Tensor], Tensor] = torch.no_grad()(answers)

    def says_what_it_is() -> None:
        require(size > 1, f"its input size is {size}")
        require(len(network.preprocess.mean) == len(network.preprocess.std) == 3, "it needs three means and deviations")
        require(all(value > 0 for value in network.preprocess.std), "a standard deviation is not positive")
        require(all(isinstance(each, str) and each for each in network.classes), "a class has no name")

    def answers_a_logit_for_each_class() -> None:
        answer, outputs = ask(images), [classes, *[1] * (classes == 2)]
        require(answer.shape[1] in outputs, f"it answers with shape {tuple(answer.shape)}, but has {classes} classes")
        require(answer.dtype == torch.float32, f"it answers in {answer.dtype} instead of torch.float32")
        require(bool(torch.isfinite(answer).all()), "it answers with NaN or infinite values")

    def answers_the_same_again() -> None:
        require(torch.equal(ask(images), ask(images)), "two answers to the same pictures differ")

    def answers_each_picture_alone() -> None:
        together = ask(images)
        apart = torch.cat([ask(image[None]) for image in images])
        difference = float((together - apart).abs().max() / together.abs().max().clamp(min=1e-12))
        require(difference <= tolerance, f"the answer to a picture depends on its batch, by {difference:.2g}")

    def is_frozen() -> None:
        require(not any(each.training for each in module.modules()), "a module is in training mode")
        require(not any(each.requires_grad for each in module.parameters()), "a parameter takes gradients")

    def can_be_differentiated() -> None:
        inputs = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(answers(inputs).sum(), inputs)
        require(bool(gradient.any()), "the answer's gradient at the picture is zero everywhere")

    def has_two_layers() -> None:
        require(network.layers is not None, "no shallow and deep layer are found by tracing, which MINT needs")

    checks = (
        says_what_it_is,
        answers_a_logit_for_each_class,
        answers_the_same_again,
        answers_each_picture_alone,
        is_frozen,
        can_be_differentiated,
        has_two_layers,
    )
    return [(check.__name__.replace("_", " "), check) for check in checks]
