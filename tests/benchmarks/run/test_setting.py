"""How many cases are computed at a time: the same in every run, whatever it finds and wherever it was stopped."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from small_runs import Interrupted, require_same_rows, with_part
from torch import Tensor, nn

from baselines.controls import OtherClass, Shuffled
from benchmarks.metrics import Deletion
from benchmarks.run import loop
from benchmarks.run.loop import run
from benchmarks.run.measuring import Measured
from benchmarks.run.plan import Options, Plan
from benchmarks.run.setting import FEWEST, MOST, PICTURES_AT_A_TIME, Setting, open_setting
from benchmarks.run.store import Store


@pytest.fixture
def setting(world: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Setting:
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(300))
    (part,) = world.plan(tmp_path / "log").parts
    return open_setting(part, "tiny", Options(), Store(tmp_path / "cells"), [])


@pytest.mark.parametrize(
    ("cost", "size"), [(0, MOST), (16, 64), (16.1, 32), (32, 32), (100, 8), (128, 8), (128.1, 4), (1e6, FEWEST)]
)
def test_the_less_a_case_costs_the_more_come_at_a_time(setting: Setting, cost: float, size: int) -> None:
    chunks = list(setting.chunks(4, cost))
    assert [number for chunk in chunks for number in chunk] == list(range(4, 300))
    assert max(map(len, chunks)) == size
    assert all(chunk.start % size == 0 for chunk in chunks[1:])
    assert size == FEWEST or size * cost <= PICTURES_AT_A_TIME


@pytest.mark.parametrize(
    ("skipped", "first"), [(0, range(4)), (3, range(3, 4)), (4, range(4, 8)), (298, range(298, 300))]
)
def test_a_run_of_later_cases_has_the_chunks_of_a_run_of_all(setting: Setting, skipped: int, first: range) -> None:
    ends = {chunk.stop for chunk in setting.chunks(4, 32)} | {4, 8, 300}
    setting.first = skipped
    assert setting.first_chunk() == first
    assert {chunk.stop for chunk in setting.chunks(first.stop, 32)} <= ends


class Weighing:
    """A method that asks the network."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            return images.mean(dim=1) * model(images)[:, :1, None]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[tuple[range, float]]:
    """The chunks of a run, and what their cases cost."""
    measured: list[tuple[range, float]] = []

    def noting(setting: Setting, numbers: range, *rest: object) -> Measured:
        result = measure(setting, numbers, *rest)
        measured.append((numbers, result.cost))
        return result

    measure = loop.measure
    monkeypatch.setattr(loop, "measure", noting)
    return measured


@pytest.mark.parametrize("remembering", [False, True])
def test_the_cost_of_a_case_is_the_same_in_a_fresh_a_resumed_and_a_finished_run(
    world: ModuleType, tmp_path: Path, found: list[tuple[range, float]], remembering: bool
) -> None:
    plan: Plan = world.plan(tmp_path / "log", controls={"shuffled": Shuffled(), "other-class": OtherClass()})
    methods = {"bright": plan.parts[0].methods["bright"], "weighing": Weighing()}
    metrics = {"deletion": Deletion(steps=4), "pointing": plan.parts[0].metrics["pointing"]}
    plan = with_part(plan, methods=methods, metrics=metrics, limit=6, controlled=3, remembering=remembering)
    whole = Store(tmp_path / "whole")
    run(plan, Options(), whole)
    fresh = list(found)
    assert fresh[0][0] == range(FEWEST)
    assert fresh[0][1] > 5
    for after in range(0, whole.written, 5):
        store = Interrupted(tmp_path / str(after), after)
        with pytest.raises(KeyboardInterrupt):
            run(plan, Options(), store)
        store.close()
        found.clear()
        run(plan, Options(), Store(tmp_path / str(after)))
        assert found == fresh, after
    found.clear()
    run(plan, Options(), Store(tmp_path / "whole"))
    assert found == fresh


def test_rows_are_in_the_same_order_however_many_cases_come_at_a_time(
    world: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(75))
    plan = with_part(world.plan(tmp_path / "log", controls={"shuffled": Shuffled()}), controlled=5)
    found = run(plan, Options(), Store(tmp_path / "cells"))
    monkeypatch.setattr("benchmarks.run.setting.PICTURES_AT_A_TIME", 0)
    again = run(plan, Options(), Store(tmp_path / "cells"))
    require_same_rows(again.records, found.records)
    require_same_rows(again.curves, found.curves)
    assert len(found.records) == 75 * 6 + 5 * 6
