"""Coherence and complexity of a map, and ADCC, their harmonic mean with the average drop.

Source: S. Poppi, M. Cornia, L. Baraldi, R. Cucchiara, "Revisiting the Evaluation of Class Activation Mapping for
Explainability: A Novel Metric and Experimental Analysis", CVPR Workshops 2021. Maps are scaled to [0, 1] by their
lowest and highest value, as for `AverageDrop`: a negative value is not cut off.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmarks.metrics.average_drop import AverageDrop, scaled, shown_through
from benchmarks.metrics.correlation import pearson
from benchmarks.metrics.max_sensitivity import explained
from benchmarks.metrics.metric import (
    NOT_APPLICABLE,
    Context,
    DeviceMetric,
    Measurement,
    MethodMetric,
    passed_over,
    sized,
)
from mint.contract import Attributor
from mint.parameters import require_count
from mint.scores import Score, require_score


@dataclass(frozen=True)
class Complexity(DeviceMetric):
    """Mean of the map scaled to [0, 1]: how much of the picture it shows.

        1/N  sum over pixels of  (s - min s) / (max s - min s)

    Source: Poppi et al., the L1 norm of the scaled map over the number of pixels. Direction: lower is simpler, which
    the paper calls better. Range: from 1/N to 1 - 1/N; NaN for a constant map, which has no scale.

    What it cannot tell: whether the map is right. A single pixel anywhere scores best. A map with one very low value is
    near 1 everywhere else, and so counts as complex.
    """

    direction = "lower"
    judges = False

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Average the scaled map."""
        return scaled(saliency.double()).mean()


def coherence(context: Context, method: Attributor) -> tuple[Tensor, float]:
    """Explain a case, and what its map lets through: return the map scaled to [0, 1], (h, w), and the coherence."""

    def explain(picture: Tensor) -> Tensor:
        return sized(explained(context, method, picture.unsqueeze(0))[0])

    own = explain(context.image)
    mask = scaled(own)
    if mask.isnan().any():
        return mask, float("nan")
    again = explain(context.image * mask)
    return mask, (1 + float(pearson(own.double().flatten(), again.double().flatten()))) / 2


@dataclass(frozen=True)
class Coherence(MethodMetric):
    """How like its map a method explains the picture that the map, scaled to [0, 1], lets through.

        (1 + r) / 2,   r the correlation of s(x) and s(x (s - min s) / (max s - min s)) over the pixels

    Source: Poppi et al., who put Pearson's correlation onto [0, 1]. Both maps are of the case's target. Direction:
    higher is better. Range: [0, 1], 1/2 without correlation; NaN where one of the maps is constant, and for cases that
    are passed over.

    What it cannot tell: whether the map is right. A map that does not depend on the picture scores a perfect 1, as the
    null "centre" does, so it describes a method and does not judge it.

    Parameters
    ----------
    every
        One case in so many is measured, for two explanations each; the case's digest decides which. The score of the
        others is NaN.
    """

    judges = False

    every: int = 1

    def __post_init__(self) -> None:
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where a map is constant, or the case is passed over."""
        return NOT_APPLICABLE if passed_over(context, self.every) else Measurement(coherence(context, method)[1])


@dataclass(frozen=True)
class ADCC(MethodMetric):
    """Harmonic mean of coherence, of one minus complexity, and of one minus the average drop as a share.

        3 / (1 / coherence + 1 / (1 - complexity) + 1 / (1 - drop))

    Source: Poppi et al.; the mean is taken of each case by itself. Direction: higher is better. Range: [0, 1], 0 where
    one of the three is 0; NaN where a map is constant, where the answer to the picture is not above 0, and for cases
    that are passed over.

    What it cannot tell: which of the three a difference comes from, and whether the map is right: two of them do not
    ask the network at all. A small spot in the centre, whatever the picture, has a perfect coherence and a low
    complexity; compare with the null "centre".

    Parameters
    ----------
    score
        The network's answer that is followed; a probability, or at least never negative.
    every
        As for `Coherence`.
    """

    score: Score = "probability"
    every: int = 1

    def __post_init__(self) -> None:
        require_score("score", self.score)
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where one of the three does not apply, or the case is passed over."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        mask, coherent = coherence(context, method)
        if coherent != coherent:
            return NOT_APPLICABLE
        whole, shown = shown_through(context, mask, self.score)
        if whole <= 0:
            return NOT_APPLICABLE
        drop = AverageDrop(self.score).compare(whole, shown) / 100
        parts = (coherent, 1 - float(mask.double().mean()), 1 - drop)
        return Measurement(3 / sum(1 / part for part in parts) if min(parts) > 0 else 0.0)
