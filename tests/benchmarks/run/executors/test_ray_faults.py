"""Ray's workers on a real cluster of this machine, and all that can happen to them."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from unit_makers import cell_of

from benchmarks.run.executors import ray_workers
from benchmarks.run.executors.dispatch import dispatch
from benchmarks.run.executors.pool import WorkerLost
from benchmarks.run.executors.ray_workers import RayPool
from benchmarks.run.units import Done, Job, Unit
from mint.contract import InputError

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")

ROOT = Path(__file__).resolve().parents[4]
TESTS = ROOT / "tests"
SECONDS = "0.02"  # that a cell takes


@pytest.fixture(scope="module")
def cluster() -> Iterator["cluster_utils.Cluster"]:
    """Give a cluster with two nodes of two places each, beside a head without any; this process is connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    for _ in range(2):
        made.add_node(num_cpus=2)
    yield made
    ray.shutdown()
    made.shutdown()


def job_in(directory: Path, *more: str, maker: str = "unit_makers:work", **rest: object) -> Job:
    return Job(maker, (SECONDS, *more), "plan", str(directory), **rest)  # type: ignore[arg-type]


def units_of(cases: int, *methods: str) -> list[Unit]:
    return [Unit(0, start, min(start + 4, cases), methods) for start in range(0, cases, 4)]


def computed(job: Job, units: Iterable[Unit], workers: int | None = None) -> list[Done]:
    """Run units on the cluster that this process is connected to."""
    pool = RayPool(job, workers)
    try:
        return list(dispatch(pool, units))
    finally:
        pool.close()


def missing(directory: Path, cases: int, *methods: str) -> list[str]:
    """Name the cells that are not there."""
    cells = [cell_of(directory, 0, case, method) for method in methods for case in range(cases)]
    return [cell.name for cell in cells if not cell.exists() or cell.read_text() != cell.name]


def twice(directory: Path) -> list[str]:
    """Name the cells that were computed although they were there."""
    lines = Counter(line for log in directory.glob("computed-*") for line in log.read_text().splitlines())
    return [cell for cell, count in lines.items() if count > 1]


def processes_of(directory: Path) -> list[psutil.Process]:
    """Return the processes that have computed something in a directory and are still there."""
    alive = []
    for path in directory.glob("pid-*"):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(path.name.removeprefix("pid-")))
            if process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def ended(processes: Iterable[psutil.Process], seconds: float) -> bool:
    """Wait until processes have ended; a zombie has."""
    until = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    return not left


def test_a_worker_has_a_place_of_its_own(cluster: object, tmp_path: Path) -> None:
    pool = RayPool(job_in(tmp_path))
    try:
        assert pool.size == 4
        assert ray_workers.places({"CPU": 2}) == 2
        workers = [pool.open() for _ in range(4)]
        assert len({worker.name for worker in workers}) == 4
        units = units_of(16, "steady")
        for worker, unit in zip(workers, units, strict=True):
            worker.give(unit)
        waiting, answers = list(workers), []
        while waiting:
            for worker in pool.wait(waiting, 10):
                answers.append(worker.answer())
                waiting.remove(worker)
        assert sorted(done.unit.start for done in answers) == [0, 4, 8, 12]
        processes = processes_of(tmp_path)
        assert len(processes) == 4
    finally:
        pool.close()
    assert ended(processes, 10)
    assert not list(tmp_path.glob(".run-*"))


def test_one_gpu_a_worker(cluster: "cluster_utils.Cluster", tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=4, num_gpus=2)
    try:
        pool = RayPool(job_in(tmp_path, device="cuda:1"))
        try:
            assert (pool.size, pool.needs, pool.job.device) == (2, {"CPU": 1, "GPU": 1}, "cuda")
        finally:
            pool.close()
        assert RayPool(job_in(tmp_path)).size == 8
    finally:
        cluster.remove_node(node, allow_graceful=True)


def test_no_free_place(cluster: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "PLACE_SECONDS", 0.5)
    pool = RayPool(job_in(tmp_path, threads=3))
    try:
        with pytest.raises(WorkerLost, match="3 CPU"):
            pool.open()
    finally:
        pool.close()


