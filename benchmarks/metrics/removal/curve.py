"""Deletion and insertion: how the network's answer follows the pixels that a map ranks first.

Source: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
Models", BMVC 2018, section 4.2, and the authors' ``evaluation.py``, followed here with these conventions:

* one picture row's worth of pixels a step (224 at 224 x 224, so 225 points on the curve);
* removed pixels become 0 in the normalised space (deletion), missing pixels are those of the blurred picture
  (insertion);
* the answer is the target's softmax probability. RISE follows the class predicted on the whole picture;
  here it is the case's target, as in every other measurement of this suite;
* the area is the exact trapezoid over the true fractions of pixels. It equals RISE's own formula,
  (sum - ends / 2) / (n - 1), wherever the steps divide the picture evenly, as RISE's do.

Each of them is a parameter, and so part of the metric's identity: published numbers differ by such choices
more than by method.

Pixels are ranked once, by a stable descending sort: **ties go by pixel index, top row first, left to
right**. A map with plateaus (super-pixels, a constant) is therefore scored in that order inside each plateau.

All curves of this module, and those of :mod:`benchmarks.metrics.removal.peers`, are read off one cache of points: a
case's context remembers how the network answered when certain pixels were shown. Only what nobody has asked for
before goes through the network: with one baseline value, insertion of k pixels is LeRF's removal of all but k.

What these areas cannot tell: a partly removed picture is unlike anything the network was trained on (ROAR,
Hooker et al. 2019), the ranking of methods moves with the removal value and the number of steps (Tomsett et
al. 2020), and smooth maps are favoured. Read them beside the controls and another metric.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import torch

from benchmarks.metrics.metric import Average, Context, Direction, Measurement, check_saliency
from benchmarks.metrics.removal.imputation import impute
from mint.contract import InputError
from mint.perturbation import blurred, default_batch_size, masked_scores
from mint.scores import Score, read_scores

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["zero", "blur", "mean", "minimum"]
Followed = Literal["target", "predicted"]

FILLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "zero": torch.zeros_like,
    "blur": blurred,
    "mean": lambda image: image.mean((-2, -1), keepdim=True).expand_as(image),
    "minimum": lambda image: image.min().expand_as(image),
}


@dataclass(frozen=True)
class Imputation:
    """A removed pixel becomes the weighted mean of its neighbours, plus noise.

    Parameters
    ----------
    noise
        Its standard deviation, in the normalised space.
    seed
        Of the noise.
    """

    noise: float = 0.01
    seed: int = 0


Removed = Baseline | float | Imputation
"""What a removed pixel becomes, in the normalised space."""


def _by_index(values: Tensor) -> Tensor:
    return torch.argsort(values, descending=True, stable=True)


def _last_first(values: Tensor) -> Tensor:
    return torch.argsort(values, stable=True).flip(0)


RANKINGS: Mapping[str, Mapping[str, Callable[[Tensor], Tensor]]] = {
    "by index": {"most": _by_index, "least": lambda values: _by_index(-values)},
    "by index, mirrored": {"most": _by_index, "least": lambda values: _by_index(values).flip(0)},
    "by index, last first": {"most": _last_first, "least": lambda values: _last_first(-values)},
}
"""The orders in which pixels go, most or least relevant first, by what happens to tied ones.

