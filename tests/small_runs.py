"""Runs of the small world of `tests/benchmarks/fake_suite.py`: its plan changed, and what a run did."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from baselines import Centre
from baselines.controls import Averaged, Blurred, RandomisedNetwork
from benchmarks.run.loop import Results
from benchmarks.run.plan import Plan
from benchmarks.run.rows import Rows
from benchmarks.run.store import Entry, Store

SECOND = 2  # calls of two methods that are explained again, to see whether they answer alike
CONTROLS = {"blurred": Blurred(), "randomised-network": RandomisedNetwork(), "7x7": Averaged(7)}


class Interrupted(Store):
    """A store whose process is stopped at the n-th cell, before it is written."""

    def __init__(self, directory: Path, after: int) -> None:
        super().__init__(directory)
        self.after = after

    def write(self, entries: Sequence[Entry]) -> None:
        if self.written + len(entries) > self.after:
            raise KeyboardInterrupt
        super().write(entries)


def with_part(plan: Plan, **changes: object) -> Plan:
    (part,) = plan.parts
    return dataclasses.replace(plan, parts=(dataclasses.replace(part, **changes),))  # type: ignore[arg-type]


def calls(log: Path) -> int:
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


def rows_in(rows: Rows) -> list[dict[Any, Any]]:
    return rows.frame().to_dict("records")


def require_same_rows(found: Rows, expected: Rows) -> None:
    """The same rows; numbers but for rounding, which on some processors differs with where a tensor lies in memory."""
    pd.testing.assert_frame_equal(found.frame(), expected.frame(), rtol=1e-5, atol=1e-8)


def scores(results: Results) -> dict[tuple[str, str, str], float]:
    return {(row["method"], row["metric"], row["case"]): row["score"] for row in rows_in(results.records)}


def controlled(world: ModuleType, log: Path, **changes: Any) -> Plan:
    """Plan bright, dark and a null method, with three controls, on the first five cases (of ten)."""
    plan = world.plan(log)
    methods = {**plan.parts[0].methods, "centre": Centre()}
    return with_part(plan, **{"methods": methods, "controls": CONTROLS, "controlled": 5, **changes})
