"""The drawn scenes: what the generator promises, and what the committed pictures hold."""

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets.scenes.draw import (
    ASSETS,
    CLASSES,
    EVALUATION_PICTURES,
    MAX_VISIBLE,
    MIN_VISIBLE,
    PHOTOGRAPHS,
    SILHOUETTES,
    SIZE,
    TEXTURES,
    photograph,
    scene,
    write_evaluation,
)
from benchmarks.networks.network import Network
from mint.app.classifiers import Preprocessing
from mint.contract import InputError

EXAMPLES = range(0, EVALUATION_PICTURES, 13)


def _network(name: str = "scenes-vgg") -> Network:
    if name != "scenes-vgg":
        return Network(name, torch.nn.Identity(), classes=("cat", "dog"))
    return Network(name, torch.nn.Identity(), Preprocessing(SIZE), CLASSES)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(DATASETS["scenes"](_network(), DataOptions()))


def _silhouette_and_texture(name: str) -> tuple[str, str]:
    texture, silhouette = name.split("-")
    return silhouette, texture


# --- the generator -------------------------------------------------------------------------------------------


def test_classes_are_every_silhouette_in_every_texture() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == len(SILHOUETTES) * len(TEXTURES) >= 10
    assert {_silhouette_and_texture(name) for name in CLASSES} == {(s, t) for s in SILHOUETTES for t in TEXTURES}


@pytest.mark.parametrize("index", EXAMPLES)
def test_committed_pictures_are_what_the_seed_draws(index: int) -> None:
    drawn = scene("evaluation", index)
    stem = ASSETS / f"scene-{index:04d}"
    with Image.open(f"{stem}.png") as image, Image.open(f"{stem}.labels.png") as labels:
        np.testing.assert_array_equal(drawn.labels, labels)
        np.testing.assert_array_equal(drawn.image, image)
    entry = json.loads((ASSETS / "index.json").read_text())["pictures"][index]
    assert entry["difficult"] == {CLASSES[target]: hard for target, hard in drawn.difficult.items()}


def test_scenes_depend_on_seed_split_and_index() -> None:
    pictures = [scene("train", 0), scene("evaluation", 0), scene("evaluation", 1), scene("evaluation", 0, seed=1)]
    assert len({drawn.image.tobytes() for drawn in pictures}) == 4


def test_the_splits_share_no_photograph() -> None:
    train, evaluation = (set(PHOTOGRAPHS[split]) for split in ("train", "evaluation"))
    assert not train & evaluation


def test_every_photograph_is_credited() -> None:
    credits = (ASSETS / "CREDITS.md").read_text(encoding="utf-8")
    for photographs in PHOTOGRAPHS.values():
        for _, name in photographs:
            assert f"`{name}`" in credits


def test_a_missing_photograph_is_named() -> None:
    with pytest.raises(InputError, match=r"tiger\.png of skimage is not installed; install scikit-image"):
        photograph("skimage", "tiger.png")
    with pytest.raises(InputError, match="install scikit-image and scikit-learn"):
        photograph("no_such_package", "tiger.png")


@pytest.mark.parametrize("name", SILHOUETTES)
def test_silhouettes_are_drawn_to_scale(name: str) -> None:
    """An outline r(angle) encloses half the integral of its square."""
    angle = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    outline = SILHOUETTES[name](angle)
    exact = {
        "disc": np.pi,
        "triangle": 3 * np.sqrt(3) / 4,
        "cross": 2 * (2 * 0.72) - 0.72**2,  # two bars less the square they share
        "star": 10 * 0.5 * 0.42 * np.sin(np.pi / 5),
    }
    assert (outline**2).mean() * np.pi == pytest.approx(exact[name], rel=1e-6)


# --- the committed pictures ----------------------------------------------------------------------------------


def test_there_is_one_case_for_each_class_of_each_picture(cases: list[Case]) -> None:
    assert len({case.key for case in cases}) == len(cases)
    assert len({case.picture for case in cases}) == EVALUATION_PICTURES
    per_picture = Counter(case.picture for case in cases)
    assert set(per_picture.values()) == {2, 3, 4}
    assert {case.target_name for case in cases} == set(CLASSES)


