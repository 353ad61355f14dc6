"""GradientSHAP: gradients between random baselines and the picture, which estimate Shapley values.

Reference: S. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017, and the
``GradientExplainer`` of its package ``shap``; G. Erion et al., "Improving Performance of Deep Learning Models with
Axiomatic Attribution Priors and Expected Gradients", Nature Machine Intelligence 2021, equation 3:

    map(p) = sum over channels c of  mean over k of  (X_c(p) - B_kc(p))  d y(B_k + a_k (X - B_k)) / d X_c(p)

with y the target's logit, or another score, a_k uniform in [0, 1] and B_k a baseline. In the mean over many samples
the map's sum is y(X) less the mean of y(B), so the channels are added with their signs. A network alone does not know
the pictures that it was trained on, so the baselines are noise: normal with the mean and the deviation that
normalisation gives such pictures, as in the example of Captum's documentation. The gradients are Captum's; the random
numbers are drawn here, as Captum's ``GradientShap`` takes them from NumPy's global generator. It costs as many forward
and backward passes as there are samples.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.gradients import Channels, input_gradients, over_channels, require_channels
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count, require_number, require_seed
from mint.perturbation import pictures_at_once, seeded
from mint.scores import Score, require_score


@dataclass(frozen=True)
class GradientSHAP:
    """The picture's difference to random baselines, times the gradient at a random place between the two.

    Parameters
    ----------
    samples
        Baselines; 50, as many as integrated gradients has steps. (Captum's 5 leave much noise.)
    spread
        The baselines' standard deviation in the normalised space; 0 makes all of them the mean colour.
    channels
        What is told of a pixel's channels: "sum", with the signs; "sum-abs" or "max-abs", of the absolute values.
    batch_size
        Samples through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    seed
        Seed of the samples, which are the same for each picture.
    score
        y: "logit", "probability", "log-probability", "sigmoid", or a function; see `mint.scores.read_scores`.
    """

    samples: int = 50
    spread: float = 1.0
    channels: Channels = "sum"
    batch_size: int | None = None
    seed: int = 0
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 1)
        require_number("spread", self.spread, 0)
        require_channels(self.channels)
        require_seed("seed", self.seed)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            values = [self._values(model, *pair) for pair in zip(images, targets, strict=True)]
        return over_channels(torch.stack(values), self.channels)

    def _values(self, model: nn.Module, image: Tensor, target: Tensor) -> Tensor:
        generator = seeded(self.seed)
        size = pictures_at_once(self.batch_size, image)
        total = torch.zeros_like(image, dtype=torch.float32)
        for start in range(0, self.samples, size):
            count = min(size, self.samples - start)
            drawn = [draw(generator, image.shape) for _ in range(count)]
            baselines = self.spread * torch.stack([noise for noise, _ in drawn]).to(image)
            shares = torch.stack([share for _, share in drawn]).to(image).view(count, 1, 1, 1)
            differences = image.detach() - baselines
            points = baselines + shares * differences
            gradients = input_gradients(model, points, target.expand(count), self.score)
            total += (gradients * differences).float().sum(dim=0)
        return total / self.samples


def draw(generator: torch.Generator, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Draw one sample: a baseline of standard deviation 1, and the share of the way from it to the picture."""
    return torch.randn(shape, generator=generator), torch.rand((), generator=generator)
