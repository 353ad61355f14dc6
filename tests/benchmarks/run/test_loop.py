import dataclasses
import io
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from baselines import Centre
from baselines.controls import Averaged, Blurred, RandomisedNetwork
from baselines.randomising import randomised
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.metrics import Context, Deletion, Fidelity, Gini, Insertion, Metric, Pointing, TiedPixels
from benchmarks.metrics.metric import controlling
from benchmarks.networks.network import Network, load_network
from benchmarks.results import records
from benchmarks.results.records import CURVE_COLUMNS, MAP_SIZE, RECORD_COLUMNS
from benchmarks.run.collecting import reduced
from benchmarks.run.loop import Results, as_records, run
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Options, Plan
from benchmarks.run.setting import FEWEST
from benchmarks.run.store import Entry, Store
from benchmarks.run.timing import Timing, device_name
from mint.contract import InputError

SECOND = 2  # calls of two methods that are explained again, to see whether they answer alike


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


def with_part(plan: Plan, **changes: object) -> Plan:
    (part,) = plan.parts
    return dataclasses.replace(plan, parts=(dataclasses.replace(part, **changes),))  # type: ignore[arg-type]


def calls(log: Path) -> int:
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


def scores(results: Results) -> dict[tuple[str, str, str], float]:
    return {(row["method"], row["metric"], row["case"]): row["score"] for row in results.records}


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time by a clock that takes no time."""

    def time_attributor(attributor: object, network: Network, images: Tensor, targets: Tensor) -> Timing:
        return Timing(12.5, 0.5, 5, float(len(images)), 1.0, 2.0, device_name(network.device))

    monkeypatch.setattr("benchmarks.run.cells.time_attributor", time_attributor)


def test_every_case_is_scored_by_every_method_and_metric(world: ModuleType, log: Path, tmp_path: Path) -> None:
    results = run(world.plan(log), Options(), Store(tmp_path / "cells"))
    assert results.failures == []
    cases = {world.case(number).key for number in range(10)}
    metrics = ("deletion", "insertion", "pointing")
    assert scores(results).keys() == {(m, k, c) for m in ("bright", "dark") for k in metrics for c in cases}
    assert calls(log) == 20 + SECOND
    assert len(results.curves) == 2 * 2 * 10
    assert [(shown.case, *shown.maps, *shown.pictures) for shown in results.gallery] == [
        (world.case(number).key, "bright", "dark", "bright: gray", "dark: gray") for number in range(2)
    ]


def test_the_stored_scores_are_those_of_the_metric_itself(world: ModuleType, log: Path, tmp_path: Path) -> None:
    found = scores(run(world.plan(log), Options(), Store(tmp_path / "cells")))
    network = load_network("tiny")
    for number in range(10):
        case = world.case(number)
        image = network.tensor(case.image)
        context = Context(network, case, image)
        for metric, instance in (("deletion", Deletion(steps=4)), ("pointing", Pointing(tolerance=20.0))):
            expected = instance(context, image.mean(dim=0)).score
            np.testing.assert_equal(found["bright", metric, case.key], expected)


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
    assert list(second.timings) == list(first.timings)
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
    assert {row["metric_id"] for row in results.records} == {repr(Deletion(steps=8))}


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


def test_a_failing_method_costs_its_own_cases_only(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = world.plan(log)
    methods = {**plan.parts[0].methods, "bright": world.Brightness(str(log), fails_on=1)}
    store = Store(tmp_path / "cells")
    results = run(with_part(plan, methods=methods), Options(), store)
    failed = {(each.method, each.step, each.case) for each in results.failures}
    guilty = {world.case(number).key for number in range(10) if world.case(number).target == 1}
    assert failed == {("bright", "map", case) for case in guilty}
    (reason,) = {each.reason for each in results.failures}
    assert reason.startswith("RuntimeError: this method dislikes the target (in Brightness.__call__, ")
    scored = {(method, case) for method, metric, case in scores(results)}
    everything = {(m, world.case(n).key) for m in ("bright", "dark") for n in range(10)}
    assert scored == everything - {("bright", case) for case in guilty}


def test_a_failure_is_said_at_once_and_once_and_what_fails_is_not_timed(
    world: ModuleType, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = world.plan(log, timed=4)
    methods = {**plan.parts[0].methods, "bright": world.Brightness(str(log), fails_on=1)}
    results = run(with_part(plan, methods=methods), Options(), Store(tmp_path / "cells"))
    lines = [line for line in capsys.readouterr().err.splitlines() if "failed, and the run goes on" in line]
    first = results.failures[0].case
    assert len(results.failures) > 1
    (line,) = lines
    assert f"failed, and the run goes on: tiny, bright, map, {first}: RuntimeError: this method dislikes" in line
    assert [row["method"] for row in results.timings] == ["dark"]


def test_a_missing_folder_is_refused_before_a_network_is_loaded(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.run.setting.load_network", lambda *_, **__: pytest.fail("a network was loaded"))
    plan = with_part(world.plan(log), dataset="imagenet")
    with pytest.raises(InputError, match="pass --data DIR"):
        run(plan, Options(), Store(tmp_path / "cells"))
    with pytest.raises(InputError, match="nowhere does not exist"):
        run(plan, Options(data=tmp_path / "nowhere"), Store(tmp_path / "cells"))


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


def test_a_picture_that_cannot_be_decoded_is_a_failure_and_the_rest_goes_on(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.datasets import DATASETS

    monkeypatch.setitem(DATASETS, "noise", lambda network, options: world.Pictures(10, broken=(3,)))  # type: ignore[misc]
    results = run(world.plan(log), Options(), Store(tmp_path / "cells"))
    (failure,) = results.failures
    assert (failure.step, failure.case) == ("data", "number 4")
    assert failure.reason.startswith("OSError: picture-x.png cannot be decoded (in Pictures.__getitem__, ")
    assert len(scores(results)) == 2 * 3 * 9


@pytest.mark.usefixtures("stopwatch")
def test_after_a_picture_that_cannot_be_read_no_later_case_takes_its_place(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two cases are shown, timed and controlled; the first of them cannot be read, so only one is."""
    from benchmarks.datasets import DATASETS

    monkeypatch.setitem(DATASETS, "noise", lambda network, options: world.Pictures(10, broken=(0,)))  # type: ignore[misc]
    plan = with_part(world.plan(log, timed=2, controls={"blurred": Blurred()}), controlled=2, shown=2)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    (second,) = {row["case"] for row in results.records if row["control"]}
    assert second == world.case(1).key
    assert [shown.case for shown in results.gallery] == [second]
    assert {row["forwards"] for row in results.timings} == {1.0}


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
    assert [row["method"] for row in first.timings] == ["bright", "dark"]
    assert all(row["device"] and row["median_ms"] > 0 for row in first.timings)
    store = Store(tmp_path / "cells")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run(plan, Options(), store)
    finally:
        torch.set_num_threads(threads)
    assert store.written == 2


