"""Profiles: how other tools score the same map of the same network, as data that one engine evaluates.

"Deletion", "insertion", "pixel flipping" and "pointing" are computed differently by every tool, and their published
numbers do not compare. A profile names a tool and its version, and says what that version does when it is called with
its defaults: at how many points the network is asked, what removed pixels become, what is read of the answer, how an
area is computed, in which order tied pixels go, and whose class is followed. The conventions were read in the tools'
sources, and `tests/peers` compares the numbers with those of the tools themselves.

Where a tool leaves something to chance, the profile decides it: numpy's default sort leaves the order of tied pixels
open, which is made stable here; ROAD's noise has a seed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.metrics.metric import Average, Context, CurveLabels, DeviceMetric, Direction, RegionMetric
from benchmarks.metrics.pointing import at_maximum, squared_distances
from benchmarks.metrics.removal import curve as curves
from benchmarks.metrics.removal.points import RemovalMetric
from benchmarks.metrics.removal.road import ROAD_LABELS
from benchmarks.metrics.removal.segments import Segments, geometrically
from benchmarks.registry import look_up
from mint.contract import InputError
from mint.parameters import require_number
from mint.scores import Score


def _to_all(start: int, step: int, pixels: int) -> list[int]:
    return [*range(start, pixels, step), pixels]


def _at_percentiles(ranked: Tensor, _width: int) -> Tensor:
    # Interpolated between two values, numpy's percentile divides the pixels as the upper one does.
    last = ranked.shape[1] - 1
    lowest = [ranked[:, [last - math.ceil(percentile / 100 * last)]] for percentile in range(90, 0, -10)]
    return torch.stack([(ranked >= each).sum(1) for each in lowest], dim=1)


BY_SEGMENTS = "15 numbers of super-pixels, spaced geometrically"

POINTS: Mapping[str, curves.Points] = {
    "a picture row a step": lambda ranked, width: _to_all(0, width, ranked.shape[1]),
    "eight picture rows a step": lambda ranked, width: _to_all(0, 8 * width, ranked.shape[1]),
    "a picture row a step, without the start": lambda ranked, width: _to_all(width, width, ranked.shape[1]),
    "20 intervals, sizes rounded up": lambda ranked, _: _to_all(0, math.ceil(ranked.shape[1] / 20), ranked.shape[1]),
    "10 intervals, bounds rounded down": lambda ranked, _: np.linspace(0, ranked.shape[1], 11).astype(int).tolist(),
    "10 points, the last leaps from 80% to 100%": lambda ranked, _: [
        *(min(step * max(ranked.shape[1] // 10, 1), ranked.shape[1]) for step in range(9)),
        ranked.shape[1],
    ],
    "9 percentiles, 10% to 90%": _at_percentiles,
    BY_SEGMENTS: lambda ranked, _: geometrically(ranked, 15),
}
"""Where a curve is read.

