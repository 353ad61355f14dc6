"""What a run leaves on the disk, and what of it can be read."""

from pathlib import Path
from types import ModuleType

import pandas as pd

from benchmarks.results import records
from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS
from benchmarks.run.loop import as_records, run
from benchmarks.run.plan import Options
from benchmarks.run.store import Store


def test_records_from_before_there_were_controls_still_load(world: ModuleType, tmp_path: Path) -> None:
    plan = world.plan(tmp_path / "calls.log")
    results = run(plan, Options(), Store(tmp_path / "cells"))
    records.save(as_records(plan, Options(), results, {}), tmp_path)
    now = records.load(tmp_path)
    (tmp_path / "maps.npz").unlink()
    (tmp_path / "SHA256SUMS").unlink()  # they had no checksums, either
    for name in ("records", "curves"):
        pd.read_parquet(tmp_path / f"{name}.parquet").drop(columns="control").to_parquet(tmp_path / f"{name}.parquet")
    old = records.load(tmp_path)
    assert old.maps == []
    pd.testing.assert_frame_equal(old.scores, now.scores, check_dtype=False)
    assert tuple(old.scores.columns) == RECORD_COLUMNS
    assert tuple(old.curves.columns) == CURVE_COLUMNS
    assert len(records.own_maps(old.curves)) == len(old.curves)
