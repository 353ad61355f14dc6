"""Folders in ImageNet's own layout."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mint.app.torchvision_ops  # noqa: F401  (before torchvision)
from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets.case import without_region
from benchmarks.datasets.imagenet import Geometry, imagenet_folder
from benchmarks.networks.network import Network, load_network
from benchmarks.networks.torchvision import imagenet_classes
from mint.app.classifiers import Preprocessing
from mint.contract import InputError

SHARED = Path(__file__).parents[4] / "shared" / "data"
WNIDS = [f"n{10 * index:08d}" for index in range(1000)]
SIZE = 56  # the shorter side becomes 64


@pytest.fixture
def network() -> Network:
    return Network("resnet18", torch.nn.Identity(), Preprocessing(SIZE), imagenet_classes())


def _xml(boxes: list[tuple[str, int, int, int, int]], width: int = 64, height: int = 64) -> str:
    objects = "".join(
        f"<object><name>{wnid}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax>"
        f"<ymax>{bottom}</ymax></bndbox></object>"
        for wnid, left, top, right, bottom in boxes
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a tiny ImageNet: three classes, two pictures each, 64 x 64, without boxes."""
    (tmp_path / "synset_words.txt").write_text("\n".join(f"{wnid} name, other" for wnid in WNIDS), encoding="utf-8")
    (tmp_path / "Annotations/CLS-LOC/val").mkdir(parents=True)
    for index in (3, 500, 999):
        for number in range(2):
            file = tmp_path / "val" / WNIDS[index] / f"picture_{index}_{number}.JPEG"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (index % 256, 0, 0)).save(file)
    return tmp_path


def _annotate(folder: Path, stem: str, text: str) -> None:
    (folder / "Annotations/CLS-LOC/val" / f"{stem}.xml").write_text(text, encoding="utf-8")


def _case(network: Network, folder: Path, stem: str) -> Case:
    [case] = [case for case in imagenet_folder(network, DataOptions(folder)) if case.picture == stem]
    return case


# The table and its order.


def test_each_picture_is_a_case_of_its_folders_class(network: Network, folder: Path) -> None:
    cases = DATASETS["imagenet"](network, DataOptions(folder))
    assert len(cases) == 6
    assert {(case.key, case.target) for case in cases} == {
        (f"picture_{index}_{number}.{WNIDS[index]}", index) for index in (3, 500, 999) for number in range(2)
    }
    assert all(case.region is None and not case.difficult for case in cases)


