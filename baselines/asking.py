"""What perturbation methods ask of the network: Captum's, and those that draw their own copies of a picture."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mint.contract import read_scores
from mint.perturbation import scores_of_drawn
from mint.scores import Score


def score_of(model: nn.Module, target: int, score: Score) -> Callable[[Tensor], Tensor]:
    """Return the function from a batch of images to the scores of one class."""

    def scores(batch: Tensor) -> Tensor:
        return read_scores(model, batch, torch.full((len(batch),), target, device=batch.device), score)

    return scores


def drawn_scores(
    model: nn.Module,
    image: Tensor,
    count: int,
    draw: Callable[[int, int, Tensor], None],
    target: int,
    score: Score,
    batch_size: int | None,
) -> Tensor:
    """Score one class in the copies that ``draw`` writes, see `mint.perturbation.scores_of_drawn`.

    Returns
    -------
    Tensor
        (count,) float64 on the CPU.

    Raises
    ------
    InputError
        If the network's answer cannot be used.
    """
    columns = torch.tensor([target], device=image.device)
    return scores_of_drawn(model, image, count, draw, target, columns, [score], batch_size).read()[:, 0]
