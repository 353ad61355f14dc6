"""Removal curves: how the network's answer follows the pixels that are removed or inserted in the order of a map.

Pixels are ranked once. Where values tie, the order of the pixels' indices decides (top row first, each row from left to
right), in one of the ways that `RANKINGS` names. A map with plateaus is therefore scored in that order inside each
plateau. This module says what a curve is; :mod:`benchmarks.metrics.removal.points` asks the network.

What removal curves cannot tell: a partly removed picture is unlike anything the network was trained on (ROAR, Hooker et
al. 2019); the ranking of methods changes with the removal value and the number of steps (Tomsett et al. 2020); and
smooth maps are favoured. Compare them with the nulls, the controls and another metric.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.metric import CurveLabels
from benchmarks.metrics.removal.segments import Segments
from mint.contract import InputError
from mint.parameters import require_number, require_seed
from mint.perturbation import blurred
from mint.scores import Score, require_score

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
        require_seed("seed", self.seed)


@dataclass(frozen=True)
class Inpainting:
    """A removed pixel is painted anew from what is left, by OpenCV: `benchmarks.metrics.removal.inpainting`.

    ``radius`` is OpenCV's ``inpaintRadius``, in pixels.
    """

    radius: float = 3.0

    def __post_init__(self) -> None:
        require_number("radius", self.radius, 0, beyond=True)


Removed = Baseline | float | Imputation | Inpainting
"""What a removed pixel becomes, in the normalised space."""


def fill_of(image: Tensor, removed: Baseline | float) -> Tensor:
    """Return what removed pixels become, a picture like the image."""
    return FILLS[removed](image) if isinstance(removed, str) else torch.full_like(image, removed)


def _by_index(values: Tensor) -> Tensor:
    return torch.argsort(values, descending=True, stable=True)


def _last_first(values: Tensor) -> Tensor:
    return torch.argsort(values, stable=True).flip(-1)


RANKINGS: Mapping[str, Mapping[str, Callable[[Tensor], Tensor]]] = {
    "by index": {"most": _by_index, "least": lambda values: _by_index(-values)},
    "by index, mirrored": {"most": _by_index, "least": lambda values: _by_index(values).flip(-1)},
    "by index, last first": {"most": _last_first, "least": lambda values: _last_first(-values)},
}
"""The orders in which the pixels of maps, (..., pixels), go, the most or least relevant first, by what happens to ties.

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

Points = Callable[[Tensor, int], Sequence[int] | Tensor]
"""How many pixels have moved at each point of a curve, given the values of maps as ranked, (maps, pixels), and the
picture's width; a tensor, (maps, points), where it depends on the map."""

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
    segments: Segments | None = None  # super-pixels that go whole, in the order of the map's means over them


def check_removal(removed: Removed, score: Score) -> None:
    """Refuse a baseline value or a score that does not exist; the InputError lists those that do."""
    if isinstance(removed, str) and removed not in FILLS:
        raise InputError(f"A removed pixel becomes a number or one of {', '.join(map(repr, FILLS))}, not {removed!r}.")
    require_score("score", score)
