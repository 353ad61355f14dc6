"""LIME: a linear model of the network's answer around one picture, over its super-pixels.

Reference: M. T. Ribeiro, S. Singh, C. Guestrin, "'Why Should I Trust You?': Explaining the Predictions of Any
Classifier", KDD 2016, equations 1 and 2. With states z in {0, 1}^q, a super-pixel being there or not:

    min over w, b of  sum over k of  pi(z_k) (g(z_k) - w z_k - b)^2  +  alpha |w|^2
    pi(z) = exp( -D(z)^2 / (2 width^2) ),   D(z) = 1 - cos(z, 1) = 1 - sqrt(share of super-pixels present)

with g the target's softmax probability, or another score. A super-pixel's value in the map is its weight in w. Sampled
and fitted by Captum's ``Lime`` with scikit-learn's ``Ridge``; hyper-parameters from the authors' image package
``lime_image`` and its image tutorial.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, sqrt

import torch
from captum._utils.models.linear_model import SkLearnLinearModel
from captum.attr import Lime
from torch import Tensor, nn

from baselines.asking import score_of
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count, require_number, require_seed
from mint.perturbation import pictures_at_once, seeded
from mint.picture import to_picture
from mint.quickshift import require_quickshift
from mint.scores import Score, require_score
from mint.superpixels import Labels, quickshift


@dataclass(frozen=True)
class LIME:
    """LIME's weights, spread over Quickshift super-pixels.

    As in ``lime_image``: the first sample is the whole picture, the others keep each super-pixel with
    probability one half; proximity is measured between states, not pixels; every super-pixel enters the
    regression. Absent super-pixels become 0 in the network's normalised space, which is the image
    tutorial's ``hide_color=0`` (``lime_image``'s own default is each super-pixel's mean colour).

    Captum's defaults are others (25 samples, Lasso with alpha .01, a kernel of width 1 on the cosine between pixels)
    and are not used. Only its loop is: ``batch_size`` is Captum's ``perturbations_per_eval``.

    Parameters
    ----------
    samples
        Pictures put to the network; the tutorial's 1000.
    kernel_size, max_dist, ratio
        Quickshift's, in pixels at any picture size; ``lime_image``'s.
    kernel_width
        Width of the proximity kernel; ``lime_image``'s.
    alpha
        Ridge penalty; ``lime_image``'s.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    batch_size
        Perturbed pictures through the network at a time; None lets the perturbation engine choose. The
        maps do not depend on it.
    seed
        Seed of the samples and of Quickshift's tie-breaking; the same for each picture.
    """

    samples: int = 1000
    kernel_size: float = 4.0
    max_dist: float = 200.0
    ratio: float = 0.2
    kernel_width: float = 0.25
    alpha: float = 1.0
    batch_size: int | None = None
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 2)
        require_number("kernel_width", self.kernel_width, 1e-3, 1e3)
        require_number("alpha", self.alpha, 0)
        require_quickshift(self.kernel_size, self.max_dist, self.ratio)
        require_seed("seed", self.seed, 31)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps, constant on each super-pixel."""
        with explaining(model, images, targets):
            maps = [self._explain(model, *pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Tensor:
        labels = torch.from_numpy(self.superpixels(image)).to(image.device)
        lime = Lime(
            score_of(model, target, self.score),
            interpretable_model=SkLearnLinearModel("linear_model.Ridge", alpha=self.alpha),
            similarity_func=self._proximity,
            perturb_func=self._draw_states,
        )
        # The samples are drawn from our own generator. But Captum goes through them by a DataLoader, which draws a
        # number from the global generator.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            weights: Tensor = lime.attribute(
                image.unsqueeze(0),
                feature_mask=labels.view(1, 1, *labels.shape),
                n_samples=self.samples,
                perturbations_per_eval=pictures_at_once(self.batch_size, image),
                return_input_shape=False,
            )
        return weights.flatten().to(image.device, torch.float32)[labels]

    def superpixels(self, image: Tensor) -> Labels:
        """Cut a (c, h, w) image into Quickshift super-pixels: (h, w) int64 labels from 0, without gaps."""
        return quickshift(to_picture(image), self.kernel_size, self.max_dist, self.ratio, self.seed, image.device)

    # Captum calls the two functions below with whatever it holds besides; its own perturb_func draws from
    # the global generator.

    def _draw_states(self, image: Tensor, *, num_interp_features: int, **_: object) -> Iterator[Tensor]:
        generator = seeded(self.seed)
        yield torch.ones(1, num_interp_features, dtype=torch.int64, device=image.device)
        while True:
            coins = torch.randint(0, 2, (1, num_interp_features), generator=generator)
            yield coins.to(image.device)

    def _proximity(self, image: Tensor, perturbed: Tensor, state: Tensor, **_: object) -> float:
        distance = 1 - sqrt(state.sum().item() / state.numel())
        return exp(-(distance**2) / (2 * self.kernel_width**2))
