"""The perturbation engine: states, masked batches, and the network's answers.

Every perturbation method and metric of the suite asks the network through :func:`masked_scores`. A perturbed
sample is described by a row of booleans over segments of the image, never by a picture: the pictures of one batch
at a time are expanded on the device, in the channels-last format that convolutions are fastest in.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from mint.parameters import InputError, is_number, require_batch_size, require_count
from mint.scores import NOT_FINITE, PROBABILITIES, Score, read_logits, score_classes, taken_twice

Sampling = Literal["coins", "uniform-cardinality", "antithetic", "hierarchical"]
Fill = float | Literal["mean", "blur", "super-pixel mean"]


def pictures_at_once(batch_size: int | None, image: Tensor) -> int:
    """Return a user's batch size; None: choose how many copies of a (c, h, w) image go through the network at once.

    A GPU is kept busy by 256 pictures of 224 x 224; a CPU's cache prefers 16. Smaller pictures go in larger
    batches. :func:`masked_scores` halves the number when a device runs out of memory.
    """
    if batch_size is not None:
        return int(batch_size)
    pictures = 16 if image.device.type == "cpu" else 256
    return max(1, round(pictures * 224 * 224 / (image.shape[-2] * image.shape[-1])))


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network answered about perturbed copies. Reading it waits for the device; asking does not."""

    scores: Tensor  # (k, classes, scores) float64 on the device, not checked for NaN
    twice: Tensor  # () bool on the device: whether a softmax was taken of what are probabilities already

    def read(self, *beside: Tensor) -> Tensor:
        """Copy the scores, (k, classes * scores), and columns (k, n) beside them, to the host at once, all float64.

        InputError if a score is not finite; a warning if a softmax was taken twice.
        """
        scores = self.scores.flatten(1)
        found = torch.cat([scores, *beside, self.twice.double().expand(len(scores), 1)], dim=1).cpu()
        if not torch.isfinite(found[:, : scores.shape[1]]).all():
            raise InputError(NOT_FINITE)
        if len(found) and found[0, -1]:
            warnings.warn(PROBABILITIES, stacklevel=3)
        return found[:, :-1].contiguous()


def masked_scores(
    model: nn.Module,
    image: Tensor,
    fill: Tensor,
    labels: Tensor,
    states: Tensor,
    target: int | Sequence[int],
    *,
    score: Score | Sequence[Score] = "probability",
    batch_size: int | None = None,
) -> Tensor:
    """Do what `masked_answers` does, and wait for the answers.

    Returns
    -------
    Tensor
        (k,) float64 on the CPU; a sequence of targets adds a dimension, (k, number of targets), and then a sequence of
        scores another one.

    Raises
    ------
    InputError
        As `masked_answers`, and if an answer is not finite.
    """
    asked = masked_answers(model, image, fill, labels, states, target, score=score, batch_size=batch_size)
    result = asked.read().view(asked.scores.shape)
    if isinstance(score, str) or callable(score):
        result = result[..., 0]
    return result[:, 0] if isinstance(target, int) else result


@torch.no_grad()
def masked_answers(
    model: nn.Module,
    image: Tensor,
    fill: Tensor,
    labels: Tensor,
    states: Tensor,
    target: int | Sequence[int],
    *,
    score: Score | Sequence[Score] = "probability",
    batch_size: int | None = None,
) -> Answers:
    """Score perturbed copies of one image: sample k keeps the segments that row k of ``states`` marks present.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode, on the image's device.
    image : Tensor
        (c, h, w), normalised.
    fill : Tensor
        (c, h, w) or broadcastable to it: the baseline value, what an absent pixel becomes.
    labels : Tensor
        (h, w) int64: the segment of each pixel, 0 to s - 1. Super-pixels for MINT and LIME, grid cells for
        occlusion, the step at which a pixel goes for deletion and insertion.
    states : Tensor
        (k, s) bool: which segments are present in each sample.
    target : int or sequence of int
        The class that is scored, or several, in the same forward passes.
    score : {"probability", "logit", "log-probability", "sigmoid"}, callable, or sequence of them
        What is read of it, see :func:`~mint.scores.read_scores`; several are read off the same forward passes.
    batch_size : int, optional
        Samples in one forward pass; found if None. The result does not depend on it.

    Returns
    -------
    Answers
        They may still be on their way: the device is not waited for.

    Raises
    ------
    InputError
        If the network's answer has a wrong shape (see :func:`read_scores`) or ``batch_size`` is not positive.
    """
    device = image.device
    # Everything is flat, in the channels-last order, so that the masks need no broadcasting. The masks are floats,
    # because torch gathers floats several times faster than booleans, and its lerp is exact at 0 and 1.
    segments = labels.to(device).flatten().repeat_interleave(len(image))
    present = states.to(image)
    kept, absent = channels_last(image), channels_last(fill.to(image).expand_as(image))

    def draw(start: int, stop: int, batch: Tensor) -> None:
        torch.lerp(absent, kept, present[start:stop].index_select(1, segments), out=batch.view(len(batch), -1))

    targets = [target] if isinstance(target, int) else list(target)
    single = isinstance(score, str) or callable(score)
    scores: list[Score] = [score] if single else list(score)  # type: ignore[list-item, arg-type]
    columns = torch.tensor(targets, device=device)
    return scores_of_drawn(model, image, len(states), draw, max(targets), columns, scores, batch_size)


