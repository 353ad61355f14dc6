"""What the README shows must run as it stands there."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch
from contexts import context_of
from examples import SmallCNN
from torch import Tensor

from benchmarks.__main__ import main
from benchmarks.datasets import check_dataset
from benchmarks.metrics.check import check_metric
from benchmarks.networks.network import check_network, load_network
from benchmarks.registry import DATASET, METHOD, METRIC, find
from mint.contract import check_attributor

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES: Mapping[str, str] = {
    name: code for code, name in re.findall(r"```python\n(# (\w+\.py)\n.*?)```", README, flags=re.DOTALL)
}
"""The code of every file that the README shows, by the file's name."""
COMMANDS = [line for line in re.findall(r"^python -m benchmarks run .*$", README, flags=re.M) if ".py:" in line]
SPECS = {kind: spec for command in COMMANDS for kind, spec in re.findall(r"--(\w+?)s? (\w+\.py:\w+)", command)}
TINY_PLAN = """
from baselines import Random
from benchmarks.metrics import Pointing
from benchmarks.run.plan import Part, Plan

tiny = Plan("tiny", "One map.", (Part("scenes", ("scenes-vgg",), {"random": Random()}, {"pointing": Pointing()}),))
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the README's files, and a plan that costs little."""
    for name, code in {**FILES, "tiny.py": TINY_PLAN}.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_of_the_four_is_shown_in_a_few_lines() -> None:
    assert SPECS.keys() == {"method", "metric", "network", "dataset"}
    for name, code in FILES.items():
        assert len(code.splitlines()) <= 26, f"{name} is longer than its first line and 25 more"


def _check_method(spec: str, model: SmallCNN, images: Tensor, targets: Tensor) -> None:
    check_attributor(find(METHOD, spec), model, images, targets)


def _check_metric(spec: str, model: SmallCNN, images: Tensor, targets: Tensor) -> None:
    contexts = [context_of(image, None, model, int(target)) for image, target in zip(images, targets, strict=True)]
    check_metric(find(METRIC, spec), contexts, list(images.mean(1)))


def _check_network(spec: str, *_: object) -> None:
    check_network(load_network(spec))


def _check_dataset(spec: str, *_: object) -> None:
    check_dataset(find(DATASET, spec), load_network(SPECS["network"]))


CHECKS: Mapping[str, Callable[[str, SmallCNN, Tensor, Tensor], None]] = {
    "method": _check_method,
    "metric": _check_metric,
    "network": _check_network,
    "dataset": _check_dataset,
}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.usefixtures("desk")
def test_what_is_shown_keeps_its_contract(kind: str, small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    CHECKS[kind](SPECS[kind], small_cnn, images, targets)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.partition(" run ")[2])
def test_what_is_shown_lands_in_the_same_tables(command: str, desk: Path) -> None:
    words = command.split()[3:]
    words[words.index("--plan") + 1] = "tiny.py:tiny"
    if "--weights" in words:
        weights = words.index("--weights") + 1
        torch.save(load_network(SPECS["network"]).module.state_dict(), desk / "weights.pth")
        words[weights] = words[weights].replace("=FILE", f"={desk / 'weights.pth'}")
    assert main([*words, "--limit", "1", "--out", str(desk / "out")]) == 0
    records = pd.read_parquet(desk / "out" / "records.parquet")
    for kind, name in re.findall(r"--(\w+?)s? \w+\.py:(\w+)", command):
        assert name in set(records[kind])


def test_the_commands_are_those_of_tox() -> None:
    environments = re.findall(r"^\[testenv:(\w+)\]", (ROOT / "tox.ini").read_text(encoding="utf-8"), flags=re.M)
    named = re.findall(r"python -m tox run -e (\w+)", README)
    assert {"main", "tests"} <= set(named) <= set(environments)


def test_every_file_that_the_readme_points_to_exists() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing


def test_explaining_in_python_runs_as_shown(small_cnn: SmallCNN, images: Tensor) -> None:
    (code,) = re.findall(
        r"```python\n(from mint import MINT, OverlayMINT\n\nexplanation = .*?)```", README, flags=re.DOTALL
    )
    for shown, small in (("samples=1000", "samples=60"), ("MINT()", "MINT(samples=60)"), ("340", "3"), ("386", "1")):
        assert shown in code
        code = code.replace(shown, small)
    names: dict[str, object] = {"model": small_cnn, "image": images[0], "images": images}
    names["targets"] = torch.tensor([3] * len(images))
    exec(code, names)
    assert getattr(names["explanation"], "target", None) == 3
