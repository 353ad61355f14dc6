"""How much of a map lies where the target is: relevance mass and rank accuracy, energy-based and grid pointing.

Source: L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural network
explanations", Information Fusion 81, 2022, unless a metric says otherwise.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects
from torch import Tensor

from benchmarks.metrics.metric import Context, DeviceMetric, RegionMetric, sized


def boxed(mask: np.ndarray) -> np.ndarray:
    """Mark the smallest box around a mask; both are (h, w) bool, with at least one pixel."""
    box = np.zeros_like(mask)
    box[find_objects(mask.astype(np.uint8))[0]] = True
    return box


@dataclass(frozen=True)
class RelevanceMass(RegionMetric, DeviceMetric):
    """Share of the map's positive attribution that falls inside the target's region.

        sum over the region of max(s, 0)  /  sum over the picture of max(s, 0)

    Source: Arras et al., relevance mass accuracy; their maps are positive, those of this suite need not be. Direction:
    higher is better. Range: [0, 1]; a constant map scores the region's share of the picture. NaN where the case has no
    annotated region, or an empty one, and where the map has no positive value.

    What it cannot tell: whether the network used the object at all. Evidence in the background counts as an error. A
    map whose values are all above zero is spread over the whole picture however well it ranks the pixels, so methods
    with and without negative values do not compare on equal terms. Large regions are easier. A map may hold all of its
    mass in one pixel of the region.
    """

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> Tensor:
        """Return the share of the positive values that is inside."""
        positive = sized(saliency).double().clamp(min=0)
        return (positive * self._where(context, region)).sum() / positive.sum()

    def _where(self, context: Context, region: np.ndarray) -> Tensor:
        return context.on_device("region", lambda: region)


@dataclass(frozen=True)
class GridShare(RelevanceMass):
    """Share of the map's positive attribution in the target's region: relevance mass, on a mosaic of pictures.

    Source: the localisation metric of M. Boehle, M. Fritz, B. Schiele, "Convolutional Dynamic Alignment Networks for
    Interpretable Classifications", CVPR 2021, section 4.2. Direction, range and NaN: as `RelevanceMass`, which it is
    by another name; a constant map scores .25 in a 2 x 2 mosaic.

    What it cannot tell: where inside the cell the map lies. A constant that is added to a map spreads it over all
    cells, however well it ranks the pixels, and mosaics differ from training pictures.
    """


@dataclass(frozen=True)
class EnergyPointing(RelevanceMass):
    """Share of the map's positive attribution that falls inside the box around the target's region.

    Source: the energy-based pointing game of H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for
    Convolutional Neural Networks", CVPR Workshops 2020, which is played on boxes: here, the smallest one that holds all
    parts of the region. Direction, range and NaN: as `RelevanceMass`.

    What it cannot tell: what `RelevanceMass` cannot. Besides, what lies in the box but not on the object counts as
    right.
    """

    def _where(self, context: Context, region: np.ndarray) -> Tensor:
        return context.on_device("boxed region", lambda: boxed(region))


@dataclass(frozen=True)
class RelevanceRank(RegionMetric, DeviceMetric):
    """Share of the map's K highest pixels that lie inside the target's region of K pixels.

    Source: Arras et al., relevance rank accuracy. Direction: higher is better. Range: [0, 1]; NaN where the case has no
    annotated region, or an empty one. Ties: of the pixels that tie for the last places, the expected share over all
    their orders is counted, so that a constant map scores the region's share of the picture; without ties this is the
    published measure.

    What it cannot tell: whether the network used the object at all; evidence in the background counts as an error. Nor
    does it see how much higher the values inside are, or the ranks below K. It asks for the whole object, so a map that
    rightly shows only the decisive part of it scores less. Large regions are easier.
    """

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> Tensor:
        """Return the share of the highest pixels that is inside."""
        inside, places = context.on_device("region", lambda: region), int(region.sum())
        last = saliency.flatten().topk(places).values[-1]
        above, tied = saliency > last, saliency == last
        share = (places - above.sum()).double() / tied.sum()
        return ((above & inside).sum() + share * (tied & inside).sum()) / places
