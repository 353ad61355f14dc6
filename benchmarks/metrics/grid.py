"""The grid pointing game: the share of a map that falls into the target's own cell of a mosaic.

Source: M. Boehle, M. Fritz, B. Schiele, "Convolutional Dynamic Alignment Networks for Interpretable
Classifications", CVPR 2021, section 4.2: pictures of different classes, each classified right, form one
mosaic, and the map of a class should stay in that class's cell.

Both metrics read the case's region, whatever it is: a mosaic's cell, an object's mask, a box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmarks.metrics.metric import (
    Average,
    Context,
    Direction,
    Measurement,
    annotated_region,
    check_saliency,
)
from benchmarks.metrics.pointing import highest_pixel
from benchmarks.metrics.relevance import RelevanceMass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GridPointing:
    """1 if the map's maximum lies in the target's region, without any tolerance, else 0.

    Direction: higher is better. Range: 0 or 1 (chance: the region's share of the picture, .25 in a 2 x 2
    mosaic); NaN where the case has no annotated region, or an empty one. Ties: the first maximum, as in
    the pointing game; a constant map points at the top left corner.

    What it cannot tell: where inside the cell the evidence lies. Mosaics are unlike training pictures, and
    a network that pools locally has it easier.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        region = annotated_region(context)
        if region is None:
            return Measurement(float("nan"))
        return Measurement(float(region[highest_pixel(saliency)]))


@dataclass(frozen=True)
class GridShare(RelevanceMass):
    """Share of the map's positive attribution that falls inside the target's region: relevance mass, on a mosaic.

    Source: Boehle et al., this module's text: their localisation metric; it is
    :class:`~benchmarks.metrics.relevance.RelevanceMass` by another name. Direction: higher is better. Range: [0, 1]; a
    constant map scores the region's share of the picture, .25 in a 2 x 2 mosaic. NaN where the case has no annotated
    region, or an empty one, and where the map has no positive value.

    What it cannot tell: where inside the cell the map lies, and what neither `GridPointing` nor ``RelevanceMass`` can:
    mosaics are unlike training pictures, and an offset spreads a map over all cells however well it ranks.
    """