"by index": among tied pixels the first one goes first, whichever end the ranking starts from. "by index, mirrored": so
when the most relevant go first; least relevant first is exactly the reverse. "by index, last first": the last one.
"""


@dataclass(frozen=True)
class Path:
    """One way from the whole picture to nothing, or back; ``weight`` is its sign and size in a score."""

    weight: float
    action: Literal["remove", "insert"]
    first: Literal["most", "least"]


PATHS: Mapping[str, tuple[Path, ...]] = {
    "deletion": (Path(1, "remove", "most"),),
    "insertion": (Path(1, "insert", "most"),),
    "LeRF": (Path(1, "remove", "least"),),
    "LeRF - MoRF": (Path(1, "remove", "least"), Path(-1, "remove", "most")),
    "(LeRF - MoRF) / 2": (Path(0.5, "remove", "least"), Path(-0.5, "remove", "most")),
}
"""Curves by their names; MoRF, most relevant first, is deletion."""

Points = Callable[[np.ndarray, int], Sequence[int]]
"""How many pixels have moved at each point of a curve, told by the map's values, as ranked, and the picture's width."""


def equal_steps(pixels: int, steps: int) -> list[int]:
    """Divide pixels into equal intervals, their bounds rounded to whole pixels: steps + 1 counts, from 0 to all.

    Raises
    ------
    InputError
        If there are fewer pixels than steps.
    """
    if steps > pixels:
        raise InputError(f"{steps} steps are more than the picture's {pixels} pixels; choose at most that many.")
    return [round(pixels * step / steps) for step in range(steps + 1)]


def _equal_points(steps: int | None, ranked: np.ndarray, width: int) -> list[int]:
    return equal_steps(len(ranked), len(ranked) // width if steps is None else steps)


def _network_said(context: Context, name: Removed | Literal["clean"], image: Tensor) -> Callable[[Tensor], Tensor]:
    """Ask the network about a picture once a case; return a stand-in for it that answers with what it said then."""

    def ask() -> Tensor:
        with torch.no_grad():
            logits: Tensor = context.network.module(image.unsqueeze(0))
        return logits

    logits = context.once(("logits", name), ask)
    return lambda _images: logits


def _classes(context: Context) -> dict[Followed, int]:
    """Return the class that is explained, and the one that the network predicts on the whole picture."""
    clean = _network_said(context, "clean", context.image)
    target = context.case.target
    _read(clean, context.image.unsqueeze(0), {"target": target})
    return {"target": target, "predicted": int(clean(context.image).argmax())}


SCORES: tuple[Score, ...] = get_args(Score)
Answers = Mapping[tuple[Followed, Score], float]


def _read(network: Callable[[Tensor], Tensor], images: Tensor, classes: Mapping[Followed, int]) -> list[Answers]:
    """Read every score of the classes, image by image, off one forward pass."""
    logits = network(images)
    found = {
        (followed, score): read_scores(
            lambda _images: logits, images, torch.full((len(images),), index, device=images.device), score
        ).tolist()
        for followed, index in classes.items()
        for score in SCORES
    }
    return [{key: values[i] for key, values in found.items()} for i in range(len(images))]


def answers(
    context: Context, order: Tensor, shown: Literal["first", "last"], counts: Sequence[int], removed: Removed
) -> list[Answers]:
    """Tell how the network answers when the first (or last) so many pixels of a ranking are shown.

    Parameters
    ----------
    context
        The case, which remembers what was asked.
    order
        (pixels,) int64: the pixels' indices, ranked.
    shown
        From which end of the ranking pixels are shown.
    counts
        How many, for each answer.
    removed
        What the others become.
    """
    ranks = _ranks(order.cpu())
    cuts = [count if shown == "first" else len(order) - count for count in counts]
    keys = [_digest((ranks < cut) == (shown == "first")) for cut in cuts]
    known: dict[bytes, Answers] = context.once(("shown", removed), dict)
    missing = {key: (cut, count) for key, cut, count in zip(keys, cuts, counts, strict=True) if key not in known}
    between = {key: cut for key, (cut, count) in missing.items() if 0 < count < len(order)}
    known.update((key, _end(context, removed, count > 0)) for key, (_, count) in missing.items() if key not in between)
    if between:
        if isinstance(removed, Imputation):
            found = _impute_and_ask(context, ranks, shown == "first", list(between.values()), removed)
        else:
            found = _fill_and_ask(context, ranks, shown == "first", list(between.values()), removed)
        known.update(zip(between, found, strict=True))
    return [known[key] for key in keys]


def _ranks(order: Tensor) -> Tensor:
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks


def _digest(shown: Tensor) -> bytes:
    return hashlib.blake2b(np.packbits(shown.numpy()).tobytes(), digest_size=16).digest()


def _end(context: Context, removed: Removed, whole: bool) -> Answers:
    name: Removed | Literal["clean"] = "clean" if whole else removed
    image = context.image if whole else _fill(context, removed)
    said = _network_said(context, name, image)
    return context.once(("end", name), lambda: _read(said, image.unsqueeze(0), _classes(context))[0])


def _fill(context: Context, removed: Removed) -> Tensor:
    if isinstance(removed, Imputation):
        return torch.zeros_like(context.image)
    if isinstance(removed, str):
        return context.once(("fill", removed), lambda: FILLS[removed](context.image))
    return context.once(("fill", removed), lambda: torch.full_like(context.image, removed))


def _fill_and_ask(context: Context, ranks: Tensor, head: bool, cuts: Sequence[int], removed: Removed) -> list[Answers]:
    """Show what is ranked before each cut (or, without ``head``, from it on) on the filled picture."""
    bounds, column = torch.unique(torch.tensor(cuts), return_inverse=True)
    labels = torch.bucketize(ranks, bounds, right=True).view(context.image.shape[-2:])
    before = torch.arange(len(bounds) + 1) <= column[:, None]
    classes = _classes(context)
    found = masked_scores(
        context.network.module,
        context.image,
        _fill(context, removed),
        labels.to(context.image.device),
        before if head else ~before,
        list(classes.values()),
        score=SCORES,
        batch_size=context.batch_size,
    ).tolist()
    return [
        {(followed, score): row[i][j] for i, followed in enumerate(classes) for j, score in enumerate(SCORES)}
        for row in found
    ]


def _impute_and_ask(
    context: Context, ranks: Tensor, head: bool, cuts: Sequence[int], removed: Imputation
) -> list[Answers]:
    """Show what is ranked before each cut (or, without ``head``, from it on) and impute the rest."""
    image = context.image
    before = (ranks < torch.tensor(cuts)[:, None]).view(-1, *image.shape[-2:])
    masks = (~before if head else before).to(image.device)
    classes, found = _classes(context), []
    for part in torch.split(masks, context.batch_size or default_batch_size(image)):
        copies = impute(image, part, noise=removed.noise, seed=removed.seed)
        with torch.no_grad():
            found += _read(context.network.module, copies.contiguous(memory_format=torch.channels_last), classes)
    return found


def removal_curve(
    context: Context,
    saliency: Tensor,
    paths: Sequence[Path],
    *,
    points: Points,
    ties: str,
    removed: Removed,
    score: Score,
    follows: Followed = "target",
) -> tuple[np.ndarray, np.ndarray]:
    """Follow the network's answer along one path, or the weighted sum of several.

    Returns
    -------
    fractions, values
        Two float64 arrays of one length: the share of pixels removed (or inserted), and the answer.

    Raises
    ------
    InputError
        If the map's shape is wrong or it is not finite, or the points do not suit the picture.
    """
    check_saliency(context, saliency)
    flat, width = saliency.flatten(), saliency.shape[1]
    fractions, values = [], []
    for path in paths:
        order = RANKINGS[ties][path.first](flat)
        ranked = (flat if path.first == "most" else -flat)[order].cpu().numpy()
        moved = list(points(ranked, width))
        shown: Literal["first", "last"] = "first" if path.action == "insert" else "last"
        counts = moved if path.action == "insert" else [len(order) - count for count in moved]
        found = answers(context, order, shown, counts, removed)
        fractions.append(np.array(moved) / len(order))
        values.append(path.weight * np.array([answer[follows, score] for answer in found], dtype=np.float64))
    return fractions[0], np.sum(values, axis=0)


def check_removal(removed: Removed, score: Score) -> None:
    """Refuse a baseline value or a score that does not exist.

    Raises
    ------
    InputError
        It lists those that do.
    """
    if isinstance(removed, str) and removed not in FILLS:
        raise InputError(f"Unknown baseline value {removed!r}; choose a number or one of {', '.join(FILLS)}.")
    if score not in SCORES:
        raise InputError(f"Unknown score {score!r}; choose one of {', '.join(SCORES)}.")


@dataclass(frozen=True)
class _Area:
    """An area under curves, by this suite's own conventions."""

    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)
    paths: ClassVar[tuple[Path, ...]]

    steps: int | None = None
    baseline: Baseline | float = "zero"
    score: Score = "probability"

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise InputError(f"A curve needs at least 1 step, not {self.steps}.")
        check_removal(self.baseline, self.score)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        fractions, values = removal_curve(
            context,
            saliency,
            self.paths,
            points=partial(_equal_points, self.steps),
            ties="by index, mirrored",
            removed=self.baseline,
            score=self.score,
        )
        return Measurement(float(np.trapezoid(values, fractions)), (fractions, values))


