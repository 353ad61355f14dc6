"""TorchRay's networks, regions, sizes and lists of "difficult" pairs, beside this suite's.

What its lists say of all pictures needs the annotations of VOC 2007 and COCO 2014, which are not here. The definition
is held to the lists on two pictures whose annotations are known, `VOC_000001` and `COCO_139` (by its boxes, which
suffice to tell). On all others it is compared where the environment variable TORCHRAY_VOC or TORCHRAY_COCO names a
folder with the whole data set; this has not been done yet.
"""

import importlib.resources
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from layouts import coco_image, rectangle, write_coco, write_voc
from torch import nn

from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.datasets.objects import own_size, resized
from benchmarks.networks import load_network
from benchmarks.networks.network import Network
from benchmarks.networks.object_classes import COCO_CLASSES, COCO_NAMES, VOC_CLASSES
from benchmarks.networks.torchray import PREPROCESSING
from mint.app.classifiers import Preprocessing

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES = {"voc": VOC_CLASSES, "coco": COCO_CLASSES}
LISTS = {"voc": "pointing_game_ebp_voc07_difficult.txt", "coco": "pointing_game_ebp_coco_difficult.txt"}
# A picture of each, with its real boxes; of a dog and a person, and of a living room.
VOC_000001 = {"000001": (353, 500, [("dog", 48, 240, 195, 371, 0), ("person", 8, 12, 352, 498, 0)])}
COCO_139 = {
    1: [(412, 157, 53, 138), (384, 172, 15, 35)],
    62: [(358, 218, 56, 102), (290, 218, 61, 98), (413, 223, 30, 81), (317, 219, 21, 11), (412, 219, 9, 12)],
    **{64: [(236, 142, 24, 69)], 67: [(321, 231, 125, 88)], 72: [(7, 167, 149, 94), (557, 209, 81, 78)]},
    **{78: [(512, 205, 14, 15)], 82: [(493, 174, 20, 108)], 84: [(604, 305, 14, 45), (613, 308, 12, 46)]},
    **{85: [(447, 121, 13, 21)], 86: [(549, 309, 36, 89), (241, 194, 14, 17), (336, 199, 9, 16), (350, 208, 11, 22)]},
}

Load = Callable[[str], ModuleType]


@pytest.fixture
def torchray(load: Callable[..., ModuleType]) -> Load:
    return lambda name: load(f"torchray.benchmark.{name}", "torchray", "torchray-pointing")


def _flags(data: str) -> dict[str, list[str]]:
    """The names of the difficult classes by picture, as TorchRay's list has them."""
    text = importlib.resources.files("torchray.benchmark").joinpath(LISTS[data]).read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    return {name: [each for each, flag in zip(CLASSES[data], flags, strict=True) if int(flag)] for name, *flags in rows}


def _network(data: str) -> Network:
    return Network("any", nn.Identity(), Preprocessing(224), CLASSES[data])


