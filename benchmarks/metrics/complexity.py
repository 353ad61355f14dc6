"""Complexity: how few pixels hold most of a map, whatever they show.

Both read the sizes of a map's values, |s|, and neither asks whether the map is right: a single pixel, anywhere, is the
best map there is. They describe methods; read as quality, they reward maps that leave evidence out. An offset spreads
a map, and so does smoothing, interpolation from a coarse layer among it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmarks.metrics.metric import Average, Context, Direction, Measurement, check_saliency

if TYPE_CHECKING:
    from torch import Tensor


def _shares(saliency: Tensor) -> Tensor | None:
    """Return each pixel's share of the map's total size, (h w,) float64; None for a map of zeros."""
    sizes = saliency.double().abs().flatten()
    total = sizes.sum()
    return sizes / total if total > 0 else None


@dataclass(frozen=True)
class Gini:
    """The Gini index of the sizes of the map's values: 0 where all are equal, near 1 where one pixel has it all.

        1 - 2 sum over k of  |s|_(k) / sum |s|  (N - k + 1/2) / N,   |s|_(1) <= ... <= |s|_(N)

    Source: P. Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020.
    Direction: higher is sparser, which the paper calls better. Range: [0, 1 - 1/N]; NaN for a map of zeros.

    What it cannot tell: this module's text.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        shares = _shares(saliency)
        if shares is None:
            return Measurement(float("nan"))
        count = len(shares)
        weights = torch.arange(count, 0, -1, dtype=torch.float64, device=shares.device) - 0.5
        return Measurement(1 - 2 * float(shares.sort().values @ weights) / count)


@dataclass(frozen=True)
class Entropy:
    """The entropy of the map's sizes as a distribution over pixels, in nats.

        - sum over pixels of  p ln p,   p = |s| / sum |s|

    Source: U. Bhatt, A. Weller, J. M. F. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
    2020 (complexity). Direction: lower is simpler, which the paper calls better. Range: [0, ln N], ln N
    for a constant map, so pictures of different sizes do not compare; NaN for a map of zeros.

    What it cannot tell: this module's text.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        shares = _shares(saliency)
        return Measurement(float("nan") if shares is None else float(torch.special.entr(shares).sum()))
