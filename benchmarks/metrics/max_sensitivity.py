"""Max-sensitivity: how much a method's map changes under small random changes of the picture."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Measurement, MethodMetric, passed_over, sized
from mint.contract import Attributor, attribute, explaining
from mint.parameters import require_count, require_number, require_seed
from mint.perturbation import seeded


@dataclass(frozen=True)
class MaxSensitivity(MethodMetric):
    """The largest change of the map under small random changes of the picture, as a share of the map's size.

        max over samples of  ||map(x + d) - map(x)|| / ||map(x)||,   d uniform in [-radius, radius]

    Source: C.-K. Yeh, C.-Y. Hsieh, A. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and Sensitivity of
    Explanations", NeurIPS 2019, as Captum's ``sensitivity_max`` with its default distribution; its own draws would come
    from the global generator. Direction: lower is better. Range: 0 and up; NaN where the map is all zeros (there Captum
    divides by 1), and for cases that are passed over.

    What it cannot tell: whether the map is right. A map that does not depend on the picture scores a perfect 0. Where
    the network itself is unstable, the true explanation changes, too. The maximum over a few draws is a lower bound,
    which grows with their number.

    Parameters
    ----------
    radius
        Largest change of a pixel, in the network's normalised units.
    samples, seed
        How many changed pictures, and their seed; each costs an explanation, and one more is that of the picture.
    every
        One case in so many is measured; the case's digest decides which. The score of the others is NaN.
    """

    direction = "lower"

    radius: float = 0.02
    samples: int = 4
    seed: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        require_number("radius", self.radius, 0, beyond=True)
        require_count("samples", self.samples, 1)
        require_seed("seed", self.seed)
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where its map is all zeros, or the case is passed over."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        copies = changed_copies(context, self.radius, self.samples, self.seed)
        return Measurement(largest_change(context, method, copies))


def changed_copies(context: Context, radius: float, samples: int, seed: int) -> Tensor:
    """Change a picture at random by at most ``radius``, in the network's units: (samples, c, h, w)."""
    generator = seeded(seed)
    changes = torch.empty(samples, *context.image.shape).uniform_(-radius, radius, generator=generator)
    return context.image + changes.to(context.image.device)


def explained(context: Context, method: Attributor, images: Tensor) -> Tensor:
    """Explain pictures, (n, c, h, w), for the case's target: (n, h, w)."""
    model, targets = context.network.module, torch.full((len(images),), context.case.target, device=images.device)
    with torch.enable_grad(), explaining(model, images, targets):
        return attribute(method, model, images, targets).detach()


def largest_change(context: Context, method: Attributor, copies: Tensor) -> float:
    """Return how far the maps of changed copies are from the picture's own, at most, as a share of its size.

    NaN where the picture's own is all zeros.
    """
    own, others = (explained(context, method, each).flatten(1) for each in (context.image.unsqueeze(0), copies))
    # A power of two: dividing by it changes no digit, and keeps the squares of tiny and of huge values in float32.
    largest = sized(own).abs().max()
    power = largest / torch.frexp(largest).mantissa
    own, others = own / power, others / power
    moved = torch.linalg.vector_norm(others - own, dim=1).max()
    # 0 divided by 0 is NaN, but a map of zeros that changes would be infinitely sensitive.
    size = torch.linalg.vector_norm(own)
    return float(torch.where(size > 0, moved / size, torch.nan))