At percentiles all pixels of a plateau go together, so that ties have no order. Where a map's minimum covers over a
tenth of the picture, as often when negative values were set to 0, no pixel is left at the tenth percentile.
"""


@dataclass(frozen=True, kw_only=True)
class RemovalProfile(RemovalMetric):
    """How one tool scores one map by a removal curve; itself the metric that does so.

    Source: each tool's own code, in the version named. Direction: `direction`. Range: with "probability", [0, 1] for
    deletion, insertion, MoRF and LeRF (but Quantus's area grows with the number of steps), [-1, 1] for differences of
    two curves; unbounded with "logit".

    What it cannot tell: whether a score is good. It is there to be compared with numbers that the same tool printed,
    and to show how much of a number comes from the tool's conventions. What removal curves cannot tell, the module
    :mod:`benchmarks.metrics.removal.curve` says.

    Parameters
    ----------
    tool, version
        What it mirrors: a release, or a commit of what was never released.
    direction
        Which scores are better. By default, this and what follows are those of deletion.
    curve, points, area, ties
        Which curve or difference of two, where it is read, how the score is computed from it, and the order of tied
        pixels: names in ``PATHS``, `POINTS`, ``AREAS`` and ``RANKINGS``.
    removed, score
        What removed pixels become, in the normalised space, and what is read of the network's answer.
    follows
        The class whose answer is followed: the one explained, or the one predicted on the whole picture.
    segments
        Super-pixels that are removed whole, in the order of the map's means over them; None: pixels go one by one.
    call
        The call of the tool that this stands for.
    """

    tool: str
    version: str
    direction: Direction = "lower"
    curve: str = "deletion"
    points: str
    removed: curves.Removed = "zero"
    score: Score = "probability"
    area: str
    ties: str = "by index"
    follows: curves.Followed = "target"
    segments: Segments | None = None
    call: str = field(default="", repr=False)

    @property
    def measure(self) -> str:
        """What the curve measures, however it is read."""
        # The other curves are differences of two.
        kind = {"deletion": "Deletion", "insertion": "Insertion", "LeRF": "LeRF"}.get(self.curve, "SRG")
        if not isinstance(self.removed, curves.Imputation):
            return kind
        return "ROAD" if kind == "SRG" else f"{kind} by imputation"

    @property
    def curve_labels(self) -> CurveLabels:  # type: ignore[override]
        """As this suite's own metric of the same measure."""
        return {"SRG": curves.GAIN, "ROAD": ROAD_LABELS}.get(self.measure, curves.ANSWER)

    @property
    def summary(self) -> str:
        """Say in a line what it is."""
        return f"{self.curve} as {self.tool} {self.version} scores it: {self.call}."

    def __post_init__(self) -> None:
        look_up("curve", self.curve, curves.PATHS)
        look_up("choice of points", self.points, POINTS)
        look_up("area", self.area, curves.AREAS)
        look_up("order of ties", self.ties, curves.RANKINGS)
        curves.check_removal(self.removed, self.score)
        if (self.points == BY_SEGMENTS) != (self.segments is not None):
            raise InputError(
                f"segments and the choice of points {BY_SEGMENTS!r} need each other; give both or neither."
            )

    @property
    def removal(self) -> curves.Removal:
        """What the tool would print."""
        asked = POINTS[self.points], self.removed, self.score, self.area
        return curves.Removal(curves.PATHS[self.curve], *asked, self.ties, self.follows, self.segments)


MAXIMA: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "first": at_maximum,
    "any": lambda distances, saliency: torch.where(saliency == saliency.max(), distances, torch.inf).min(),
}
"""Which of a map's tied maxima may hit: the least distance of those that may."""


@dataclass(frozen=True, kw_only=True)
class PointingProfile(RegionMetric, DeviceMetric):
    """How one tool plays the pointing game; itself the metric that does so.

    Source: the tool's own code, in the version named. Direction: higher is better. Range: 0 or 1; NaN where the case
    has no annotated region, or an empty one (Quantus 0.6.0 counts an empty one as a hit, which is not mirrored).

    What it cannot tell: anything about the map besides its maximum; and with ``ties="any"`` a map that is constant, or
    has its maximum on a large plateau, hits nearly always.

    Parameters
    ----------
    tool, version
        What it mirrors: a release, or a commit of what was never released.
    tolerance
        A maximum strictly nearer to the region than this hits, in pixels of the picture as it is. 1: on the region.
    ties
        One of `MAXIMA`.
    enlarged
        Play at the size of the photograph's own file, to which the map is enlarged (bilinearly, as TorchRay does),
        where the case has its region there, as those of voc and coco do. Elsewhere the picture is as the network sees
        it; then TorchRay's 15 pixels are generous, for its photographs have some 500.
    average, subsets
        As every metric declares them.
    call
        The call of the tool that this stands for.
    """

    measure = "Pointing"

    tool: str
    version: str
    tolerance: float
    ties: str
    enlarged: bool = False
    average: Average = "cases"
    subsets: tuple[str, ...] = ("all",)
    call: str = field(default="", repr=False)

    @property
    def summary(self) -> str:
        """Say in a line what it is."""
        return f"The pointing game as {self.tool} {self.version} plays it: {self.call}."

    def __post_init__(self) -> None:
        look_up("choice of maxima", self.ties, MAXIMA)
        require_number("tolerance", self.tolerance, 0, beyond=True)

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> Tensor:
        """Tell whether one of the maxima that may hit does."""
        original = context.case.original
        if self.enlarged and original is not None:
            region = original
            enlarged = F.interpolate(saliency[None, None], region.shape, mode="bilinear", align_corners=False)
            saliency = enlarged[0, 0]
        return MAXIMA[self.ties](squared_distances(context, region), saliency) < self.tolerance**2


