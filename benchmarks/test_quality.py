"""What must be true of every plan's scores, whatever they are."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import SRG, Deletion, Insertion, LeRF, MoRF
from benchmarks.results.records import own_maps
from benchmarks.run.loop import Results, run
from benchmarks.run.plan import Options, Plan
from benchmarks.run.store import Store

AREAS = (Deletion, Insertion, LeRF, MoRF, SRG)  # they score by the area under the curve that they keep


def results_of(plan: Plan, options: Options, cells: Path) -> Results:
    results = run(plan, options, Store(cells))
    if results.failures:
        lines = [f"{each.case}: {each.step} of {each.method}: {each.reason}" for each in results.failures]
        pytest.fail("\n".join(lines), pytrace=False)
    return results


def test_every_case_has_a_score_under_every_metric(one_method: Plan, options: Options, cells: Path) -> None:
    results = results_of(one_method, options, cells)
    (part,), (setting,) = one_method.parts, results.inputs
    (method,) = part.methods
    records = own_maps(results.records.frame())
    assert set(records["metric"]) == set(part.metrics)
    for metric, rows in records.groupby("metric", observed=True):
        assert len(rows) == rows["case"].nunique() == setting["cases"]["all"], metric
        # A constant map, say, has no inequality.
        assert rows["score"].notna().any() or method in part.nulls, f"{metric} applies to no case"
    curves = {(row["metric"], row["case"]): row for row in results.curves.frame().to_dict("records")}
    scores = records.set_index(["metric", "case"])["score"]
    for place, curve in curves.items():
        assert np.isfinite(curve["values"]).all()
        if isinstance(part.metrics[curve["metric"]], AREAS):
            assert np.trapezoid(curve["values"], curve["fractions"]) == pytest.approx(scores.loc[place], abs=1e-5)


def test_every_method_beats_the_random_control_at_insertion(one_network: Plan, options: Options, cells: Path) -> None:
    """The least one can ask of a method, and robust even on smoke: random is far behind."""
    (part,) = one_network.parts
    if "insertion" not in part.metrics or "random" not in part.methods:
        pytest.skip("the plan does not compare insertion with the random control")
    records = own_maps(results_of(one_network, options, cells).records.frame())
    means = records[records["metric"] == "insertion"].groupby("method", observed=True)["score"].mean()
    behind = [name for name in means.index if name not in part.nulls and not means[name] > means["random"]]
    assert behind == []
