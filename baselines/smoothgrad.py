"""SmoothGrad: the gradient averaged over noisy copies of the picture.

Reference: D. Smilkov, N. Thorat, B. Kim, F. Viegas, M. Wattenberg, "SmoothGrad: Removing Noise by Adding Noise",
arXiv 1706.03825, 2017:

    map(p) = sum over channels c of  | mean over k of  d y(X + s N_k) / d X_c(p) |

with y the target's logit, or another score, N_k standard normal noise and s a share of the picture's range. The
gradients are averaged with their signs, and the absolute values are added over the channels afterwards, as in the
authors' package ``saliency``. The gradients are those of Captum's ``Saliency``. The noise is drawn here, as Captum's
``NoiseTunnel`` takes it from the global generator of the picture's device: on a GPU it would be other noise. It costs
as many forward and backward passes as there are samples.
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
class SmoothGrad:
    """The mean gradient around the picture.

    Parameters
    ----------
    samples
        Noisy copies; the paper's 50.
    noise
        The noise's standard deviation, as a share of the picture's range, which is its largest value less its smallest.
        The paper recommends 0.1 to 0.2; the authors' package has 0.15.
    channels
        What is told of a pixel's channels: "sum-abs" or "max-abs", of the absolute values; or "sum", with the signs.
    batch_size
        Noisy copies through the network at a time; None lets the perturbation engine choose. The maps do not depend on
        it.
    seed
        Seed of the noise, which is the same for each picture.
    score
        y: "logit", "probability", "log-probability", "sigmoid", or a function; see `mint.scores.read_scores`.
    """

    samples: int = 50
    noise: float = 0.15
    channels: Channels = "sum-abs"
    batch_size: int | None = None
    seed: int = 0
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 1)
        require_number("noise", self.noise, 0)
        require_channels(self.channels)
        require_seed("seed", self.seed)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            gradients = [self._mean_gradient(model, *pair) for pair in zip(images, targets, strict=True)]
        return over_channels(torch.stack(gradients), self.channels)

    def _mean_gradient(self, model: nn.Module, image: Tensor, target: Tensor) -> Tensor:
        generator = seeded(self.seed)
        deviation = self.noise * (image.max() - image.min())
        size = pictures_at_once(self.batch_size, image)
        total = torch.zeros_like(image, dtype=torch.float32)
        for start in range(0, self.samples, size):
            count = min(size, self.samples - start)
            # One sample at a time, so that the noise does not depend on the size of the batches.
            drawn = torch.stack([torch.randn(image.shape, generator=generator) for _ in range(count)])
            noisy = image.detach() + deviation.detach() * drawn.to(image)
            total += input_gradients(model, noisy, target.expand(count), self.score).float().sum(dim=0)
        return total / self.samples
