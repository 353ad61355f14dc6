"""The methods that MINT is compared with, each called by a thin adapter, in groups; and four nulls.

One file holds one method. A method that needs a package beyond the extra ``benchmarks`` says so by its class attribute
``needs``, see `baselines.packages`.
"""

from collections.abc import Callable, Mapping

from baselines.deeplift import DeepLIFT
from baselines.extremal import ExtremalPerturbation
from baselines.feature_ablation import FeatureAblation
from baselines.gradcam import GradCAM
from baselines.gradcam_plus_plus import GradCAMPlusPlus
from baselines.gradient_shap import GradientSHAP
from baselines.guided_backprop import GuidedBackprop
from baselines.guided_gradcam import GuidedGradCAM
from baselines.hirescam import HiResCAM
from baselines.input_x_gradient import InputXGradient
from baselines.integrated_gradients import IntegratedGradients
from baselines.kernel_shap import KernelSHAP
from baselines.layercam import LayerCAM
from baselines.lime import LIME
from baselines.lrp import LRP
from baselines.nulls import Centre, Constant, Random, Sobel
from baselines.occlusion import EngineOcclusion, Occlusion
from baselines.partition_shap import PartitionSHAP
from baselines.rise import RISE
from baselines.saliency import Saliency
from baselines.scorecam import ScoreCAM
from baselines.smoothgrad import SmoothGrad
from baselines.sobol import SobolAttribution
from mint.contract import Attributor

__all__ = [
    "GROUPS",
    "LIME",
    "LRP",
    "METHODS",
    "NULLS",
    "RISE",
    "Centre",
    "Constant",
    "DeepLIFT",
    "EngineOcclusion",
    "ExtremalPerturbation",
    "FeatureAblation",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "Occlusion",
    "PartitionSHAP",
    "Random",
    "Saliency",
    "ScoreCAM",
    "SmoothGrad",
    "Sobel",
    "SobolAttribution",
]

_GRADIENT: Mapping[str, Callable[[], Attributor]] = {
    "saliency": Saliency,
    "input-x-gradient": InputXGradient,
    "integrated-gradients": IntegratedGradients,
    "smoothgrad": SmoothGrad,
    "guided-backprop": GuidedBackprop,
    "guided-gradcam": GuidedGradCAM,
    "deeplift": DeepLIFT,
    "gradient-shap": GradientSHAP,
    "lrp": LRP,
}
_CAM: Mapping[str, Callable[[], Attributor]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "layercam": LayerCAM,
    "scorecam": ScoreCAM,
    "hirescam": HiResCAM,
}
_PERTURBATION: Mapping[str, Callable[[], Attributor]] = {
    "lime": LIME,
    "occlusion": Occlusion,
    "occlusion-engine": EngineOcclusion,
    "kernel-shap": KernelSHAP,
    "feature-ablation": FeatureAblation,
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
