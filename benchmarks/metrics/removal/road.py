"""ROAD: removal whose missing pixels are imputed from their neighbours, with a little noise.

Source: Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient Evaluation Strategy for
Attribution Methods", ICML 2022, with the score by which pytorch-grad-cam publishes it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmarks.metrics.metric import Average, Context, Direction, Measurement
from benchmarks.metrics.removal.curve import PATHS, Imputation, check_removal, removal_curve
from mint.contract import InputError
from mint.scores import Score

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class ROAD:
    """Half of what the target's answer loses more by removing the highest-ranked pixels than the lowest-ranked.

        mean over shares p of  (answer without the lowest p - answer without the highest p) / 2

    which is pytorch-grad-cam's ``ROADCombined``: least relevant first (LeRF) against most relevant first (MoRF).
    Direction: higher is better. Range: [-1/2, 1/2] with ``score="probability"``; a map that tells nothing scores 0 on
    average, and the negated map the negative. The curve has the term of every p.

    Pixels are ranked as in deletion: ties by pixel index, the first counting as higher, and as many go as lie at or
    above a percentile where none tie. pytorch-grad-cam itself, and the profile "gradcam-road", remove all pixels of a
    tie or none; of a map with a large plateau they may remove the whole picture, which cannot be imputed.

    What it cannot tell: imputation takes less away from smooth areas than from structured ones, and what surrounds a
    hole continues into it, so evidence that is spread, or an object whose shape shows as a hole, goes uncounted. It
    leaks less of the mask's shape than a constant fill, but pictures of which nine tenths are interpolated are still
    none that the network was trained on.

    Parameters
    ----------
    percentiles
        Which shares of the pixels are removed, in per cent, between 0 and 100.
    noise
        Standard deviation of the noise on imputed pixels, in the network's normalised units.
    seed
        Of the noise.
    score
        The network's answer that is followed.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    percentiles: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90)
    noise: float = 0.01
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        if not self.percentiles or not all(0 < percentile < 100 for percentile in self.percentiles):
            raise InputError(f"ROAD needs percentiles above 0 and below 100, not {self.percentiles}.")
        if not self.noise >= 0:
            raise InputError(f"ROAD's noise is a standard deviation of at least 0, not {self.noise}.")
        check_removal(Imputation(self.noise, self.seed), self.score)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        fractions, values = removal_curve(
            context,
            saliency,
            PATHS["(LeRF - MoRF) / 2"],
            points=self._counts,
            ties="by index, mirrored",
            removed=Imputation(self.noise, self.seed),
            score=self.score,
        )
        return Measurement(float(values.mean()), (fractions, values))

    def _counts(self, ranked: np.ndarray, _width: int) -> list[int]:
        # n - ceil((n - 1) q) values lie at or above the q-th quantile of n, as numpy interpolates it.
        pixels = len(ranked)
        return [pixels - math.ceil((pixels - 1) * (100 - percentile) / 100) for percentile in self.percentiles]
