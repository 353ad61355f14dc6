"""TorchRay's networks for VOC 2007 and COCO 2014: VGG16 and ResNet-50 that answer a logit for each class.

Source: R. Fong, M. Patrick, A. Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV
2019, and ``torchray.benchmark.models`` of TorchRay 1.0.0.2. Its weights are those of J. Zhang et al., "Top-down Neural
Attention by Excitation Backprop", ECCV 2016, converted from Caffe. Their channels are blue, green, red, and poolings
round their sizes up: the first is undone here, the second repeated.

Pictures of any size from 224 pixels on are taken. VGG16's linear layers are convolutions, so that it answers at every
place of a larger picture, and the answer is the mean over the places. ResNet-50 averages before its last layer, which
is the same for a linear one. A picture may show several classes, so the scores are sigmoids of the logits: run with
``--score sigmoid``. (TorchRay's RISE reads the sigmoid, its extremal perturbation the logits. Its gradient methods
differentiate the answers at all places, weighted by their softmax, where a method here differentiates their mean.)
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import mint.app.torchvision_ops  # noqa: F401  (before torchvision)

# isort: split
from torch import Tensor, nn
from torchvision.models import resnet50, vgg16

from benchmarks.networks.object_classes import COCO_CLASSES, VOC_CLASSES
from mint.app.classifiers import Classifier, Preprocessing
from mint.app.weights import fit_state, read_state
from mint.contract import InputError

URL = "https://dl.fbaipublicfiles.com/torchray/"
# Caffe's means of the channels (RGB), in pixels from 0 to 255; it does not divide by a deviation.
PREPROCESSING = Preprocessing(224, (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255))
CLASSES: Mapping[str, tuple[str, ...]] = {"voc": VOC_CLASSES, "coco": COCO_CLASSES}
# The files' names end with the first digits of their SHA-256.
FILES: Mapping[tuple[str, str], str] = {
    ("vgg16", "voc"): "vgg16_voc-b050e8c3.pth.tar",
    ("vgg16", "coco"): "vgg16_coco-d82c8150.pth.tar",
    ("resnet50", "voc"): "resnet50_voc-9ca920d6.pth.tar",
    ("resnet50", "coco"): "resnet50_coco-e99468c5.pth.tar",
}


def torchray_network(architecture: str, dataset: str) -> Callable[..., Classifier]:
    """Return the function that builds one of TorchRay's networks: "vgg16" or "resnet50", for "voc" or "coco"."""
    name = f"torchray-{architecture}-{dataset}"

    def build(weights_file: Path | None = None) -> Classifier:
        file = weights_file or _downloaded(name, FILES[architecture, dataset])
        make, convert = _ARCHITECTURES[architecture]
        module = make(len(CLASSES[dataset]))
        fit_state(module, convert(read_state(file, name)), name, file)
        return Classifier(module, PREPROCESSING, CLASSES[dataset], file)

    build.__doc__ = f"TorchRay's {architecture} for the {len(CLASSES[dataset])} classes of {dataset}."
    return build


def _downloaded(name: str, file: str) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not cached.is_file():
        digest = file.rsplit("-", 1)[1].split(".")[0]
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL + file, str(cached), hash_prefix=digest)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the weights of {name} could not be downloaded from {URL + file} ({error}); pass a local file with "
                f"--weights {name}=FILE, or put {file} into {cached.parent}."
            ) from error
    return cached


def untrained_vgg16(classes: int) -> nn.Module:
    """Return an untrained VGG16 whose head is made of convolutions: ``features``, ``classifier``, ``pool``."""
    # Left without memory, as the fully connected head, which is replaced, is most of it.
    with torch.device("meta"):
        features = vgg16(weights=None, init_weights=False).features
    head = nn.Sequential(
        nn.Conv2d(512, 4096, 7),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Conv2d(4096, 4096, 1),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Conv2d(4096, classes, 1),
    )
    pool = nn.AdaptiveAvgPool2d(1)
    parts = OrderedDict(features=features.to_empty(device="cpu"), classifier=head, pool=pool, flatten=nn.Flatten())
    for parameter in features.parameters():
        nn.init.normal_(parameter, std=0.01)
    return _rounding_up(nn.Sequential(parts))


def untrained_resnet50(classes: int) -> nn.Module:
    """Return an untrained ResNet-50 as Caffe defines it: strides are in the first convolution of a block."""
    module = resnet50(weights=None, num_classes=classes)
    module.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    module.maxpool = nn.MaxPool2d(3, stride=2)
    for stage in (module.layer2, module.layer3, module.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return _rounding_up(module)


def _rounding_up(module: nn.Module) -> nn.Module:
    for each in module.modules():
        if isinstance(each, nn.MaxPool2d):
            each.ceil_mode = True
    return module


def _as_rgb(weight: Tensor) -> Tensor:
    return weight.flip(1) if weight.ndim == 4 and weight.shape[1] == 3 else weight


def _vgg16_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of TorchRay's file, which counts no dropout, and shape the head's into convolutions."""
    places = {"classifier.0": "classifier.0", "classifier.2": "classifier.3", "classifier.4": "classifier.6"}
    converted = {}
    for key, value in state.items():
        layer, _, parameter = key.rpartition(".")
        if key == "features.0.weight":
            value = _as_rgb(value)
        elif layer in places and parameter == "weight":
            side = 7 if layer == "classifier.0" else 1
            value = value.reshape(len(value), -1, side, side) if value[0].numel() % side**2 == 0 else value
        converted[f"{places.get(layer, layer)}.{parameter}"] = value
    return converted


def _resnet50_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of TorchRay's file, where a batch norm is two layers: one normalises, one scales."""
    norm = re.compile(r"(bn\d|downsample\.\d)\.[01]\.")
    converted = {norm.sub(r"\1.", key): value for key, value in state.items()}
    return {key: _as_rgb(value) if key == "conv1.weight" else value for key, value in converted.items()}


_Maker = Callable[[int], nn.Module]
_Converter = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
_ARCHITECTURES: Mapping[str, tuple[_Maker, _Converter]] = {
    "vgg16": (untrained_vgg16, _vgg16_state),
    "resnet50": (untrained_resnet50, _resnet50_state),
}
