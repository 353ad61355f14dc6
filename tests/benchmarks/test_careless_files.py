"""What a user's file can do wrong is one sentence and status 2, before anything is computed."""

from pathlib import Path

import pytest

from benchmarks.__main__ import main

BASE = """
import sys
from dataclasses import dataclass

import numpy as np
from torch import nn

from baselines import Random
from benchmarks.datasets import Case
from benchmarks.metrics import Metric, Pointing
from benchmarks.networks import Classifier, Preprocessing
from benchmarks.run.plan import Part, Plan

tiny = Plan("tiny", "One map.", (Part("scenes", ("scenes-vgg",), {"random": Random()}, {"pointing": Pointing()}),))
twin = Plan("tiny", "Another.", tiny.parts)


def network(classes=("red", "green")):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    return Classifier(module, Preprocessing(16, (0.5,) * 3, (0.25,) * 3), classes)


def misnamed():
    return network(("red", "green", "blue"))


def cases(network, options, keys=("a", "b")):
    return [Case(key, key, 0, "red", np.full((16, 16, 3), i, np.uint8), None, False) for i, key in enumerate(keys)]


def namesakes(network, options):
    return cases(network, options, ("a", "a"))


def numbers(network, options):
    return [1, 2]


def nothing(network, options):
    return []


def raising(network, options):
    raise RuntimeError("no such picture")


def none(network, options):
    return None


def score(context, saliency):
    return 1.0


@dataclass(frozen=True)
class Upwards(Metric):
    direction = "up"

    def score_map(self, context, saliency):
        return 1.0


def needing(device):
    return network()


def failing():
    return {}["lost"]


class Flat(nn.Module):
    preprocess = Preprocessing(16, (0.5,) * 3, (0.25,) * 3)
    classes = {"green": 1, "red": 0}

    def forward(self, images):
        return images.view(7)


def too_few(network):
    return cases(network, None)


class Lazy:
    def __init__(self, network, options): ...

    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise OSError("torn\\npicture")


class Lengthless(Lazy):
    def __len__(self):
        return 1 // 0


class Asking:
    def require(self, options):
        raise RuntimeError("no folder")

    def __call__(self, network, options): ...


asking = Asking()


def explains(model, images, targets):
    return images.nothing


def short(model):
    return model


unnamed = lambda model, images, targets: None


@dataclass(frozen=True)
class Choosy:
    batch_size: int | None = None

    def __post_init__(self):
        assert self.batch_size is None, "no batches"

    def __call__(self, model, images, targets): ...


@dataclass(frozen=True)
class Measure(Metric):
    def score_map(self, context, saliency):
        return saliency.nothing


@dataclass(frozen=True)
class Nameless(Measure):
    def __repr__(self):
        raise RuntimeError("no name")


class Demanding:
    def __init__(self):
        raise RuntimeError("no licence")

    def __call__(self, model, images, targets): ...
"""


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bad.py").write_text(BASE, encoding="utf-8")
    (tmp_path / "importing.py").write_text("import bad\n\nmine = bad.lost\n", encoding="utf-8")
    (tmp_path / "leaving.py").write_text("import sys\n\nsys.exit(0)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--plan bad.py:tiny,bad.py:twin", "two plans are called 'tiny'"),
        ("--plan bad.py:tiny --networks bad.py:misnamed --datasets bad.py:cases", "3 class names"),
        ("--plan bad.py:tiny --networks bad.py:network --datasets bad.py:nothing", "gives no case"),
        ("--plan bad.py:tiny --networks bad.py:network --datasets bad.py:raising", "no such picture"),
        ("--plan bad.py:tiny --networks bad.py:network --datasets bad.py:none", "cannot be read"),
        ("--plan bad.py:tiny --metric bad.py:score", "no frozen dataclass"),
        ("--plan bad.py:tiny --metric bad.py:Upwards", "direction is one of ('higher', 'lower'), not 'up'"),
        ("--plan bad.py:tiny --method bad.py:unnamed", "the method <lambda> cannot be told from others"),
        ("--plan bad.py:tiny --method bad.py:Demanding", "no licence"),
        ("--plan bad.py:tiny --method leaving.py:Mine", "SystemExit"),
    ],
)
@pytest.mark.usefixtures("bad")
def test_it_is_refused_in_one_sentence(arguments: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *arguments.split(), "--limit", "1", "--out", "out"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    assert named in line


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("--networks bad.py:failing", f"in failing, bad.py line {BASE.splitlines().index('def failing():') + 2}"),
        ("--networks bad.py:needing", "in needing, bad.py line"),
        ("--networks bad.py:Flat", "in Flat.forward, bad.py line"),
        ("--datasets bad.py:raising", "in raising, bad.py line"),
        ("--datasets bad.py:too_few", "in too_few, bad.py line"),
        ("--datasets bad.py:Lazy", "OSError: torn picture (in Lazy.__getitem__, bad.py line"),
        ("--datasets bad.py:Lengthless", "in Lengthless.__len__, bad.py line"),
        ("--datasets bad.py:asking", "in Asking.require, bad.py line"),
        ("--method bad.py:explains", "in explains, bad.py line"),
        ("--method bad.py:short", "in short, bad.py line"),
        ("--method bad.py:Choosy --batch-size 3", "in Choosy.__post_init__, bad.py line"),
        ("--method bad.py:Demanding", "in Demanding.__init__, bad.py line"),
        ("--metric bad.py:Measure", "in Measure.score_map, bad.py line"),
        ("--metric bad.py:Nameless", "in Nameless.__repr__, bad.py line"),
        ("--plan importing.py:mine", "(importing.py line 3)"),
    ],
)
@pytest.mark.usefixtures("bad")
def test_an_error_in_it_names_the_function_the_file_and_the_line(
    arguments: str, place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.report.report.make_report", lambda directory: "")
    given = ["--networks", "bad.py:network", "--datasets", "bad.py:cases", *arguments.split()]
    assert main(["run", "--plan", "bad.py:tiny", *given, "--limit", "1", "--out", "out"]) in (1, 2)
    told = [line for line in capsys.readouterr().err.splitlines() if place in line]
    assert told
    assert all("Traceback" not in line for line in told)
    assert all(line.startswith(("error: ", "failed")) for line in told)


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        ("namesakes", "its key 'a' is that of number 1, too"),
        ("numbers", "a case is a benchmarks.datasets.Case, not a int"),
    ],
)
@pytest.mark.usefixtures("bad")
def test_what_is_no_case_of_its_own_fails(cases: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = f"--plan bad.py:tiny --networks bad.py:network --datasets bad.py:{cases} --out out"
    assert main(["run", *given.split()]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", '{"inputs": {}}', '{"inputs": "none", "run": {}}'])
def test_damaged_provenance_is_one_sentence(text: str, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--plan", "bad.py:tiny", "--limit", "1", "--out", "out"]) == 0
    (bad / "out" / "provenance.json").write_text(text, encoding="utf-8")
    assert main(["report", "--plan", "tiny", "--out", "out"]) == 2
    assert "cannot be read" in capsys.readouterr().err
