"""The pointing game: whether the map's highest point is on the object.

Source: J. Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, with the protocol of
TorchRay (R. Fong, M. Patrick, A. Vedaldi, ICCV 2019), the field's reference implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from benchmarks.metrics.metric import (
    Average,
    Context,
    Direction,
    Measurement,
    annotated_region,
    check_saliency,
)
from mint.contract import InputError

if TYPE_CHECKING:
    from torch import Tensor

REFERENCE_SIZE = 224  # pixels: the picture size at which the tolerance is stated


def highest_pixel(saliency: Tensor) -> tuple[int, int]:
    """Return (row, column) of the maximum; of tied maxima the first one, top row first, left to right."""
    row, column = divmod(int(saliency.argmax()), saliency.shape[1])
    return row, column


@dataclass(frozen=True)
class Pointing:
    """1 if the map's maximum lies on the target's region or strictly nearer to it than the tolerance, else 0.

    Direction: higher is better; the mean over classes of each class's hit rate, for all cases and for the
    difficult ones apart. Range: 0 or 1; NaN where the case has no annotated region, or an empty one.

    Ties: one point is taken, the first maximum, as TorchRay's argmax does. A constant map hence points at
    the top left corner; it does not hit because *some* maximum is inside.

    What it cannot tell: anything about the map beside its maximum. Several objects of the class make it
    easier, as does a large or central one: compare with the centre control.

    Parameters
    ----------
    tolerance
        Distance in pixels at a picture size of 224; scaled to the picture's (its shorter side). The
        comparison is strict, on squared distances between pixel centres: TorchRay's 15.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "classes"
    subsets: ClassVar[tuple[str, ...]] = ("all", "difficult")

    tolerance: float = 15.0

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise InputError(f"The pointing game's tolerance must be above 0 pixels, not {self.tolerance}.")

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        region = annotated_region(context)
        if region is None:
            return Measurement(float("nan"))
        row, column = highest_pixel(saliency)
        rows, columns = np.nonzero(region)
        nearest = int(((rows - row) ** 2 + (columns - column) ** 2).min())
        tolerance = self.tolerance * min(saliency.shape) / REFERENCE_SIZE
        return Measurement(float(nearest < tolerance**2))