@dataclass(frozen=True)
class Deletion(_Area):
    """Area under the target's answer while the pixels go, the highest-ranked first.

    Source, conventions and limits: this module's text. Direction: lower is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    Parameters
    ----------
    steps
        Number of equal intervals; None, RISE's: one picture row's worth of pixels a step.
    baseline
        What a removed pixel becomes, in the normalised space: "zero" (RISE's), "blur", "mean" (the picture's own, by
        channel), "minimum" (the picture's own, of all channels), or a number.
    score
        The network's answer that is followed.
    """

    direction: ClassVar[Direction] = "lower"
    paths: ClassVar[tuple[Path, ...]] = PATHS["deletion"]


@dataclass(frozen=True)
class Insertion(_Area):
    """Area under the target's answer while the pixels come, the highest-ranked first.

    Source, conventions and limits: this module's text. Direction: higher is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    Parameters
    ----------
    steps, score
        As `Deletion`'s.
    baseline
        What a missing pixel is: "blur" (RISE's), or another of `Deletion`'s.
    """

    direction: ClassVar[Direction] = "higher"
    paths: ClassVar[tuple[Path, ...]] = PATHS["insertion"]

    baseline: Baseline | float = "blur"


@dataclass(frozen=True)
class MoRF(Deletion):
    """Area under the target's answer while pixels go, the most relevant first: `Deletion` by its other name.

    Source: W. Samek, A. Binder, G. Montavon, S. Lapuschkin, K.-R. Mueller, "Evaluating the visualization of what a deep
    neural network has learned", IEEE TNNLS 2017 (as an area over the curve there). Direction, range and parameters:
    `Deletion`'s. Here so that LeRF and the symmetric relevance gain stand beside what they are made of.

    What it cannot tell: whether the answer falls because evidence went, or because the picture left what the network
    knows: any large hole lowers it.
    """


