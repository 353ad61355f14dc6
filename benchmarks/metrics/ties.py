"""Ties: how many pixels share their value with another, and how far a score hangs on the order they are put in.

A map of super-pixels, a coarse map, a map clipped at 0: all have plateaus, and a metric that ranks pixels has to put
those of a plateau into some order that the method did not choose. The metrics of this suite take them as they stand,
top row first, left to right. What another order would have given is measured here.

These metrics describe a map rather than judge it, and are not asked about derived controls (``controlled`` is false).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import torch

from benchmarks.metrics.metric import Average, Context, Direction, Measurement, Metric, check_saliency
from benchmarks.metrics.removal.curve import Insertion
from mint.contract import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

Over = Literal["orders", "maxima"]
End = Literal["low", "high"]
SAME = 1e-6
"""Scores nearer to each other than this are the same answer, computed twice."""


@dataclass(frozen=True)
class TiedPixels:
    """Share of the pixels whose value another pixel has, too.

    Source: this suite's own. Direction: lower is better. Range: [0, 1]: 0 where all values differ, 1 for a constant
    map; never NaN.

    What it cannot tell: whether the ties matter. Thousands of zeros at the end of a ranking change no pointing game.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)
    controlled: ClassVar[bool] = False

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        _, counts = np.unique(saliency.cpu().numpy(), return_counts=True)
        return Measurement(float(counts[counts > 1].sum() / saliency.numel()))


@dataclass(frozen=True)
class TieRange:
    """How far a metric's score hangs on the order of tied pixels: its highest score minus its lowest.

    Source: this suite's own. The question is known from search engines: G. Cabanac, G. Hubert, M. Boughanem,
    C. Chrisment, "Tie-breaking Bias: Effect of an Uncontrolled Parameter on Information Retrieval Evaluation", CLEF
    2010. Direction: lower is better; 0 where nothing ties, or where ties do not matter. Range: that of the metric's
    differences; NaN where the metric does not apply.

    What it cannot tell: with ``over="orders"``, the true range. It is that of a few orders out of very many, and so
    a lower bound; the random ones lie close together, the two others are often the ends.

    Parameters
    ----------
    metric
        A metric that looks at the order of a map's values alone.
    over
        "orders": tied pixels as they stand (row by row), reversed, and in ``samples`` random orders. "maxima", for a
        metric that looks at one highest pixel alone: each of the tied maxima, so that the bounds are exact.
    samples
        How many random orders.
    seed
        Of the random orders, the same for all maps.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)
    controlled: ClassVar[bool] = False

    metric: Metric = field(default_factory=Insertion)
    over: Over = "orders"
    samples: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.over not in get_args(Over) or self.samples < 0:
            choices = " or ".join(map(repr, get_args(Over)))
            raise InputError(
                f"Ties are taken over {choices}, with 0 or more samples, not {self.over!r}, {self.samples}."
            )

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong, it is not finite, or see `bounds`."""
        low, high = self.bounds(context, saliency)
        return Measurement(high - low)

    def bounds(self, context: Context, saliency: Tensor) -> tuple[float, float]:
        """Return the metric's lowest and highest score, found once for each map of a case.

        Raises
        ------
        InputError
            If the map cannot be ranked, or the metric looks at more than the order of the values, or, with
            ``over="maxima"``, at more than one highest pixel.
        """
        check_saliency(context, saliency)
        content = hashlib.sha256(saliency.cpu().contiguous().numpy().tobytes()).digest()
        return context.once((self, content), lambda: self._bounds(context, saliency))

    def _bounds(self, context: Context, saliency: Tensor) -> tuple[float, float]:
        own = self.metric(context, saliency).score
        if np.isnan(own):
            return own, own
        maps = _single_maxima(saliency) if self.over == "maxima" else self._untied(saliency)
        found: set[float] = set()
        for each in maps:
            found.add(self.metric(context, each).score)
            if len(found) == 1 and not abs(own - min(found)) <= SAME:
                raise InputError(
                    f"{self.metric!r} looks at more of a map than its {self.over}: asked about them alone, it answers "
                    f"{min(found)}, not {own}. Take its ties over something else, or not at all."
                )
            # A hit and a miss: there is nothing beyond.
            if self.over == "maxima" and {0.0, 1.0} <= found:
                break
        return min(found), max(found)

    def _untied(self, saliency: Tensor) -> Iterator[Tensor]:
        """Put the tied pixels into several orders: maps of ranks, the first as they stand."""
        values = saliency.cpu().numpy().ravel()
        places = np.arange(values.size)
        keys = [places]
        if len(np.unique(values)) < values.size:
            generator = np.random.default_rng(self.seed)
            keys += [-places, *(generator.permutation(places) for _ in range(self.samples))]
        for key in keys:
            ranks = np.empty(values.size, dtype=np.float32)
            # Whole numbers, which float32 holds exactly up to pictures of 4096 x 4096.
            ranks[np.lexsort((key, -values))] = values.size - places
            yield torch.from_numpy(ranks).view(saliency.shape).to(saliency.device)


def _single_maxima(saliency: Tensor) -> Iterator[Tensor]:
    """Let each of the tied maxima be the only one: the first, the last, then the others."""
    tied = torch.nonzero((saliency == saliency.max()).flatten())[:, 0].tolist()
    for place in dict.fromkeys([tied[0], tied[-1], *tied]):
        alone = torch.zeros_like(saliency)
        alone.view(-1)[place] = 1
        yield alone


@dataclass(frozen=True)
class TieBound:
    """A metric's lowest or highest score over the orders of tied pixels.

    Source: as `TieRange`. Direction, range, average and subsets: the metric's own. It shares what it computes with the
    other end and the `TieRange` that it is made from.

    What it cannot tell: what `TieRange` cannot; and one end alone does not say how far away the other one is.

    Parameters
    ----------
    ties
        Metric and orders.
    end
        Which of the two.
    """

    ties: TieRange = field(default_factory=TieRange)
    end: End = "low"
    controlled: ClassVar[bool] = False

    if TYPE_CHECKING:  # to the protocol, what is the wrapped metric's is a class's own
        direction: ClassVar[Direction]
        average: ClassVar[Average]
        subsets: ClassVar[tuple[str, ...]]
    else:
        direction = property(lambda self: self.ties.metric.direction)
        average = property(lambda self: self.ties.metric.average)
        subsets = property(lambda self: self.ties.metric.subsets)

    def __post_init__(self) -> None:
        if self.end not in get_args(End):
            raise InputError(f"A bound is 'low' or 'high', not {self.end!r}.")

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError as `TieRange.bounds`."""
        low, high = self.ties.bounds(context, saliency)
        return Measurement(low if self.end == "low" else high)
