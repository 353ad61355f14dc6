"""ROAD: removal whose missing pixels are imputed from their neighbours, with a little noise."""

import math
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from benchmarks.metrics.metric import CurveLabels
from benchmarks.metrics.removal import curve
from benchmarks.metrics.removal.points import RemovalMetric
from mint.contract import InputError
from mint.scores import Score

ROAD_LABELS = CurveLabels("mean", "share of the pixels", "(LeRF \N{MINUS SIGN} MoRF) / 2")


@dataclass(frozen=True)
class ROAD(RemovalMetric):
    """Half of what the target's answer loses more by removing the highest-ranked pixels than the lowest-ranked.

        mean over shares p of  (answer without the lowest p - answer without the highest p) / 2

    Source: Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient Evaluation Strategy for
    Attribution Methods", ICML 2022, with the score by which pytorch-grad-cam publishes it again, ``ROADCombined``:
    least relevant first (LeRF) against most relevant first (MoRF). Direction: higher is better. Range: [-1/2, 1/2] with
    ``score="probability"``; a map that knows nothing scores 0 on average, and the negated map the negative. The curve
    has the term of every p.

    Pixels are ranked as in deletion: of tied pixels the first counts as higher, and as many are removed as would lie at
    or above a percentile if none tied. pytorch-grad-cam itself, and the profile "gradcam-road", remove all pixels of a
    tie or none; of a map with a large plateau they may remove the whole picture, which cannot be imputed.

    What it cannot tell: how much of the evidence imputation really removed. It removes less from smooth areas than from
    structured ones, and continues into a hole what surrounds it; so evidence that is spread out is not counted, nor is
    an object whose shape shows as a hole. Less of the mask's shape shows than with a constant fill, but the network was
    not trained on pictures of which nine tenths are interpolated.

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

    curve_labels = ROAD_LABELS

    percentiles: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90)
    noise: float = 0.01
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        given = self.percentiles
        numbers = isinstance(given, tuple) and all(isinstance(each, Real) and 0 < each < 100 for each in given)
        if not given or not numbers:
            raise InputError(f"percentiles is a tuple of numbers above 0 and below 100, at least one, not {given!r}.")
        curve.check_removal(curve.Imputation(self.noise, self.seed), self.score)

    @property
    def removal(self) -> curve.Removal:
        """The mean over the shares."""
        removed = curve.Imputation(self.noise, self.seed)
        return curve.Removal(curve.PATHS["(LeRF - MoRF) / 2"], self._counts, removed, self.score, "mean of the points")

    def _counts(self, ranked: Tensor, _width: int) -> list[int]:
        # n - ceil((n - 1) q) values lie at or above the q-th quantile of n, as numpy interpolates it.
        pixels = ranked.shape[1]
        return [pixels - math.ceil((pixels - 1) * (100 - percentile) / 100) for percentile in self.percentiles]
