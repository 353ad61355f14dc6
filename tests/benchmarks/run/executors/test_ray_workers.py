"""What the pool of Ray's workers says where there is no Ray; what it does with one is in test_ray_faults.py."""

from pathlib import Path

import pytest

from benchmarks.run.executors import ray_workers
from benchmarks.run.executors.ray_workers import RayPool, ending, last_line
from benchmarks.run.units import Job
from mint.contract import InputError


def test_ray_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "RAY", ray_workers.Package("no_such_ray", "ray"))
    with pytest.raises(InputError, match=r"pip install -e '\.\[ray\]'"):
        RayPool(Job("unit_makers:work", (), "plan", str(tmp_path)))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_there_is_no_cluster(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=f"no Ray cluster at {address}"):
        RayPool(Job("unit_makers:work", (), "plan", str(tmp_path)), address=address)


def test_an_end_in_a_few_words() -> None:
    text = "The actor died.\n\tpid: 3\nThe actor is dead because its node has died. Node Id: 5"
    assert ending(RuntimeError(text)) == "its machine left the cluster"
    assert ending(RuntimeError("one\ntwo\n")) == last_line(RuntimeError("two")) == "two"
    assert ending(RuntimeError()) == "RuntimeError"
