"""Feature ablation: how far the answer falls when one super-pixel of the picture is hidden.

Reference: R. C. Fong, A. Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", ICCV 2017,
calls it ablation; it is the occlusion of Zeiler and Fergus (ECCV 2014) with super-pixels in place of windows. A
super-pixel's value is

    map(j) = g(X) - g(X without super-pixel j)

with g the target's softmax probability, or another score. Hidden pixels are 0 in the normalised space. Computed by
Captum's ``FeatureAblation`` on the Quickshift super-pixels of LIME.

Cost: one forward pass for the picture and one for each super-pixel; no backward pass.
"""

from dataclasses import dataclass

import torch
from captum.attr import FeatureAblation as CaptumFeatureAblation
from torch import Tensor, nn

from baselines.asking import score_of
from mint.contract import explaining
from mint.parameters import require_batch_size, require_seed
from mint.perturbation import pictures_at_once
from mint.picture import to_picture
from mint.quickshift import require_quickshift
from mint.scores import Score, require_score
from mint.superpixels import quickshift


@dataclass(frozen=True)
class FeatureAblation:
    """Captum's FeatureAblation of Quickshift super-pixels.

    Parameters
    ----------
    kernel_size, max_dist, ratio
        Quickshift's, as for :class:`~baselines.lime.LIME`. A larger kernel makes fewer and larger super-pixels, and
        so fewer forward passes.
    batch_size
        Captum's ``perturbations_per_eval``: perturbed pictures through the network at a time; None lets the
        perturbation engine choose. The maps do not depend on it.
    seed
        Seed of Quickshift's tie-breaking.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    """

    kernel_size: float = 4.0
    max_dist: float = 200.0
    ratio: float = 0.2
    batch_size: int | None = None
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
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
        found = quickshift(to_picture(image), self.kernel_size, self.max_dist, self.ratio, self.seed, image.device)
        labels = torch.from_numpy(found).to(image.device)
        with torch.no_grad():
            falls: Tensor = CaptumFeatureAblation(score_of(model, target, self.score)).attribute(
                image.unsqueeze(0),
                feature_mask=labels.view(1, 1, *labels.shape),
                perturbations_per_eval=pictures_at_once(self.batch_size, image),
            )
        # A super-pixel is hidden in all channels: each holds the same map.
        return falls[0, 0].float()
