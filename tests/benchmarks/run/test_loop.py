import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import SECOND, calls, controlled, rows_in, scores, with_part
from torch import Tensor, nn
from tqdm import tqdm

from baselines.controls import Blurred
from benchmarks.metrics import Context, Deletion, Metric, Pointing
from benchmarks.metrics.metric import Measurement
from benchmarks.networks.network import load_network
from benchmarks.run.loop import run
from benchmarks.run.plan import Options
from benchmarks.run.store import Store
from mint.contract import InputError


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


@pytest.mark.parametrize("word", ["method", "metric"])
def test_a_plan_with_nothing_to_do_is_refused(world: ModuleType, log: Path, tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError, match=f"the plan fake has no {word} on noise; add one by --{word} NAME"):
        run(with_part(world.plan(log), **{f"{word}s": {}}), Options(), Store(tmp_path / "cells"))


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
    assert [row["method"] for row in rows_in(results.timings)] == ["dark"]


def test_a_missing_folder_is_refused_before_a_network_is_loaded(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.run.setting.load_network", lambda *_, **__: pytest.fail("a network was loaded"))
    plan = with_part(world.plan(log), dataset="imagenet")
    with pytest.raises(InputError, match="pass --data DIR"):
        run(plan, Options(), Store(tmp_path / "cells"))
    with pytest.raises(InputError, match="nowhere does not exist"):
        run(plan, Options(data=tmp_path / "nowhere"), Store(tmp_path / "cells"))


def test_a_picture_that_cannot_be_decoded_is_a_failure_and_the_rest_goes_on(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(10, broken=(3,)))
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
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(10, broken=(0,)))
    plan = with_part(world.plan(log, timed=2, controls={"blurred": Blurred()}), controlled=2, shown=2)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    (second,) = {row["case"] for row in rows_in(results.records) if row["control"]}
    assert second == world.case(1).key
    assert [shown.case for shown in results.gallery] == [second]
    assert {row["forwards"] for row in rows_in(results.timings)} == {1.0}


def test_maps_are_the_same_in_whatever_company_a_case_is_explained(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    together = run(world.plan(log), Options(), Store(tmp_path / "a"))
    alone = run(with_part(world.plan(log), limit=1), Options(), Store(tmp_path / "b"))
    for key, score in scores(alone).items():
        assert scores(together)[key] == score


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
    assert {row["method"] for row in rows_in(results.records)} == {"untidy", "bright", "dark"}


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


@dataclasses.dataclass(frozen=True)
class Curved(Metric):
    """Answers a curve as it is given."""

    curve: tuple[Any, Any]

    def score_map(self, context: Context, saliency: Tensor) -> Measurement:
        return Measurement(0.5, self.curve)


@pytest.mark.parametrize("make", [list, torch.tensor], ids=["lists", "tensors"])
def test_a_curve_may_be_of_whatever_becomes_an_array(
    world: ModuleType, log: Path, tmp_path: Path, make: Callable[[list[float]], Any]
) -> None:
    plan = with_part(world.plan(log), metrics={"curved": Curved((make([0.0, 1.0]), make([1.0, 0.25])))}, limit=2)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    assert results.failures == []
    assert [[*row["values"]] for row in rows_in(results.curves)] == [[1.0, 0.25]] * 4


@pytest.mark.parametrize("values", [[1.0, 0.5, 0.0], [[1.0, 0.0]]])
def test_what_is_no_curve_fails_its_case(world: ModuleType, log: Path, tmp_path: Path, values: list[Any]) -> None:
    plan = with_part(world.plan(log), metrics={"curved": Curved(([0.0, 1.0], values))}, limit=2)
    failures = run(plan, Options(), Store(tmp_path / "cells")).failures
    assert [(each.method, each.step) for each in failures] == [("bright", "curved"), ("dark", "curved")] * 2
    assert all(each.reason.endswith("both are (n,).") for each in failures)


@dataclasses.dataclass(frozen=True)
class SpoilingOnce(Metric):
    """Spoils the network while it measures the first map that it gets of a case, and asks it about the others."""

    seen: list[str] = dataclasses.field(default_factory=list, compare=False, metadata={"identity": False}, repr=False)

    def score_map(self, context: Context, saliency: Tensor) -> float:
        if context.case.key not in self.seen:
            self.seen.append(context.case.key)
            writing_weights(context.network.module, saliency, saliency)
        return Deletion(steps=2)(context, saliency).score


def test_a_metric_that_changes_the_network_for_one_map_spoils_no_other(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = world.plan(log)
    metrics = {"first": SpoilingOnce(), **plan.parts[0].metrics, "deletion": Deletion(steps=2)}
    clean = run(with_part(plan, metrics={"deletion": Deletion(steps=2)}), Options(), Store(tmp_path / "clean"))
    found = run(with_part(plan, metrics=metrics), Options(), Store(tmp_path / "spoilt"))
    scored = {key: score for key, score in scores(found).items() if "deletion" in key}
    assert scored
    np.testing.assert_allclose([*scored.values()], [*scores(clean).values()], rtol=1e-6)
    assert {failure.step for failure in found.failures} == {"first"}
    assert len({failure.method for failure in found.failures}) == 1


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


def test_the_difficult_cases_of_every_metric_are_apart_where_the_plan_says_so(
    world: ModuleType, log: Path, tmp_path: Path
) -> None:
    plan = with_part(world.plan(log), apart=True)
    (setting,) = run(plan, Options(), Store(tmp_path / "cells")).inputs
    assert {tuple(about["subsets"]) for about in setting["metrics"].values()} == {("all", "difficult")}


def test_a_case_that_cannot_be_used_is_named_and_the_others_are_measured(
    world: ModuleType, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [world.case(number) for number in range(4)]
    cases[1] = dataclasses.replace(cases[1], region=np.zeros((3, 3), dtype=bool))
    cases[2] = dataclasses.replace(cases[2], key="../up", target_name="blue or so")
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: cases)
    results = run(world.plan(log), Options(), Store(tmp_path / "cells"))
    assert {row["case"] for row in rows_in(results.records)} == {cases[0].key, cases[3].key}
    assert [failure.case for failure in results.failures] == ["number 2", "number 3"]
    assert "(3, 3)" in results.failures[0].reason
    assert all(word in results.failures[1].reason for word in ("../up", "blue or so"))
