"""What a run says of its data before it computes: files passed over, regions that are missing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from small_runs import rows_in, with_part

from benchmarks.datasets import Case
from benchmarks.metrics import METRICS, PROFILES, Deletion, Insertion, Pointing, PointingProfile, TieBound, TieRange
from benchmarks.run.loop import as_records, run
from benchmarks.run.plan import Options
from benchmarks.run.store import Store


@dataclasses.dataclass(frozen=True)
class Folder:
    """Ten cases as from a folder of files, of which only these have a region."""

    case: Callable[[int], Case]
    annotated: tuple[int, ...]
    passed_over: dict[str, int] = dataclasses.field(default_factory=lambda: {"hidden": 2})

    def __len__(self) -> int:
        return 10

    def __getitem__(self, number: int) -> Any:
        case = self.case(number)
        return dataclasses.replace(case, region=np.eye(16, dtype=bool) if number in self.annotated else None)

    def has_region(self, number: int) -> bool:
        return number in self.annotated


@pytest.mark.parametrize(
    ("annotated", "sentence"),
    [
        ((), "10 of 10 cases have no annotated region: the columns pointing do not apply and stay empty."),
        ((0, 1, 2), "7 of 10 cases have no annotated region: the columns pointing are of the other 3."),
        (tuple(range(10)), None),
    ],
)
def test_what_is_passed_over_and_does_not_apply_is_said_before_anything_is_computed(
    world: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    annotated: tuple[int, ...],
    sentence: str | None,
) -> None:
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: Folder(world.case, annotated))
    plan = world.plan(tmp_path / "calls.log")
    results = run(plan, Options(), Store(tmp_path / "cells"))
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("passed") or "region" in line]
    assert notes == ["passed over in noise: 2 (hidden).", *([f"noise, tiny: {sentence}"] if sentence else [])]
    assert len(results.records) == 2 * 3 * 10
    pointing = [row["score"] for row in rows_in(results.records) if row["metric"] == "pointing"]
    assert np.isfinite(pointing).sum() == 2 * len(annotated)
    assert as_records(plan, Options(), results, {}).provenance["run"]["passed_over"] == {"noise": {"hidden": 2}}
    # Without a metric that asks for it, a region is not missed.
    run(with_part(plan, metrics={"deletion": Deletion(steps=4)}), Options(), Store(tmp_path / "cells"))
    assert "region" not in capsys.readouterr().err


def test_each_metric_of_regions_says_that_it_is_one() -> None:
    own = {"pointing", "grid-pointing", "grid-share", "energy-pointing", "relevance-mass", "relevance-rank"}
    profiles = {name for name, profile in PROFILES.items() if isinstance(profile, PointingProfile)}
    assert {name for name, make in METRICS.items() if make().regional} == own | profiles | {"localisation"}
    ties = TieRange(Pointing())
    assert ties.regional
    assert TieBound(ties).regional
    assert not TieRange(Insertion()).regional
