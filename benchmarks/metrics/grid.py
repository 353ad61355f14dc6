"""The grid pointing game: how much of a map falls into the target's own cell of a mosaic.

Source: M. Boehle, M. Fritz, B. Schiele, "Convolutional Dynamic Alignment Networks for Interpretable
Classifications", CVPR 2021, section 4.2. Pictures of different classes, each classified correctly, form one mosaic,
and the map of a class should stay in that class's cell.

Both metrics read the case's region, whatever it is: a mosaic's cell, an object's mask, or a box.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from benchmarks.metrics.metric import Context, RegionMetric
from benchmarks.metrics.pointing import highest_pixel
from benchmarks.metrics.relevance import RelevanceMass


@dataclass(frozen=True)
class GridPointing(RegionMetric):
    """1 if the map's maximum lies in the target's region, without any tolerance, else 0.

    Direction: higher is better. Range: 0 or 1 (chance: the region's share of the picture, .25 in a 2 x 2
    mosaic); NaN where the case has no annotated region, or an empty one. Ties: the first maximum, as in
    the pointing game; a constant map points at the top left corner.

    What it cannot tell: where inside the cell the evidence lies. Mosaics also differ from the pictures that the network
    was trained on, and a network that pools locally finds the game easier.
    """

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> float:
        """Tell whether the maximum is on the region."""
        return float(region[highest_pixel(saliency)])


@dataclass(frozen=True)
class GridShare(RelevanceMass):
    """Share of the map's positive attribution that falls inside the target's region: relevance mass, on a mosaic.

    Source: the localisation metric of Boehle et al.; it is :class:`~benchmarks.metrics.relevance.RelevanceMass` by
    another name. Direction: higher is better. Range: [0, 1]; a constant map scores the region's share of the picture,
    .25 in a 2 x 2 mosaic. NaN where the case has no annotated region, or an empty one, and where the map has no
    positive value.

    What it cannot tell: where inside the cell the map lies. What is said of `GridPointing` and ``RelevanceMass`` holds
    here as well: mosaics differ from training pictures, and a constant that is added to a map spreads it over all
    cells, however well the map ranks the pixels.
    """
