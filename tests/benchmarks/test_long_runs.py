"""Runs by several processes leave what one process leaves, whatever becomes of the processes."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest

from benchmarks.__main__ import main
from benchmarks.results import records
from benchmarks.run.journal import read_journal

ROOT = Path(__file__).resolve().parents[2]
SUITE = Path(__file__).with_name("long_suite.py")
WORKERS = ("--workers", "2")
COST = re.compile(r"timing\.csv|tables/cost\..*")  # what says how long something took


class Ran(NamedTuple):
    status: int
    out: Path
    printed: str
    errors: str

    @property
    def failed(self) -> list[str]:
        """What was said of failures, the first time and in the end."""
        return [line for line in self.errors.splitlines() if line.startswith("failed")]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """Run a plan of the small world in a folder of its own."""

    def go(plan: str, *options: str, out: Path | None = None) -> Ran:
        out = out or tmp_path_factory.mktemp("run") / "out"
        # `capsys` is no fixture of a module.
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(StringIO()) as printed,
            redirect_stderr(StringIO()) as errors,
        ):
            patch.setattr("benchmarks.run.executors.dispatch.REST", 0.1)
            status = main(["run", "--plan", f"{SUITE}:{plan}", "--out", str(out), *options])
        return Ran(status, out, printed.getvalue(), errors.getvalue())

    return go


def contents(out: Path) -> dict[str, bytes]:
    """Read the records and tables but for what says how long something took."""
    files = [file for file in [*out.glob("*.parquet"), *out.glob("*.npz"), *out.glob("tables/*")] if file.is_file()]
    named = {str(file.relative_to(out)): file.read_bytes() for file in sorted(files)}
    return {name: content for name, content in named.items() if not COST.fullmatch(name)}


def provenance(out: Path, *, again: bool = False) -> dict[str, Any]:
    """Read the provenance but for times, the command, and what was computed and found.

    With ``again``, pictures are left out as well: a unit whose worker was killed shows some of them again.
    """
    found: dict[str, Any] = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    for name in ("command", "started", "seconds", "cells", "git"):
        del found["run"][name]
    for row in found["run"]["efficiency"]:
        del row["seconds"], row["bare_seconds"]
        row.update({"pictures": 0} if again else {})
    return found


def alike(one: Ran, other: Ran, *, again: bool = False) -> None:
    assert len(contents(one.out)) > 4
    assert contents(one.out).keys() == contents(other.out).keys()
    different = [name for name, content in contents(one.out).items() if contents(other.out)[name] != content]
    assert different == []
    assert provenance(other.out, again=again) == provenance(one.out, again=again)
    timed = [records.load(each.out).timings for each in (one, other)]
    for name in ("network", "method", "forwards", "repeats"):
        assert list(timed[0][name]) == list(timed[1][name])
    assert one.status == other.status
    assert sorted(one.failed) == sorted(other.failed)


def cells(ran: Ran) -> dict[str, int]:
    found: dict[str, int] = json.loads((ran.out / "provenance.json").read_text(encoding="utf-8"))["run"]["cells"]
    return found


# what every part may ask for


@pytest.fixture(scope="module")
def whole(go: Callable[..., Ran]) -> Ran:
    return go("full", "--limit", "40")


@pytest.fixture(scope="module")
def shared(go: Callable[..., Ran]) -> Ran:
    return go("full", "--limit", "40", *WORKERS, "--verbose")


def test_two_workers_leave_what_one_process_leaves(whole: Ran, shared: Ran) -> None:
    assert whole.status == 1
    alike(whole, shared)
    assert len(records.load(shared.out).timings) == 3
    assert provenance(shared.out)["run"]["pictures"]["asked"] > 0
    assert shared.errors.count("passed over in noise") == 1


def test_every_cell_was_computed_once_and_the_units_grew(whole: Ran, shared: Ran) -> None:
    assert cells(shared) == cells(whole)
    spans = re.findall(r"process [12]: cases (\d+) to (\d+), ", shared.errors)
    cases = [(int(first), int(last)) for first, last in spans]
    assert sorted(cases) == [(1, 4), (1, 4), (1, 4), (5, 7), (5, 12), (5, 32), (33, 40)]
    assert len(re.findall(r"process [12]: timings, ", shared.errors)) == 3


def test_the_journal_knows_what_came_of_it(shared: Ran) -> None:
    journal = read_journal(shared.out)
    assert journal.ended
    assert [each.network for each in journal.settings] == ["tiny", "other", "tiny"]
    assert {each[:2] for each in journal.clocks} == {("noise", "tiny"), ("noise", "other"), ("broken", "tiny")}
    assert main(["prune", str(shared.out)]) == 0  # all that was wanted stays,
    assert main(["run", "--plan", f"{SUITE}:full", "--out", str(shared.out), "--limit", "40"]) == 1
    assert cells(shared)["computed"] == 0  # and one process finds all that two left


# failures


def test_the_same_fails_in_the_same_order_and_is_said_once(whole: Ran, shared: Ran) -> None:
    failures = provenance(shared.out)["run"]["failures"]
    assert failures == provenance(whole.out)["run"]["failures"]
    assert {(each["method"], each["step"], each["control"]) for each in failures} == {
        ("", "data", ""),
        ("failing", "map", ""),
        ("bright", "map", "control"),
        ("failing", "map", "control"),
        ("timed", "map", "control"),
        ("timed", "timing", ""),
    }
    for each in (whole, shared):
        said = [line.partition(": RuntimeError")[0] for line in each.failed if "the run goes on" in line]
        assert len(said) == len(set(said)) == 6


# what is asked for on the command line


@pytest.mark.slow
def test_maps_from_files_of_some_cases(go: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    generator = np.random.default_rng(0)
    for number in (3, 5, 6, 8, 30):
        name = f"{number:03d}.{('red', 'green', 'blue')[number % 3]}.npy"
        np.save(tmp_path / "maps" / name, generator.random((16, 16), dtype=np.float32))
    options = ("--maps", f"mine={tmp_path / 'maps'}", "--cases", "3-11", "--controls", "14x14,other-class")
    one, other = go("plain", *options), go("plain", *options, *WORKERS)
    assert one.status == 1  # some cases have no map
    alike(one, other)
    assert other.errors.count("cases have no map in") == 1
    assert set(records.load(other.out).scores["method"]) == {"bright", "asking", "mine"}


# methods that end their process


@pytest.fixture(scope="module")
def crashed(go: Callable[..., Ran]) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.run.executors.dispatch.ATTEMPTS", 1)
        patch.setattr("benchmarks.run.crew.MOST_LOST", 2)
        return go("crashing", "--limit", "20", *WORKERS)


@pytest.mark.slow
def test_a_method_that_ends_its_process_costs_its_own_cases_only(go: Callable[..., Ran], crashed: Ran) -> None:
    assert crashed.status == 1
    bright = go("crashing", "--limit", "20", "--methods", "bright")
    found, wanted = (records.load(each.out).scores for each in (crashed, bright))
    own = found[found["method"] == "bright"]
    assert list(own["score"].fillna(-1)) == list(wanted["score"].fillna(-1))
    assert list(own["case"]) == list(wanted["case"])
    failures = provenance(crashed.out)["run"]["failures"]
    assert {each["method"] for each in failures} == {"crashing"}
    assert any(each["case"] == "002.blue" and "signal 11" in each["reason"] for each in failures)
    assert list(records.load(crashed.out).timings["method"]) == ["bright"]


@pytest.mark.slow
def test_a_method_that_was_given_up_often_enough_is_not_tried_on_further_cases(crashed: Ran) -> None:
    assert crashed.errors.count("is not tried on further cases") == 1
    failures = provenance(crashed.out)["run"]["failures"]
    untried = {each["case"] for each in failures if each["reason"].startswith("not tried")}
    assert "018.red" in untried  # which it could have explained
    (sentence,) = [line for line in crashed.errors.splitlines() if "is not tried on further cases" in line]
    assert "crashing" in sentence


# processes that are ended from outside


def start(plan: str, out: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks", "run", "--plan", f"{SUITE}:{plan}", "--out", str(out), *options]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def computing(process: "subprocess.Popen[str]", log: Path, workers: int) -> list[psutil.Process]:
    """Wait until so many workers have made maps; return them."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and len({line.rpartition(" ")[2] for line in log.read_text().splitlines()}) >= workers:
            return psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.02)
    raise AssertionError(f"the run ended before it could be stopped: {process.communicate()[0]}")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


