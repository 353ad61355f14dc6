"""Whatever a user names is found: by a registered name, in a file, in a module, in an installed package."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import torch

import baselines
from baselines.packages import Package
from benchmarks.datasets import DataOptions
from benchmarks.metrics import Context
from benchmarks.networks.network import load_network
from benchmarks.plans import methods as plans
from benchmarks.registry import (
    DATASET,
    KINDS,
    METHOD,
    METRIC,
    NETWORK,
    PLAN,
    USERS_FILE,
    Kind,
    absent,
    described,
    expand,
    find,
    registered,
)
from benchmarks.run.identity import code_digest, method_identity
from benchmarks.run.plan import Plan
from mint import InputError
from mint.contract import attribute

EXAMPLE = """
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.datasets import Case
from benchmarks.metrics import Measurement, Metric
from benchmarks.run.plan import Part, Plan
from mint import MINT, Display
from mint.app.classifiers import Classifier, Preprocessing


@dataclass(frozen=True)
class Mine:
    power: float = 2.0

    def __call__(self, model, images, targets):
        return images.mean(dim=1) ** self.power


@dataclass(frozen=True)
class NeedsMore:
    power: float

    def __call__(self, model, images, targets): ...


class Uncallable: ...


def as_function(model, images, targets):
    return images.mean(dim=1)


@dataclass(frozen=True)
class Largest(Metric):
    times: float = 1.0

    def score_map(self, context, saliency):
        return Measurement(self.times * float(saliency.max()))


@dataclass(frozen=True)
class Labelled(Largest):
    curve_labels = ("share", "answer")


def network():
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Classifier(nn.Sequential(*layers, nn.Linear(4, 2)), Preprocessing(16), ("cat", "dog"))


def data(network, options):
    return []


