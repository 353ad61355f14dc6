"""What the README shows must run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from benchmarks.run.methods import from_file
from examples import SmallCNN
from torch import Tensor

from mint import check_attributor

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Write the README's complete example of a new method to a file of its own."""
    (code,) = re.findall(r"```python\n(# mine\.py\n.*?)```", README, flags=re.DOTALL)
    file = tmp_path / "mine.py"
    file.write_text(code, encoding="utf-8")
    return file


def test_the_example_keeps_the_contract(example: Path, small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    name, method = from_file(f"{example}:GradientTimesInput")
    assert name == "GradientTimesInput"
    check_attributor(method, small_cnn, images, targets)
    assert torch.equal(method(small_cnn, images, targets), method(small_cnn, images, targets))


def test_the_example_lands_in_the_same_tables(example: Path, tmp_path: Path) -> None:
    (command,) = re.findall(r"^(python -m benchmarks run .*--method mine\.py:GradientTimesInput)$", README, flags=re.M)
    assert "--plan quick" in command
    out = str(tmp_path / "out")
    words = command.replace("mine.py", str(example)).replace("--plan quick", "--plan smoke").split()[1:]
    words += ["--networks", "scenes-resnet", "--methods", "gradcam,random", "--limit", "2", "--out", out]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = pd.read_parquet(tmp_path / "out" / "records.parquet")
    assert set(records["method"]) == {"gradcam", "random", "GradientTimesInput"}
    assert "GradientTimesInput" in done.stdout


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
