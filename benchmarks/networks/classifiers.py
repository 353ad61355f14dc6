"""Networks without a download, for ``mint explain PICTURE --model benchmarks.networks.classifiers:scenes_resnet``."""

from benchmarks.networks.network import load_network
from mint.app.classifiers import Classifier, Preprocessing


def scenes_vgg() -> Classifier:
    """Return the small VGG of the scenes."""
    return _classifier("scenes-vgg")


def scenes_resnet() -> Classifier:
    """Return the small ResNet of the scenes."""
    return _classifier("scenes-resnet")


def efficientnet_lite0() -> Classifier:
    """Return EfficientNet-Lite0, an ImageNet network; it needs the extra `photos`."""
    return _classifier("efficientnet-lite0")


def _classifier(name: str) -> Classifier:
    network = load_network(name)
    entry = network.entry
    return Classifier(network.module, Preprocessing(entry.input_size, entry.mean, entry.std), entry.classes())
