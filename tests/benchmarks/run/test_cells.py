"""What is found in the store and what is computed anew, and the controls that are made from each map."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small_runs import CONTROLS, SECOND, Interrupted, calls, controlled, require_same_rows, rows_in, scores, with_part
from torch import Tensor, nn

from baselines.controls import Blurred, RandomisedNetwork
from baselines.randomising import randomised
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.metrics import Context, Deletion, Fidelity, TiedPixels
from benchmarks.networks.network import load_network
from benchmarks.run.loop import Results, as_records, run
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Options, Plan
from benchmarks.run.setting import FEWEST
from benchmarks.run.store import Store


def test_maps_of_all_methods_share_batches_and_nothing_that_is_stored_is_asked(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[tuple[str, int, int]] = []

    def note(context: Context, metrics: list[Any], maps: list[Tensor]) -> None:
        prepared.append((context.case.key, len(metrics), len(maps)))

    monkeypatch.setattr("benchmarks.run.cells.prepare", note)
    plan = world.plan(log)
    run(plan, Options(), Store(tmp_path / "cells"))
    assert sorted(prepared) == sorted((world.case(number).key, 3, 2) for number in range(10))
    prepared.clear()
    methods = {**plan.parts[0].methods, "other": world.Brightness(str(log), gain=2.0)}
    run(with_part(plan, methods=methods), Options(), Store(tmp_path / "cells"))
    # For the stored ones, there is nothing to measure.
    assert {(metrics, maps) for _, metrics, maps in prepared} == {(3, 1)}


@pytest.mark.usefixtures("stopwatch")
def test_a_second_run_computes_nothing_and_finds_the_same(world: ModuleType, log: Path, tmp_path: Path) -> None:
    first = run(world.plan(log, timed=1), Options(), Store(tmp_path / "cells"))
    before = calls(log)
    store = Store(tmp_path / "cells")
    second = run(world.plan(log, timed=1), Options(), store)
    assert calls(log) == before
    assert store.written == 0
    np.testing.assert_equal(scores(second), scores(first))
    np.testing.assert_equal(rows_in(second.timings), rows_in(first.timings))
    assert second.inputs == first.inputs


def test_the_batch_size_is_not_part_of_what_is_measured(world: ModuleType, log: Path, tmp_path: Path) -> None:
    run(world.plan(log), Options(batch_size=1), Store(tmp_path / "cells"))
    store = Store(tmp_path / "cells")
    run(world.plan(log), Options(batch_size=64), store)
    assert store.written == 0


def test_one_method_with_another_parameter_is_computed_alone(world: ModuleType, log: Path, tmp_path: Path) -> None:
    run(world.plan(log), Options(), Store(tmp_path / "cells"))
    plan = world.plan(log)
    methods = {**plan.parts[0].methods, "bright": world.Brightness(str(log), gain=2.0)}
    run(with_part(plan, methods=methods), Options(), Store(tmp_path / "cells"))
    lines = log.read_text(encoding="utf-8").splitlines()[20 + SECOND :]
    assert len(lines) == 10 + SECOND / 2
    assert all(line.startswith("2.0 ") for line in lines)


def test_another_metric_scores_the_stored_maps(world: ModuleType, log: Path, tmp_path: Path) -> None:
    run(world.plan(log), Options(), Store(tmp_path / "cells"))
    plan = with_part(world.plan(log), metrics={"deletion": Deletion(steps=8)})
    store = Store(tmp_path / "cells")
    results = run(plan, Options(), store)
    assert calls(log) == 20 + SECOND
    assert store.written == 2 * 10  # two methods, ten cases
    assert {row["metric_id"] for row in rows_in(results.records)} == {repr(Deletion(steps=8))}


def test_a_larger_limit_computes_the_new_cases_only(world: ModuleType, log: Path, tmp_path: Path) -> None:
    run(with_part(world.plan(log), limit=FEWEST), Options(), Store(tmp_path / "cells"))
    run(with_part(world.plan(log), limit=10), Options(), Store(tmp_path / "cells"))
    assert calls(log) == 20 + SECOND


def test_other_weights_are_another_network(world: ModuleType, log: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    first = run(world.plan(log), Options(), Store(tmp_path / "cells"))
    state = {name: value + 0.1 for name, value in world.build().state_dict().items()}
    save_file(state, tmp_path / "other.safetensors")
    options = Options(weights={"tiny": tmp_path / "other.safetensors"})
    second = run(world.plan(log), options, Store(tmp_path / "cells"))
    assert calls(log) == 2 * (20 + SECOND)
    assert scores(first) != scores(second)


def test_a_seed_reaches_the_methods_and_changes_their_identity(world: ModuleType, log: Path, tmp_path: Path) -> None:
    results = run(world.plan(log), Options(seed=7), Store(tmp_path / "cells"))
    assert results.inputs[0]["methods"]["bright"]["parameters"]["seed"] == "7"


def test_nothing_of_a_failure_is_stored(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = world.plan(log)
    methods = {"bright": world.Brightness(str(log), answers_nan_on=1)}
    plan = with_part(plan, methods=methods)
    first = run(plan, Options(), Store(tmp_path / "cells"))
    assert all("NaN or infinite" in failure.reason for failure in first.failures)
    assert len(first.failures) == 3
    # Nor is it left out of a mean in silence (the peers' defect 7).
    facts = {"failures": [vars(failure) for failure in first.failures]}
    for row in measure_coverage(as_records(plan, Options(), first, facts)).to_dict("records"):
        assert (row["asked"], row["failed"], row["scored"] + row["not_applicable"]) == (10, 3, 7)
        assert row["reasons"].endswith("a saliency map must be finite. (3)")
    before = calls(log)
    store = Store(tmp_path / "cells")
    second = run(plan, Options(), store)
    assert store.written == 0
    assert second.failures == first.failures
    # Only such cases are tried again: those at hand together, and then each by itself.
    assert calls(log) - before == 3 + 2


def test_a_damaged_cell_is_computed_again(world: ModuleType, log: Path, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "cells")) as whole:
        first = run(world.plan(log), Options(), whole)
    (path,) = (tmp_path / "cells").glob("*.cells")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    store = Store(tmp_path / "cells")
    second = run(world.plan(log), Options(), store)
    assert store.damaged == [path]
    assert store.written > 0
    np.testing.assert_equal(scores(second), scores(first))


@pytest.mark.usefixtures("stopwatch")
def test_timing_rows_name_their_device_and_are_not_reused_with_another_number_of_threads(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = world.plan(log, timed=1)
    first = run(plan, Options(), Store(tmp_path / "cells"))
    assert [row["method"] for row in rows_in(first.timings)] == ["bright", "dark"]
    assert all(row["device"] and row["median_ms"] > 0 for row in rows_in(first.timings))
    store = Store(tmp_path / "cells")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run(plan, Options(), store)
    finally:
        torch.set_num_threads(threads)
    assert store.written == 2


def stopped_runs(plan: Plan, whole: Store, every: int) -> Iterator[Results]:
    """Stop a run of a plan, ``every`` cells later each time, and yield what it gives when it has gone on."""
    for after in range(0, whole.written, every):
        stopped = Interrupted(whole.directory.parent / str(after), after)
        with pytest.raises(KeyboardInterrupt):
            run(plan, Options(), stopped)
        store = Store(whole.directory.parent / str(after))
        resumed = run(plan, Options(), store)
        assert store.written == whole.written - stopped.written
        yield resumed


def test_a_run_stopped_at_any_cell_goes_on_from_there(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = with_part(world.plan(log), limit=5)
    whole_store = Store(tmp_path / "whole")
    whole = run(plan, Options(), whole_store)
    before = calls_of_a_run = calls(log)
    for resumed in stopped_runs(plan, whole_store, every=3):
        assert calls(log) - before <= calls_of_a_run + FEWEST
        before = calls(log)
        assert resumed.inputs == whole.inputs
        require_same_rows(resumed.records, whole.records)
        require_same_rows(resumed.curves, whole.curves)


def control_scores(results: Results) -> dict[tuple[str, str, str, str], float]:
    return {
        (row["method"], row["control"], row["metric"], row["case"]): row["score"] for row in rows_in(results.records)
    }


def test_every_method_that_is_no_null_has_its_controls_scored_on_the_first_cases(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    results = run(controlled(world, log), Options(), Store(tmp_path / "cells"))
    assert results.failures == []
    assert len(results.records) == len(control_scores(results))
    cases = [world.case(number).key for number in range(10)]
    metrics = ("deletion", "insertion", "pointing")
    own = {(m, "", k, c) for m in ("bright", "dark", "centre") for k in metrics for c in cases}
    derived = {(m, n, k, c) for m in ("bright", "dark") for n in CONTROLS for k in metrics for c in cases[:5]}
    assert control_scores(results).keys() == own | derived
    assert {row["control"] for row in rows_in(results.curves)} == {""}
    (inputs,) = results.inputs
    assert inputs["nulls"] == ["centre"]
    assert inputs["controlled"] == 5
    assert inputs["controls"]["blurred"] == {"id": "Blurred(width=0.05)", "null": True}
    assert [name for name, about in inputs["controls"].items() if not about["null"]] == ["7x7"]
    # Each method's maps, and those of the random network.
    assert calls(log) == 2 * (10 + 5) + SECOND


def test_a_control_s_score_is_the_metric_s_of_the_derived_map(world: ModuleType, log: Path, tmp_path: Path) -> None:
    found = control_scores(run(controlled(world, log), Options(), Store(tmp_path / "cells")))
    network = load_network("tiny")
    method = world.Brightness(str(log))
    for number in (0, 4):
        case = world.case(number)
        image = network.tensor(case.image)
        asked = (method, network.module, image[None], torch.tensor([case.target]), image.mean(dim=0)[None])
        for name, control in CONTROLS.items():
            expected = Deletion(steps=4)(Context(network, case, image), control(*asked)[0]).score
            assert found["bright", name, "deletion", case.key] == pytest.approx(expected, abs=1e-6)
            assert found["bright", name, "deletion", case.key] != found["dark", name, "deletion", case.key]


def test_controls_are_found_again_and_a_parameter_or_other_weights_make_new_ones(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    """A key that ignores a hyper-parameter or the model gives old results for new questions (the peers' defect 8)."""
    first = run(controlled(world, log), Options(), Store(tmp_path / "cells"))
    before = calls(log)
    store = Store(tmp_path / "cells")
    again = run(controlled(world, log), Options(), store)
    assert (store.written, calls(log)) == (0, before)
    np.testing.assert_equal(control_scores(again), control_scores(first))
    wider = {**CONTROLS, "blurred": Blurred(0.2)}
    second = run(controlled(world, log, controls=wider), Options(), store)
    # Two methods, three metrics, five cases; the blurred map itself is not stored.
    assert (store.written, calls(log)) == (2 * 3 * 5, before)
    other_seed = {**CONTROLS, "randomised-network": RandomisedNetwork(seed=1)}
    run(controlled(world, log, controls=other_seed), Options(), store)
    assert (store.written, calls(log)) == (2 * 3 * 5 + 2 * 5 * (3 + 1), before + 2 * 5)
    old, new = control_scores(first), control_scores(second)
    assert {key[1] for key in old if old[key] != new[key] and not np.isnan(old[key])} == {"blurred"}


def test_a_run_with_controls_stopped_at_any_cell_goes_on_from_there(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = controlled(world, log, limit=3, controlled=2, metrics={"deletion": Deletion(steps=4)})
    whole_store = Store(tmp_path / "whole")
    whole = run(plan, Options(), whole_store)
    for resumed in stopped_runs(plan, whole_store, every=2):
        require_same_rows(resumed.records, whole.records)


@dataclasses.dataclass(frozen=True)
class Fails:
    """A control that fails on one target."""

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    def __call__(self, method: Any, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        if (targets == 1).any():
            raise RuntimeError("this control dislikes the target")
        return maps * 1


def test_a_failing_control_costs_its_own_cases_only_and_says_so(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = controlled(world, log, controls={"fails": Fails()}, controlled=None)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    guilty = {world.case(number).key for number in range(10) if world.case(number).target == 1}
    assert {(each.method, each.control, each.step, each.case) for each in results.failures} == {
        (method, "fails", "map", case) for method in ("bright", "dark") for case in guilty
    }
    derived = {key[3] for key in control_scores(results) if key[1]}
    assert derived == {world.case(number).key for number in range(10)} - guilty
    found = measure_coverage(as_records(plan, Options(), results, {"failures": [vars(f) for f in results.failures]}))
    row = found.set_index(["metric", "method", "control"]).loc[("deletion", "dark", "fails")]
    assert (row["asked"], row["scored"], row["failed"]) == (10, 7, 3)
    assert row["reasons"].startswith("RuntimeError: this control dislikes the target (in Fails.__call__, ")
    assert row["reasons"].endswith(" (3)")


def test_what_describes_a_map_or_asks_the_method_is_not_asked_about_controls(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    metrics = {"deletion": Deletion(steps=4), "tied": TiedPixels(), "fidelity": Fidelity()}
    results = run(controlled(world, log, metrics=metrics), Options(), Store(tmp_path / "cells"))
    assert {(row["metric"], bool(row["control"])) for row in rows_in(results.records)} == {
        ("deletion", False), ("deletion", True), ("tied", False), ("fidelity", False),
    }  # fmt: skip
    about = results.inputs[0]["metrics"]
    assert {name: each["controls"] for name, each in about.items()} == {
        "deletion": True, "tied": False, "fidelity": False,
    }  # fmt: skip


def test_a_control_is_not_answered_from_the_memory_of_other_weights(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    method = OneForward()
    changes = {"methods": {"forward": method}, "metrics": {"deletion": Deletion(steps=4)}}
    plain = run(controlled(world, log, **changes), Options(), Store(tmp_path / "a"))
    remembered = run(controlled(world, log, remembering=True, **changes), Options(), Store(tmp_path / "b"))
    assert control_scores(remembered) == pytest.approx(control_scores(plain), abs=1e-6)
    network = load_network("tiny")
    image = network.tensor(world.case(0).image)[None]
    with remembering(network.module, Memory()), torch.no_grad():
        before = network.module(image)
        with randomised(network.module):
            assert not torch.equal(network.module(image), before)
        assert torch.equal(network.module(image), before)


@dataclasses.dataclass(frozen=True)
class OneForward:
    """The picture's brightness times the target's logit."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            logits = model(images).gather(1, targets[:, None])
        return images.mean(dim=1) * logits[:, :, None]