def test_maps_are_the_same_in_whatever_company_a_case_is_explained(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    together = run(world.plan(log), Options(), Store(tmp_path / "a"))
    alone = run(with_part(world.plan(log), limit=1), Options(), Store(tmp_path / "b"))
    for key, score in scores(alone).items():
        assert scores(together)[key] == score


class Interrupted(Store):
    """A store whose process is stopped at the n-th cell, before it is written."""

    def __init__(self, directory: Path, after: int) -> None:
        super().__init__(directory)
        self.after = after

    def write(self, entries: Sequence[Entry]) -> None:
        if self.written + len(entries) > self.after:
            raise KeyboardInterrupt
        super().write(entries)


def test_a_run_stopped_at_any_cell_goes_on_from_there(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = with_part(world.plan(log), limit=5)
    whole_store = Store(tmp_path / "whole")
    whole = run(plan, Options(), whole_store)
    calls_of_a_run = calls(log)
    for after in range(0, whole_store.written, 3):
        before = calls(log)
        stopped = Interrupted(tmp_path / str(after), after)
        with pytest.raises(KeyboardInterrupt):
            run(plan, Options(), stopped)
        store = Store(tmp_path / str(after))
        resumed = run(plan, Options(), store)
        assert store.written == whole_store.written - stopped.written
        assert calls(log) - before <= calls_of_a_run + FEWEST
        assert resumed.inputs == whole.inputs
        np.testing.assert_equal(list(resumed.records), list(whole.records))
        np.testing.assert_equal(list(resumed.curves), list(whole.curves))


@dataclasses.dataclass(frozen=True)
class Untidy:
    """Gives maps that are attached to a graph, and draws a panel of the wrong kind."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.clone().requires_grad_(True).mean(dim=1)

    def pictures(self, model: nn.Module, image: Tensor, target: int) -> dict[str, np.ndarray]:
        return {"panel": np.zeros((4, 4))}


def test_a_panel_of_the_wrong_kind_is_refused(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = world.plan(log)
    methods = {"untidy": Untidy(), **plan.parts[0].methods}
    results = run(with_part(plan, methods=methods), Options(), Store(tmp_path / "cells"))
    assert {failure.step for failure in results.failures} == {"pictures"}
    assert "a panel is uint8 (h, w, 3)" in results.failures[0].reason
    assert {row["method"] for row in results.records} == {"untidy", "bright", "dark"}


def in_training_mode(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return model.train()(images)[:, :1, None].expand(images[:, 0].shape)


def leaving_a_hook(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    model[0].register_forward_hook(lambda _module, _inputs, output: output * 0)
    return images.mean(dim=1)


def writing_weights(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    model[-1].weight.data.add_(1)
    return images.mean(dim=1)


@dataclasses.dataclass(frozen=True)
class Spoiling(Metric):
    """Measures nothing, and spoils the network."""

    def score_map(self, context: Context, saliency: Tensor) -> float:
        writing_weights(context.network.module, saliency, saliency)
        return 0.0


@pytest.mark.parametrize(
    ("spoil", "changed"),
    [
        (in_training_mode, "the training mode (the network itself, "),
        (leaving_a_hook, "the hooks (0)"),
        (writing_weights, "the parameters or buffers (6.weight)"),
    ],
)
def test_who_changes_the_network_fails_and_nobody_else_notices(
    world: ModuleType, log: Path, tmp_path: Path, spoil: Any, changed: str
) -> None:
    plan = world.plan(log)
    part = plan.parts[0]
    clean = run(plan, Options(), Store(tmp_path / "clean"))
    spoilt = with_part(
        plan, methods={"spoiling": spoil, **part.methods}, metrics={"spoiling metric": Spoiling(), **part.metrics}
    )
    results = run(spoilt, Options(), Store(tmp_path / "spoilt"))
    np.testing.assert_equal(scores(results), scores(clean))
    by = {(failure.method, failure.step) for failure in results.failures}
    assert by == {("spoiling", "map"), ("bright", "spoiling metric"), ("dark", "spoiling metric")}
    assert len(results.failures) == 30
    reasons = {failure.reason for failure in results.failures if failure.method == "spoiling"}
    assert len(reasons) == 1
    assert reasons.pop().startswith(f"the method spoiling changed the network and did not put it back: {changed}")
    # What is stored is reused by a run without them, and is right.
    store = Store(tmp_path / "spoilt")
    np.testing.assert_equal(scores(run(plan, Options(), store)), scores(clean))
    assert store.written == 0


# Derived controls.

CONTROLS = {"blurred": Blurred(), "randomised-network": RandomisedNetwork(), "7x7": Averaged(7)}


def controlled(world: ModuleType, log: Path, **changes: Any) -> Plan:
    """Plan bright, dark and a null method, with three controls, on the first five cases (of ten)."""
    plan = world.plan(log)
    methods = {**plan.parts[0].methods, "centre": Centre()}
    return with_part(plan, **{"methods": methods, "controls": CONTROLS, "controlled": 5, **changes})


def control_scores(results: Results) -> dict[tuple[str, str, str, str], float]:
    return {(row["method"], row["control"], row["metric"], row["case"]): row["score"] for row in results.records}


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
    assert {row["control"] for row in results.curves} == {""}
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


def test_the_progress_bar_ends_where_it_says(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = []

    class Bar(tqdm):  # type: ignore[type-arg]
        def close(self) -> None:
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr("benchmarks.run.loop.tqdm", Bar)
    run(controlled(world, log), Options(), Store(tmp_path / "cells"))
    assert bars[0] == (3 * 10 + 2 * 3 * 5, 3 * 10 + 2 * 3 * 5)
    run(controlled(world, log, controlled=None, limit=7), Options(), Store(tmp_path / "cells"))
    assert (3 * 7 + 2 * 3 * 7, 3 * 7 + 2 * 3 * 7) in bars


def test_a_run_with_controls_stopped_at_any_cell_goes_on_from_there(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = controlled(world, log, limit=3, controlled=2, metrics={"deletion": Deletion(steps=4)})
    whole_store = Store(tmp_path / "whole")
    whole = run(plan, Options(), whole_store)
    for after in range(0, whole_store.written, 2):
        stopped = Interrupted(tmp_path / str(after), after)
        with pytest.raises(KeyboardInterrupt):
            run(plan, Options(), stopped)
        store = Store(tmp_path / str(after))
        resumed = run(plan, Options(), store)
        assert store.written == whole_store.written - stopped.written
        np.testing.assert_equal(list(resumed.records), list(whole.records))


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
    assert {(row["metric"], bool(row["control"])) for row in results.records} == {
        ("deletion", False), ("deletion", True), ("tied", False), ("fidelity", False),
    }  # fmt: skip
    about = results.inputs[0]["metrics"]
    assert {name: each["controls"] for name, each in about.items()} == {
        "deletion": True, "tied": False, "fidelity": False,
    }  # fmt: skip


def test_controls_are_scored_under_the_first_setting_of_each_measure_that_judges() -> None:
    metrics = {
        "gini": Gini(),
        "pointing": Pointing(),
        "deletion, blur": Deletion(baseline="blur"),
        "deletion": Deletion(),
        "fidelity": Fidelity(),
        "insertion": Insertion(),
    }
    assert controlling(metrics) == ("pointing", "deletion, blur", "insertion")


def test_the_difficult_cases_of_every_metric_are_apart_where_the_plan_says_so(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = with_part(world.plan(log), apart=True)
    (setting,) = run(plan, Options(), Store(tmp_path / "cells")).inputs
    assert {tuple(about["subsets"]) for about in setting["metrics"].values()} == {("all", "difficult")}


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


def test_every_case_has_its_maps_for_the_page(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = controlled(world, log, controls={})
    methods = {**plan.parts[0].methods, "bright": world.Brightness(str(log), fails_on=1)}
    plan = with_part(plan, methods=methods)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    records.save(as_records(plan, Options(), results, {}), tmp_path)
    found = records.load(tmp_path).maps
    assert [each.case for each in found] == [world.case(number).key for number in range(10)]
    for number, each in enumerate(found):
        case = world.case(number)
        assert (each.dataset, each.network, each.picture) == ("noise", "tiny", case.picture)
        assert Image.open(io.BytesIO(each.picture_jpeg)).size == (16, 16)
        assert (each.region is None) == (case.region is None)
        if each.region is not None:
            np.testing.assert_array_equal(each.region, case.region)
        assert list(each.maps) == ["dark", "centre"] if case.target == 1 else ["bright", "dark", "centre"]
        image = load_network("tiny").tensor(case.image)
        np.testing.assert_array_equal(each.maps["dark"], records.evidence_bytes(-image.mean(dim=0).numpy()))
    with np.load(tmp_path / "maps.npz") as stored:
        assert sum(name.startswith("picture|") for name in stored.files) == 5  # two cases a picture


def test_large_maps_are_averaged_over_areas(world: ModuleType) -> None:
    plane = np.zeros((112, 224), dtype=np.float32)
    plane[:2, :4] = 3
    plane[2:4, 4:8] = np.arange(8).reshape(2, 4)
    found = reduced(plane)
    assert found.shape == (MAP_SIZE, MAP_SIZE)
    assert found[0, 0] == 3
    assert found[1, 1] == 3.5
    assert reduced(np.ones((299, 30), dtype=bool)).shape == (MAP_SIZE, 30)


def test_records_from_before_there_were_controls_still_load(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = world.plan(log)
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


def test_a_case_that_cannot_be_used_is_named_and_the_others_are_measured(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [world.case(number) for number in range(4)]
    cases[1] = dataclasses.replace(cases[1], region=np.zeros((3, 3), dtype=bool))
    cases[2] = dataclasses.replace(cases[2], key="../up", target_name="blue or so")
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: cases)
    results = run(world.plan(log), Options(), Store(tmp_path / "cells"))
    assert {row["case"] for row in results.records} == {cases[0].key, cases[3].key}
    assert [failure.case for failure in results.failures] == ["number 2", "number 3"]
    assert "(3, 3)" in results.failures[0].reason
    assert all(word in results.failures[1].reason for word in ("../up", "blue or so"))