@dataclass(frozen=True)
class LeRF(_Area):
    """Area under the target's answer while pixels go, the least relevant first.

    Source: as `MoRF`; the order is MoRF's reversed, tied pixels too. Direction: higher is better. Range and parameters:
    `Deletion`'s. With one baseline value this is `Insertion`, read backwards: both have the same area.

    What it cannot tell: an answer that survives removal may rest on the shape of what is left, not on what it shows. It
    says most where removal is gentle (a blur, an imputation) and MoRF least (Bluecher et al. 2024).
    """

    direction: ClassVar[Direction] = "higher"
    paths: ClassVar[tuple[Path, ...]] = PATHS["LeRF"]


@dataclass(frozen=True)
class SRG(_Area):
    """Symmetric relevance gain: LeRF's area minus MoRF's.

    Source: S. Bluecher, J. Vielhaben, N. Strodthoff, "Decoupling Pixel Flipping and Occlusion Strategy for Consistent
    XAI Benchmarks", TMLR 2024: what the least-first curve gains over a random order, plus what the most-first curve
    does; the random order's area cancels. The area between perturbation curves (ABPC; I. Simic, V. Sabol, E. Veas
    2022) is the same quantity. Direction: higher is better. Range: [-1, 1] with ``score="probability"``; 0 on average
    for random orders, exactly minus itself for the inverted map. Parameters: `Deletion`'s.

    What it cannot tell: which of the two curves it comes from; and it inherits what partly removed pictures do to a
    network, though its ranking of methods moves less with the baseline value than either curve's.
    """

    direction: ClassVar[Direction] = "higher"
    paths: ClassVar[tuple[Path, ...]] = PATHS["LeRF - MoRF"]