_RISE = RemovalProfile(
    tool="RISE",
    version="fac5d54",
    points="a picture row a step",
    area="trapezoid, steps taken as equal",
    ties="by index, last first",
    follows="predicted",
    call='auc(CausalMetric(nn.Sequential(net, nn.Softmax(1)), "del", 224, torch.zeros_like).single_run(x, map))',
)
_TORCHCAM = RemovalProfile(
    tool="torch-cam",
    version="0.5.0",
    points="20 intervals, sizes rounded up",
    score="logit",
    area="trapezoid",
    call="DeletionInsertionMetric(extractor).update(x, class_idx)",
)
_XPLIQUE = RemovalProfile(
    tool="Xplique",
    version="2.0.2",
    points="10 intervals, bounds rounded down",
    score="logit",
    area="trapezoid, steps taken as equal",
    ties="by index, last first",
    call="Deletion(net, x, one_hot).evaluate(maps)",
)
_PNPXAI = RemovalProfile(
    tool="PnPXAI",
    version="0.1.4",
    points="10 points, the last leaps from 80% to 100%",
    area="mean of the points",
    call="MoRF(net).evaluate(x, targets, maps)",
)

PROFILES: Mapping[str, RemovalProfile | PointingProfile] = {
    "rise-deletion": _RISE,
    "rise-insertion": replace(
        _RISE,
        direction="higher",
        curve="insertion",
        removed="blur",
        call='auc(CausalMetric(nn.Sequential(net, nn.Softmax(1)), "ins", 224, blur).single_run(x, map))',
    ),
    "torchcam-deletion": _TORCHCAM,
    "torchcam-insertion": replace(_TORCHCAM, direction="higher", curve="insertion"),
    "quantus-pixel-flipping": RemovalProfile(
        tool="Quantus",
        version="0.6.0",
        # Quantus's default is one channel of one pixel a step: 150,528 forward passes at 224 x 224. Its steps must
        # divide height times width; where three rows' worth of features do not, its nearest call takes one, which
        # reads the same curve three times as often and has three times the area.
        points="a picture row a step, without the start",
        removed="minimum",
        area="trapezoid, steps of length 1",
        call="PixelFlipping(features_in_step=3 * width, return_auc_per_sample=True)(net, x, targets, maps)",
    ),
    "xplique-deletion": _XPLIQUE,
    "xplique-insertion": replace(
        _XPLIQUE, direction="higher", curve="insertion", call="Insertion(net, x, one_hot).evaluate(maps)"
    ),
    "pnpxai-morf": _PNPXAI,
    "pnpxai-lerf": replace(_PNPXAI, direction="higher", curve="LeRF", call="LeRF(net).evaluate(x, targets, maps)"),
    "pnpxai-abpc": replace(
        _PNPXAI, direction="higher", curve="LeRF - MoRF", call="AbPC(net).evaluate(x, targets, maps)"
    ),
    "gradcam-road": RemovalProfile(
        tool="pytorch-grad-cam",
        version="1.5.7",
        direction="higher",
        curve="(LeRF - MoRF) / 2",
        points="9 percentiles, 10% to 90%",
        removed=curves.Imputation(noise=0.01, seed=0),
        area="mean of the points",
        call="ROADCombined()(x, maps, [ClassifierOutputSoftmaxTarget(target)], net)",
    ),
    "torchray-pointing": PointingProfile(
        tool="TorchRay",
        version="1.0.0.2",
        tolerance=15,
        ties="first",
        enlarged=True,
        average="classes",
        subsets=("all", "difficult"),
        call="PointingGame(classes, tolerance=15).evaluate(mask, point)",
    ),
    "quantus-pointing": PointingProfile(
        tool="Quantus",
        version="0.6.0",
        tolerance=1,
        ties="any",
        call="PointingGame()(net, x, targets, maps, masks)",
    ),
}
"""Every profile by its name among the metrics."""
