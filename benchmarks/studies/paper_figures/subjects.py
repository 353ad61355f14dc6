"""One picture and class, explained by MINT and by the two methods that its paper compares it with."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

import baselines
from benchmarks.datasets import Case
from benchmarks.networks.network import Network
from benchmarks.plans import PLANS
from benchmarks.run.methods import bind
from mint import MINT, Display, Explanation
from mint.contract import Attributor, attribute


@dataclass(frozen=True)
class Group:
    """Pictures that are explained alike.

    Attributes
    ----------
    network : Network
        The network that is explained.
    cases : tuple of Case
        A picture and a class each.
    minimal_importance : float
        MINT's parameter of this name.
    """

    network: Network
    cases: tuple[Case, ...]
    minimal_importance: float = 0.0


@dataclass(frozen=True)
class Subject:
    """A case with what three methods say about it.

    Attributes
    ----------
    network : Network
    case : Case
    top : bool
        Whether the case's class is the network's first.
    explanation : Explanation
        MINT's.
    gradcam, lime : numpy.ndarray
        float32 (h, w), the maps of Grad-CAM and LIME.
    """

    network: Network
    case: Case
    top: bool
    explanation: Explanation
    gradcam: np.ndarray
    lime: np.ndarray


def explain(group: Group, case: Case, samples: int, seed: int) -> Subject:
    """Explain a case by MINT, Grad-CAM and LIME, set as the benchmark's plans have them.

    Parameters
    ----------
    group : Group
        Names the network.
    case : Case
        One of the group's.
    samples, seed : int
        For MINT and LIME.
    """
    network = group.network
    set_mint, set_lime = _methods(network.entry.name)
    mint = replace(set_mint, samples=samples, shown=Display(minimal_importance=group.minimal_importance))
    mint = cast(MINT, bind(mint, network.entry, seed=seed))
    lime = bind(replace(set_lime, samples=samples), network.entry, seed=seed)
    gradcam = bind(baselines.GradCAM(), network.entry)
    image = network.tensor(case.image)
    return Subject(
        network=network,
        case=case,
        top=bool(probabilities(network, case.image).argmax() == case.target),
        explanation=mint.explain(network.module, image, case.target),
        gradcam=_map(gradcam, network, image, case.target),
        lime=_map(lime, network, image, case.target),
    )


def probabilities(network: Network, image: np.ndarray) -> np.ndarray:
    """Return the network's softmax probabilities for one uint8 (h, w, 3) picture: (classes,) float32."""
    with torch.no_grad():
        answer: np.ndarray = network.module(network.tensor(image)[None]).softmax(dim=1)[0].cpu().numpy()
    return answer


def _map(method: Attributor, network: Network, image: torch.Tensor, target: int) -> np.ndarray:
    targets = torch.tensor([target], device=image.device)
    evidence: np.ndarray = attribute(method, network.module, image[None], targets)[0].cpu().numpy()
    return evidence


def _methods(network: str) -> tuple[MINT, baselines.LIME]:
    """Find MINT and LIME as set in the first plan that has the network."""
    parts = (part for plan in PLANS.values() for part in plan.parts if network in part.networks)
    part = next(part for part in parts if {"mint", "lime"} <= part.methods.keys())
    return cast(MINT, part.methods["mint"]), cast(baselines.LIME, part.methods["lime"])
