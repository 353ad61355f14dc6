"""TorchRay's networks, built from files of random weights in its format; tests/peers compares the answers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks import NETWORKS, load_network
from benchmarks.networks.network import Network, network_checks, network_of
from benchmarks.networks.object_classes import COCO_CLASSES, VOC_CLASSES
from benchmarks.networks.torchray import FILES, PREPROCESSING, untrained_resnet50, untrained_vgg16
from mint.app.classifiers import Classifier
from mint.contract import InputError


def _resnet_file(classes: int) -> dict[str, Tensor]:
    """A file as TorchRay's: blue first, and a batch norm in two layers, of which the first normalises."""
    named = {}
    for key, value in untrained_resnet50(classes).state_dict().items():
        layer, _, parameter = key.rpartition(".")
        norm = layer.split(".")[-1].startswith("bn") or layer.endswith("downsample.1")
        part = {"running_mean": "0.", "running_var": "0.", "weight": "1.", "bias": "1."}.get(parameter) if norm else ""
        if part is not None:
            named[f"{layer}.{part}{parameter}"] = value.flip(1) if key == "conv1.weight" else value
    return named


def test_a_file_of_resnet50_is_renamed_and_its_channels_turned(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        file = _resnet_file(20)
    assert {"bn1.0.running_mean", "layer1.0.downsample.1.1.weight", "layer2.0.bn3.1.bias"} <= file.keys()
    torch.save(file, tmp_path / "resnet.pth.tar")
    network = load_network("torchray-resnet50-voc", weights=tmp_path / "resnet.pth.tar")
    assert network.classes == VOC_CLASSES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = untrained_resnet50(20).eval()
    pictures = torch.randn(2, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network.module(pictures), expected(pictures), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [({}, "do not fit torchray-vgg16-voc"), ({"classifier.0.weight": torch.zeros(2, 3)}, "do not fit")],
)
def test_other_weights_are_refused_in_a_sentence(tmp_path: Path, state: Mapping[str, Tensor], sentence: str) -> None:
    torch.save(dict(state), tmp_path / "odd.pth")
    with pytest.raises(InputError, match=sentence):
        load_network("torchray-vgg16-voc", weights=tmp_path / "odd.pth")


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def fail(url: str, place: str, hash_prefix: str) -> None:
        asked.append((url, Path(place).name, hash_prefix))
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InputError, match=r"--weights torchray-vgg16-coco=FILE, or put vgg16_coco-d82c8150\.pth\.tar"):
        load_network("torchray-vgg16-coco")
    name = "vgg16_coco-d82c8150.pth.tar"
    assert asked == [(f"https://dl.fbaipublicfiles.com/torchray/{name}", name, "d82c8150")]


def test_there_are_four_and_they_normalise_as_caffe_does() -> None:
    assert {f"torchray-{'-'.join(names)}" for names in FILES} <= NETWORKS.keys()
    network = Network("any", nn.Identity(), PREPROCESSING)
    pixel = network.tensor(np.full((1, 1, 3), (124, 117, 104), np.uint8))
    torch.testing.assert_close(pixel.flatten(), torch.tensor([124 - 123.68, 117 - 116.779, 104 - 103.939]))


@pytest.fixture(scope="module", params=[("vgg16", 20), ("resnet50", 80)], ids=lambda pair: pair[0])
def network(request: pytest.FixtureRequest) -> Network:
    architecture, classes = request.param
    make = {"vgg16": untrained_vgg16, "resnet50": untrained_resnet50}[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make(classes)
        for each in module.modules():
            if isinstance(each, nn.Conv2d):
                nn.init.kaiming_normal_(each.weight)
    names = {20: VOC_CLASSES, 80: COCO_CLASSES}[classes]
    return network_of(Classifier(module, PREPROCESSING, names), architecture, torch.device("cpu"))


CHECKS = [name for name, _ in network_checks(Network("none", nn.Identity(), PREPROCESSING))]


@pytest.mark.parametrize("check", CHECKS)
def test_they_keep_what_every_network_keeps(network: Network, check: str) -> None:
    dict(network_checks(network))[check]()


def test_the_layers_are_those_of_torchvision_s(network: Network) -> None:
    assert network.layers == {"vgg16": ("features.3", "features.29"), "resnet50": ("relu", "layer4")}[network.name]


def test_a_larger_picture_is_answered_by_the_mean_over_its_places(network: Network) -> None:
    with torch.no_grad():
        answer = network.module(torch.randn(1, 3, 224, 288, generator=torch.Generator().manual_seed(0)))
    assert answer.shape == (1, len(network.classes))
    assert torch.isfinite(answer).all()
