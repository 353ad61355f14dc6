"""KernelSHAP: Shapley values of super-pixels, as the weights of a linear model of the network's answer.

Reference: S. M. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, theorem 2.
With states z in {0, 1}^q, a super-pixel being there or not, and |z| how many are:

    min over w, b of  sum over z of  pi(z) (g(z) - w z - b)^2
    pi(z) = (q - 1) / ( (q choose |z|) |z| (q - |z|) )

with g the target's softmax probability, or another score. Over all 2^q states, w are the Shapley values: super-pixel
j's mean gain in g over all orders in which the super-pixels may be put into the picture. Over a sample, they are an
estimate. Computed by Captum's ``KernelShap``: it draws |z| with the weight that pi gives to all states of that size,
then one of these states, and weighs the drawn states alike. The whole picture and the empty one, where pi is infinite,
come first, with the weight 10^6; so the map's super-pixels add up to g(picture) - g(empty).

Cost: ``samples`` forward passes; no backward pass.
"""

from dataclasses import dataclass

import torch
from captum.attr import KernelShap as CaptumKernelShap
from torch import Tensor, nn

from baselines.asking import score_of
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count, require_seed
from mint.perturbation import pictures_at_once
from mint.picture import to_picture
from mint.quickshift import require_quickshift
from mint.scores import Score, require_score
from mint.superpixels import quickshift


@dataclass(frozen=True)
class KernelSHAP:
    """Captum's KernelSHAP on Quickshift super-pixels, cut as LIME's are.

    Absent super-pixels become 0 in the normalised space. Captum's 25 samples are too few for a linear model of a
    hundred super-pixels.

    Parameters
    ----------
    samples
        Pictures put to the network; as many as LIME's. They should be several times the number of super-pixels.
    kernel_size, max_dist, ratio
        Quickshift's, as for :class:`~baselines.lime.LIME`.
    batch_size
        Captum's ``perturbations_per_eval``: perturbed pictures through the network at a time; None lets the
        perturbation engine choose. The maps do not depend on it.
    seed
        Seed of the samples and of Quickshift's tie-breaking; the same for each picture.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    """

    samples: int = 1000
    kernel_size: float = 4.0
    max_dist: float = 200.0
    ratio: float = 0.2
    batch_size: int | None = None
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 2)
        require_quickshift(self.kernel_size, self.max_dist, self.ratio)
        require_seed("seed", self.seed, 31)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps, constant on each super-pixel."""
        with explaining(model, images, targets), torch.no_grad():
            maps = [self._explain(model, *pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Tensor:
        found = quickshift(to_picture(image), self.kernel_size, self.max_dist, self.ratio, self.seed, image.device)
        labels = torch.from_numpy(found).to(image.device)
        ask = score_of(model, target, self.score)
        if not labels.any():  # Captum has no size to draw for a single super-pixel, which gains all that there is
            whole, empty = ask(torch.stack([image, torch.zeros_like(image)])).tolist()
            return torch.full_like(image[0], whole - empty, dtype=torch.float32)
        # Captum draws from the CPU's global generator alone. torch.manual_seed would also set those of the GPUs.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(self.seed))
            values: Tensor = CaptumKernelShap(ask).attribute(
                image.unsqueeze(0),
                feature_mask=labels.view(1, 1, *labels.shape),
                n_samples=self.samples,
                perturbations_per_eval=pictures_at_once(self.batch_size, image),
                return_input_shape=False,
            )
        return values.flatten().to(image.device, torch.float32)[labels]
