"""Average drop and increase in confidence: what the network says of the picture that the map lets through."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Metric, sized
from mint.contract import InputError
from mint.scores import NOT_FINITE, Score, read_logits, require_score, score_classes


def scaled(saliency: Tensor) -> Tensor:
    """Scale maps, (..., h, w), to [0, 1] by their lowest and highest value; a constant map becomes NaN."""
    saliency = sized(saliency)
    low, high = saliency.amin((-2, -1), keepdim=True), saliency.amax((-2, -1), keepdim=True)
    return (saliency - low) / (high - low)


def shown_through(context: Context, mask: Tensor, score: Score) -> tuple[float, float]:
    """Return the answers to the picture, asked once a case, and to the picture times a mask, (h, w) in [0, 1]."""
    target = context.case.target

    @torch.no_grad()
    def ask(image: Tensor) -> float:
        logits = read_logits(context.network.module, image.unsqueeze(0).clone(), target)
        answer = float(score_classes(score, logits, target)[0, target])
        if not math.isfinite(answer):
            raise InputError(NOT_FINITE)
        return answer

    shown = context.image * mask.to(context.image)
    return context.once(("whole", score), lambda: ask(context.image)), ask(shown)


@dataclass(frozen=True)
class _Confidence(Metric):
    """A comparison of the answer to the picture with the answer to what the map lets through."""

    score: Score = "probability"

    def __post_init__(self) -> None:
        require_score("score", self.score)

    def score_map(self, context: Context, saliency: Tensor) -> object:
        """Compare the two answers; NaN for a constant map, and where the first answer is not above 0."""
        mask = scaled(saliency)
        if mask.isnan().any():
            return NOT_APPLICABLE
        whole, shown = shown_through(context, mask, self.score)
        return self.compare(whole, shown) if whole > 0 else NOT_APPLICABLE

    def compare(self, whole: float, shown: float) -> float:
        """Compare the answers to the whole picture and to what is shown of it, in per cent."""
        raise NotImplementedError


@dataclass(frozen=True)
class AverageDrop(_Confidence):
    """How much of the target's answer is lost when the map, scaled to [0, 1], is multiplied onto the picture.

        100 max(0, y - o) / y,   y = f(x),   o = f(x (s - min s) / (max s - min s))

    Source: A. Chattopadhyay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-Based
    Visual Explanations for Deep Convolutional Networks", WACV 2018; the mean over cases is its "average drop %".
    Direction: lower is better. Range: [0, 100] per cent; NaN for a constant map, which has no scale, and where y is not
    above 0. Torchcam's ``ClassificationMetric`` gives the same as a share.

    The map is scaled by its lowest and highest value, as torchcam and pytorch-grad-cam do; of maps that are 0 somewhere
    and never below, this is the paper's division by the maximum. A negative value is not cut off: the lowest becomes 0,
    and a pixel of value 0 is let through in part. A pixel that is not let through becomes 0 in the normalised space,
    the mean colour.

    What it cannot tell: whether the map is right. It rewards maps that show much: a map that is near its maximum
    everywhere but for one pixel has a drop near 0, so read it beside `Complexity` and the null "centre" (S. Poppi et
    al., CVPR Workshops 2021). Values count here, not only ranks: the square root of a map shows more, and drops less. A
    picture that is darkened smoothly is unlike what the network was trained on.

    Parameters
    ----------
    score
        The network's answer that is followed; a probability, or at least never negative.
    """

    direction = "lower"

    def compare(self, whole: float, shown: float) -> float:
        """Return the share that is lost."""
        return 100 * max(0.0, whole - shown) / whole


@dataclass(frozen=True)
class Increase(_Confidence):
    """Whether the target's answer rises when the map, scaled to [0, 1], is multiplied onto the picture.

        100 if o > y, else 0;   y and o as in `AverageDrop`

    Source: that of `AverageDrop`, "% increase in confidence", which is the mean over cases. Direction: higher is
    better. Range: 0 or 100 a case; NaN as `AverageDrop`, whose scaling of negative values it shares.

    What it cannot tell: what `AverageDrop` cannot, nor by how much the answer rises. Where the network is sure of the
    whole picture, nothing can rise, so networks and data sets do not compare; few cases give a coarse number.

    Parameters
    ----------
    score
        The network's answer that is followed.
    """

    def compare(self, whole: float, shown: float) -> float:
        """Tell whether what is shown is answered higher."""
        return 100.0 * (shown > whole)
