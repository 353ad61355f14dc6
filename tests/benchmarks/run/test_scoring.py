"""One score for a whole run: of every method and metric, part of every key, and suited to the network."""

import json
import re
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from small_runs import rows_in
from torch import Tensor

import baselines
from benchmarks.__main__ import main
from benchmarks.metrics import ROAD, Context, Deletion, Infidelity, Metric, TieBound, TieRange
from benchmarks.metrics.removal.peers import PROFILES
from benchmarks.networks.network import check_network, load_network
from benchmarks.registry import DATASET, METRIC, SCORE, find
from benchmarks.run.identity import method_identity, object_identity
from benchmarks.run.loop import Results
from benchmarks.run.loop import run as results_of
from benchmarks.run.plan import Options, Part, Plan
from benchmarks.run.scoring import rescored, scores_of
from benchmarks.run.store import Store
from mint import MINT, InputError, OverlayMINT
from mint.scores import SCORE_NAMES

MINE = """
import numpy as np
import torch
from torch import nn

from baselines import LIME
from benchmarks.datasets import Case
from benchmarks.metrics import Deletion
from mint.app.classifiers import Classifier, Preprocessing
from mint.perturbation import masked_scores


def network(outputs, classes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs)]
    return nn.Sequential(*layers), Preprocessing(16), classes


def binary():
    return Classifier(*network(1, {1: "dull", 0: "bright"}))


def two():
    return Classifier(*network(2, ("bright", "dull")))


def softmaxed():
    module, *rest = network(2, ("bright", "dull"))
    return Classifier(nn.Sequential(*module, nn.Softmax(1)), *rest)


def data(network, options):
    rng = np.random.default_rng(0)
    return [
        Case(f"p{i}", f"p{i}", i % 2, network.classes[i % 2], rng.integers(0, 256, (16, 16, 3), np.uint8), None, False)
        for i in range(4)
    ]


def margin(answers):
    return answers - answers.flip(1)


def first(answers):
    return answers[:, :1]


def broken(answers):
    return answers + answers.nothing


def wanting(answers, more):
    return answers


def closure(factor):
    def scaled(answers):
        return factor * answers

    return scaled


doubled = closure(2)
by_margin = Deletion(steps=4, score=margin)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, network: str = "two", out: str = "out") -> int:
    names = ["--networks", f"mine.py:{network}", "--datasets", "mine.py:data"]
    few = ["--methods", "mint,overlay,lime,occlusion,gradcam", "--metrics", "deletion,srg,road,infidelity"]
    return main(["run", "--plan", "smoke", *names, *few, "--limit", "2", *arguments, "--out", out])


def records(out: str = "out") -> pd.DataFrame:
    return pd.read_parquet(Path(out) / "records.parquet")


def test_one_output_runs_from_data_set_to_table_with_the_sigmoid(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(network="binary") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: with the network binary, the network has one output")
    assert "--score sigmoid" in line
    given = ("--methods", "mint,lime,gradcam", "--metrics", "deletion,infidelity", "--controls", "other-class")
    assert run("--score", "sigmoid", *given, network="binary") == 0
    found = records()
    assert set(found["target_name"]) == {"bright", "dull"}
    assert found["score"].notna().all()
    assert set(found["control"]) == {"", "other-class"}
    assert "| mint | binary |" in (folder / "out" / "README.md").read_text()
    (setting,) = json.loads((folder / "out" / "provenance.json").read_text())["inputs"]["settings"]
    assert {each["parameters"].get("score") for each in setting["methods"].values()} == {None, "'sigmoid'"}
    assert setting["methods"]["mint"]["parameters"]["response"] == "'sigmoid'"
    assert setting["metrics"]["deletion"]["settings"]["score"] == "sigmoid"


def test_the_classes_of_one_output_are_p_and_1_minus_p(folder: Path) -> None:
    network = load_network("mine.py:binary")
    check_network(network)
    assert network.classes == ("bright", "dull")
    for case in find(DATASET, "mine.py:data")(network, None)[:2]:
        image = network.tensor(case.image)
        with torch.no_grad():
            p = float(network.module(image[None]).sigmoid())
        curve = Deletion(steps=4, score="sigmoid")(Context(network, case, image), image[0]).curve
        assert curve is not None
        assert curve[1][0] == pytest.approx(p if case.target == 0 else 1 - p, abs=1e-6)


def measured(folder: Path, metric: Metric, score: str | None = None, network: str = "two") -> tuple[Results, Store]:
    """Run without a command line, tables and plots."""
    methods = {"lime": baselines.LIME(samples=10), "random": baselines.Random()}
    plan = Plan("mine", "Mine.", (Part("mine.py:data", (f"mine.py:{network}",), methods, {"it": metric}, limit=2),))
    store = Store(folder / "cells")
    return results_of(plan, Options(score=score if score in {None, *SCORE_NAMES} else find(SCORE, score)), store), store


def test_a_score_is_part_of_every_key(folder: Path) -> None:
    def scores(score: str | None) -> tuple[list[float], tuple[int, int]]:
        found, store = measured(folder, Deletion(steps=4), score)
        random = [row["score"] for row in rows_in(found.records) if row["method"] == "random"]
        return random, (store.written, store.reused)

    _, counts = scores(None)
    assert counts == (10, 0), "maps and scores of two methods and cases, and whether maps come out again"
    before, counts = scores("mine.py:margin")
    assert counts == (7, 3), "only the maps of random numbers read no score"
    assert scores("mine.py:margin") == (before, (0, 10))
    (folder / "mine.py").write_text(MINE.replace("answers - answers.flip(1)", "2 * (answers - answers.flip(1))"))
    after, _ = scores("mine.py:margin")
    assert after == pytest.approx([2 * score for score in before], rel=1e-5)


def test_a_metric_of_the_user_s_may_have_a_function(folder: Path) -> None:
    one, _ = measured(folder, find(METRIC, "mine.py:by_margin"))
    other, _ = measured(folder, Deletion(steps=4), "mine.py:margin")
    last, same = rows_in(one.records)[-1], rows_in(other.records)[-1]
    assert last["metric_id"] == "Deletion(steps=4, baseline='zero', score=UsersScore(name='margin'))"
    assert last["method"] == "random"
    assert last["score"] == same["score"] != 0
    json.dumps(one.inputs)


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ("softmx", "unknown score 'softmx'; the nearest are"),
        ("mine.py:broken", r"with the network two, the score broken failed: AttributeE.*\(in broken, mine.py line"),
        ("mine.py:wanting", r"the score wanting failed: TypeError: .*'more' \(in wanting, mine.py line"),
        ("mine.py:first", "the score first gave 1 classes, without number 1"),
        ("mine.py:doubled", "the score scaled cannot be told from others; use a function with a name"),
        ("mine.py:data", r"the score data failed: TypeError: .*\(in data, mine.py line \d+\)"),
        ("mine.py:nothing", "unknown name in mine.py: 'nothing'"),
        ("nowhere.py:margin", "the file nowhere.py given by --score does not exist"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_score_that_cannot_be_used_is_one_sentence(
    score: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--score", score) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"error: .*{sentence}", line)


@pytest.mark.usefixtures("folder")
def test_probabilities_are_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    quick = ("--methods", "overlay,occlusion", "--metrics", "deletion,infidelity", "--controls", "none")
    assert run(*quick, network="softmaxed") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "probabilities already" in line]
    assert line.startswith("warning: with the network softmaxed, the network's answers seem to be probabilities")


def test_only_a_softmax_of_probabilities_is_warned_of(folder: Path) -> None:
    for score, many in (("logit", 0), ("log-probability", 1)):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            measured(folder, Deletion(steps=4, score="logit"), score, "softmaxed")
        assert sum("probabilities already" in str(each.message) for each in found) == many


@dataclass(frozen=True)
class Power:
    exponent: float = 2.0

    def __call__(self, answers: Tensor) -> Tensor:
        return answers**self.exponent


def cubed(answers: Tensor) -> Tensor:
    return answers**3


THINGS = [
    MINT(samples=10),
    OverlayMINT(samples=10),
    baselines.LIME(samples=10),
    baselines.Occlusion(),
    baselines.EngineOcclusion(),
    Deletion(),
    ROAD(),
    Infidelity(),
    TieBound(TieRange(Deletion())),
    PROFILES["torchcam-deletion"],
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_every_method_and_metric_with_a_score_gets_the_run_s(thing: object) -> None:
    def identify(instance: Any) -> str:
        return str(object_identity("it", instance) if isinstance(instance, Metric) else method_identity(instance))

    found = {}
    for score in ("sigmoid", "log-probability", cubed, Power(), Power(3.0)):
        changed = rescored(thing, score)  # type: ignore[arg-type]
        assert type(changed) is type(thing)
        own = [each for each in scores_of(changed) if not (isinstance(thing, MINT) and each == "logit")]
        assert len(set(own)) == 1
        found[identify(changed)] = score
    assert len(found) == 5, "every score has an identity of its own"
    assert not any(" at 0x" in each for each in found)
    assert rescored(thing, None) is thing


def test_the_derivative_follows_the_score_where_it_was_that_of_the_score() -> None:
    assert rescored(MINT(), "sigmoid") == MINT(response="sigmoid", derivative_of="logit")
    assert rescored(MINT(derivative_of="probability"), "sigmoid") == MINT(response="sigmoid", derivative_of="sigmoid")


def test_what_has_no_score_stays_as_it_is() -> None:
    for thing in (baselines.GradCAM(), baselines.Random(), TieRange):
        assert rescored(thing, "sigmoid") is thing


@pytest.mark.parametrize("score", [lambda answers: answers, partial(cubed)])
def test_a_function_without_a_name_cannot_be_told_from_others(score: object) -> None:
    with pytest.raises(InputError, match="cannot be told from others"):
        rescored(Deletion(score=score), None)  # type: ignore[arg-type]
