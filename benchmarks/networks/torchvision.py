"""Torchvision's classifiers by name, with the first ImageNet weights that torchvision published for them.

The first weights (mostly ``IMAGENET1K_V1``) are what published attribution results were computed with.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.networks.network import Network
from mint.app.classifiers import Classifier, torchvision_classifier, torchvision_names
from mint.contract import InputError


def torchvision_network(name: str) -> Callable[..., Classifier]:
    """Return the function that builds one of torchvision's classifiers."""

    def build(weights_file: Path | None = None, class_names: Sequence[str] = ()) -> Classifier:
        return torchvision_classifier(name, weights_file, first=True, classes=class_names)

    build.__doc__ = f"Torchvision's {name} for ImageNet's 1000 classes."
    return build


def every_network() -> Mapping[str, Callable[..., Classifier]]:
    """Return the functions for all of torchvision's classifiers by name."""
    return {name: torchvision_network(name) for name in torchvision_names()}


def imagenet_classes() -> tuple[str, ...]:
    """Return the 1000 ImageNet class names in the order of the outputs, from torchvision's own metadata."""
    import mint.app.torchvision_ops  # noqa: F401  (before torchvision)

    # isort: split
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def require_imagenet(network: Network, dataset: str) -> None:
    """Raise an `InputError` that names the data set if the network's classes are not ImageNet's."""
    if network.classes != imagenet_classes():
        raise InputError(
            f"the dataset {dataset} has ImageNet's 1000 classes, but the network {network.name} has "
            f"{len(network.classes)} others; choose a network of ImageNet's classes, such as resnet50 or "
            "efficientnet-lite0, with --networks."
        )
