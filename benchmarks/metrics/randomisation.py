"""The model-randomisation check: whether a method's map changes when the network's weights become random.

Source: J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim, "Sanity Checks for Saliency Maps", NeurIPS
2018, cascading randomisation: the layer of the logits first, then the layers below it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from baselines.randomising import layer_names, randomised
from benchmarks.metrics.metric import Average, Context, Direction, Measurement
from benchmarks.metrics.surrogate import NOT_APPLICABLE, passed_over
from mint.contract import InputError, attribute, explaining

if TYPE_CHECKING:
    from torch import nn

    from mint.contract import Attributor

Similarity = Literal["rank-correlation", "ssim"]

WINDOW: Mapping[str, Any] = {
    "data_range": 1.0,
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
}
"""Structural similarity as its authors compute it, in scikit-image's words."""


@dataclass(frozen=True)
class Randomisation:
    """How alike a method's maps of the trained network and of ever more randomised ones are: mean over stages.

    Direction: lower is better, for a method that explains the network must notice that it has another one. Range:
    [-1, 1]. The curve has the similarity by the share of layers randomised, from the logits down. A constant map is
    like nothing: NaN where the map of the trained network is constant, or those of all stages; a single stage whose
    map is constant is left out of the mean, and the case has no curve. NaN, too, for cases that are passed over.

    What it cannot tell: whether the map is right; a map of noise passes. The check is contested. Randomising from the
    top leaves the lower layers' features as they were, so methods that build on these, rightly, change less (A. Binder
    et al., "Shortcomings of Top-Down Randomization-Based Sanity Checks for Evaluations of Deep Neural Network
    Explanations", CVPR 2023); the similarities rank noisy methods above smooth ones, as noise never resembles itself,
    and the order of the layers matters (A. Hedström et al., "A Fresh Look at Sanity Checks for Saliency Maps", World
    Conference on XAI 2024). So a high value is a reason for doubt, a low one shows nothing, and small differences do
    not rank methods; below 0, where a random layer of logits has turned a map around, is no better than 0.

    Parameters
    ----------
    similarity
        "rank-correlation": Spearman's, of all pixels. "ssim": structural similarity of the maps, each stretched to
        [0, 1], with the Gaussian window of sigma 1.5 pixels of its authors (Z. Wang et al., IEEE TIP 2004).
    absolute
        Compare the values' sizes, |s|, instead of the values.
    stages
        In how many steps the cascade goes down: the last layer by itself, the others in groups as equal in number as
        can be. Layers are the modules with parameters of their own, in the order of their definition; weights are
        drawn as :mod:`baselines.randomising` says. Each stage costs an explanation, and the trained network one more.
    seed
        Of the random weights.
    every
        Measured on every n-th case, as its digest has it, and NaN for the others.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    similarity: Similarity = "rank-correlation"
    absolute: bool = False
    stages: int = 5
    seed: int = 0
    every: int = 1

    @property
    def summary(self) -> str:
        """Say in a line what it is."""
        return f"The {self.similarity} of a method's maps of the trained network and of ever more randomised ones."

    def __post_init__(self) -> None:
        if self.similarity not in SIMILARITIES:
            choices = ", ".join(get_args(Similarity))
            raise InputError(f"Unknown similarity {self.similarity!r}; choose one of {choices}.")
        if self.stages < 1 or self.every < 1:
            raise InputError(f"Randomisation needs stages and every of at least 1, not {self.stages} and {self.every}.")

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; the network is handed back bit for bit, also after an error."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        cascade = stages_of(context.network.module, self.stages)
        key = ("randomised maps", repr(method), self.stages, self.seed)
        trained, *others = context.once(key, lambda: self._maps(context, method, cascade))
        if self.absolute:
            trained, others = np.abs(trained), [np.abs(each) for each in others]
        values = np.array([SIMILARITIES[self.similarity](trained, each) for each in others])
        defined = ~np.isnan(values)
        if not defined.any():
            return NOT_APPLICABLE
        layers = len(layer_names(context.network.module))
        shares = np.array([len(names) / layers for names in cascade])
        return Measurement(float(values[defined].mean()), (shares, values) if defined.all() else None)

    def _maps(self, context: Context, method: Attributor, cascade: list[list[str]]) -> list[np.ndarray]:
        model = context.network.module
        images = context.image.unsqueeze(0)
        targets = torch.tensor([context.case.target], device=images.device)

        def explain() -> np.ndarray:
            with explaining(model, images, targets):
                found: np.ndarray = attribute(method, model, images, targets)[0].detach().cpu().double().numpy()
            return found

        maps = [explain()]
        for names in cascade:
            with randomised(model, self.seed, names):
                maps.append(explain())
        return maps


def stages_of(model: nn.Module, stages: int) -> list[list[str]]:
    """Return the names of the layers that are randomised at each stage, ever more of them, at last all."""
    last, *others = reversed(layer_names(model))
    groups = [[last]]
    if stages > 1 and others:
        groups += [list(group) for group in np.array_split(others, min(stages - 1, len(others)))]
    return [[str(name) for group in groups[: count + 1] for name in group] for count in range(len(groups))]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps; NaN if one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Return the structural similarity of two maps, each stretched to [0, 1]; NaN if one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    stretched = ((each - each.min()) / np.ptp(each) for each in (one, other))
    return float(structural_similarity(*stretched, **WINDOW))  # type: ignore[no-untyped-call]


SIMILARITIES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "rank-correlation": rank_correlation,
    "ssim": ssim,
}
