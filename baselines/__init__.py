"""The methods that MINT is compared with: three methods by Captum, each called by a thin adapter, and four nulls."""

from collections.abc import Callable, Mapping

from baselines.gradcam import GradCAM
from baselines.lime import LIME
from baselines.nulls import Centre, Constant, Random, Sobel
from baselines.occlusion import EngineOcclusion, Occlusion
from mint.contract import Attributor

__all__ = [
    "LIME",
    "METHODS",
    "NULLS",
    "Centre",
    "Constant",
    "EngineOcclusion",
    "GradCAM",
    "Occlusion",
    "Random",
    "Sobel",
]

METHODS: Mapping[str, Callable[[], Attributor]] = {
    "gradcam": GradCAM,
    "lime": LIME,
    "occlusion": Occlusion,
    "occlusion-engine": EngineOcclusion,
    "random": Random,
    "constant": Constant,
    "centre": Centre,
    "sobel": Sobel,
}

NULLS = ("random", "constant", "centre", "sobel")
"""The methods that know nothing of the network. Every table has them; a useful method is better than each."""