def test_cases_are_well_formed(cases: list[Case]) -> None:
    for case in cases:
        assert case.image.shape == (SIZE, SIZE, 3)
        assert case.image.dtype == np.uint8
        assert case.region is not None
        assert case.region.dtype == np.bool_
        assert CLASSES[case.target] == case.target_name
        assert case.key == f"{case.picture}.{case.target_name}"


def test_objects_are_visible_and_do_not_share_pixels(cases: list[Case]) -> None:
    together: dict[str, np.ndarray] = {}
    for case in cases:
        assert case.region is not None
        assert MIN_VISIBLE <= case.region.mean() < MAX_VISIBLE == 0.25
        together[case.picture] = together.get(case.picture, 0) + case.region.astype(int)
    assert all(cover.max() == 1 for cover in together.values())


def test_sizes_span_the_range(cases: list[Case]) -> None:
    sizes = [case.region.mean() for case in cases if case.region is not None]
    assert min(sizes) < 0.035
    assert max(sizes) > 0.15


def test_difficult_is_having_a_rival(cases: list[Case]) -> None:
    """Objects alone make a case difficult; otherwise a blob must have, which the labels do not show."""
    others: dict[str, set[str]] = {}
    for case in cases:
        others.setdefault(case.picture, set()).add(case.target_name)
    by_blob = 0
    for case in cases:
        silhouette, texture = _silhouette_and_texture(case.target_name)
        rivals = [
            name
            for name in others[case.picture] - {case.target_name}
            if silhouette in name.split("-") or texture in name.split("-")
        ]
        assert case.difficult or not rivals
        by_blob += case.difficult and not rivals
    assert 0 < by_blob < 0.25 * len(cases)
    assert 0.5 < np.mean([case.difficult for case in cases]) < 0.8


def test_the_centre_is_a_bad_guess(cases: list[Case]) -> None:
    """TorchRay's rule at this size: a region pixel strictly nearer than 7.5 pixels to the middle."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    near = (rows - 55.5) ** 2 + (columns - 55.5) ** 2 < 7.5**2
    hits = [bool((case.region & near).any()) for case in cases if case.difficult and case.region is not None]
    assert np.mean(hits) < 0.35


def test_a_prefix_is_representative(cases: list[Case]) -> None:
    prefix = cases[:24]
    assert len({case.picture for case in prefix}) == 24
    assert len({case.target_name for case in prefix}) >= 8
    assert 0.4 < np.mean([case.difficult for case in prefix]) < 0.9


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scenes", "scenes-endless"])
def test_another_network_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="resnet18 does not know; choose from scenes-vgg, scenes-resnet"):
        DATASETS[name](_network("resnet18"), DataOptions())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere are incomplete: index\.json is missing"):
        DATASETS["scenes"](_network(), DataOptions(directory=tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["scene-0001.png", "scene-0001.labels.png", "index.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-20])])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    folder = tmp_path / "scenes"
    shutil.copytree(ASSETS, folder)
    damage(folder / name)
    with pytest.raises(InputError, match=f"{name} is missing or damaged"):
        DATASETS["scenes"](_network(), DataOptions(directory=folder))


@pytest.mark.parametrize(
    "entry",
    [{}, "scene-0000", None, {"name": "scene-0000"}, {"difficult": {"ufo": True}}, {"difficult": True}],
    ids=repr,
)
def test_an_index_of_something_else_is_named(tmp_path: Path, entry: object) -> None:
    write_evaluation(tmp_path, pictures=1)
    index = json.loads((tmp_path / "index.json").read_text())
    (whole,) = index["pictures"]
    index["pictures"] = [{**whole, **entry} if isinstance(entry, dict) and "difficult" in entry else entry]
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index\.json is missing or damaged"):
        DATASETS["scenes"](_network(), DataOptions(directory=tmp_path))


def test_a_folder_of_other_scenes_can_be_written_and_read(tmp_path: Path) -> None:
    write_evaluation(tmp_path, pictures=2, seed=7)
    other = DATASETS["scenes"](_network(), DataOptions(directory=tmp_path))
    assert {case.picture for case in other} == {"scene-0000", "scene-0001"}
    drawn = scene("evaluation", 1, seed=7)
    again = next(case for case in other if case.picture == "scene-0001")
    np.testing.assert_array_equal(again.image, drawn.image)
    assert dataclasses.asdict(again)["difficult"] == drawn.difficult[again.target]