instance = Mine(power=3.0)
coarse = MINT(samples=50, shown=Display(scale="coarse"))
plan = Plan("plan", "Mine.", (Part("scenes", ("scenes-vgg",), {"mine": instance}, {"largest": Largest()}),))
number = 4
"""
WAYS = ("FILE.py:NAME", "module:NAME")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE)
    (tmp_path / "their_module.py").write_text(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    yield path
    for name in [name for name in sys.modules if name == "their_module" or name.startswith(USERS_FILE)]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_everything_registered_is_found_by_its_name(kind: Kind) -> None:
    table = registered(kind)
    assert len(table) > 3
    assert all(find(kind, name) is not None for name in table if not absent(table[name]))


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        (METHOD, "gradcma", "gradcam"),
        (METRIC, "pionting", "pointing"),
        (NETWORK, "resnet5", "resnet50"),
        (NETWORK, "densnet121", "densenet121"),
        (DATASET, "scene", "scenes"),
        (PLAN, "Quik", "quick"),
    ],
)
def test_a_name_that_does_not_exist_gets_the_nearest(kind: Kind, name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"^unknown {kind.word} '{name}'; the nearest are .*\b{nearest}\b"):
        find(kind, name)


class Wanting(baselines.Random):
    """A method whose package no one has."""

    needs = Package("no_such_package", "methods")


def test_what_is_absent_is_listed_left_out_of_its_groups_and_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plans.METHODS, "wanting", Wanting)  # type: ignore[misc]
    monkeypatch.setattr(plans, "GROUPS", {"few": ("random", "wanting"), "none": ("wanting",)})
    cure = "python -m pip install -e '.[methods]'"
    why = f"needs the package no_such_package, which is not installed; install it by: {cure}"
    assert described(METHOD)["wanting"] == f"absent: it {why}"
    assert described(METHOD)["@few"] == "random, wanting"
    assert expand(METHOD, ["mint", "@few", "random"]) == (("mint", "random"), {"wanting": why})
    with pytest.raises(InputError, match=re.escape(f"no method of @none can be used. wanting {why}")):
        expand(METHOD, ["@none"])
    with pytest.raises(InputError, match=re.escape(f"the method 'wanting' {why}")):
        find(METHOD, "wanting")


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        (METHOD, "@perturbations", "unknown group of methods '@perturbations'; the nearest are @perturbation"),
        (METRIC, "@all", "unknown metric '@all'"),
    ],
)
def test_a_group_that_does_not_exist_gets_the_nearest(kind: Kind, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        [find(kind, each) for each in expand(kind, [name])[0]]


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_is_found_in_a_file_and_in_a_module(file: Path, way: str, fakes: ModuleType) -> None:
    place = str(file) if way == "FILE.py:NAME" else "their_module"
    images, targets = torch.ones(2, 3, 16, 16), torch.tensor([0, 1])
    for name in ("Mine", "instance", "as_function"):
        assert attribute(find(METHOD, f"{place}:{name}"), fakes.build(), images, targets).shape == (2, 16, 16)
    assert method_identity(find(METHOD, f"{place}:coarse"))["parameters"]["samples"] == "50"
    loaded = load_network(f"{place}:network")
    assert (loaded.name, loaded.input_size, loaded.classes, loaded.layers) == (
        "network",
        16,
        ("cat", "dog"),
        ("1", "3"),
    )
    assert find(DATASET, f"{place}:data")(loaded, DataOptions()) == []
    assert isinstance(find(PLAN, f"{place}:plan"), Plan)
    metric: Any = find(METRIC, f"{place}:Largest")
    assert metric(Context(loaded, fakes.case(0), images[0]), torch.eye(16)).score == 1
    assert str(file.parent) not in sys.path


def test_a_file_without_a_name_has_no_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match=r"unknown name in .*empty\.py: 'Mine'; there is none\.$"):
        find(METHOD, f"{tmp_path / 'empty.py'}:Mine")


@pytest.mark.parametrize(
    ("kind", "spec", "sentence"),
    [
        (METHOD, "mine.py:not a name", "--method takes a name, FILE.py:NAME or module:NAME"),
        (METHOD, ":Mine", "--method takes a name, FILE.py:NAME or module:NAME"),
        (METHOD, "other.py:Mine", r"the file other\.py given by --method does not exist"),
        (METHOD, "no_such_module:Mine", r"the module 'no_such_module' of --method cannot be imported: ModuleNotFound"),
        (METHOD, "mine.py:Mne", r"unknown name in mine\.py: 'Mne'; the nearest are Mine"),
        (METHOD, "mine.py:number", r"is a int; it must be a function, a class or an instance"),
        (METHOD, "mine.py:NeedsMore", r"cannot be made without arguments .*'power'.*give every parameter a default"),
        (METHOD, "mine.py:Uncallable", r"has no __call__\(self, model, images, targets\)"),
        (METRIC, "mine.py:Uncallable", r"has no __call__\(self, context, saliency\)"),
        (METRIC, "mine.py:Labelled", r"curve_labels is a CurveLabels or None, not \('share', 'answer'\)"),
        (NETWORK, "mine.py:number", r"must be a function or class called as network\(\)"),
        (DATASET, "mine.py:number", r"must be a function or class called as dataset\(network, options\)"),
        (PLAN, "mine.py:number", r"is a int; it must be a benchmarks\.run\.plan\.Plan"),
    ],
)
@pytest.mark.usefixtures("file")
def test_what_cannot_be_loaded_is_one_sentence(kind: Kind, spec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        find(kind, spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["import not_installed_anywhere", "def broken(:", "1 / 0"])
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=r"bad\.py cannot be imported: (ModuleNotFound|Syntax|ZeroDivision)Error"):
        find(METHOD, f"{tmp_path / 'bad.py'}:Anything")


def test_editing_the_file_changes_what_it_gives(file: Path) -> None:
    identity = method_identity(find(METHOD, f"{file}:Mine"))
    assert method_identity(find(METHOD, f"{file}:Mine")) == identity
    file.write_text(EXAMPLE.replace("** self.power", "* self.power"), encoding="utf-8")
    assert method_identity(find(METHOD, f"{file}:Mine")) != identity


SIBLING = "from factor import FACTOR\n\ndef mine(model, images, targets):\n    return FACTOR * images[:, 0]\n"


@pytest.mark.parametrize("beside", ["factor.py", "factor/__init__.py"])
def test_a_module_beside_a_file_is_importable_and_part_of_its_code(tmp_path: Path, beside: str) -> None:
    digests, maps = [], []
    for folder, factor in (("one", 2), ("two", 2), ("three", 3)):
        file = tmp_path / folder / beside
        file.parent.mkdir(parents=True)
        file.write_text(f"FACTOR = {factor}\n")
        (tmp_path / folder / "mine.py").write_text(SIBLING)
        (tmp_path / folder / "unused.py").write_text(f"FOLDER = {folder!r}\n")
        method = find(METHOD, f"{tmp_path / folder / 'mine.py'}:mine")
        maps.append(float(method(None, torch.ones(1, 3, 2, 2), None).max()))
        digests.append(code_digest(method))
        sys.modules.pop("factor") if "/" in beside else None
    assert maps == [2, 2, 3], "two users' files each have their own module of one name"
    assert digests[0] == digests[1] != digests[2]
    sys.modules.pop("factor", None)


def entry_point(kind: Kind, name: str, value: str) -> importlib.metadata.EntryPoint:
    return importlib.metadata.EntryPoint(name, value, kind.group)


def test_an_installed_packages_entry_points_are_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real distribution on the path, not a stand-in for importlib.metadata."""
    (tmp_path / "their_package.py").write_text(EXAMPLE)
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        dedent("""
            [mint.attributors]
            theirs = their_package:Mine
            broken = their_package:Missing
            [mint.metrics]
            theirs = their_package:Largest
            [mint.networks]
            theirs = their_package:network
            [mint.datasets]
            theirs = their_package:data
            [mint.plans]
            theirs = their_package:plan
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert method_identity(find(METHOD, "theirs"))["class"] == "Mine"
    for kind in KINDS.values():
        assert "theirs" in registered(kind)
        assert find(kind, "theirs") is not None
    assert load_network("theirs").classes == ("cat", "dog")
    with pytest.raises(InputError, match=r"'broken' \(their_package:Missing\) cannot be imported"):
        find(METHOD, "broken")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_entry_point_cannot_take_a_name_of_ours(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(registered(kind)))
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry_point(kind, name, "theirs:Thing")])
    with pytest.raises(InputError, match=re.escape(f"{name!r} (theirs:Thing) takes the name of another {kind.word}")):
        registered(kind)


def test_the_methods_are_mint_s_and_the_baselines() -> None:
    assert {"mint", "overlay", *baselines.METHODS} == registered(METHOD).keys()


def test_a_file_that_the_system_cannot_name_is_refused() -> None:
    with pytest.raises(InputError, match="given by --method cannot be read"):
        find(METHOD, f"{'long' * 100}.py:Mine")
