"""A run killed by SIGKILL goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.run.setting import FEWEST

ROOT = Path(__file__).resolve().parents[3]
SUITE = Path(__file__).parent.parent / "fake_suite.py"
CASES, METHODS = 20, 2


def start(directory: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SUITE), str(directory)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def calls(directory: Path) -> int:
    log = directory / "calls.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def tables(directory: Path) -> dict[str, bytes]:
    files = [*directory.glob("results/tables/*"), directory / "results" / "records.parquet"]
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.slow
def test_a_run_killed_twice_repeats_a_few_cases_and_ends_with_the_same_tables(tmp_path: Path) -> None:
    for calls_before_the_kill in (7, 23):
        process = start(tmp_path)
        deadline = time.monotonic() + 120
        while calls(tmp_path) < calls_before_the_kill and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "results" / "records.parquet").exists()
    process = start(tmp_path)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()
    everything = CASES * METHODS + METHODS  # each method is called a second time for its first case
    # A kill costs the maps of one method that were being made together: of the first few cases, and of all others here.
    assert everything <= calls(tmp_path) <= everything + FEWEST + (CASES - FEWEST)
    killed = tables(tmp_path)

    (tmp_path / "calls.log").unlink()
    (tmp_path / "results").rename(tmp_path / "killed")
    process = start(tmp_path)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()
    assert calls(tmp_path) == everything
    assert tables(tmp_path) == killed