@torch.no_grad()
def scores_of_drawn(
    model: nn.Module,
    image: Tensor,
    count: int,
    draw: Callable[[int, int, Tensor], None],
    target: int,
    columns: Tensor,
    scores: Sequence[Score],
    batch_size: int | None = None,
) -> Answers:
    """Score perturbed copies of one image, a batch at a time, without waiting for the device.

    Parameters
    ----------
    model, image, batch_size
        As `masked_scores`'s.
    count : int
        How many copies there are.
    draw : function
        ``draw(start, stop, batch)`` writes copies ``start`` to ``stop`` into ``batch``, (stop - start, h, w, c). A
        batch that does not fit the device's memory is drawn again, in parts.
    target : int
        The highest class that is known on the host; the network must have it.
    columns : Tensor
        (n,) int64 on the device: the classes that are scored.
    scores : sequence of str or callable
        What is read of them, as `masked_scores` takes it. If it is one score, it is noted whether the last batch's
        answers are probabilities already.

    Returns
    -------
    Answers
        ``scores`` is (count, n, number of scores).
    """
    require_batch_size(batch_size)
    size = min(pictures_at_once(batch_size, image), max(count, 1))
    channels, height, width = image.shape
    answers = torch.empty((count, len(columns), len(scores)), dtype=torch.float64, device=image.device)
    buffer = torch.empty((size, height, width, channels), dtype=image.dtype, device=image.device)
    start = 0
    while start < count:
        batch = buffer[: min(size, count - start)]
        stop = start + len(batch)
        try:
            draw(start, stop, batch)
            logits = read_logits(model, batch.permute(0, 3, 1, 2), target)
            for index, each in enumerate(scores):
                answers[start:stop, :, index] = score_classes(each, logits, target).index_select(1, columns)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
            buffer = torch.empty_like(buffer[:size])
            continue
        start = stop
    single = count > 0 and len(scores) == 1
    twice = taken_twice(scores[0], logits) if single else torch.zeros((), dtype=torch.bool, device=image.device)
    return Answers(answers, twice)


def channels_last(image: Tensor) -> Tensor:
    """Return the values of an image, (c, h, w), in the order of `scores_of_drawn`'s batches: (h w c,)."""
    return image.permute(1, 2, 0).reshape(-1)


def baseline_image(image: Tensor, fine: Tensor, fill: Fill) -> Tensor:
    """Return what absent pixels are replaced by.

    Parameters
    ----------
    image : Tensor
        (c, h, w), normalised.
    fine : Tensor
        (h, w) int64, the fine super-pixels.
    fill : float, "mean", "blur" or "super-pixel mean"
        A number, in the normalised space (the paper's zero, the mean colour of ImageNet); the picture's own mean
        colour; the picture blurred as RISE's insertion does; or each fine super-pixel's mean colour, as LIME's image
        package does.

    Returns
    -------
    Tensor
        (c, h, w), on the image's device.

    Raises
    ------
    InputError
        If ``fill`` is another word.
    """
    require_fill(fill)
    if isinstance(fill, float | Real):
        return torch.full_like(image, float(fill))
    return _FILLS[fill](image, fine.to(image.device))


def require_fill(fill: object, name: str = "fill") -> None:
    """Refuse a baseline value that is neither a finite number nor one of the words, by an InputError."""
    if not is_number(fill) and not (isinstance(fill, str) and fill in _FILLS):
        raise InputError(f"{name} is a number or one of {', '.join(map(repr, _FILLS))}, not {fill!r}.")


BLUR_SIZE = 11  # pixels, RISE
BLUR_SIGMA = 5.0  # pixels, RISE


