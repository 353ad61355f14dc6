"""The methods that MINT is compared with, each called by a thin adapter, in groups; and four nulls.

One file holds one method. A method that needs a package beyond the extra ``benchmarks`` says so by its class attribute
``needs``, see `baselines.packages`.
"""

from collections.abc import Callable, Mapping

from baselines.extremal import ExtremalPerturbation
from baselines.gradcam import GradCAM
from baselines.lime import LIME
from baselines.nulls import Centre, Constant, Random, Sobel
from baselines.occlusion import EngineOcclusion, Occlusion
from baselines.partition_shap import PartitionSHAP
from baselines.rise import RISE
from baselines.sobol import SobolAttribution
from mint.contract import Attributor

__all__ = [
    "GROUPS",
    "LIME",
    "METHODS",
    "NULLS",
    "RISE",
    "Centre",
    "Constant",
    "EngineOcclusion",
    "ExtremalPerturbation",
    "GradCAM",
    "Occlusion",
    "PartitionSHAP",
    "Random",
    "Sobel",
    "SobolAttribution",
]

_GRADIENT: Mapping[str, Callable[[], Attributor]] = {}
_CAM: Mapping[str, Callable[[], Attributor]] = {
    "gradcam": GradCAM,
}
_PERTURBATION: Mapping[str, Callable[[], Attributor]] = {
    "lime": LIME,
    "occlusion": Occlusion,
    "occlusion-engine": EngineOcclusion,
    "rise": RISE,
    "sobol": SobolAttribution,
    "extremal-perturbation": ExtremalPerturbation,
    "partition-shap": PartitionSHAP,
}
_NULL: Mapping[str, Callable[[], Attributor]] = {
    "random": Random,
    "constant": Constant,
    "centre": Centre,
    "sobel": Sobel,
}

GROUPS: Mapping[str, Mapping[str, Callable[[], Attributor]]] = {
    "gradient": _GRADIENT,
    "cam": _CAM,
    "perturbation": _PERTURBATION,
    "null": _NULL,
}
"""The methods by the group that ``--methods @GROUP`` stands for."""

METHODS: Mapping[str, Callable[[], Attributor]] = {
    name: method for group in GROUPS.values() for name, method in group.items()
}

NULLS = tuple(_NULL)
"""The methods that know nothing of the network. Every table has them; a useful method is better than each."""
