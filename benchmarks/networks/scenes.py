"""The two small networks of the ``scenes`` data set, made of torchvision's blocks under torchvision's layer names.

Both take normalised float32 pictures ``(n, 3, 112, 112)`` and answer with logits ``(n, 12)``. They are small
because the metrics evaluate them hundreds of thousands of times on a CPU.
"""

from collections import OrderedDict
from pathlib import Path

import mint.app.torchvision_ops  # noqa: F401  (before torchvision)

# isort: split
from torch import nn
from torchvision.models.resnet import BasicBlock, conv1x1
from torchvision.models.vgg import make_layers

from benchmarks.networks.scene_classes import CLASSES, MEAN, SIZE, STD
from mint.app.classifiers import Classifier, Preprocessing
from mint.app.weights import fit_state, read_state

WEIGHTS = Path(__file__).parent.parent / "assets" / "weights"


def scenes_vgg(weights_file: Path = WEIGHTS / "scenes-vgg.safetensors") -> Classifier:
    """The small VGG of the scenes: 112 x 112 pixels, 12 classes."""  # noqa: D401
    return _trained("scenes-vgg", untrained_vgg(), weights_file)


def scenes_resnet(weights_file: Path = WEIGHTS / "scenes-resnet.safetensors") -> Classifier:
    """The small ResNet of the scenes: 112 x 112 pixels, 12 classes."""  # noqa: D401
    return _trained("scenes-resnet", untrained_resnet(), weights_file)


def _trained(name: str, module: nn.Module, weights_file: Path) -> Classifier:
    fit_state(module, read_state(weights_file, name), name, weights_file)
    return Classifier(module, Preprocessing(SIZE, MEAN, STD), CLASSES, weights_file)


def untrained_vgg() -> nn.Sequential:
    """Return an untrained VGG with batch normalisation: ``features``, ``avgpool``, ``classifier``.

    The last ReLU of ``features`` is at 4 x 4. Unlike torchvision's VGG it is averaged as it is, with no max-pool
    behind it, and the classifier is linear.
    """
    features = make_layers([8, "M", 24, "M", 48, "M", 96, "M", 96, "M", 96], batch_norm=True)
    features[19].ceil_mode = True  # from 7 x 7 to 4 x 4: no part of the picture is dropped
    return nn.Sequential(
        OrderedDict(
            features=features,
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(96, len(CLASSES)),
        )
    )


def untrained_resnet() -> nn.Sequential:
    """Return an untrained ResNet of basic blocks: ``conv1 bn1 relu maxpool layer1..layer4 avgpool fc``.

    ``layer4`` is at 4 x 4, a 32nd of the picture as in torchvision's.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 24, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(24),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
            layer1=_stage(24, 24),
            layer2=_stage(24, 48),
            layer3=_stage(48, 64),
            layer4=_stage(64, 96),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(96, len(CLASSES)),
        )
    )


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    """Return one basic block; the shortcut of one that halves the picture is the one that torchvision gives it."""
    if inputs == outputs:
        return nn.Sequential(BasicBlock(inputs, outputs))
    shortcut = nn.Sequential(conv1x1(inputs, outputs, 2), nn.BatchNorm2d(outputs))
    return nn.Sequential(BasicBlock(inputs, outputs, 2, shortcut))
