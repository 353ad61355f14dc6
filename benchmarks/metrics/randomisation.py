"""The model-randomisation check: whether a method's map changes when the network's weights become random."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

from baselines.randomising import layer_names, randomised
from benchmarks.metrics.max_sensitivity import explained
from benchmarks.metrics.metric import (
    NOT_APPLICABLE,
    Context,
    CurveLabels,
    Measurement,
    MethodMetric,
    passed_over,
    sized,
)
from mint.contract import Attributor, InputError
from mint.parameters import require_count, require_seed, require_word

Similarity = Literal["rank-correlation", "ssim"]
WINDOW = 11
"""Side of structural similarity's Gaussian window, in pixels: it is cut off at 3.5 times its sigma of 1.5."""


@dataclass(frozen=True)
class Randomisation(MethodMetric):
    """How alike a method's maps of the trained network and of ever more randomised ones are: mean over stages.

    Source: the cascading randomisation of J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim, "Sanity
    Checks for Saliency Maps", NeurIPS 2018: the layer of the logits first, then the layers below it as well. Direction:
    lower is better, because the map of a method that explains the network has to change with the network. Range:
    [-1, 1]. The curve has the similarity by the share of layers randomised. A constant map has no similarity to any
    other: the score is NaN where the map of the trained network is constant, or those of all stages; a single stage
    whose map is constant is left out of the mean, and the case has no curve. NaN, too, for cases that are passed over.

    What it cannot tell: whether the map is right; a map of noise passes. The check is disputed. Randomising from the
    top leaves the lower layers' features as they were, so methods that rightly build on these change less (A. Binder et
    al., "Shortcomings of Top-Down Randomization-Based Sanity Checks for Evaluations of Deep Neural Network
    Explanations", CVPR 2023). The similarities favour noisy methods over smooth ones, because noise is never similar to
    other noise, and the order of the layers matters (A. Hedström et al., "A Fresh Look at Sanity Checks for Saliency
    Maps", World Conference on XAI 2024). So a high value is a reason for doubt, a low value proves nothing, and small
    differences do not rank methods. A value below 0, where random logits have turned a map around, is no better than 0.

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
        One case in so many is measured; the case's digest decides which. The score of the others is NaN.
    """

    direction = "lower"
    curve_labels = CurveLabels("mean", "share of the layers randomised", "similarity to the first map")

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
        require_word("similarity", self.similarity, list(SIMILARITIES))
        require_count("stages", self.stages, 1)
        require_seed("seed", self.seed)
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; the network is handed back bit for bit, also after an error."""
        if passed_over(context, self.every):
            return NOT_APPLICABLE
        cascade = stages_of(context.network.module, self.stages)
        key = ("randomised maps", repr(method), self.stages, self.seed)
        trained, *others = context.once(key, lambda: _maps(context, method, cascade, self.seed))
        if self.absolute:
            trained, others = np.abs(trained), [np.abs(each) for each in others]
        values = np.array([similarity(self.similarity, trained, each) for each in others])
        defined = ~np.isnan(values)
        if not defined.any():
            return NOT_APPLICABLE
        layers = len(layer_names(context.network.module))
        shares = np.array([len(names) / layers for names in cascade])
        return Measurement(float(values[defined].mean()), (shares, values) if defined.all() else None)


def _maps(context: Context, method: Attributor, cascade: list[list[str]], seed: int) -> np.ndarray:
    """Explain the trained network, and then the one of each stage: (stages + 1, h, w) float64."""
    images = context.image.unsqueeze(0)
    maps = [explained(context, method, images)]
    for names in cascade:
        with randomised(context.network.module, seed, names):
            maps.append(explained(context, method, images))
    return torch.cat(maps).cpu().double().numpy()


def stages_of(model: nn.Module, stages: int) -> list[list[str]]:
    """Return the names of the layers that are randomised at each stage, ever more of them.

    A single stage has the last layer alone; of more, the last has all. InputError if there are no layers.
    """
    names = layer_names(model)
    if not names:
        raise InputError("the network has no layer with parameters, so there is nothing to randomise.")
    last, *others = reversed(names)
    groups = [[last]]
    if stages > 1 and others:
        groups += [list(group) for group in np.array_split(others, min(stages - 1, len(others)))]
    return [[str(name) for group in groups[: count + 1] for name in group] for count in range(len(groups))]


def similarity(kind: str, one: np.ndarray, other: np.ndarray) -> float:
    """Return how alike two maps are, by one of `SIMILARITIES`; NaN if one of them is constant."""
    if kind == "ssim":  # it reads how large values are
        one, other = (sized(torch.from_numpy(each)).numpy() for each in (one, other))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(SIMILARITIES[kind](one, other))


def _ssim(one: np.ndarray, other: np.ndarray) -> float:
    if min(one.shape) < WINDOW:
        raise InputError(f"structural similarity needs {WINDOW} pixels each way, and a map has {one.shape}.")
    stretched = ((each - each.min()) / np.ptp(each) for each in (one, other))
    # The settings are those of the authors of structural similarity.
    settings = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(*stretched, **settings))  # type: ignore[no-untyped-call]


SIMILARITIES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "rank-correlation": lambda one, other: spearmanr(one.ravel(), other.ravel()).statistic,
    "ssim": _ssim,
}
