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
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.metric import Context, CurveLabels, Measurement, Metric
from benchmarks.metrics.removal.imputation import impute
from mint.contract import InputError
from mint.parameters import require_number, require_word
from mint.perturbation import blurred, default_batch_size, masked_scores
from mint.scores import NOT_FINITE, SCORES, Score, read_logits

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

AREAS: Mapping[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "trapezoid": lambda fractions, values: np.trapezoid(values, fractions),
    "trapezoid, steps taken as equal": lambda _fractions, values: np.mean((values[1:] + values[:-1]) / 2),
    "trapezoid, steps of length 1": lambda _fractions, values: np.trapezoid(values),
    "mean of the points": lambda _fractions, values: np.mean(values),
}
"""The scores that are read off a curve's fractions and values."""


@dataclass(frozen=True)
class Removal:
    """A curve, along one path or the weighted sum of several, and the score that is read off it."""

    paths: tuple[Path, ...]
    points: Points
    removed: Removed
    score: Score
    area: str
    ties: str = "by index, mirrored"
    follows: Followed = "target"


NAMES: tuple[Score, ...] = get_args(Score)
Answers = Mapping[tuple[Followed, Score], float]


@torch.no_grad()
def _logits(context: Context, name: Removed | Literal["clean"], image: Tensor) -> Tensor:
    """Ask the network about a picture, once a case: (1, classes)."""
    network, target = context.network.module, context.case.target
    return context.once(("logits", name), lambda: read_logits(network, image.unsqueeze(0), target))


def _classes(context: Context) -> dict[Followed, int]:
    """Return the class that is explained, and the one that the network predicts on the whole picture."""
    clean = _finite(_logits(context, "clean", context.image))
    return {"target": context.case.target, "predicted": int(clean.argmax())}


def _finite(logits: Tensor) -> Tensor:
    if not torch.isfinite(logits).all():
        raise InputError(NOT_FINITE)
    return logits


def _read(logits: Tensor, classes: Mapping[Followed, int]) -> list[Answers]:
    """Read every score of the classes, image by image, off one forward pass."""
    read = torch.stack([SCORES[name](_finite(logits)) for name in NAMES], dim=2)
    return _named(classes, read[:, list(classes.values())])


def _named(classes: Mapping[Followed, int], read: Tensor) -> list[Answers]:
    """Name the answers, (images, classes, scores)."""
    names = list(product(classes, NAMES))
    return [dict(zip(names, row, strict=True)) for row in read.flatten(1).tolist()]


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
    logits = _logits(context, "clean", context.image) if whole else _logits(context, removed, _fill(context, removed))
    return _read(logits, _classes(context))[0]


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
        score=NAMES,
        batch_size=context.batch_size,
    )
    return _named(classes, found)


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
        copies = copies.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            found += _read(read_logits(context.network.module, copies, max(classes.values())), classes)
    return found


class RemovalMetric(Metric):
    """Base of the metrics that are read off a removal curve."""

    @property
    def removal(self) -> Removal:
        """Which curve, and what is read off it."""
        raise NotImplementedError

    def score_map(self, context: Context, saliency: Tensor) -> Measurement:
        """Return the score, and the curve: the share of pixels removed (or inserted), and the answer.

        InputError if the points do not suit the picture.
        """
        removal, flat = self.removal, saliency.flatten()
        fractions, values = [], []
        for path in removal.paths:
            order = RANKINGS[removal.ties][path.first](flat)
            ranked = (flat if path.first == "most" else -flat)[order].cpu().numpy()
            moved = list(removal.points(ranked, saliency.shape[1]))
            shown: Literal["first", "last"] = "first" if path.action == "insert" else "last"
            counts = moved if path.action == "insert" else [len(order) - count for count in moved]
            found = answers(context, order, shown, counts, removal.removed)
            fractions.append(np.array(moved) / len(order))
            followed = [answer[removal.follows, removal.score] for answer in found]
            values.append(path.weight * np.array(followed, dtype=np.float64))
        curve = fractions[0], np.sum(values, axis=0)
        return Measurement(float(AREAS[removal.area](*curve)), curve)


def check_removal(removed: Removed, score: Score) -> None:
    """Refuse a baseline value or a score that does not exist; the InputError lists those that do."""
    if isinstance(removed, str) and removed not in FILLS:
        raise InputError(f"A removed pixel becomes a number or one of {', '.join(map(repr, FILLS))}, not {removed!r}.")
    require_word("score", score, NAMES)
