"""The test pictures of VOC 2007, in a small VOCdevkit that is written here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import VOC_CASES, VOC_PICTURES, save_labels, voc_xml, write_voc
from PIL import Image

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.networks.network import Network
from benchmarks.networks.object_classes import VOC_CLASSES
from mint.app.classifiers import Preprocessing
from mint.contract import InputError

SIDE = 20


@pytest.fixture
def network() -> Network:
    return Network("any", torch.nn.Identity(), Preprocessing(SIDE), VOC_CLASSES)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return write_voc(tmp_path)


def _cases(network: Network, folder: Path, name: str = "voc") -> dict[str, Case]:
    return {case.key: case for case in DATASETS[name](network, DataOptions(folder))}


def test_each_picture_and_class_is_a_case(network: Network, kit: Path) -> None:
    cases = _cases(network, kit)
    assert sorted(cases) == VOC_CASES
    for case in cases.values():
        assert case.target_name == VOC_CLASSES[case.target] == case.key.split(".")[1]


def test_pictures_keep_their_shape_and_the_shorter_side_is_the_network_s(network: Network, kit: Path) -> None:
    sizes = {case.picture: case.image.shape for case in _cases(network, kit).values()}
    assert sizes == {"000001": (20, 30, 3), "000002": (26, 20, 3), "000003": (20, 20, 3), "000004": (20, 32, 3)}


def test_the_region_is_the_union_of_all_boxes_difficult_ones_among_them(network: Network, kit: Path) -> None:
    person = _cases(network, kit)["000001.person"]
    expected = np.zeros((40, 60), bool)
    expected[:, 20:] = True
    expected[20:, :10] = True
    assert person.original is not None
    np.testing.assert_array_equal(person.original, expected)
    # The picture is halved.
    np.testing.assert_array_equal(person.region, expected[::2, ::2])


def test_a_class_whose_boxes_are_all_difficult_makes_no_case_but_is_present(network: Network, kit: Path) -> None:
    cases = _cases(network, kit)
    assert "000003.cat" not in cases
    assert cases["000003.sofa"].difficult, "the cat is another class in the picture"


def test_difficult_is_small_beside_another_class(network: Network, kit: Path) -> None:
    # 400 and 1800 of 2400 pixels; the only class; 100 of 1600; 600 and 16 of 2560.
    expected = dict(zip(VOC_CASES, (True, False, False, True, True, True), strict=True))
    assert {key: case.difficult for key, case in _cases(network, kit).items()} == expected


def test_a_quarter_is_not_difficult(network: Network, tmp_path: Path) -> None:
    things = [("dog", 1, 1, 20, 20, 0), ("cat", 1, 1, 19, 20, 0)]
    cases = _cases(network, write_voc(tmp_path, {"a": (40, 40, things)}))
    assert (cases["a.dog"].difficult, cases["a.cat"].difficult) == (False, True)


def test_what_is_small_does_not_vanish_from_the_region(network: Network, tmp_path: Path) -> None:
    kit = write_voc(tmp_path, {"a": (400, 300, [("bird", 101, 101, 103, 102, 0)])})
    [case] = DATASETS["voc"](network, DataOptions(kit))
    assert case.region.sum() >= 1
    assert case.region[100 // 15, 100 // 15]


@pytest.mark.parametrize("place", [".", "VOC2007", ".."])
def test_the_folder_is_found_from_above_and_inside(network: Network, kit: Path, place: str) -> None:
    assert sorted(_cases(network, (kit / place).resolve())) == VOC_CASES


def test_the_order_takes_classes_in_turn_and_depends_on_the_seed_alone(network: Network, kit: Path) -> None:
    orders = [[case.key for case in DATASETS["voc"](network, DataOptions(kit, seed))] for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0][-1].endswith(".car"), "there are two cars"


def test_pictures_are_read_when_asked_for(network: Network, kit: Path) -> None:
    cases = DATASETS["voc"](network, DataOptions(kit))
    for file in (kit / "VOC2007/JPEGImages").iterdir():
        file.write_bytes(b"damaged")
    assert len(cases[1:4]) == 3
    with pytest.raises(InputError, match="cannot be decoded"):
        cases[0]


def test_what_makes_no_case_is_counted_with_an_example(network: Network, kit: Path) -> None:
    voc = kit / "VOC2007"
    with (voc / "ImageSets/Main/test.txt").open("a") as names:
        names.write("missing\nbare\nodd\nempty\nalien\n")
    for name in ("bare", "odd", "empty", "alien"):
        Image.new("RGB", (30, 20)).save(voc / "JPEGImages" / f"{name}.jpg")
    (voc / "Annotations/odd.xml").write_text(voc_xml(30, 20, [("dog", 9, 9, 4, 4, 0)]))
    (voc / "Annotations/empty.xml").write_text(voc_xml(30, 20, []))
    (voc / "Annotations/alien.xml").write_text(voc_xml(30, 20, [("unicorn", 1, 1, 4, 4, 0)]))
    cases = DATASETS["voc"](network, DataOptions(kit))
    assert sorted(case.key for case in cases) == VOC_CASES
    assert cases.passed_over == {  # type: ignore[attr-defined]
        "a class whose boxes are all marked difficult, such as cat in 000003.jpg": 1,
        "a picture that is missing, such as missing.jpg": 1,
        "a picture without annotation, such as bare.xml": 1,
        "a damaged annotation, such as odd.xml": 1,
        "a picture without an object, such as empty.jpg": 1,
        "a class that VOC 2007 does not have, such as unicorn in alien.jpg": 1,
    }


def _rewritten(kit: Path, picture: Image.Image, kind: str = "PNG", **options: object) -> None:
    picture.save(kit / "VOC2007/JPEGImages/000002.jpg", kind, **options)


def test_grayscale_is_read_and_exif_does_not_turn_the_picture(network: Network, kit: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _rewritten(kit, Image.new("L", (40, 52), 90), "JPEG", exif=exif)
    case = _cases(network, kit)["000002.car"]
    assert case.image.shape == (26, 20, 3)
    assert set(np.unique(case.image)) == {90}


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (Image.new("I;16", (40, 52)), "not 8-bit colours"),
        (Image.new("RGB", (52, 40)), "has 52 x 40 pixels, but its annotation is of 40 x 52"),
    ],
    ids=["16 bits", "another size"],
)
def test_a_picture_that_cannot_be_used_is_refused_in_a_sentence(
    network: Network, kit: Path, picture: Image.Image, sentence: str
) -> None:
    _rewritten(kit, picture)
    with pytest.raises(InputError, match=sentence):
        _cases(network, kit)


def _no_list(kit: Path) -> Path:
    (kit / "VOC2007/ImageSets/Main/test.txt").unlink()
    return kit


def _nothing_left(kit: Path) -> Path:
    for file in (kit / "VOC2007/JPEGImages").iterdir():
        file.unlink()
    return kit


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (lambda kit: kit / "nowhere", "does not exist; --data must be VOCdevkit"),
        (lambda kit: kit / "VOC2007/Annotations/000001.xml", "is a file, not a directory"),
        (_no_list, "there is no VOC2007/ImageSets/Main/test.txt in"),
        (_nothing_left, "has no case in .*; passed over: 4 .a picture that is missing, such as 000001.jpg"),
    ],
    ids=["nowhere", "a file", "another layout", "no picture"],
)
def test_another_layout_is_refused_in_a_sentence(
    network: Network, kit: Path, changed: Callable[[Path], Path], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        _cases(network, changed(kit))


def test_other_classes_and_networks_of_square_pictures_are_refused(kit: Path) -> None:
    with pytest.raises(InputError, match="choose torchray-vgg16-voc or"):
        _cases(Network("any", torch.nn.Identity(), Preprocessing(SIDE), VOC_CLASSES[::-1]), kit)
    square = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 20))
    with pytest.raises(InputError, match="cannot take a picture of 20 x 26 pixels"):
        _cases(Network("any", square, Preprocessing(SIDE), VOC_CLASSES), kit)


def test_masks_are_those_of_the_segmented_pictures(network: Network, kit: Path) -> None:
    voc = kit / "VOC2007"
    (voc / "ImageSets/Segmentation/test.txt").write_text("000001\n000002\n000004\n")
    labels = np.zeros((40, 60), np.uint8)
    labels[:10, :20], labels[10, :20], labels[20:, :] = 1 + VOC_CLASSES.index("dog"), 255, 15
    save_labels(labels, voc / "SegmentationClass/000001.png")
    (voc / "SegmentationClass/000002.png").write_bytes(b"damaged")
    cases = DATASETS["voc-masks"](network, DataOptions(kit))
    found = {case.key: case for case in cases}
    assert {key: case.difficult for key, case in found.items()} == {"000001.dog": True, "000001.person": False}
    np.testing.assert_array_equal(found["000001.dog"].original, labels == 12)
    assert cases.passed_over == {  # type: ignore[attr-defined]
        "a damaged mask, such as 000002.png": 1,
        "a picture or mask that is missing, such as 000004": 1,
    }


def test_the_pictures_of_the_layout_are_those_that_are_listed() -> None:
    assert {key.split(".")[0] for key in VOC_CASES} == set(VOC_PICTURES)
