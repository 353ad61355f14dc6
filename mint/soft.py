"""Samples whose super-pixels have soft edges, and which are hidden by several values."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mint.perturbation import Answers, scores_of_drawn
from mint.scores import Score

PIXELS_AT_ONCE = 2**21
"""Of how many pixels the soft masks are that are measured together: 16 MiB each of a few tensors."""


@dataclass(frozen=True, eq=False)
class Edges:
    """A Gaussian blur of masks. Pixels beyond the border count for nothing: the masks of a partition still sum to 1.

    Attributes
    ----------
    rows, columns : Tensor or None
        (h, h) and (w, w): what each row and column takes of the others; None leaves the edges hard.
    """

    rows: Tensor | None = None
    columns: Tensor | None = None

    @property
    def hard(self) -> bool:
        """Whether masks are left as they are."""
        return self.rows is None

    @classmethod
    def of(cls, image: Tensor, width: float) -> "Edges":
        """Make the blur of standard deviation ``width``, a share of the side, for a (c, h, w) image, on its device."""
        if not width:
            return cls()
        return cls(*(_gaussian(size, width * size).to(image.device) for size in image.shape[-2:]))

    def soften(self, masks: Tensor) -> Tensor:
        """Blur masks, (..., h, w)."""
        if self.rows is None or self.columns is None:
            return masks
        return self.rows.to(masks.dtype) @ masks @ self.columns.to(masks.dtype).T

    def gather(self, values: Tensor) -> Tensor:
        """Give each pixel's value, (..., h, w), to those that it was blurred from: the transpose of `soften`."""
        if self.rows is None or self.columns is None:
            return values
        return self.rows.T.to(values.dtype) @ values @ self.columns.to(values.dtype)


def _gaussian(size: int, sigma: float) -> Tensor:
    place = torch.arange(size, dtype=torch.float64)
    distance = (place[:, None] - place) / sigma
    matrix = torch.exp(-distance.square() / 2)
    return (matrix / matrix.sum(dim=1, keepdim=True)).float()


@dataclass(frozen=True, eq=False)
class SoftAnswers:
    """What a network answered about such samples, and what each of them shows; all of it is on the device.

    Attributes
    ----------
    answers : Answers
        Of one class and score.
    shown : Tensor
        (k,) float64, the share of the picture that each sample shows.
    seen : Tensor
        (k, s) float64: what a sample shows of each segment, both softened: the sum of the factor over the pixels,
        divided by the number of the picture's.
    """

    answers: Answers
    shown: Tensor
    seen: Tensor

    def read(self) -> tuple[Tensor, Tensor, Tensor]:
        """Copy all to the host at once, the scores as (k,) float64; InputError if a score is not finite."""
        found = self.answers.read(self.shown[:, None], self.seen)
        return found[:, 0], found[:, 1], found[:, 2:]


@torch.no_grad()
def soft_scores(
    model: nn.Module,
    image: Tensor,
    fills: Tensor,
    labels: Tensor,
    states: Tensor,
    groups: Tensor,
    target: int,
    *,
    edges: Edges,
    factor: Tensor,
    score: Score,
    batch_size: int | None,
) -> SoftAnswers:
    """Score samples of one image, and measure what each of them shows, without waiting for the device.

    Parameters
    ----------
    model, image, labels, states, target, score, batch_size
        As :func:`~mint.perturbation.masked_scores` takes them.
    fills : Tensor
        (f, c, h, w): the hiding values.
    groups : Tensor
        (k,) int64: the hiding value of each sample.
    edges : Edges
        What softens the segments.
    factor : Tensor
        (h, w) float64: how much a pixel counts in what is seen.

    Raises
    ------
    InputError
        If the network's answer cannot be used as a score.
    """
    device, flat = image.device, labels.to(image.device).flatten()
    present, chosen = states.to(image), groups.to(device)
    kept, absent = (each.movedim(-3, -1).contiguous() for each in (image, fills))

    def draw(start: int, stop: int, batch: Tensor) -> None:
        masks = edges.soften(present[start:stop].index_select(1, flat).view(-1, *labels.shape))
        hidden = absent if len(absent) == 1 else absent[chosen[start:stop]]
        torch.lerp(hidden, kept, masks[..., None], out=batch)

    column = torch.tensor([target], device=device)
    answers = scores_of_drawn(model, image, len(states), draw, target, column, [score], batch_size)
    return SoftAnswers(answers, *_shown(present.double(), flat, edges, factor.to(device)))


def _shown(present: Tensor, flat: Tensor, edges: Edges, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Measure what samples show: `SoftAnswers.shown` and `SoftAnswers.seen`."""
    count, pixels = present.shape[1], flat.numel()

    def totals(values: Tensor) -> Tensor:
        return values.new_zeros((len(values), count)).index_add_(1, flat, values) / pixels

    if edges.hard:  # a segment is seen where it lies, in every sample alike
        areas, own = totals(torch.stack([torch.ones_like(factor), factor]).flatten(1))
        return present @ areas, present * own
    shown, seen = [], []
    for some in torch.split(present, max(1, PIXELS_AT_ONCE // pixels)):
        masks = edges.soften(some.index_select(1, flat).view(-1, *factor.shape))
        shown.append(masks.mean(dim=(1, 2)))
        seen.append(totals(edges.gather(masks * factor).flatten(1)))
    return torch.cat(shown), torch.cat(seen)
