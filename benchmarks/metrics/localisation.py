"""Localisation: whether the box around the map's strongest part meets the box around the target."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label
from torch import Tensor

from benchmarks.metrics.metric import Context, RegionMetric, sized
from benchmarks.metrics.relevance import boxed
from mint.contract import InputError
from mint.parameters import require_number

CONNECTED = np.ones((3, 3), dtype=bool)
"""A pixel is connected to its eight neighbours, as in OpenCV's contours, by which others measure this."""


@dataclass(frozen=True)
class Localisation(RegionMetric):
    """1 if the box around the largest component of what is above a threshold overlaps the target's box, else 0.

    Source: B. Zhou et al., "Learning Deep Features for Discriminative Localization" (CAM), CVPR 2016, by the ILSVRC's
    criterion (O. Russakovsky et al., IJCV 115, 2015). Direction: higher is better. Range: 0 or 1; NaN where the case
    has no annotated region, or an empty one, and where the map has no positive value. The target's box is the smallest
    that holds all parts of its region. Of components of equal size the first counts, by rows. A constant positive map
    boxes the whole picture.

    What it cannot tell: how good a map is apart from this threshold. 20 % of the maximum was found for CAMs. A map to
    which a constant was added fails it however well it ranks the pixels, and so does a map of thin lines; each method
    has a threshold at which it would do best (J. Choe et al., "Evaluating Weakly Supervised Object Localization Methods
    Right", CVPR 2020). It asks for the whole object, not for its decisive part. On large objects, a box in the middle
    of the picture or around all of it does well.

    Parameters
    ----------
    threshold
        What is above this share of the map's maximum is segmented.
    overlap
        Least area of the two boxes' intersection as a share of their union.
    """

    threshold: float = 0.2
    overlap: float = 0.5

    def __post_init__(self) -> None:
        require_number("threshold", self.threshold, 0)
        require_number("overlap", self.overlap, 0, 1, beyond=True)
        if self.threshold >= 1:
            raise InputError(f"threshold is a share of the maximum, below 1, not {self.threshold}.")

    def score_region(self, context: Context, saliency: Tensor, region: np.ndarray) -> float:
        """Tell whether the two boxes overlap enough."""
        values = sized(saliency).cpu().numpy()
        highest = values.max()
        if not highest > 0:
            return float("nan")
        labels, _ = label(values > self.threshold * highest, CONNECTED)
        largest = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
        found, wanted = boxed(largest), boxed(region)
        return float((found & wanted).sum() / (found | wanted).sum() >= self.overlap)
