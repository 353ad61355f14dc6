"""What a worker makes of errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.run.executors.pool import UnitFailed, WorkerUnable
from benchmarks.run.executors.worker import answer, make, said
from benchmarks.run.units import Done, Job, Unit
from mint.contract import InputError

UNIT = Unit(0, 0, 1, ("a",))


@pytest.mark.parametrize(
    ("error", "text", "place"),
    [
        (InputError("give a number."), "give a number.", False),
        (ValueError("two\nlines"), "ValueError: two lines", False),
        (FileNotFoundError(2, "gone", "x"), "FileNotFoundError: [Errno 2] gone: 'x'", True),
        (SystemExit(3), "SystemExit: 3", False),
        (KeyboardInterrupt("enough"), "KeyboardInterrupt: enough", False),
    ],
)
def test_an_error_is_one_line_and_says_whether_it_is_of_the_place(error: BaseException, text: str, place: bool) -> None:
    def compute(unit: Unit) -> Done:
        raise error

    with pytest.raises(UnitFailed) as failed:
        answer(compute, UNIT)
    assert (str(failed.value), failed.value.place) == (text, place)
    assert said(error) == text


def test_a_maker_that_raises_makes_the_worker_unable(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnable, match="no such device"):
        make(Job("worker_jobs:refusing", (), "", str(tmp_path)))
    assert make(Job("worker_jobs:doing", (), "", str(tmp_path)))(Unit(0, 0, 1, ("nothing",))).pictures == 1


def test_workers_start_without_torch() -> None:
    code = "import sys, benchmarks.run.executors.worker; print('torch' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
