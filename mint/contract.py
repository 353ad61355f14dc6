"""The contract that every attribution method meets: what the author of a method needs.

A method is an :class:`Attributor`. It asks the network inside :func:`explaining`, where it reads the answer by
:func:`read_scores`. It is called through :func:`attribute`, and tested by :func:`check_attributor`. Whoever lends a
network to somebody else's code does it inside :func:`unchanged`.
"""

import dataclasses
import random
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from mint.attributor import Attributor, attribute, explaining, modes_kept, name_of
from mint.checks import Check, report_all, require
from mint.parameters import InputError
from mint.scores import read_answer, read_scores
from mint.unchanged import Fingerprint, fingerprint, unchanged

__all__ = [
    "Attributor",
    "InputError",
    "attribute",
    "attributor_checks",
    "check_attributor",
    "explaining",
    "fingerprint",
    "read_scores",
    "unchanged",
]


def check_attributor(
    attributor: Attributor, model: nn.Module, images: Tensor, targets: Tensor, *, tolerance: float = 1e-5
) -> None:
    """Check that a method meets the contract of :class:`Attributor`; report every clause that it breaks.

    The clauses are those of :func:`attributor_checks`, which takes the same parameters.

    Raises
    ------
    AssertionError
        If a clause is broken; the message has one line for each broken clause.
    InputError
        If there are fewer than two images, or the network is a function.
    """
    report_all(name_of(attributor), attributor_checks(attributor, model, images, targets, tolerance=tolerance))


def attributor_checks(
    attributor: Attributor, model: nn.Module, images: Tensor, targets: Tensor, *, tolerance: float = 1e-5
) -> Iterator[Check]:
    """List the clauses of the contract as named checks, for a test suite that has one test for each clause.

    The answer must be finite float32 maps on the images' device, without a gradient graph. A second call must give
    the same maps, and a map must depend neither on the other images of the batch nor on ``batch_size``. The images,
    the network and the global random generators must be left as they were. Wrong input must be refused by a
    ``ValueError``, such as :class:`InputError`.

    Parameters
    ----------
    attributor : Attributor
        The method, with its layers already named if it needs any.
    model : nn.Module
        A small classifier. It is called many times. Each check restores the mode of every submodule.
    images, targets : Tensor
        At least two images, (n, c, h, w), and their classes, (n,).
    tolerance : float
        The largest difference allowed between maps that must agree, relative to the largest absolute value.

    Yields
    ------
    name : str
        The clause.
    check : callable
        Called without arguments, it raises an error if the clause is broken.

    Raises
    ------
    InputError
        If there are fewer than two images, or the network is a function.
    """
    if not isinstance(model, nn.Module):
        raise InputError("the contract's checks watch a network's modes and hooks; give an nn.Module, not a function.")
    if len(images) < 2:
        raise InputError("the contract's checks need two images or more, to see whether maps depend on the batch.")
    trial = _Trial(attributor, model, images, targets, tolerance)
    yield "answers with finite float32 maps, (n, h, w)", trial.answers_with_maps
    yield "gives the maps on the images' device", trial.keeps_the_device
    yield "gives maps without a gradient graph", trial.gives_no_graph
    yield "leaves the global random generators alone", trial.leaves_generators
    yield "leaves the images alone", trial.leaves_images
    yield "leaves a network in training mode as it was", partial(trial.leaves_network, training=True)
    yield "leaves a network in evaluation mode as it was", partial(trial.leaves_network, training=False)
    yield "gives the same maps again", trial.repeats
    yield "explains each image apart from its batch", trial.keeps_images_apart
    if dataclasses.is_dataclass(attributor) and any(
        each.name == "batch_size" for each in dataclasses.fields(attributor)
    ):
        for size in (1, 7, 64):
            yield f"gives the same maps with batch_size={size}", partial(trial.keeps_maps, size)
    for what, spoil in _SPOILT.items():
        yield f"refuses {what}", partial(trial.refuses, what, spoil)


