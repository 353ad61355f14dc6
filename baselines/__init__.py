"""The methods that MINT stands beside: three Captum baselines, each a thin adapter, and three controls."""

from collections.abc import Callable, Mapping

from baselines.controls import Centre, Random, Sobel
from baselines.gradcam import GradCAM
from baselines.lime import LIME
from baselines.occlusion import EngineOcclusion, Occlusion
from mint.attributor import Attributor

__all__ = ["LIME", "METHODS", "Centre", "EngineOcclusion", "GradCAM", "Occlusion", "Random", "Sobel"]

METHODS: Mapping[str, Callable[[], Attributor]] = {
    "gradcam": GradCAM,
    "lime": LIME,
    "occlusion": Occlusion,
    "occlusion-engine": EngineOcclusion,
    "random": Random,
    "centre": Centre,
    "sobel": Sobel,
}
