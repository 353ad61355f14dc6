"""How much of a map lies where the target is: relevance mass and rank accuracy, energy-based pointing.

Source: L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural network
explanations", Information Fusion 81, 2022: on masks; and, on boxes, the energy-based pointing game of
H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR Workshops 2020.

What none of them can tell: whether the network used the object at all. A map of what is in the picture beats one of
what the network looks at wherever the two differ, and evidence in the background counts as an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from scipy.ndimage import find_objects

from benchmarks.metrics.metric import (
    Average,
    Context,
    Direction,
    Measurement,
    annotated_region,
    check_saliency,
)

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[slice, slice]


def box_of(mask: np.ndarray) -> Box:
    """Return the rows and columns of the smallest box around a mask, (h, w) bool with a pixel at least."""
    box: Box = find_objects(mask.astype(np.uint8))[0]
    return box


@dataclass(frozen=True)
class RelevanceMass:
    """Share of the map's positive attribution that falls inside the target's region.

        sum over the region of max(s, 0)  /  sum over the picture of max(s, 0)

    Source: Arras et al., relevance mass accuracy; their maps are positive, those of this suite need not be. Direction:
    higher is better. Range: [0, 1]; a constant map scores the region's share of the picture. NaN where the case has no
    annotated region, or an empty one, and where the map has no positive value.

    What it cannot tell: an offset matters. A map whose values are all above zero is spread over the whole picture
    however well it ranks, so methods with and without negative values do not compare on equal terms. Large regions
    are easier. A map may hold its mass in one pixel of the region. See also this module's text.
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
        positive = saliency.double().clamp(min=0)
        inside = positive[torch.tensor(self._where(region), device=positive.device)].sum()
        total = positive.sum()
        return Measurement(float(inside / total) if total > 0 else float("nan"))

    def _where(self, region: np.ndarray) -> np.ndarray:
        return region


@dataclass(frozen=True)
class EnergyPointing(RelevanceMass):
    """Share of the map's positive attribution that falls inside the box around the target's region.

    Source: Wang et al., the energy-based pointing game, which is measured on boxes: the smallest around the region
    here, one around all of its parts. Direction, range, NaN and limits: :class:`RelevanceMass`'s. Besides, what lies
    in the box but not on the object counts as right.
    """

    def _where(self, region: np.ndarray) -> np.ndarray:
        inside = np.zeros_like(region)
        inside[box_of(region)] = True
        return inside


@dataclass(frozen=True)
class RelevanceRank:
    """Share of the map's K highest pixels that lie inside the target's region of K pixels.

    Source: Arras et al., relevance rank accuracy. Direction: higher is better. Range: [0, 1]; NaN where the case has no
    annotated region, or an empty one. Ties: of the pixels that tie for the last places, the expected share over all
    their orders is counted, so that a constant map scores the region's share of the picture; without ties this is the
    published measure.

    What it cannot tell: how much higher the values inside are, and anything about the ranks below K. It asks for the
    whole object, so a map that rightly shows only the decisive part of it scores less. Large regions are easier. See
    also this module's text.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        mask = annotated_region(context)
        if mask is None:
            return Measurement(float("nan"))
        region = torch.tensor(mask, device=saliency.device)
        places = int(region.sum())
        last = saliency.flatten().topk(places).values[-1]
        above, tied = saliency > last, saliency == last
        share = (places - int(above.sum())) / int(tied.sum())
        return Measurement((int((above & region).sum()) + share * int((tied & region).sum())) / places)
