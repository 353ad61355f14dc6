"""Sensitivity where the prediction stays: a map may change with the class that the network sees.

Source: K. Subramaniakuppusamy, J. Gajjar, "Feature Attribution Stability Suite: How Stable Are Post-Hoc
Attributions?", arXiv 2604.02532, 2026 (FASS), which compares maps of a picture and of changed copies only where the
predicted class stays. The copies and the distance of the maps are those of `MaxSensitivity`, not the paper's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.metrics.max_sensitivity import MaxSensitivity, changed_copies, largest_change
from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Measurement, Metric, passed_over
from mint.contract import Attributor
from mint.parameters import require_count, require_number, require_seed
from mint.scores import read_logits, score_classes


@torch.no_grad()
def _kept(context: Context, copies: Tensor) -> Tensor:
    """Tell of which copies, (n, c, h, w), the network predicts the same class as of the picture: (n,) bool."""
    pictures = torch.cat([context.image.unsqueeze(0), copies])
    size = context.batch_size or len(pictures)
    logits = torch.cat([read_logits(context.network.module, each, 0) for each in torch.split(pictures, size)])
    predicted = score_classes("logit", logits).argmax(1)
    return predicted[1:] == predicted[0]


@dataclass(frozen=True)
class KeptSensitivity(MaxSensitivity):
    """The largest change of the map under small random changes that leave the predicted class as it is.

        max over samples whose class stays of  ||map(x + d) - map(x)|| / ||map(x)||,   d uniform in [-radius, radius]

    Source: Subramaniakuppusamy and Gajjar (FASS) for leaving copies out; copies and distance are those of
    `MaxSensitivity`. Direction: lower is better. Range: 0 and up; NaN where no copy keeps the class, and
    where `MaxSensitivity` is.

    What it cannot tell: what `MaxSensitivity` cannot, but for one thing: a map that changes because the network has
    come to see another class does not count. The maximum is over fewer copies where more are left out, and so tends to
    be lower; `KeptPredictions` has how many were left. It is the predicted class that must stay, whatever the target.

    Parameters
    ----------
    radius, samples, seed, every
        As for `MaxSensitivity`.
    """

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where its map is all zeros, no copy is left, or the case is passed over."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        copies = changed_copies(context, self.radius, self.samples, self.seed)
        kept = copies[_kept(context, copies)]
        return Measurement(largest_change(context, method, kept)) if len(kept) else NOT_APPLICABLE


@dataclass(frozen=True)
class KeptPredictions(Metric):
    """Share of the small random changes of the picture that leave the predicted class as it is, whatever the map.

        1/n  sum over samples of  [class(x + d) = class(x)],   d as in `MaxSensitivity`

    Source: Subramaniakuppusamy and Gajjar (FASS), who report how many pairs change class. Direction: higher means that
    `KeptSensitivity` rests on more copies; times ``samples`` it is their number. Range: [0, 1].

    What it cannot tell: anything of a map: all methods have the same. It describes network and picture.

    Parameters
    ----------
    radius, samples, seed
        As for `MaxSensitivity`, to be the same there.
    """

    judges = False
    controlled = False

    radius: float = 0.02
    samples: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("radius", self.radius, 0, beyond=True)
        require_count("samples", self.samples, 1)
        require_seed("seed", self.seed)

    def score_map(self, context: Context, saliency: Tensor) -> float:
        """Ask for all copies, once a case."""

        def ask() -> float:
            return float(_kept(context, changed_copies(context, self.radius, self.samples, self.seed)).double().mean())

        return context.once(("kept", self), ask)
