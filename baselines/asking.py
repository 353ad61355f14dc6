"""What Captum's perturbation methods ask of the network."""

from collections.abc import Callable

from torch import Tensor, nn

from mint.contract import read_scores
from mint.scores import Score


def score_of(model: nn.Module, target: Tensor, score: Score) -> Callable[[Tensor], Tensor]:
    """Return the function from a batch of images to the scores of one class, a scalar tensor."""

    def scores(batch: Tensor) -> Tensor:
        return read_scores(model, batch, target.expand(len(batch)), score)

    return scores
