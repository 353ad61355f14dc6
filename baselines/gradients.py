"""What the methods that differentiate the network share: asking Captum for gradients, and one value for each pixel."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from captum.attr import Saliency as CaptumSaliency
from torch import Tensor, nn

from mint.contract import InputError, read_scores
from mint.parameters import require_word
from mint.perturbation import pictures_at_once
from mint.scores import Score

Channels = Literal["sum", "sum-abs", "max-abs"]

_OVER_CHANNELS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda values: values.sum(dim=1),
    "sum-abs": lambda values: values.abs().sum(dim=1),
    "max-abs": lambda values: values.abs().amax(dim=1),
}


def require_channels(value: object) -> None:
    """Refuse a way to join the channels that is not one of the three words, by an InputError."""
    require_word("channels", value, tuple(_OVER_CHANNELS))


def over_channels(values: Tensor, channels: Channels) -> Tensor:
    """Make maps, (n, h, w) float32, of what a method says of each channel, (n, c, h, w).

    "sum" keeps the signs, "sum-abs" adds the absolute values, "max-abs" takes the largest absolute value.
    """
    return _OVER_CHANNELS[channels](values.detach().float())


def batches(
    images: Tensor, targets: Tensor, batch_size: int | None, passes: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut images and their targets into batches; each image makes ``passes`` pictures of a batch."""
    size = max(1, pictures_at_once(batch_size, images[0]) // passes)
    yield from zip(torch.split(images, size), torch.split(targets, size), strict=True)


def leaf(images: Tensor) -> Tensor:
    """Copy images into a tensor that gradients are taken for."""
    return images.detach().clone().requires_grad_()


def scores_of_batch(model: nn.Module, score: Score) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function from images and their targets to the scores that are differentiated, (n,)."""
    return lambda images, targets: read_scores(model, images, targets, score)


def input_gradients(model: nn.Module, images: Tensor, targets: Tensor, score: Score) -> Tensor:
    """Differentiate each image's score by its pixels: (n, c, h, w), by Captum's ``Saliency`` with the signs kept."""
    saliency = CaptumSaliency(scores_of_batch(model, score))
    with needs_a_gradient():
        gradients: Tensor = saliency.attribute(leaf(images), abs=False, additional_forward_args=(targets,))
    return gradients.detach()


# What autograd says of a tensor that the answer does not depend on, or where the network computes without gradients.
_NO_GRADIENT = re.compile("appears to not have been used in the graph|does not require grad")


_TO_THE_PICTURE = (
    "no gradient leads from the network's answer to the picture; take detach() and no_grad() out of the network, or "
    "choose a method that only asks it, such as LIME or occlusion."
)


@contextmanager
def needs_a_gradient(sentence: str = _TO_THE_PICTURE) -> Iterator[None]:
    """Turn autograd's error into an `InputError` with one sentence, where no gradient leads to what is explained."""
    try:
        yield
    except RuntimeError as error:
        if not _NO_GRADIENT.search(str(error)):
            raise
        raise InputError(sentence) from error