@dataclasses.dataclass(frozen=True, eq=False)
class _Trial:
    """A method with what it is tried on. Each public function is a check, and none depends on another."""

    attributor: Attributor
    model: nn.Module
    images: Tensor
    targets: Tensor
    tolerance: float

    @cached_property
    def expected(self) -> Tensor:
        return self._maps()

    def _maps(self) -> Tensor:
        return self._call(self.attributor, self.images, self.targets)

    def _call(self, attributor: Attributor, images: Tensor, targets: Tensor, *, training: bool = False) -> Tensor:
        with modes_kept(self.model):
            self.model.train(training)
            maps = attributor(self.model, images.clone(), targets.clone())
        require(isinstance(maps, Tensor), f"it returned a {type(maps).__name__}; it must return a tensor.")
        return maps

    def answers_with_maps(self) -> None:
        with modes_kept(self.model):
            attribute(self.attributor, self.model.eval(), self.images.clone(), self.targets)

    def keeps_the_device(self) -> None:
        found, wanted = self.expected.device, self.images.device
        require(found == wanted, f"the maps are on {found}, not on {wanted}.")

    def gives_no_graph(self) -> None:
        require(not self.expected.requires_grad, "the maps carry a gradient graph; detach them.")
        tracked = self._call(self.attributor, self.images.detach().clone().requires_grad_(), self.targets)
        require(not tracked.requires_grad, "the maps of images that require grad carry a gradient graph; detach them.")

    def leaves_generators(self) -> None:
        before = _global_generators()
        self._maps()
        sentence = "it drew from a global random generator; give it a seeded generator of its own."
        require(_global_generators() == before, sentence)

    def leaves_images(self) -> None:
        images = self.images.clone()
        with modes_kept(self.model):
            self.attributor(self.model.eval(), images, self.targets)
        require(torch.equal(images, self.images), "it changed the images that it was given.")

    def leaves_network(self, training: bool) -> None:
        with modes_kept(self.model):
            before = fingerprint(self.model.train(training))
            self.attributor(self.model, self.images.clone(), self.targets)
            _require_unchanged(before)

    def repeats(self) -> None:
        expected = self.expected
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            self._require_close(self._maps(), expected, "a second call")
        self._require_close(
            self._call(self.attributor, self.images, self.targets, training=True), expected, "training mode"
        )

    def keeps_images_apart(self) -> None:
        pairs = zip(torch.split(self.images, 1), torch.split(self.targets, 1), strict=True)
        alone = torch.cat([self._call(self.attributor, *pair) for pair in pairs])
        self._require_close(alone, self.expected, "a call for each image alone")

    def keeps_maps(self, batch_size: int) -> None:
        resized = dataclasses.replace(self.attributor, batch_size=batch_size)  # type: ignore[type-var]
        found = self._call(resized, self.images, self.targets)
        self._require_close(found, self.expected, f"batch_size={batch_size}")

    def refuses(self, what: str, spoil: "_Spoil") -> None:
        with modes_kept(self.model):
            images, targets = spoil(self.model.eval(), self.images.clone(), self.targets)
            before = fingerprint(self.model.train())
            try:
                self.attributor(self.model, images, targets)
            except ValueError:
                _require_unchanged(before)
                return
            except Exception as error:
                raise AssertionError(f"it met {what} with {type(error).__name__}; raise an InputError.") from error
        raise AssertionError(f"it accepted {what}; raise an InputError.")

    def _require_close(self, found: Tensor, expected: Tensor, by: str) -> None:
        difference = float((found - expected).detach().abs().max())
        scale = float(expected.detach().abs().max()) or 1.0
        sentence = f"{by} gives other maps: the relative difference is {difference / scale:.2g}."
        require(difference <= self.tolerance * scale, sentence)


def _with_nan(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    images[0, 0, 0, 0] = float("nan")
    return images, targets


@torch.no_grad()
def _beyond_the_classes(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    # A network of one output has two classes.
    return images, torch.full_like(targets, max(2, read_answer(model(images[:1].clone()), 1).shape[1]))


_Spoil = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]
_SPOILT: dict[str, _Spoil] = {
    "an image containing NaN": _with_nan,
    "an image without its batch dimension": lambda model, images, targets: (images[0], targets[:1]),
    "fewer targets than images": lambda model, images, targets: (images, targets[:-1]),
    "a target outside the classes": _beyond_the_classes,
    "an image with one channel too many": lambda model, images, targets: (
        torch.cat([images, images[:, :1]], dim=1),
        targets,
    ),
}


def _require_unchanged(before: Fingerprint) -> None:
    changes = before.restore()
    require(not changes, f"it did not leave the network as it was; what changed: {'; '.join(changes)}.")


def _global_generators() -> tuple[object, ...]:
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002 - only watched
