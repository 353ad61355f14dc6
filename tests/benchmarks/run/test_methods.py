import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import baselines
from benchmarks.networks.network import NETWORKS
from benchmarks.run import methods
from mint import MINT, Display, InputError
from mint.contract import attribute

EXAMPLE = """
from dataclasses import dataclass

import torch
from mint import MINT, Display


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


instance = Mine(power=3.0)
coarse = MINT(samples=50, shown=Display(scale="coarse"))
number = 4
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE)
    return path


def test_every_registered_method_can_be_made_by_name() -> None:
    table = methods.registered()
    assert {"mint", *baselines.METHODS} <= table.keys()
    for name in table:
        assert callable(methods.by_name(name))


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown method 'gradcma'; the nearest are gradcam"):
        methods.by_name("gradcma")


@pytest.mark.parametrize("name", ["Mine", "instance", "as_function"])
def test_a_class_an_instance_or_a_function_in_a_file_is_a_method(file: Path, name: str, fakes: ModuleType) -> None:
    display, method = methods.from_file(f"{file}:{name}")
    assert display == name
    maps = attribute(method, fakes.build(), torch.ones(2, 3, 4, 4), torch.tensor([0, 1]))
    assert maps.shape == (2, 4, 4)


def test_a_configured_instance_of_ours_in_a_file_is_a_method(file: Path) -> None:
    _, method = methods.from_file(f"{file}:coarse")
    assert methods.identity(method)["parameters"]["samples"] == "50"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("mine.py", "--method takes FILE.py:NAME"),
        ("mine.txt:Mine", "--method takes FILE.py:NAME"),
        ("mine.py:not a name", "--method takes FILE.py:NAME"),
        ("other.py:Mine", r"the file .*other\.py given by --method does not exist"),
        ("mine.py:Mne", r"unknown name in .*mine\.py: 'Mne'; the nearest are Mine"),
        ("mine.py:number", r"is a int; it must be a class or an instance"),
        ("mine.py:NeedsMore", r"cannot be made without arguments .*'power'.*give every parameter a default"),
        ("mine.py:Uncallable", r"has no __call__\(self, model, images, targets\)"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(file: Path, spec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        methods.from_file(str(file.parent / spec))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["import not_installed_anywhere", "def broken(:", "1 / 0"])
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=r"bad\.py cannot be imported: (ModuleNotFound|Syntax|ZeroDivision)Error"):
        methods.from_file(f"{tmp_path / 'bad.py'}:Anything")


def test_editing_the_file_changes_the_methods_identity(file: Path) -> None:
    _, before = methods.from_file(f"{file}:Mine")
    identity = methods.identity(before)
    assert methods.identity(methods.from_file(f"{file}:Mine")[1]) == identity
    file.write_text(EXAMPLE.replace("** self.power", "* self.power"), encoding="utf-8")
    assert methods.identity(methods.from_file(f"{file}:Mine")[1]) != identity


def test_the_batch_size_is_not_part_of_an_identity_but_every_other_parameter_is() -> None:
    plain = methods.identity(MINT())
    assert methods.identity(MINT(batch_size=7)) == plain
    for other in (MINT(samples=10), MINT(seed=1), MINT(shown=Display(scale="coarse")), MINT(layers=("relu", "layer3"))):
        assert methods.identity(other) != plain
    assert methods.identity(baselines.Random()) != methods.identity(baselines.Centre())


@dataclass(frozen=True)
class Holds:
    value: object

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0]


@pytest.mark.parametrize("value", [object(), np.arange(5000), lambda: 0])
def test_a_parameter_that_prints_alike_for_different_values_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="Holds's parameter value prints as"):
        methods.identity(Holds(value))


def test_binding_fills_what_is_none_and_keeps_what_is_set() -> None:
    entry = NETWORKS["resnet50"]
    bound = methods.bind(MINT(layers=("relu", "layer3")), entry, batch_size=8, seed=5)
    assert bound == MINT(layers=("relu", "layer3"), batch_size=8, seed=5)
    assert methods.bind(MINT(batch_size=2), entry, batch_size=8) == MINT(layers=("relu", "layer4"), batch_size=2)
    assert methods.bind(baselines.Centre(), entry, batch_size=8, seed=5) == baselines.Centre()


def test_binding_leaves_a_function_alone() -> None:
    def method(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0]

    assert methods.bind(method, NETWORKS["resnet50"], batch_size=8) is method


def entry_point(name: str, value: str) -> importlib.metadata.EntryPoint:
    return importlib.metadata.EntryPoint(name, value, methods.ENTRY_POINTS)


def test_an_installed_packages_entry_point_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert methods.identity(methods.by_name("theirs"))["class"] == "Mine"
    with pytest.raises(InputError, match=r"'broken' \(their_package:Missing\) cannot be imported"):
        methods.by_name("broken")


def test_an_entry_point_cannot_take_a_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry_point("gradcam", "theirs:GradCAM")])
    with pytest.raises(InputError, match=re.escape("'gradcam' (theirs:GradCAM) takes the name of another method")):
        methods.registered()


class Learned:
    """A method with weights of its own."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.nets = [nn.Linear(2, 2), nn.BatchNorm1d(2).double()]

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.mean(dim=1)


def test_learned_weights_are_part_of_what_a_method_is() -> None:
    one, same, other = (methods.identity(Learned(seed)) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_a_method_that_no_file_defines_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import functools\nmine = functools.partial(print, end='')\n")
    with pytest.raises(InputError, match=r"mine.py:mine: the source of .* cannot be found; define it as a class"):
        methods.from_file(f"{tmp_path / 'mine.py'}:mine")