@pytest.fixture
def running(tmp_path: Path, log: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start runs, which end with the test."""
    started = []

    def run(plan: str, out: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
        started.append(start(plan, out, *options, CALLS=str(log), **environment))
        return started[-1]

    yield run
    for process in started:
        with process:  # closes its pipe
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 8), (signal.SIGKILL, 8)], ids=["SIGINT", "SIGKILL"])
def test_a_driver_that_is_stopped_leaves_no_process(
    running: Callable[..., Any], tmp_path: Path, log: Path, number: int, seconds: float
) -> None:
    process = running("plain", tmp_path / "out", *WORKERS, PAUSE="0.2")
    workers = computing(process, log, 2)
    assert len(workers) == 2
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=max(0.1, seconds - (time.monotonic() - began)))
    assert alive == []
    assert time.monotonic() - began < seconds
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert output.splitlines()[-1] == "interrupted; the same command goes on from here."
        assert "Traceback" not in output
    assert not read_journal(tmp_path / "out").ended


@pytest.mark.slow
def test_workers_that_are_killed_a_dozen_times_leave_what_one_process_leaves(
    go: Callable[..., Ran], running: Callable[..., Any], tmp_path: Path, log: Path
) -> None:
    one = go("plain", "--limit", "60", "--controls", "14x14,other-class")
    options = ("--limit", "60", "--controls", "14x14,other-class", *WORKERS)
    process = running("plain", tmp_path / "out", *options, PAUSE="0.25")
    draw, killed, seen = random.Random(3), 0, 0
    computing(process, log, 1)
    while killed < 12 and process.poll() is None:
        time.sleep(draw.uniform(0.05, 0.5))
        lines = log.read_text().splitlines()
        if len(lines) > seen:  # somebody computes
            with suppress(ProcessLookupError):
                os.kill(int(lines[-1].rpartition(" ")[2]), signal.SIGKILL)
                killed += 1
            seen = len(lines)
    output, _ = process.communicate(timeout=240)
    assert killed >= 8
    assert process.returncode == 0, output
    other = Ran(0, tmp_path / "out", output, "")
    alike(one, other, again=True)


@pytest.mark.slow
def test_two_drivers_on_one_folder_both_end_with_whole_records(
    go: Callable[..., Ran], running: Callable[..., Any], tmp_path: Path
) -> None:
    one = go("plain", "--limit", "24")
    drivers = [running("plain", tmp_path / "out", "--limit", "24", *WORKERS, PAUSE="0.02") for _ in range(2)]
    for process in drivers:
        output, _ = process.communicate(timeout=280)
        assert process.returncode == 0, output
    other = Ran(0, tmp_path / "out", "", "")
    assert contents(other.out) == contents(one.out)
    assert len(records.load(other.out).scores) == 2 * 3 * 24


@pytest.mark.slow
def test_a_disk_that_is_full_is_one_sentence_and_the_same_command_goes_on(
    go: Callable[..., Ran], running: Callable[..., Any], tmp_path: Path
) -> None:
    options = ("--limit", "60", *WORKERS)
    process = running("plain", tmp_path / "out", *options, FULL_AFTER="20")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 2, output
    errors = [line for line in output.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "Traceback" not in output
    other = go("plain", *options, out=tmp_path / "out")
    assert other.status == 0
    assert cells(other)["reused"] >= 20
    one = go("plain", "--limit", "60")
    alike(one, other, again=True)


# the command line


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "0"], "argument --workers: '0' is not a positive integer"),
        (["--workers", "two"], "argument --workers: 'two' is not a positive integer"),
        (["--executor", "slurm"], "argument --executor: invalid choice: 'slurm'"),
    ],
)
def test_options_that_cannot_be(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "--plan", f"{SUITE}:plain", *options])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("workers", [[], ["--workers", "1"], ["--workers", "2"]])
def test_an_address_is_for_ray(workers: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--plan", f"{SUITE}:plain", "--out", str(tmp_path / "out"), "--address", "here:1", *workers]
    assert main(arguments) == 2
    assert "--address here:1 is for --executor ray" in capsys.readouterr().err
