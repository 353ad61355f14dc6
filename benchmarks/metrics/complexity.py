"""Complexity: how few pixels hold most of a map, whatever they show.

Both metrics read the sizes |s| of a map's values. They describe a map and do not judge it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.metrics.metric import Context, DeviceMetric, sized


def _shares(saliency: Tensor) -> Tensor:
    """Return each pixel's share of the map's total size, (h w,) float64; NaN for a map of zeros."""
    sizes = sized(saliency).double().abs().flatten()
    return sizes / sizes.sum()


@dataclass(frozen=True)
class Gini(DeviceMetric):
    """The Gini index of the sizes of the map's values: 0 where all are equal, near 1 where one pixel has it all.

        1 - 2 sum over k of  |s|_(k) / sum |s|  (N - k + 1/2) / N,   |s|_(1) <= ... <= |s|_(N)

    Source: P. Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020.
    Direction: higher is sparser, which the paper calls better. Range: [0, 1 - 1/N]; NaN for a map of zeros.

    What it cannot tell: whether the map is right. A single pixel anywhere scores best, and a map that leaves evidence
    out scores better than one that shows it all. A constant added to a map lowers the score, and so does smoothing.
    """

    judges = False

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Measure how unequal the sizes are."""
        shares = _shares(saliency)
        count = len(shares)
        weights = torch.arange(count, 0, -1, dtype=torch.float64, device=shares.device) - 0.5
        return 1 - 2 * (shares.sort().values @ weights) / count


@dataclass(frozen=True)
class Entropy(DeviceMetric):
    """The entropy of the map's sizes as a distribution over pixels, in nats.

        - sum over pixels of  p ln p,   p = |s| / sum |s|

    Source: U. Bhatt, A. Weller, J. M. F. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
    2020 (complexity). Direction: lower is simpler, which the paper calls better. Range: [0, ln N], ln N for a constant
    map, so pictures of different sizes do not compare; NaN for a map of zeros.

    What it cannot tell: whether the map is right. A constant added to a map raises the score, and so does smoothing.
    """

    direction = "lower"
    judges = False

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Measure how evenly the sizes are spread."""
        found: Tensor = torch.special.entr(_shares(saliency)).sum()
        return found
