"""A method whose two calls differ is noticed, and nothing else depends on that."""

import dataclasses
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import require_same_rows, with_part
from torch import Tensor, nn

from benchmarks.__main__ import main
from benchmarks.analysis.scores import summarise
from benchmarks.report import tables
from benchmarks.results import records
from benchmarks.results.join import join
from benchmarks.run.loop import Results, as_records, run
from benchmarks.run.plan import Options, Plan
from benchmarks.run.repetition import TOLERANCE, distance_of_repetitions
from benchmarks.run.store import Store
from mint.contract import InputError


def steady(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.mean(dim=1)


def drawing_from_torch(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.mean(dim=1) + torch.rand(images[:, 0].shape)


def drawing_from_numpy(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.mean(dim=1) * float(np.random.rand())  # noqa: NPY002


def drawing_from_python(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.mean(dim=1) * random.random()


@dataclasses.dataclass(frozen=True)
class Seeded:
    """Draws from a generator of its own, as a method should."""

    seed: int = 0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return images.mean(dim=1) + torch.rand(images.shape[-2:], generator=generator)


class Counting:
    """Gives another map at every call, without any chance."""

    calls = 0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        Counting.calls += 1
        return images.mean(dim=1) * Counting.calls


@dataclasses.dataclass(frozen=True)
class OfTheBatch:
    """Depends on how many pictures it gets: another fault, and not this one."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.mean(dim=1) * len(images)


METHODS: dict[str, Any] = {
    "steady": steady,
    "torch": drawing_from_torch,
    "numpy": drawing_from_numpy,
    "python": drawing_from_python,
    "seeded": Seeded(),
    "counting": Counting(),
    "batch": OfTheBatch(),
}
UNSTEADY = {"torch", "numpy", "python", "counting"}


@pytest.fixture
def plan(world: ModuleType, tmp_path: Path) -> Plan:
    return with_part(world.plan(tmp_path / "calls.log"), methods=METHODS)


def explained(plan: Plan, directory: Path, **options: Any) -> Results:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    Counting.calls = 0
    return run(plan, Options(**options), Store(directory))


def test_methods_whose_two_calls_differ_are_named(plan: Plan, tmp_path: Path) -> None:
    (setting,) = explained(plan, tmp_path / "cells").inputs
    assert setting["not_deterministic"].keys() == UNSTEADY
    assert all(TOLERANCE < distance < 100 for distance in setting["not_deterministic"].values())


def test_the_second_call_changes_no_number(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_part(plan, methods={name: method for name, method in METHODS.items() if name != "counting"})
    found = explained(plan, tmp_path / "a").records
    after = torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
    monkeypatch.setattr("benchmarks.run.cells.distance_of_repetitions", lambda explain, known: 0.0)
    monkeypatch.setattr("benchmarks.run.cells.code_digest", lambda thing: "")
    require_same_rows(found, explained(plan, tmp_path / "b").records)
    assert after[0].equal(torch.rand(3))
    assert after[1:] == (np.random.rand(), random.random())  # noqa: NPY002


def test_a_resumed_run_knows_without_a_call(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = explained(plan, tmp_path)
    monkeypatch.setattr("benchmarks.run.cells.attribute", lambda *_: pytest.fail("a method was called"))
    assert explained(plan, tmp_path).inputs == first.inputs


def test_it_is_found_in_another_process_though_the_generators_begin_alike() -> None:
    """Killed between the maps and the second call, a run goes on with generators as they were before the maps."""
    images = torch.zeros(1, 3, 4, 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        known = torch.rand(1, 4, 4)[0]
        torch.manual_seed(0)
        found = distance_of_repetitions(lambda: drawing_from_torch(nn.Identity(), images, images)[0], known)
    assert found > TOLERANCE


@pytest.mark.parametrize(("change", "noticed"), [(0.0, False), (TOLERANCE / 2, False), (3 * TOLERANCE, True)])
def test_rounding_is_no_difference(change: float, noticed: bool) -> None:
    known, answers = torch.ones(4, 4), iter([1 + change, 1 + 2 * change])
    found = distance_of_repetitions(lambda: known * next(answers), known)
    assert (found > 0) == noticed
    # One call is enough where it agrees.
    assert len(list(answers)) == (0 if noticed else 1)


def test_maps_of_zeros_are_alike() -> None:
    assert distance_of_repetitions(lambda: torch.zeros(2, 2), torch.zeros(2, 2)) == 0


def once(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    if len(images) == 1:
        raise InputError("it was called before.")
    return images.mean(dim=1)


def test_a_method_that_fails_when_called_again_is_a_failure(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = run(with_part(plan, methods={"once": once}, limit=4), Options(), Store(tmp_path))
    (failure,) = results.failures
    assert (failure.step, failure.reason) == ("second call", "it was called before.")
    assert results.inputs[0]["not_deterministic"] == {}
    assert len(results.records) == 4 * 3


def test_the_tables_mark_it(plan: Plan, world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n\ndef drawn(model, images, targets):\n    return torch.rand(images[:, 0].shape)\n"
    )
    out = tmp_path / "out"
    assert main(["run", "--plan", "fake", "--out", str(out), "--method", f"{tmp_path / 'mine.py'}:drawn"]) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith(("bright", "dark", "drawn"))]
    names = [row.split("0.")[0].strip(" -") for row in rows]
    assert names[:3] == ["bright", "dark", "drawn \N{DAGGER}"]
    for page in (text, (out / "README.md").read_text(), (out / "index.html").read_text()):
        assert page.count("\N{DAGGER} not deterministic: ") == 1
    assert "| drawn \N{DAGGER} | " in (out / "README.md").read_text()
    assert r"drawn \dag{} & " in (out / "tables" / "scores.tex").read_text()
    scores = pd.read_csv(out / "tables" / "scores.csv")
    assert set(scores["method"][~scores["deterministic"]]) == {"drawn"}
    (setting,) = json.loads((out / "provenance.json").read_text())["inputs"]["settings"]
    assert [*setting["not_deterministic"]] == ["drawn"]


def test_runs_side_by_side_are_joined_with_their_marks(plan: Plan, tmp_path: Path) -> None:
    for name, each, skipped in (("a", with_part(plan, limit=4), 0), ("b", plan, 4)):
        results = explained(each, tmp_path / name, skipped=skipped)
        facts = {"command": "", "seconds": 0}
        records.save(as_records(each, Options(skipped=skipped), results, facts), tmp_path / name)
    joined = join([tmp_path / "a", tmp_path / "b"])
    summary = summarise(joined)
    assert set(summary["method"][~summary["deterministic"]]) == UNSTEADY
    assert len(tables.notes(summary)) == 1
    assert tables.notes(summary[summary["method"] == "steady"]) == []
