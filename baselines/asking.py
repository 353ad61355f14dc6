"""What Captum's perturbation methods ask of the network."""

from collections.abc import Callable

from torch import Tensor, nn

from mint.contract import read_scores


def probability_of(model: nn.Module, target: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the function from a batch of images to the softmax probabilities of one class, a scalar tensor."""

    def probability(batch: Tensor) -> Tensor:
        return read_scores(model, batch, target.expand(len(batch)))

    return probability
