"""The pointing games: whether the map's highest point is on the object, or in the target's cell of a mosaic."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from benchmarks.metrics.metric import Context, DeviceMetric, RegionMetric
from mint.parameters import require_number

REFERENCE_SIZE = 224
"""The picture size, in pixels, at which the tolerance is stated."""


def at_maximum(values: Tensor, saliency: Tensor) -> Tensor:
    """Return a picture's value at the map's maximum; of tied maxima the first one, top row first, left to right."""
    return values.take(saliency.argmax())


def squared_distances(context: Context, region: np.ndarray) -> Tensor:
    """Return each pixel's squared distance from a region of the case, (h, w) float64, whole numbers; found once a case.

    The region is the case's own or the original.
    """
    key = ("squared distances", region is context.case.original)
    return context.on_device(key, lambda: np.rint(distance_transform_edt(~region) ** 2))


class PointMetric(RegionMetric, DeviceMetric):
    """Base of the metrics that look at the map's maximum alone; of tied maxima, at the first."""

    def hits(self, context: Context, region: np.ndarray) -> Tensor:
        """Tell of each pixel, (h, w) bool beside the picture, whether a maximum there hits."""
        raise NotImplementedError

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> Tensor:
        """Tell whether the first maximum hits."""
        return at_maximum(self.hits(context, region), saliency)


@dataclass(frozen=True)
class Pointing(PointMetric):
    """1 if the map's maximum lies on the target's region or strictly nearer to it than the tolerance, else 0.

    Source: J. Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, with the protocol of
    TorchRay (R. Fong, M. Patrick, A. Vedaldi, ICCV 2019), the field's reference implementation. Direction: higher is
    better; the mean over classes of each class's hit rate, for all cases and for the difficult ones apart. Range: 0 or
    1; NaN where the case has no annotated region, or an empty one. Ties: the first maximum counts, as TorchRay's argmax
    has it, so a constant map points at the top left corner.

    What it cannot tell: anything about the map besides its maximum. The game is easier where there are several objects
    of the class, or a large or central one: compare with the null that always points at the centre.

    Parameters
    ----------
    tolerance
        Distance in pixels at a picture size of 224; scaled to the picture's (its shorter side). The comparison is
        strict, on squared distances between pixel centres: TorchRay's 15.
    """

    average = "classes"
    subsets = ("all", "difficult")

    tolerance: float = 15.0

    def __post_init__(self) -> None:
        require_number("tolerance", self.tolerance, 0, beyond=True)

    def hits(self, context: Context, region: np.ndarray) -> Tensor:
        """Tell which pixels are near enough."""
        tolerance = self.tolerance * min(region.shape) / REFERENCE_SIZE
        return squared_distances(context, region).lt(tolerance**2)


@dataclass(frozen=True)
class GridPointing(PointMetric):
    """1 if the map's maximum lies in the target's region, without any tolerance, else 0.

    Source: the grid pointing game of M. Boehle, M. Fritz, B. Schiele, "Convolutional Dynamic Alignment Networks for
    Interpretable Classifications", CVPR 2021, section 4.2: pictures of different classes, each classified correctly,
    form one mosaic, and a class's map should stay in its cell. The region is the case's, whatever it is: a mosaic's
    cell, an object's mask, or a box. Direction: higher is better. Range: 0 or 1 (chance: the region's share of the
    picture, .25 in a 2 x 2 mosaic); NaN where the case has no annotated region, or an empty one. Ties: as `Pointing`.

    What it cannot tell: where inside the cell the evidence lies. Mosaics also differ from the pictures that the network
    was trained on, and a network that pools locally finds the game easier.
    """

    def hits(self, context: Context, region: np.ndarray) -> Tensor:
        """Tell which pixels are on the region."""
        return context.on_device("region", lambda: region)
