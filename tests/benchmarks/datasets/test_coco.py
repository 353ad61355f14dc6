"""The validation pictures of COCO 2014, in a small folder that is written here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layouts import coco_image, rectangle, runs, write_coco

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets.coco import PYCOCOTOOLS
from benchmarks.networks.network import Network
from benchmarks.networks.object_classes import COCO_CLASSES, COCO_NAMES
from mint.app.classifiers import Preprocessing
from mint.contract import InputError

SIDE = 20
PERSON, DOG, TOOTHBRUSH = 1, 18, 90


def _thing(image: int, category: int, polygon: Any, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": polygon, **more}


CROWD = np.zeros((40, 60), bool)
CROWD[30:, 40:] = True
IMAGES = [coco_image(1, 60, 40), coco_image(2, 40, 50), coco_image(3, 40, 40)]
THINGS = [
    _thing(1, PERSON, rectangle(0, 0, 30, 40)),
    _thing(1, PERSON, runs(CROWD), iscrowd=1),
    _thing(1, TOOTHBRUSH, rectangle(0, 0, 20, 20)),
    _thing(2, DOG, rectangle(10, 10, 10, 10)),
]


@pytest.fixture
def network() -> Network:
    return Network("any", torch.nn.Identity(), Preprocessing(SIDE), COCO_CLASSES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("pycocotools", reason="needs the coco extra")
    return write_coco(tmp_path, IMAGES, THINGS)


def _cases(network: Network, folder: Path) -> dict[str, Case]:
    return {case.key: case for case in DATASETS["coco"](network, DataOptions(folder))}


def test_there_are_eighty_classes() -> None:
    assert len(set(COCO_CLASSES)) == len(COCO_NAMES) == 80
    assert set(range(1, 91)) - set(COCO_NAMES) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


def test_the_region_is_the_union_of_all_masks_crowds_among_them(network: Network, folder: Path) -> None:
    cases = _cases(network, folder)
    names = {"COCO_val2014_000000000001": ("person", "toothbrush"), "COCO_val2014_000000000002": ("dog",)}
    assert cases.keys() == {f"{picture}.{each}" for picture, classes in names.items() for each in classes}
    person = cases["COCO_val2014_000000000001.person"]
    assert (person.target, person.difficult, person.image.shape) == (0, False, (20, 30, 3))
    expected = CROWD.copy()
    expected[:, :30] = True
    assert person.original is not None
    np.testing.assert_array_equal(person.original, expected)
    np.testing.assert_array_equal(person.region, expected[::2, ::2])
    small = cases["COCO_val2014_000000000001.toothbrush"]
    assert (small.target, small.difficult) == (79, True)
    alone = cases["COCO_val2014_000000000002.dog"]
    assert (alone.target, alone.difficult, alone.image.shape) == (16, False, (25, 20, 3))


def test_a_name_with_spaces_makes_a_key_without(network: Network, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="needs the coco extra")
    folder = write_coco(tmp_path, [{**coco_image(2, 40, 50), "file_name": "a (1).jpg"}], THINGS[3:])
    assert _cases(network, folder).keys() == {"a-1-.dog"}


def test_what_makes_no_case_is_counted_with_an_example(network: Network, folder: Path) -> None:
    file = folder / "annotations/instances_val2014.json"
    content = json.loads(file.read_text())
    content["images"].append(coco_image(4, 30, 30))
    more = [_thing(3, 12, rectangle(0, 0, 9, 9), area=9.0, id=91), _thing(3, DOG, [[0, 0, 0, 0, 0, 0]], area=0, id=92)]
    content["annotations"] += more
    content["images"].append(coco_image(5, 30, 30))
    (folder / "val2014" / coco_image(5, 30, 30)["file_name"]).write_bytes(b"not read before it is asked for")
    file.write_text(json.dumps(content))
    cases = DATASETS["coco"](network, DataOptions(folder))
    assert len(cases) == 3
    assert cases.passed_over == {  # type: ignore[attr-defined]
        "a class that COCO 2014 does not have, such as number 12 in COCO_val2014_000000000003.jpg": 1,
        "a class whose masks are empty, such as dog in COCO_val2014_000000000003.jpg": 1,
        "a picture that is missing, such as COCO_val2014_000000000004.jpg": 1,
        "a picture without annotation, such as COCO_val2014_000000000005.jpg": 1,
    }


@pytest.mark.parametrize(
    ("segmentation", "sentence"),
    [
        ([[5, 5, 5, 5, 5, 5]], "marks no pixel as dog"),
        ({"size": [50, 40], "counts": [100, 20]}, "cannot be read"),
        ({"size": [60, 40], "counts": [2000, 400]}, "its annotation is of 40 x 60|cannot be read"),
        ([["x"]], "cannot be read"),
        # pycocotools ends the process, and leaves pixels as the memory happens to be.
        ([[1e300, 0, 0, 1e300, 5, 5]], r"a corner at 1e\+300, far outside the picture of 40 x 50"),
        ([[float("nan"), 0, 0, 9, 5, 5]], "a corner at nan"),
        ({"size": [50, 40], "counts": [0.5, 1999.5]}, "no whole numbers that add up to its 2000 pixels"),
        ({"size": [50, 40], "counts": "12"}, "fewer than 2000 pixels"),
    ],
    ids=["empty", "too few runs", "another size", "no polygon", "far outside", "nan", "half runs", "few compressed"],
)
def test_a_mask_that_cannot_be_used_fails_with_its_case(
    network: Network, folder: Path, segmentation: Any, sentence: str
) -> None:
    file = folder / "annotations/instances_val2014.json"
    content = json.loads(file.read_text())
    content["annotations"][-1]["segmentation"] = segmentation
    file.write_text(json.dumps(content))
    cases = DATASETS["coco"](network, DataOptions(folder))
    (number,) = (number for number, item in enumerate(cases.items) if item.target == 16)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=sentence):
        cases[number]


def test_a_compressed_mask_is_read(network: Network, folder: Path) -> None:
    from pycocotools import mask

    marked = np.zeros((50, 40), np.uint8, order="F")
    marked[30:, 20:] = 1
    compressed = mask.encode(marked)
    file = folder / "annotations/instances_val2014.json"
    content = json.loads(file.read_text())
    content["annotations"][-1]["segmentation"] = {"size": [50, 40], "counts": compressed["counts"].decode()}
    file.write_text(json.dumps(content))
    found = _cases(network, folder)["COCO_val2014_000000000002.dog"].original
    assert found is not None
    np.testing.assert_array_equal(found, marked.astype(bool))


@pytest.mark.parametrize("content", ["{", "[]", '{"images": [{"id": 1}], "annotations": []}', "{}"])
def test_damaged_annotations_are_refused_in_a_sentence(
    network: Network, folder: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "annotations/instances_val2014.json").write_text(content)
    with pytest.raises(InputError, match=r"instances_val2014\.json cannot be read|has no case in"):
        _cases(network, folder)
    assert capsys.readouterr().out == ""


def test_another_layout_and_a_missing_package_are_refused_in_a_sentence(
    network: Network, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"there is no annotations/instances_val2014\.json in"):
        _cases(network, folder / "val2014")
    with pytest.raises(InputError, match=r"80 classes \(person, bicycle, \.\.\.\), but the network any has 0 others"):
        _cases(Network("any", torch.nn.Identity()), folder)
    monkeypatch.setattr(type(PYCOCOTOOLS), "absent", True)
    with pytest.raises(InputError, match=r"pycocotools is not installed; .*\[coco\]"):
        _cases(network, folder)
