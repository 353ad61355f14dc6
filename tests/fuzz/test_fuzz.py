"""Every input is read or refused: a short run of each harness, the same each time.

``python -m pytest tests/fuzz -m slow --fuzz-minutes 60`` runs all of them by Atheris, for so many minutes together.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fuzz import HARNESSES
from fuzz.harness import Harness, examine, mutate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--fuzz-minutes", default=0.0))


@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_sound_inputs_are_read_and_those_once_found_are_handled(harness: Harness, tmp_path: Path) -> None:
    for name in ("sound", "desk"):
        (tmp_path / name).mkdir()
    assert any([examine(harness, data, tmp_path / "desk") for data in harness.sound(tmp_path / "sound")])
    for data in harness.found:
        examine(harness, data, tmp_path / "desk")


@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_damaged_inputs_are_read_or_refused(harness: Harness, tmp_path: Path) -> None:
    for name in ("sound", "desk"):
        (tmp_path / name).mkdir()
    sound = harness.sound(tmp_path / "sound")

    @settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(st.sampled_from(sound), st.integers(0, 2**32))
    def check(data: bytes, seed: int) -> None:
        examine(harness, mutate(data, Random(seed), harness.tokens), tmp_path / "desk")

    check()


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", HARNESSES)
def test_a_long_run_finds_nothing(name: str, minutes: float, tmp_path: Path) -> None:
    if not minutes:
        pytest.skip("python -m pytest tests/fuzz -m slow --fuzz-minutes N fuzzes for N minutes")
    seconds = str(round(60 * minutes / len(HARNESSES)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])}
    command = [sys.executable, str(Path(__file__).with_name("long.py")), name, seconds, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    print(counts)
    assert counts["tried"] > 0
    assert counts["faults"] == 0, f"{counts}; see {tmp_path / 'faults'}"
