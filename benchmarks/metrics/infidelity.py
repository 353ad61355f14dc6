"""Infidelity: how badly a map predicts what removing a square does to the answer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.metrics.metric import Context, DeviceMetric, sized
from benchmarks.metrics.removal.curve import check_removal
from mint.parameters import require_count, require_number, require_seed
from mint.perturbation import masked_scores, seeded
from mint.scores import Score


@dataclass(frozen=True)
class Infidelity(DeviceMetric):
    """Mean squared error of the drop that the map predicts for a removed square, the map scaled to predict best.

        min over b of  mean over squares S of  (b sum over S of s - (f(x) - f(x without S)))^2

    Source: C.-K. Yeh, C.-Y. Hsieh, A. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and Sensitivity of
    Explanations", NeurIPS 2019, with square removal, as Captum's ``infidelity`` with ``normalize=True``, for maps that
    hold each pixel's contribution. A removed pixel becomes 0 in the normalised space. Direction: lower is better.
    Range: from 0 to the mean squared drop, which a map of zeros scores; at most 1 with ``score="probability"``.

    What it cannot tell: a map from its negative, as b may be negative; nor how a map ranks the pixels within a square.
    The mean depends most on the pictures whose answers move most, and the score depends on what a removed pixel becomes
    and on the squares. It asks for additive contributions, which maps that only rank pixels do not promise. Compare
    with the nulls: a constant map may be hard to beat.

    Parameters
    ----------
    side
        Side of a square, as a share of the picture's shorter side.
    samples, seed
        How many squares, anywhere inside the picture with equal chances, and the seed of their places. Each costs a
        forward pass a case, whatever the number of methods.
    score
        The network's answer that is followed.
    """

    direction = "lower"

    side: float = 0.25
    samples: int = 64
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        require_number("side", self.side, 0, 1, beyond=True)
        require_count("samples", self.samples, 2)
        require_seed("seed", self.seed)
        check_removal("zero", self.score)

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Compare the drops that the map predicts with the network's, which are found once a case."""
        squares, drops = context.once(("squares", self), lambda: self._ask(context))
        predicted = squares @ sized(saliency).double().flatten()
        size = predicted.square().sum()
        best = torch.where(size > 0, predicted @ drops / size, 0.0)
        return (best * predicted - drops).square().mean()

    def _ask(self, context: Context) -> tuple[Tensor, Tensor]:
        """Return the squares, (samples, pixels) float64 of 0 and 1, and how much the answer drops without each."""
        image = context.image
        generator = seeded(self.seed)
        height, width = image.shape[-2:]
        side = max(1, round(self.side * min(height, width)))
        tops = torch.randint(height - side + 1, (self.samples, 1), generator=generator)
        lefts = torch.randint(width - side + 1, (self.samples, 1), generator=generator)
        rows, columns = torch.arange(height) - tops, torch.arange(width) - lefts
        down, across = ((each >= 0) & (each < side) for each in (rows, columns))
        squares = (down.unsqueeze(2) & across.unsqueeze(1)).flatten(1)
        whole = torch.ones_like(squares[:1])
        answers = masked_scores(
            context.network.module,
            image,
            torch.zeros_like(image),
            torch.arange(height * width).view(height, width),
            torch.cat([whole, ~squares]),
            context.case.target,
            score=self.score,
            batch_size=context.batch_size,
        )
        return squares.to(image.device).double(), (answers[0] - answers[1:]).to(image.device)