def test_a_worker_with_other_code_is_refused(cluster: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ray_workers.code_here()
    monkeypatch.setattr(ray_workers, "code_here", lambda: here | {"torch": "1.0"})
    with pytest.raises(InputError, match=r"torch is \S+ there, and 1\.0"):
        computed(job_in(tmp_path), units_of(4, "steady"), workers=1)


def test_a_worker_in_another_folder_is_refused(cluster: object, tmp_path: Path) -> None:
    pool = RayPool(job_in(tmp_path), workers=1)
    try:
        next(tmp_path.glob(".run-*")).unlink()
        with pytest.raises(InputError, match="same path"):
            pool.open()
    finally:
        pool.close()


def test_a_method_that_raises(cluster: object, tmp_path: Path) -> None:
    answers = computed(job_in(tmp_path), units_of(2, "steady", "raises"))
    lost = {done.unit.start: done.lost for done in answers if done.lost}
    assert sorted(lost) == [0, 1]
    assert "RuntimeError: no layer fits case 1" in lost[1]
    assert missing(tmp_path, 2, "steady") == []


@pytest.mark.slow
def test_a_method_that_crashes_its_process(cluster: object, tmp_path: Path) -> None:
    answers = computed(job_in(tmp_path), units_of(2, "steady", "crashes"))
    lost = [(done.unit.start, done.unit.methods, done.lost) for done in answers if done.lost]
    assert [each[:2] for each in lost] == [(1, ("crashes",))]
    assert "crashed or was killed" in lost[0][2]
    assert missing(tmp_path, 2, "steady") == []
    assert missing(tmp_path, 1, "crashes") == []
    assert twice(tmp_path) == []


def test_nothing_can_begin(cluster: object, tmp_path: Path) -> None:
    job = job_in(tmp_path, maker="unit_makers:cannot_begin")
    with pytest.raises(InputError, match="no such plan"):
        computed(job, units_of(1, "steady"), workers=1)


def test_a_full_disk_on_one_node(cluster: object, tmp_path: Path) -> None:
    full = next(node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU"))
    answers = computed(job_in(tmp_path, full), units_of(24, "full"))
    assert [done.lost for done in answers if done.lost] == []
    assert missing(tmp_path, 24, "full") == []


def test_a_node_removed(cluster: "cluster_utils.Cluster", tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    answers = []
    pool = RayPool(job_in(tmp_path))
    try:
        for done in dispatch(pool, units_of(120, "steady")):
            answers.append(done)
            if len(answers) == 4:
                cluster.remove_node(node, allow_graceful=False)
    finally:
        pool.close()
    assert [done.lost for done in answers if done.lost] == []
    assert missing(tmp_path, 120, "steady") == []
    assert twice(tmp_path) == []


def killed_at_random(directory: Path, kills: int, seconds: float) -> list[Done]:
    """Compute units until so many workers have been killed, each after a random time of at most some seconds."""
    moments = random.Random(0)
    left = kills
    over = threading.Event()

    def kill() -> None:
        nonlocal left
        while left and not over.is_set():
            time.sleep(moments.uniform(0, seconds))
            if victims := processes_of(directory):
                moments.choice(victims).kill()
                left -= 1

    def units() -> Iterator[Unit]:
        start = 0
        while left or start < 40:
            yield Unit(0, start, start + 4, ("steady", "other"))
            start += 4

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        answers = computed(job_in(directory), units())
    finally:
        over.set()
        killer.join()
    assert left == 0
    return answers


def check_killed(directory: Path, answers: list[Done]) -> None:
    assert [done.lost for done in answers if done.lost] == []
    units = [done.unit for done in answers]
    seen = Counter((case, name) for unit in units for name in unit.methods for case in range(unit.start, unit.stop))
    cases = max(unit.stop for unit in units)
    assert seen == Counter({(case, method): 1 for case in range(cases) for method in ("steady", "other")})
    assert missing(directory, cases, "steady", "other") == []
    assert twice(directory) == []


def test_workers_killed_at_random_moments(cluster: object, tmp_path: Path) -> None:
    check_killed(tmp_path, killed_at_random(tmp_path, 4, seconds=0.5))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_workers_killed_at_random_moments(cluster: object, tmp_path: Path) -> None:
    check_killed(tmp_path, killed_at_random(tmp_path, 100, seconds=1.5))


def start_driver(job: Job, address: str, cases: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}
    words = [sys.executable, str(TESTS / "ray_driver.py"), json.dumps(asdict(job)), address, str(cases)]
    return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_drivers_at_once_and_one_killed(cluster: "cluster_utils.Cluster", tmp_path: Path) -> None:
    job = job_in(tmp_path)
    killed, other = (start_driver(job, cluster.address, 120) for _ in range(2))
    assert killed.stdout
    assert killed.stdout.readline()
    killed.kill()
    killed.communicate()
    answers = computed(job, units_of(120, "steady", "other"), workers=2)  # started again
    assert [done.lost for done in answers if done.lost] == []
    output, _ = other.communicate(timeout=60)
    assert other.returncode == 0
    assert len(output.splitlines()) == 30
    assert missing(tmp_path, 120, "steady", "other") == []
    assert ended(processes_of(tmp_path), 5)


def check_end(directory: Path, address: str, end: signal.Signals, seconds: float) -> None:
    """Start a driver and end it; its workers must end within two seconds, and its other processes in time."""
    driver = start_driver(job_in(directory), address, 4000)
    assert driver.stdout
    assert driver.stdout.readline()
    workers = processes_of(directory)
    others = psutil.Process(driver.pid).children(recursive=True)
    assert workers
    driver.send_signal(end)
    assert ended(workers, 10)
    assert ended(others, seconds)
    driver.communicate(timeout=10)
    assert driver.returncode != 0


@pytest.mark.slow
def test_ctrl_c(cluster: "cluster_utils.Cluster", tmp_path: Path) -> None:
    check_end(tmp_path, cluster.address, signal.SIGINT, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "seconds"),
    # Ray's agents look for the rest of a killed Ray for more than a minute before they leave.
    [(signal.SIGINT, 10), (signal.SIGKILL, 120)],
)
def test_ray_on_this_machine_ends_with_the_driver(tmp_path: Path, end: signal.Signals, seconds: float) -> None:
    check_end(tmp_path, "", end, seconds)