def blurred(image: Tensor) -> Tensor:
    """Return RISE's blurred picture: an 11 x 11 kernel of sigma 5, zeros beyond the border.

    RISE makes its kernel by filtering an 11 x 11 picture, with a single pixel of 1 in its middle, by SciPy's Gaussian,
    which reflects what would leave the window back into it. As sigma is half of the window's width, much is reflected,
    and the kernel is nearly a box: its ends are 6 % below its middle, those of a Gaussian that is cut off 39 %. It is
    reproduced here as RISE makes it, because scores depend on it.

    Parameters
    ----------
    image : Tensor
        (c, h, w) float32.

    Returns
    -------
    Tensor
        (c, h, w) float32 on the image's device.
    """
    impulse = np.zeros(BLUR_SIZE)
    impulse[BLUR_SIZE // 2] = 1
    # In double precision, as a GPU rounds float32 convolutions to TF32.
    kernel = torch.from_numpy(gaussian_filter1d(impulse, BLUR_SIGMA)).to(image.device)
    planes = image.double().unsqueeze(1)
    rows = F.conv2d(planes, kernel.view(1, 1, -1, 1), padding=(BLUR_SIZE // 2, 0))
    both = F.conv2d(rows, kernel.view(1, 1, 1, -1), padding=(0, BLUR_SIZE // 2))
    return both.squeeze(1).to(image.dtype)


def _super_pixel_means(image: Tensor, fine: Tensor) -> Tensor:
    labels = fine.flatten()
    sizes = torch.bincount(labels)
    sums = torch.zeros((len(image), len(sizes)), dtype=torch.float64, device=image.device)
    sums.index_add_(1, labels, image.flatten(1).double())
    return (sums / sizes)[:, labels].view_as(image).to(image.dtype)


_FILLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": lambda image, _fine: image.mean((-2, -1), keepdim=True).expand_as(image),
    "blur": lambda image, _fine: blurred(image),
    "super-pixel mean": _super_pixel_means,
}


def draw_states(samples: int, parent: Tensor, sampling: Sampling = "coins", seed: int = 0) -> Tensor:
    """Draw which fine super-pixels are present in each perturbed sample (Section 3).

    Parameters
    ----------
    samples : int
        K, the number of samples; sample 0 is the unperturbed image.
    parent : Tensor
        (q,) int64: the coarse super-pixel of each fine one.
    sampling : {"coins", "uniform-cardinality", "antithetic", "hierarchical"}
        "coins": each super-pixel is present with probability one half. "uniform-cardinality": first it is drawn how
        many are present, uniformly from 0 to q, and then which. "antithetic": coins in pairs, a state and its
        complement. "hierarchical": first a rate is drawn for each coarse super-pixel, uniformly from [0, 1], and then
        each of its fine super-pixels is present with that probability; this varies the coarse state far more.
    seed : int
        Seed of the generator, which lives on the CPU: states are the same on every device.

    Returns
    -------
    Tensor
        (K, q) bool.
    """
    require_count("samples", samples, 2)  # the image and a perturbed one
    states = _SAMPLINGS[sampling](samples, parent, seeded(seed))
    states[0] = True
    return states


def seeded(seed: int) -> torch.Generator:
    """Make a generator, on the CPU; NumPy's numbers will do as a seed, which torch itself does not take."""
    return torch.Generator().manual_seed(int(seed))


def _coins(samples: int, parent: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(samples, len(parent), generator=generator) < 0.5


def _uniform_cardinality(samples: int, parent: Tensor, generator: torch.Generator) -> Tensor:
    count = torch.randint(0, len(parent) + 1, (samples, 1), generator=generator)
    order = torch.rand(samples, len(parent), generator=generator).argsort(dim=1).argsort(dim=1)
    return order < count


def _antithetic(samples: int, parent: Tensor, generator: torch.Generator) -> Tensor:
    # Row 0 is replaced by the unperturbed image, so the pairs are rows (1, 2), (3, 4), ...
    states = _coins(samples // 2 + 1, parent, generator)
    pairs = torch.stack([states, ~states], dim=1).flatten(0, 1)
    return pairs[1 : samples + 1].clone()


def _hierarchical(samples: int, parent: Tensor, generator: torch.Generator) -> Tensor:
    coarse = int(parent.max()) + 1
    rates = torch.rand(samples, coarse, generator=generator)
    return torch.rand(samples, len(parent), generator=generator) < rates[:, parent]


_SAMPLINGS: dict[str, Callable[[int, Tensor, torch.Generator], Tensor]] = {
    "coins": _coins,
    "uniform-cardinality": _uniform_cardinality,
    "antithetic": _antithetic,
    "hierarchical": _hierarchical,
}


def removed_energy(difference: Tensor, fine: Tensor, count: int) -> Tensor:
    """Sum ||X - fill||^2 inside each fine super-pixel: E_j, (count,) float64 (Section 5)."""
    energy = difference.detach().cpu().double().square().sum(dim=0).flatten()
    return torch.zeros(count, dtype=torch.float64).index_add_(0, fine.flatten(), energy)


def proximity_kernel(states: Tensor, energy: Tensor, width: float) -> Tensor:
    """Weigh the samples by h(Z) = exp(-||X - Z||^2 / sigma^2) with sigma^2 = width ||X - fill||^2 (Eq. 8).

    The paper's fill is zero, and it gives no sigma. The difference between a sample and the image is the energy of the
    absent super-pixels, so no picture is needed.

    Parameters
    ----------
    states : Tensor
        (K, q) bool.
    energy : Tensor
        (q,), E_j.
    width : float
        c. Positive.

    Returns
    -------
    Tensor
        (K,) float64 in (0, 1]. All 1 for an image without energy.
    """
    total = float(energy.sum())
    lacking = (~states).double() @ energy / total if total > 0 else torch.zeros(len(states), dtype=torch.float64)
    return torch.exp(-lacking / width)
