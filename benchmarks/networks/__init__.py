"""The networks that the suite explains: each is a function that returns a classifier."""

from collections.abc import Callable, Mapping

from benchmarks.networks.efficientnet import efficientnet_lite0
from benchmarks.networks.network import Network, check_network, load_network
from benchmarks.networks.scenes import scenes_resnet, scenes_vgg
from benchmarks.networks.torchray import FILES, torchray_network
from benchmarks.networks.torchvision import torchvision_network
from mint.app.classifiers import Classifier, Preprocessing

__all__ = ["NETWORKS", "Classifier", "Network", "Preprocessing", "check_network", "load_network"]

NETWORKS: Mapping[str, Callable[..., Classifier]] = {
    "scenes-vgg": scenes_vgg,
    "scenes-resnet": scenes_resnet,
    "efficientnet-lite0": efficientnet_lite0,
    **{name: torchvision_network(name) for name in ("vgg16", "vgg19", "resnet18", "resnet50", "inception_v3")},
    **{name: torchvision_network(name) for name in ("vit_b_16", "convnext_tiny")},
    **{"-".join(("torchray", *names)): torchray_network(*names) for names in FILES},
}
"""The networks of the plans by name. Every other classifier of torchvision is found by its name, too."""