def _difficult(data: str, folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for case in DATASETS[data](_network(data), DataOptions(folder)):
        found.setdefault(case.picture, [])
        found[case.picture] += [case.target_name] * case.difficult
    return {name: sorted(classes) for name, classes in found.items()}


def _vgg16_file(classes: int) -> dict[str, torch.Tensor]:
    import torchvision

    module = torchvision.models.vgg16(weights=None, init_weights=False)
    module.classifier[6] = nn.Linear(4096, classes)
    names = {"classifier.3": "classifier.2", "classifier.6": "classifier.4"}
    state = {}
    for key, value in module.state_dict().items():
        layer, _, parameter = key.rpartition(".")
        drawn = torch.randn(value.shape) * (2 / max(value[0].numel(), 1)) ** 0.5
        state[f"{names.get(layer, layer)}.{parameter}"] = drawn
    return state


def _resnet50_file(classes: int) -> dict[str, torch.Tensor]:
    import torchvision

    module = torchvision.models.resnet50(weights=None, num_classes=classes)
    module.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.uniform_(each.running_mean, -0.1, 0.1)
            nn.init.uniform_(each.running_var, 0.5, 1.5)
            nn.init.uniform_(each.weight, -0.5, 1.0)
    parts = {"running_mean": "0.", "running_var": "0.", "weight": "1.", "bias": "1."}
    state = {}
    for key, value in module.state_dict().items():
        layer, _, parameter = key.rpartition(".")
        norm = layer.split(".")[-1].startswith("bn") or layer.endswith("downsample.1")
        if parameter != "num_batches_tracked":
            state[f"{layer}.{parts[parameter] if norm else ''}{parameter}"] = value
    return state


@pytest.mark.parametrize("size", [(224, 224), (224, 290)], ids=["square", "long"])
@pytest.mark.parametrize("data", ["voc", "coco"])
@pytest.mark.parametrize("architecture", ["vgg16", "resnet50"])
def test_networks_answer_alike(
    torchray: Load,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    architecture: str,
    data: str,
    size: tuple[int, int],
) -> None:
    models = torchray("models")
    torch.manual_seed(0)
    checkpoint = {"vgg16": _vgg16_file, "resnet50": _resnet50_file}[architecture](len(CLASSES[data]))
    torch.save(checkpoint, tmp_path / "file.pth.tar")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda _url: dict(checkpoint))
    theirs = models.get_model(architecture, data, convert_to_fully_convolutional=True)
    ours = load_network(f"torchray-{architecture}-{data}", weights=tmp_path / "file.pth.tar")
    picture = 50 * torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = theirs(picture).mean((2, 3))
        found = ours.module(picture)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 353), (230, 230), (331, 500)])
def test_pictures_are_sized_and_normalised_alike(torchray: Load, height: int, width: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = torchray("models").get_transform("voc", size=224)(Image.fromarray(pixels))
    small = resized(pixels, own_size(height, width, 224))
    found = Network("any", nn.Identity(), PREPROCESSING).tensor(small)
    assert found.shape == theirs.shape
    assert (found - theirs).abs().max() <= 0.5 + 1e-3, "TorchRay does not round to whole numbers"


def test_classes_and_regions_are_theirs(torchray: Load, tmp_path: Path) -> None:
    datasets = torchray("datasets")
    assert list(VOC_CLASSES) == datasets.VOC_CLASSES
    assert {number: index for index, number in enumerate(COCO_NAMES)} == datasets._COCO_CLASS_TO_INDEX
    (case,) = (
        each
        for each in DATASETS["voc"](_network("voc"), DataOptions(write_voc(tmp_path, VOC_000001)))
        if each.target_name == "dog"
    )
    box = dict(zip(("xmin", "ymin", "xmax", "ymax"), ("48", "240", "195", "371"), strict=True))
    label = {"annotation": {"size": {"width": "353", "height": "500"}, "object": [{"name": "dog", "bndbox": box}]}}
    np.testing.assert_array_equal(case.original, datasets.voc_as_mask(label, VOC_CLASSES.index("dog")).numpy())


def test_the_list_of_voc_agrees_on_the_picture_that_is_known(torchray: Load, tmp_path: Path) -> None:
    torchray("datasets")
    assert _difficult("voc", write_voc(tmp_path, VOC_000001)) == {"000001": ["dog"]}
    assert _flags("voc")["000001"] == ["dog"]


def test_the_list_of_coco_agrees_on_the_picture_that_is_known(torchray: Load, tmp_path: Path) -> None:
    torchray("datasets")
    pytest.importorskip("pycocotools", reason="needs the coco extra")
    things = [
        {"image_id": 139, "category_id": number, "segmentation": rectangle(*box)}
        for number, boxes in COCO_139.items()
        for box in boxes
    ]
    found = _difficult("coco", write_coco(tmp_path, [coco_image(139, 640, 426)], things))
    name = "COCO_val2014_000000000139"
    assert found == {name: sorted(_flags("coco")[name])}


@pytest.mark.parametrize("data", ["voc", "coco"])
def test_every_pair_of_a_whole_data_set(torchray: Load, data: str) -> None:
    torchray("datasets")
    folder = os.environ.get(f"TORCHRAY_{data.upper()}")
    if not folder:
        pytest.skip(f"TORCHRAY_{data.upper()} names no folder with the whole data set")
    found, listed = _difficult(data, Path(folder)), _flags(data)
    assert {name: classes for name, classes in found.items() if classes != sorted(listed[name])} == {}
