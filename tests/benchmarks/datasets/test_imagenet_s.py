"""Folders in the layout of ImageNet-S: a small one is written here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import WNIDS, write_imagenet_s
from PIL import Image

from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks.network import Network
from benchmarks.networks.torchvision import imagenet_classes
from mint.app.classifiers import Preprocessing
from mint.contract import InputError

SIZE = 56  # the shorter side becomes 64


@pytest.fixture
def network() -> Network:
    return Network("any", torch.nn.Identity(), Preprocessing(SIZE), imagenet_classes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_imagenet_s(tmp_path)


def test_masks_are_cut_as_the_pictures_are(network: Network, folder: Path) -> None:
    cases = {case.target: case for case in DATASETS["imagenet-s"](network, DataOptions(folder))}
    assert cases.keys() == {110, 590}
    expected = np.zeros((SIZE, SIZE), bool)
    expected[: SIZE // 2] = True
    for case in cases.values():
        assert case.image.shape == (SIZE, SIZE, 3)
        np.testing.assert_array_equal(case.region, expected)
        assert not case.difficult


def test_numbers_above_255_are_read_of_the_second_channel(network: Network, folder: Path) -> None:
    (file,) = (folder / "validation-segmentation" / WNIDS[110]).iterdir()
    mask = np.zeros((64, 96, 3), np.uint8)
    mask[..., 0] = 2
    mask[:16, :, 1] = 1  # 258: another class
    Image.fromarray(mask).save(file)
    (case,) = (case for case in DATASETS["imagenet-s"](network, DataOptions(folder)) if case.target == 110)
    assert not case.region[:12].any()
    assert case.region[12:].all()


def test_pictures_without_a_mask_are_counted(network: Network, folder: Path) -> None:
    Image.new("RGB", (60, 60)).save(folder / "validation" / WNIDS[110] / "bare.JPEG")
    cases = DATASETS["imagenet-s"](network, DataOptions(folder))
    assert len(cases) == 2
    assert cases.passed_over == {"a picture without a mask, such as bare.JPEG": 1}  # type: ignore[attr-defined]


def test_a_name_with_spaces_makes_a_key_without(network: Network, folder: Path) -> None:
    for kind in ("validation", "validation-segmentation"):
        (file,) = (folder / kind / WNIDS[110]).iterdir()
        file.rename(file.with_name(f"a (1){file.suffix}"))
    (case,) = (case for case in DATASETS["imagenet-s"](network, DataOptions(folder)) if case.target == 110)
    assert (case.key, case.picture) == (f"a-1-.{WNIDS[110]}", "a-1-")


def test_another_layout_is_refused_in_a_sentence(network: Network, folder: Path) -> None:
    (folder / "validation-segmentation" / WNIDS[100]).rmdir()
    with pytest.raises(InputError, match="has 49 class folders, not 50, 300 or 919"):
        DATASETS["imagenet-s"](network, DataOptions(folder))
    with pytest.raises(InputError, match="there is no folder validation in"):
        DATASETS["imagenet-s"](network, DataOptions(folder / "validation"))
