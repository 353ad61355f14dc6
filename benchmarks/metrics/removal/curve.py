"""Removal curves: how the network's answer follows the pixels that are removed or inserted in the order of a map.

Pixels are ranked once. Where values tie, the order of the pixels' indices decides (top row first, each row from left to
right), in one of the ways that `RANKINGS` names. A map with plateaus is therefore scored in that order inside each
plateau.

All removal curves of this suite, those of other tools' protocols among them, read one cache of points: the context of a
case remembers what the network answered when certain pixels were shown. Only what nobody has asked before goes through
the network. For example, with one baseline value, the insertion of k pixels shows the same picture as LeRF's removal of
all but k.

What removal curves cannot tell: a partly removed picture is unlike anything the network was trained on (ROAR, Hooker et
al. 2019); the ranking of methods changes with the removal value and the number of steps (Tomsett et al. 2020); and
smooth maps are favoured. Compare them with the nulls, the controls and another metric.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.metric import Context, CurveLabels
from benchmarks.metrics.removal.imputation import impute
from mint.contract import InputError
from mint.parameters import require_number, require_word
from mint.perturbation import blurred, default_batch_size, masked_scores
from mint.scores import (
    NOT_FINITE,
    ONE_OUTPUT,
    SCORE_NAMES,
    SCORES_OF_ONE_OUTPUT,
    Score,
    ScoreName,
    read_logits,
    score_classes,
)

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

    ``noise`` is the noise's standard deviation in the normalised space, and ``seed`` its seed.
    """

    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("noise", self.noise, 0)


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

"by index": the first of tied pixels goes first, whichever end the ranking starts from. "by index, mirrored": the first
goes first when the most relevant go first, and least relevant first is exactly the reverse order. "by index, last
first": the last of tied pixels goes first.
"""


ANSWER = CurveLabels("area", "share of the pixels", "the target's answer")
"""How the curve of one path is drawn."""
GAIN = CurveLabels("area", "share of the pixels", "the target's answer, LeRF \N{MINUS SIGN} MoRF")
"""How the difference of two paths is drawn."""


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
"""How many pixels have moved at each point of a curve, given the map's values as ranked and the picture's width."""


def _network_said(context: Context, name: Removed | Literal["clean"], image: Tensor) -> Callable[[Tensor], Tensor]:
    """Ask the network about a picture once a case; return a function that repeats its answer."""

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


SCORES = SCORE_NAMES
Answers = Mapping[tuple[Followed, Score], float]


def _read(network: Callable[[Tensor], Tensor], images: Tensor, classes: Mapping[Followed, int]) -> list[Answers]:
    """Read every score of the classes, image by image, off one forward pass."""
    logits = read_logits(network, images, max(classes.values()))
    if not torch.isfinite(logits).all():
        raise InputError(NOT_FINITE)
    found = {
        (followed, score): score_classes(score, logits)[:, index].tolist()
        for followed, index in classes.items()
        for score in _readable(logits)
    }
    return [{key: values[i] for key, values in found.items()} for i in range(len(images))]


def _readable(logits: Tensor) -> tuple[ScoreName, ...]:
    """List the scores that can be read of so many outputs."""
    return SCORES_OF_ONE_OUTPUT if logits.shape[-1] == 1 else SCORES


def answers(
    context: Context, order: Tensor, shown: Literal["first", "last"], counts: Sequence[int], removed: Removed
) -> list[Answers]:
    """Tell how the network answers when the first (or last) so many pixels of a ranking are shown.

    ``order`` is (pixels,) int64: the pixels' indices, ranked. Each of ``counts`` says how many pixels are shown, and
    ``removed`` what the others become. The context remembers what was asked.
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
    scores = _readable(_network_said(context, "clean", context.image)(context.image))
    found = masked_scores(
        context.network.module,
        context.image,
        _fill(context, removed),
        labels.to(context.image.device),
        before if head else ~before,
        list(classes.values()),
        score=scores,
        batch_size=context.batch_size,
    ).tolist()
    return [
        {(followed, score): row[i][j] for i, followed in enumerate(classes) for j, score in enumerate(scores)}
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
        If the points do not suit the picture.
    """
    flat, width = saliency.flatten(), saliency.shape[1]
    fractions, values = [], []
    for path in paths:
        order = RANKINGS[ties][path.first](flat)
        ranked = (flat if path.first == "most" else -flat)[order].cpu().numpy()
        moved = list(points(ranked, width))
        shown: Literal["first", "last"] = "first" if path.action == "insert" else "last"
        counts = moved if path.action == "insert" else [len(order) - count for count in moved]
        found = answers(context, order, shown, counts, removed)
        if (follows, score) not in found[0]:
            raise InputError(ONE_OUTPUT)
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
        raise InputError(f"A removed pixel becomes a number or one of {', '.join(map(repr, FILLS))}, not {removed!r}.")
    require_word("score", score, SCORES)
