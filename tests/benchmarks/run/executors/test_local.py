"""Workers that are processes of this machine, and what may become of them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import psutil
import pytest

from benchmarks.run.executors import EXECUTORS
from benchmarks.run.executors.dispatch import dispatch
from benchmarks.run.executors.local import LocalPool
from benchmarks.run.units import Done, Job, Unit
from mint.contract import InputError

ROOT = Path(__file__).parents[4]


def job(directory: Path, maker: str = "doing", threads: int | None = None) -> Job:
    return Job(f"worker_jobs:{maker}", (), "", str(directory), threads=threads)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LocalPool]:
    with closing(LocalPool(job(tmp_path), 2)) as opened:
        yield opened


def units(number: int, *methods: str) -> list[Unit]:
    return [Unit(0, place, place + 1, methods) for place in range(number)]


def answered(found: list[Done]) -> list[tuple[int, str]]:
    return sorted(pair for done in found for pair in product(range(done.unit.start, done.unit.stop), done.unit.methods))


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def alive(directory: Path) -> set[int]:
    """List the workers whose maker was called and that have not ended."""
    pids = {int(file.name.partition("-")[2]) for file in directory.glob("pid-*")}
    running = {each.pid for each in psutil.process_iter(["status"]) if each.info["status"] != psutil.STATUS_ZOMBIE}
    return pids & running


def test_two_processes_share_the_units(pool: LocalPool, tmp_path: Path) -> None:
    found = list(dispatch(pool, units(30, "nap")))
    assert answered(found) == [(case, "nap") for case in range(30)]
    assert sum(done.pictures for done in found) == 30
    assert {done.worker.rpartition(" process ")[2] for done in found} == {"1", "2"}
    assert len(list(tmp_path.glob("0-*-nap"))) == 30
    assert not alive(tmp_path)


def test_the_threads_of_a_worker_are_those_of_its_job(tmp_path: Path) -> None:
    (done,) = dispatch(LocalPool(job(tmp_path, "threads", threads=3), 1), units(1, "nothing"))
    assert done.pictures == 3


@pytest.mark.parametrize(("method", "how"), [("crash", "signal 11, segmentation fault"), ("exit", "exit status 3")])
def test_a_method_that_ends_its_process_is_named_and_the_others_go_through(
    pool: LocalPool, tmp_path: Path, method: str, how: str
) -> None:
    found = list(dispatch(pool, units(2, "nothing", method, "nap")))
    lost = [done for done in found if done.lost]
    assert {done.unit.methods for done in lost} == {(method,)}
    assert all(how in done.lost for done in lost)
    assert answered(found) == sorted(product(range(2), ("nothing", method, "nap")))
    for case, other in product(range(2), ("nothing", "nap")):
        assert (tmp_path / f"0-{case}-{other}").exists()


def test_an_error_is_one_sentence(pool: LocalPool) -> None:
    found = list(dispatch(pool, units(1, "raise", "nothing")))
    assert sorted(done.lost for done in found) == ["", "ValueError: no such luck"]


def test_a_full_disk_of_one_worker_costs_nothing(pool: LocalPool, tmp_path: Path) -> None:
    found = list(dispatch(pool, units(12, "full here")))
    assert answered(found) == [(case, "full here") for case in range(12)]
    assert not any(done.lost for done in found)


def test_a_full_disk_of_all_ends_the_run(pool: LocalPool) -> None:
    with pytest.raises(InputError, match="No space left on device"):
        list(dispatch(pool, units(12, "full")))


@pytest.mark.parametrize(
    ("maker", "why"), [("refusing", "no such device"), ("dying", "exit status 7"), ("absent", "AttributeError")]
)
def test_a_maker_that_fails_ends_the_run(tmp_path: Path, maker: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        list(dispatch(LocalPool(job(tmp_path, maker), 2), units(9, "nothing")))


def test_one_worker_that_cannot_start_leaves_the_work_to_the_others(tmp_path: Path) -> None:
    found = list(dispatch(LocalPool(job(tmp_path, "first_refusing"), 2), units(9, "nap")))
    assert answered(found) == [(case, "nap") for case in range(9)]
    assert not any(done.lost for done in found)


def test_what_workers_say_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = list(dispatch(LocalPool(job(tmp_path), 2), units(12, "warn", "nap")))
    assert len({done.worker for done in found}) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert sorted(err.splitlines()) == ["printed by a method", "warning: the sky is low"]


def test_a_progress_bar_of_a_method_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    list(dispatch(LocalPool(job(tmp_path), 1), units(1, "bar")))
    assert capfd.readouterr().err.splitlines() == ["3 of 3"]


@pytest.mark.parametrize("method", ["sleep", "spin"])
def test_closing_ends_busy_workers_within_two_seconds(pool: LocalPool, tmp_path: Path, method: str) -> None:
    answers = dispatch(pool, [*units(1, "nothing"), *units(5, method)])
    next(answers)
    assert eventually(lambda: len(alive(tmp_path)) == 2, 20)
    began = time.monotonic()
    answers.close()
    assert time.monotonic() - began < 2
    assert not alive(tmp_path)


def test_an_interrupt_is_ignored_by_workers(pool: LocalPool, tmp_path: Path) -> None:
    found = []
    for done in dispatch(pool, units(20, "nap")):
        for worker in pool.workers:
            if worker.ready:
                worker.process.send_signal(signal.SIGINT)
        found.append(done)
    assert answered(found) == [(case, "nap") for case in range(20)]
    assert len(list(tmp_path.glob("pid-*"))) <= 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(tmp_path: Path, number: int) -> None:
    code = f"import worker_jobs; worker_jobs.drive({str(tmp_path)!r})"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        assert eventually(lambda: len(alive(tmp_path)) == 2, 20)
        os.killpg(driver.pid, number)
        assert eventually(lambda: not alive(tmp_path), 10)  # two seconds, where the machine is free
    finally:
        driver.kill()
        _, said = driver.communicate()
    assert said.count("Traceback") == (number == signal.SIGINT)  # the driver's own


def kill_at_random(directory: Path, kills: int, seed: int) -> None:
    """Kill a worker after every sixth answer, at a moment that has nothing to do with the answer."""
    chance = random.Random(seed)
    pool = LocalPool(job(directory), 3)
    todo, found, killed = units(6 * kills + 6, "nap", "nothing"), [], []

    def kill() -> None:
        process = chance.choice(pool.workers).process
        if process.poll() is None:
            killed.append(process.pid)
            process.kill()

    timers = []
    for done in dispatch(pool, todo):
        found.append(done)
        if len(found) % 6 == 0 and len(timers) < kills:
            timers.append(threading.Timer(chance.uniform(0, 0.1), kill))
            timers[-1].start()
    for timer in timers:
        timer.join()
    assert answered(found) == sorted(product(range(len(todo)), ("nap", "nothing")))
    assert not [done.lost for done in found if done.lost]
    assert len(list(directory.glob("0-*"))) == 2 * len(todo)
    assert len(killed) > kills / 2


def test_a_dozen_random_kills_cost_nothing(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 12, seed=1)


@pytest.mark.slow
def test_a_hundred_random_kills_cost_nothing(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 100, seed=2)


def test_executors_are_found_by_name(tmp_path: Path) -> None:
    pool = EXECUTORS["local"](job(tmp_path), 3, None)
    assert pool.size == 3
    assert set(EXECUTORS) == {"local", "ray"}
