"""Max-sensitivity and infidelity, by Captum.

Source: C.-K. Yeh, C.-Y. Hsieh, A. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and Sensitivity of
Explanations", NeurIPS 2019. Captum computes both; the random perturbations are drawn here, by a generator of our own,
where Captum's own would draw from the global ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.metrics import infidelity, sensitivity_max

from benchmarks.metrics.metric import Average, Context, Direction, Measurement, check_saliency
from benchmarks.metrics.removal.curve import check_removal
from benchmarks.metrics.surrogate import NOT_APPLICABLE, passed_over
from mint.contract import InputError, attribute, explaining
from mint.perturbation import masked_scores
from mint.scores import Score

if TYPE_CHECKING:
    from torch import Tensor

    from mint.contract import Attributor


@dataclass(frozen=True)
class MaxSensitivity:
    """The largest change of the map under small random changes of the picture, as a share of the map's size.

        max over samples of  ||map(x + d) - map(x)|| / ||map(x)||,   d uniform in [-radius, radius]

    Captum's ``sensitivity_max``, with its default distribution. Direction: lower is better. Range: 0 and up; NaN where
    the map is all zeros (there Captum divides by 1), and for cases that are passed over.

    What it cannot tell: whether the map is right. A map that does not look at the picture, constant or centre, scores
    a perfect 0. Where the network itself is unstable the true explanation changes, too. The maximum over a few draws
    is a lower bound, which grows with their number.

    Parameters
    ----------
    radius
        Largest change of a pixel, in the network's normalised units.
    samples
        How many changed pictures; each costs an explanation, and one more is that of the picture itself.
    seed
        Of the changes.
    every
        Measured on every n-th case, as its digest has it, and NaN for the others.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    radius: float = 0.02
    samples: int = 4
    seed: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise InputError(f"Max-sensitivity needs a radius above 0, not {self.radius}.")
        if self.samples < 1 or self.every < 1:
            raise InputError(
                f"Max-sensitivity needs samples and every of at least 1, not {self.samples} and {self.every}."
            )

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where its map is all zeros, or the case is passed over."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        generator = torch.Generator().manual_seed(self.seed)
        seen: list[Tensor] = []

        def explain(pictures: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
            images = pictures if isinstance(pictures, torch.Tensor) else pictures[0]
            targets = torch.full((len(images),), context.case.target, device=images.device)
            with torch.enable_grad(), explaining(context.network.module, images, targets):
                seen.append(attribute(method, context.network.module, images, targets).detach())
            # Captum takes the rows of a tensor for inputs of their own, so it gets a tuple of one.
            return (seen[-1],)

        def perturb(pictures: Tensor) -> Tensor:
            change = torch.empty(pictures.shape).uniform_(-self.radius, self.radius, generator=generator)
            return pictures + change.to(pictures.device)

        found = sensitivity_max(explain, context.image.unsqueeze(0), perturb, n_perturb_samples=self.samples)
        return Measurement(float(found)) if seen[0].any() else NOT_APPLICABLE


@dataclass(frozen=True)
class Infidelity:
    """Mean squared error of the drop that the map predicts for a removed square, the map scaled to predict best.

        min over b of  mean over squares S of  (b sum over S of s - (f(x) - f(x without S)))^2

    Captum's ``infidelity`` with ``normalize=True``, with the paper's square removal, for maps that hold each
    pixel's contribution: a removed pixel becomes 0 in the normalised space. Direction: lower is better. Range: from 0
    to the mean squared drop, at most 1 with ``score="probability"``; a map of zeros predicts no drop and scores the
    latter.

    What it cannot tell: a map from its negative, as b may be negative; nor how a map ranks pixels within the squares'
    size. It is dominated by the pictures whose answers move most, depends on the removal value and on the squares,
    and asks for additive contributions, which maps that are meant to rank do not promise. Read it beside the
    controls: the best constant prediction, a constant map's, may be hard to beat.

    Parameters
    ----------
    side
        Side of a square, as a share of the picture's shorter side.
    samples
        How many squares, anywhere inside the picture with equal chances; each costs a forward pass a case, whatever
        the number of methods.
    seed
        Of the squares' places.
    score
        The network's answer that is followed.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    side: float = 0.25
    samples: int = 64
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        if not 0 < self.side < 1:
            raise InputError(f"A square's side is a share of the picture's, between 0 and 1, not {self.side}.")
        if self.samples < 2:
            raise InputError(f"Infidelity needs 2 squares or more, not {self.samples}.")
        check_removal("zero", self.score)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        check_saliency(context, saliency)
        squares = context.once(("squares", self), lambda: self._squares(context))
        # For Captum the input is which pixels are present, all of them, so that a map has the input's shape. What the
        # network answers does not depend on the map.
        present = torch.ones_like(squares[:1])
        answers = context.once(
            ("answers to squares", self), lambda: self._ask(context, torch.cat([present, 1 - squares]))
        )
        known = {1: answers[:1], self.samples: answers[1:]}
        found = infidelity(
            lambda presence: known[len(presence)],
            lambda presence: (squares, presence - squares),
            present,
            saliency.double().cpu().unsqueeze(0),
            n_perturb_samples=self.samples,
            normalize=True,
        )
        return Measurement(max(0.0, float(found)))

    def _ask(self, context: Context, presence: Tensor) -> Tensor:
        pixels = presence[0].numel()
        return masked_scores(
            context.network.module,
            context.image,
            torch.zeros_like(context.image),
            torch.arange(pixels).view(presence.shape[1:]),
            presence.flatten(1).bool(),
            context.case.target,
            score=self.score,
            batch_size=context.batch_size,
        )

    def _squares(self, context: Context) -> Tensor:
        """Draw the squares: (samples, h, w) float64 of 0 and 1, on the CPU."""
        generator = torch.Generator().manual_seed(self.seed)
        height, width = context.image.shape[-2:]
        side = max(1, round(self.side * min(height, width)))
        tops = torch.randint(height - side + 1, (self.samples, 1), generator=generator)
        lefts = torch.randint(width - side + 1, (self.samples, 1), generator=generator)
        rows, columns = torch.arange(height) - tops, torch.arange(width) - lefts
        down, across = ((each >= 0) & (each < side) for each in (rows, columns))
        return (down.unsqueeze(2) & across.unsqueeze(1)).double()