def test_the_order_deals_out_classes_and_depends_on_the_seed_alone(network: Network, folder: Path) -> None:
    orders = [[case.key for case in imagenet_folder(network, DataOptions(folder, seed))] for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert len({key.split(".")[1] for key in orders[0][:3]}) == 3


def test_slices_are_lazy(network: Network, folder: Path) -> None:
    cases = imagenet_folder(network, DataOptions(folder))
    for file in (folder / "val").glob("*/*"):
        file.write_bytes(b"damaged")
    assert len(cases[1:4]) == 3
    with pytest.raises(InputError, match="cannot be decoded"):
        cases[1:4][0]


def test_the_synset_file_of_kaggle_is_read_and_sorted(network: Network, folder: Path) -> None:
    (folder / "synset_words.txt").unlink()
    shuffled = np.random.default_rng(0).permutation(WNIDS)
    (folder / "LOC_synset_mapping.txt").write_text("\n".join(f"{wnid} a, b" for wnid in shuffled), encoding="utf-8")
    assert _case(network, folder, "picture_500_0").target == 500


def test_all_thousand_folders_number_themselves(network: Network, folder: Path) -> None:
    (folder / "synset_words.txt").unlink()
    for wnid in WNIDS:
        (folder / "val" / wnid).mkdir(exist_ok=True)
    assert _case(network, folder, "picture_500_0").target == 500


def test_pictures_in_one_folder_get_their_class_from_the_annotation(network: Network, folder: Path) -> None:
    for file in list((folder / "val").glob("*/*.JPEG")):
        file.rename(folder / "val" / file.name)
        _annotate(folder, file.stem, _xml([(WNIDS[int(file.stem.split("_")[1])], 4, 4, 59, 59)]))
    for empty in list((folder / "val").glob("n*")):
        empty.rmdir()
    (folder / "val" / ".ipynb_checkpoints").mkdir()  # litter, and no class folder
    _annotate(folder, "picture_3_0", _xml([(WNIDS[3], 0, 0, 31, 63), (WNIDS[7], 32, 0, 63, 63)]))
    cases = list(imagenet_folder(network, DataOptions(folder)))
    assert len(cases) == 7
    both = {case.target: case for case in cases if case.picture == "picture_3_0"}
    assert both.keys() == {3, 7}
    left, right = both[3].region, both[7].region
    assert left is not None
    assert right is not None
    np.testing.assert_array_equal(left, ~right)
    assert left[:, : SIZE // 2].all()


# Folders as people have them.


def test_what_is_no_picture_is_passed_over_and_counted(network: Network, folder: Path) -> None:
    val = folder / "val"
    clean = [case.key for case in imagenet_folder(network, DataOptions(folder))]
    (val / ".ipynb_checkpoints").mkdir()
    (val / "__MACOSX").mkdir()
    for name in (".DS_Store", f"{WNIDS[3]}/._picture_3_0.JPEG", f"{WNIDS[3]}/Thumbs.db", f"{WNIDS[3]}/notes.txt"):
        (val / name).write_bytes(b"no picture")
    (val / "stray.JPEG").write_bytes((val / WNIDS[3] / "picture_3_0.JPEG").read_bytes())
    cases = imagenet_folder(network, DataOptions(folder))
    assert [case.key for case in cases] == clean
    assert cases.passed_over == {  # type: ignore[attr-defined]
        "hidden": 3,
        "left behind by a program": 2,
        "no picture by its ending": 1,
        "a picture outside of the class folders": 1,
    }


def test_folders_in_class_folders_links_and_odd_names_are_read(network: Network, folder: Path) -> None:
    own, other = folder / "val" / WNIDS[3], folder / "val" / WNIDS[500]
    (own / "images").mkdir()
    (own / "picture_3_0.JPEG").rename(own / "images" / "a (1) ü.JPG")
    (folder / "val" / WNIDS[999]).rename(folder / "elsewhere")
    (folder / "val" / WNIDS[999]).symlink_to(folder / "elsewhere")
    (other / "linked.png").symlink_to(own / "picture_3_1.JPEG")
    _annotate(folder, "a (1) ü", _xml([(WNIDS[3], 0, 0, 63, 63)]))
    cases = {case.key: case for case in imagenet_folder(network, DataOptions(folder))}
    assert len(cases) == 7
    assert cases[f"images-a-1-ü.{WNIDS[3]}"].region is not None
    assert all(re.fullmatch(r"[\w.-]+", key) for key in cases)
    assert cases[f"linked.{WNIDS[500]}"].target == 500
    assert sum(case.target == 999 for case in cases.values()) == 2


def test_it_is_known_which_cases_have_boxes(network: Network, folder: Path) -> None:
    _annotate(folder, "picture_3_0", _xml([(WNIDS[3], 0, 0, 63, 63)]))
    _annotate(folder, "picture_3_1", _xml([(WNIDS[9], 0, 0, 63, 63)]))
    _annotate(folder, "picture_500_0", "damaged")
    cases = imagenet_folder(network, DataOptions(folder))
    numbers = range(len(cases))
    assert without_region(cases, numbers) == 5
    (annotated,) = [number for number in numbers if cases.has_region(number)]  # type: ignore[attr-defined]
    assert cases[annotated].picture == "picture_3_0"
    assert without_region([cases[annotated], dataclasses.replace(cases[annotated], region=None)], range(2)) == 1
    assert without_region((case for case in cases), numbers) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["photos.zip", "val"])
def test_a_file_in_place_of_a_folder(network: Network, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    given = tmp_path if name == "val" else tmp_path / name
    _fails(network, given, f"{tmp_path / name} is a file, not a directory")


def test_a_folder_of_litter_is_empty(network: Network, tmp_path: Path) -> None:
    (tmp_path / "val" / "__MACOSX").mkdir(parents=True)
    (tmp_path / "val" / ".DS_Store").touch()
    _fails(network, tmp_path, "holds no pictures", "1 (hidden), 1 (left behind by a program)")


# Pictures and boxes through one transform.


@settings(deadline=None, max_examples=50)
@given(st.integers(40, 400), st.integers(40, 400), st.sampled_from([56, 224, 299]))
def test_the_transform_is_torchvisions(width: int, height: int, size: int) -> None:
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    standard = Compose([Resize(round(size * 256 / 224), InterpolationMode.BILINEAR), CenterCrop(size)])
    np.testing.assert_array_equal(Geometry.of(width, height, size).apply(picture), np.array(standard(picture)))


@settings(deadline=None, max_examples=50)
@given(st.integers(56, 300), st.integers(56, 300), st.data())
def test_boxes_move_with_the_pixels(width: int, height: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    painted = np.zeros((height, width, 3), np.uint8)
    painted[top:bottom, left:right] = 255
    geometry = Geometry.of(width, height, 56)
    region = geometry.region([(left / width, top / height, right / width, bottom / height)])
    expected = geometry.apply(Image.fromarray(painted))[:, :, 0]
    inside = np.zeros((56, 56), bool) if region is None else region
    # A painted pixel bleeds at most one scale factor beyond the box's edge, and half a pixel is rounding.
    margin = int(np.ceil(64 / min(width, height))) + 1
    grown = np.pad(inside, margin, mode="edge")
    shifted = [grown[y : y + 56, x : x + 56] for y in range(2 * margin + 1) for x in range(2 * margin + 1)]
    if region is not None:
        assert expected[np.all(shifted, axis=0)].min(initial=255) >= 128
        assert expected[~np.any(shifted, axis=0)].max(initial=0) <= 127


def test_the_region_is_the_union_of_the_classs_boxes(network: Network, folder: Path) -> None:
    boxes = [(WNIDS[3], 4, 4, 13, 23), (WNIDS[3], 54, 54, 63, 63), (WNIDS[9], 20, 20, 40, 40)]
    _annotate(folder, "picture_3_0", _xml(boxes))
    case = _case(network, folder, "picture_3_0")
    expected = np.zeros((SIZE, SIZE), bool)
    expected[0:20, 0:10] = True  # the cut takes 4 pixels from each side
    expected[50:56, 50:56] = True
    np.testing.assert_array_equal(case.region, expected)
    assert case.difficult


def test_boxes_are_relative_to_the_size_that_the_annotation_states(network: Network, folder: Path) -> None:
    _annotate(folder, "picture_3_0", _xml([(WNIDS[3], 0, 0, 499, 249)], width=500, height=500))
    case = _case(network, folder, "picture_3_0")
    assert case.region is not None
    assert case.region[: SIZE // 2].all()
    assert not case.region[SIZE // 2 :].any()
    assert not case.difficult


def test_boxes_that_are_cut_away_leave_no_region(network: Network, folder: Path) -> None:
    _annotate(folder, "picture_3_0", _xml([(WNIDS[3], 0, 0, 3, 63)]))
    case = _case(network, folder, "picture_3_0")
    assert case.region is None
    assert not case.difficult


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grayscale_and_cmyk_pictures_become_rgb(network: Network, folder: Path, mode: str) -> None:
    file = folder / "val" / WNIDS[3] / "picture_3_0.JPEG"
    Image.new("RGB", (64, 64), (200, 200, 200)).convert(mode).save(file)
    image = _case(network, folder, "picture_3_0").image
    assert image.shape == (SIZE, SIZE, 3)
    assert abs(image.astype(int) - 200).max() <= 2


# Bad input: one sentence each.


def _fails(network: Network, directory: Path | None, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        list(imagenet_folder(network, DataOptions(directory)))
    for word in words:
        assert word in str(caught.value)


def test_no_directory(network: Network) -> None:
    _fails(network, None, "--data DIR", "val/<wnid>/*.JPEG")


def test_missing_directory(network: Network, tmp_path: Path) -> None:
    _fails(network, tmp_path / "nowhere", f"the directory {tmp_path / 'nowhere'} does not exist")


def test_directory_of_another_layout(network: Network, tmp_path: Path) -> None:
    _fails(network, tmp_path, f"the directory {tmp_path / 'val'} does not exist", "synset_words.txt")


def test_empty_directory(network: Network, tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    _fails(network, tmp_path, f"{tmp_path / 'val'} holds no pictures")


def test_missing_class_list(network: Network, folder: Path) -> None:
    (folder / "synset_words.txt").unlink()
    _fails(network, folder, "3 class folders", "synset_words.txt or LOC_synset_mapping.txt")


@pytest.mark.parametrize(
    ("lines", "what"), [(WNIDS[:999], "999 of them"), ([*WNIDS[:999], "tench, Tinca"], "'tench,' among them")]
)
def test_wrong_class_list(network: Network, folder: Path, lines: list[str], what: str) -> None:
    (folder / "synset_words.txt").write_text("\n".join(lines), encoding="utf-8")
    _fails(network, folder, "synset_words.txt must list 1000 classes", what)


def test_a_class_list_that_is_no_text(network: Network, folder: Path) -> None:
    (folder / "synset_words.txt").write_bytes(b"n00000000 caf\xe9")
    _fails(network, folder, "synset_words.txt cannot be read", "UTF-8")


def test_a_box_may_be_larger_than_any_picture(network: Network, folder: Path) -> None:
    _annotate(folder, "picture_3_0", _xml([(WNIDS[3], 0, 0, 63, 63)]).replace("<xmax>63", "<xmax>1e308"))
    region = _case(network, folder, "picture_3_0").region
    assert region is not None
    assert region.all()


def test_unknown_class_folder(network: Network, folder: Path) -> None:
    (folder / "val" / WNIDS[3]).rename(folder / "val" / "n99999999")
    _fails(network, folder, "has the class n99999999", "picture_3_0.JPEG")


@pytest.mark.parametrize("keep", [0, 300], ids=["empty", "truncated"])
def test_undecodable_picture(network: Network, folder: Path, keep: int) -> None:
    file = folder / "val" / WNIDS[3] / "picture_3_0.JPEG"
    file.write_bytes(file.read_bytes()[:keep])
    _fails(network, folder, f"the picture {file} cannot be decoded")


def test_picture_of_16_bits(network: Network, folder: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(folder / "val" / WNIDS[3] / "deep.png")
    _fails(network, folder, "deep.png has pixels of mode 'I;16', not 8-bit colours")


MALFORMED = {
    "cut off": "<annotation><size>",
    "no xml": "not xml",
    "no size": "<annotation></annotation>",
    "inside out": _xml([(WNIDS[3], 9, 0, 3, 5)]),
    "no width": _xml([(WNIDS[3], 0, 0, 3, 5)], width=0),
    "infinite": _xml([(WNIDS[3], 0, 0, 3, 5)]).replace("<xmax>3", "<xmax>inf"),
    "encoding": '<?xml version="1.0" encoding="odd"?><annotation/>',
    "no name": _xml([("", 0, 0, 3, 5)]),
    "no ymax": _xml([(WNIDS[3], 0, 0, 3, 5)]).replace("<ymax>5</ymax>", ""),
    "no number": _xml([(WNIDS[3], 0, 0, 3, 5)]).replace("<ymax>5", "<ymax>five"),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_malformed_annotation(network: Network, folder: Path, text: str) -> None:
    _annotate(folder, "picture_3_0", text)
    _fails(network, folder, "picture_3_0.xml is malformed (")


def test_picture_of_unknown_class(network: Network, folder: Path) -> None:
    for wnid in WNIDS:
        if (folder / "val" / wnid).is_dir():
            (folder / "val" / wnid).rename(folder / wnid)
    Image.new("RGB", (64, 64)).save(folder / "val" / "stray.JPEG")
    _fails(network, folder, "the class of", "stray.JPEG is unknown", "stray.xml")


# Real pictures.


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data beside this checkout")
def test_resnet18_names_real_pictures_rightly() -> None:
    network = load_network("resnet18", weights=SHARED / "weights" / "resnet18-imagenet-pq.pth")
    dataset = imagenet_folder(network, DataOptions(SHARED / "ilsvrc-val"))
    assert len(dataset) == 200
    cases = list(dataset[:60])
    assert len({case.target for case in cases}) == 60
    assert all(re.fullmatch(r"ILSVRC2012_val_\d{8}\.n\d{8}", case.key) for case in cases)
    assert sum(case.region is not None for case in cases) >= 58
    assert 6 <= sum(case.difficult for case in cases) <= 30
    with torch.no_grad():
        answers = network.module(torch.stack([network.tensor(case.image) for case in cases])).argmax(1)
    right = sum(int(answer) == case.target for answer, case in zip(answers, cases, strict=True))
    assert right / 60 > 0.55  # published: .667; 60 pictures scatter by .06
