"""Ties: how many pixels share their value with another, and how much a score depends on their order.

A map of super-pixels, a coarse map and a map clipped at 0 all have plateaus. A metric that ranks pixels has to put the
pixels of a plateau into some order, which the method did not choose; the metrics of this suite take the top row first,
each row from left to right. The metrics here measure what another order would have given. They describe a map and do
not judge it, so derived controls are not scored by them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.metrics.metric import Context, DeviceMetric, Metric
from benchmarks.metrics.pointing import PointMetric
from benchmarks.metrics.removal.areas import Insertion
from benchmarks.metrics.removal.points import prepare
from mint.contract import InputError
from mint.parameters import require_count, require_seed, require_word

End = Literal["low", "high"]
SAME = 1e-6
"""Two scores that differ by less are the same answer, computed twice."""


@dataclass(frozen=True)
class TiedPixels(DeviceMetric):
    """Share of the pixels whose value another pixel has, too.

    Source: this suite's own. Direction: lower is better. Range: [0, 1]: 0 where all values differ, 1 for a constant
    map; never NaN.

    What it cannot tell: whether the ties matter. Thousands of zeros at the end of a ranking change no pointing game.
    """

    direction = "lower"
    judges = False
    controlled = False

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Count the pixels whose value occurs more than once."""
        ordered = saliency.flatten().sort().values
        same = ordered[1:] == ordered[:-1]
        return (F.pad(same, (0, 1)) | F.pad(same, (1, 0))).double().mean()


@dataclass(frozen=True)
class TieRange(Metric):
    """How much a metric's score depends on the order of tied pixels: its highest score minus its lowest.

    Source: this suite's own; for search engines, the question is that of G. Cabanac, G. Hubert, M. Boughanem,
    C. Chrisment, "Tie-breaking Bias: Effect of an Uncontrolled Parameter on Information Retrieval Evaluation", CLEF
    2010. Direction: lower is better; 0 where nothing ties, or where ties do not matter. Range: that of the metric's
    differences; NaN where the metric does not apply.

    What it cannot tell: the true range, but of a game that looks at one highest pixel alone. Of others it tries a few
    orders out of very many, so it finds a lower bound: tied pixels as they stand (row by row), reversed, and in random
    orders. The scores of random orders lie close together; those of the two scanning orders are often the ends.

    Parameters
    ----------
    metric
        A metric that depends on the order of a map's values alone.
    samples, seed
        How many random orders, the same for all maps, and their seed.
    """

    direction = "lower"
    judges = False
    controlled = False

    metric: Metric = field(default_factory=Insertion)
    samples: int = 2
    seed: int = 0

    @property
    def measure(self) -> str:
        """The range of ties of another measure."""
        return f"TieRange of {self.metric.measure}"

    def __post_init__(self) -> None:
        object.__setattr__(self, "regional", self.metric.regional)  # no field: it follows from one
        require_count("samples", self.samples, 0)
        require_seed("seed", self.seed)

    def score_map(self, context: Context, saliency: Tensor) -> float:
        """Return the distance between the two bounds; InputError as `bounds`."""
        low, high = self.bounds(context, saliency)
        return high - low

    def bounds(self, context: Context, saliency: Tensor) -> tuple[float, float]:
        """Return the metric's lowest and highest score, found once for each map of a case.

        InputError if the metric depends on more of the map than its order.
        """
        content = hashlib.sha256(saliency.cpu().contiguous().numpy().tobytes()).digest()
        return context.once((self, content), lambda: self._bounds(context, saliency))

    def _bounds(self, context: Context, saliency: Tensor) -> tuple[float, float]:
        own = self.metric(context, saliency).score
        if np.isnan(own):
            return own, own
        region = context.case.region
        if isinstance(self.metric, PointMetric) and region is not None:
            hits = self.metric.hits(context, region)[(saliency == saliency.max()).to(context.image.device)]
            return float(hits.all()), float(hits.any())
        maps = list(self._untied(saliency))
        prepare(context, [self.metric], maps)
        found = [self.metric(context, each).score for each in maps]
        if not abs(own - found[0]) <= SAME:
            raise InputError(
                f"{self.metric!r} depends on more of a map than its order: of a map that has the same order it answers "
                f"{found[0]}, not {own}. Its ties cannot be measured."
            )
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


@dataclass(frozen=True)
class TieBound(Metric):
    """A metric's lowest or highest score over the orders of tied pixels.

    Source: as `TieRange`. Direction, range, average and subsets: the metric's own. It shares what it computes with the
    other end and with the `TieRange` that it is made from.

    What it cannot tell: what `TieRange` cannot, and how far away the other end is.

    Parameters
    ----------
    ties
        Metric and orders.
    end
        Which of the two.
    """

    controlled = False

    ties: TieRange = field(default_factory=TieRange)
    end: End = "low"

    @property
    def measure(self) -> str:
        """The metric's own measure: the order of ties is one of its settings."""
        return self.ties.metric.measure

    def __post_init__(self) -> None:
        require_word("end", self.end, get_args(End))
        # They are no fields, as they follow from one; a frozen dataclass is set in this way.
        for name in ("direction", "average", "subsets", "regional"):
            object.__setattr__(self, name, getattr(self.ties.metric, name))

    def score_map(self, context: Context, saliency: Tensor) -> float:
        """Return one of the bounds; InputError as `TieRange.bounds`."""
        low, high = self.ties.bounds(context, saliency)
        return low if self.end == "low" else high
