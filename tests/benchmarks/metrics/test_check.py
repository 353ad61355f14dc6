"""Every metric keeps what the suite relies on, one item for each check; and each check can fail."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from contexts import Linear, context_of
from examples import SmallCNN, smooth_images
from torch import Tensor

from baselines import GradCAM
from benchmarks.metrics import METRICS, Context, Fidelity, Measurement, MethodMetric, Metric, Stability
from benchmarks.metrics.check import check_metric, metric_checks
from benchmarks.run.arrays import measurement
from mint import MINT
from mint.contract import InputError


def two_cases() -> list[Context]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallCNN()
        network.train()(smooth_images(8, size=(20, 24), seed=1))
    region = np.zeros((20, 24), dtype=bool)
    region[4:12, 6:20] = True
    return [context_of(image, region, network.eval(), 2) for image in smooth_images(2, size=(20, 24))]


CASES = two_cases()
# One map without ties, and one with plateaus.
MAPS = [torch.randn(20, 24, generator=torch.Generator().manual_seed(1)), CASES[1].image[0].round().contiguous()]
GRADCAM, SMALL_MINT = GradCAM(deep_layer="trunk"), MINT(samples=30, layers=("stem", "trunk"))
EVERY: list[tuple[str, Any, Any]] = [
    *((name, make(), GRADCAM) for name, make in METRICS.items()),
    ("fidelity", Fidelity(held_out=True), SMALL_MINT),
    ("stability", Stability(seeds=2), SMALL_MINT),
]
CHECKS = [
    pytest.param(check, id=f"{name} {clause}")
    for name, metric, method in EVERY
    for clause, check in metric_checks(metric, CASES, MAPS, method=method)
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_metric_keeps_what_the_suite_relies_on(check: Any) -> None:
    check()


def test_the_metrics_have_an_answer_and_differ_by_their_repr() -> None:
    for name, metric, method in EVERY:
        context, saliency = CASES[0], MAPS[0]
        found = metric.examine(context, method) if isinstance(metric, MethodMetric) else metric(context, saliency)
        assert np.isfinite(found.score), name
    # MoRF is deletion by another name.
    assert len({repr(metric) for name, metric, _ in EVERY if name != "morf"}) == len(EVERY) - 1


@pytest.mark.parametrize("metric", [metric for _, metric, _ in EVERY if hasattr(metric, "seed")], ids=repr)
@pytest.mark.parametrize("seed", [-1, 0.5, "7", None])
def test_a_seed_that_is_none_is_refused(metric: Any, seed: object) -> None:
    with pytest.raises(InputError, match="seed is a whole number"):
        replace(metric, seed=seed)


def test_a_surrogate_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="scale is one of 'coarse', 'fine', not 'medium'"):
        Fidelity("medium")  # type: ignore[arg-type]


class Address:
    """Has no repr of its own."""


@dataclass
class Wrong(Metric):
    """Breaks nearly every clause."""

    direction = "up"  # type: ignore[assignment]
    subsets = ("some",)
    calls: list[int] = field(default_factory=list, repr=False, compare=False)
    odd: Any = field(default_factory=Address)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        self.calls.append(1)
        saliency += 1
        context.network.module.weights.data += 1
        curve = np.arange(3.0), np.arange(3.0)
        return Measurement(float(torch.rand(())) + (context.batch_size or 0), curve)


def test_all_broken_clauses_are_reported_together() -> None:
    contexts = [context_of(torch.ones(3, 4, 4), None, Linear(torch.zeros(3, 4, 4)))]
    with pytest.raises(AssertionError, match="the metric Wrong breaks 12 of its checks") as error:
        check_metric(Wrong(), contexts, [torch.zeros(4, 4)])
    broken = re.findall(r"^- ([^:]+):", str(error.value), re.MULTILINE)
    every = [clause for clause, _ in metric_checks(Wrong(), contexts, [torch.zeros(4, 4)])]
    assert [clause for clause in every if clause not in broken] == ["answers with a score"]


def test_an_infinite_score_is_reported() -> None:
    @dataclass(frozen=True)
    class Endless(Metric):
        """Answers infinity."""

        def score_map(self, context: Context, saliency: Tensor) -> float:
            return float("inf")

    with pytest.raises(AssertionError, match=r"breaks 1 of its checks:\n- answers with a score: .* not inf"):
        check_metric(Endless(), CASES, MAPS)


@dataclass(frozen=True)
class Answering(Metric):
    """Answers with what it is given."""

    found: Any

    def score_map(self, context: Context, saliency: Tensor) -> Any:
        return self.found


@dataclass(frozen=True)
class Examining(MethodMetric):
    """Answers with what it is given."""

    found: Any

    def examine(self, context: Context, method: Any) -> Any:
        return self.found


@pytest.mark.parametrize("metric", [Answering, Examining])
def test_a_metric_answers_with_a_number_or_is_refused(metric: Any) -> None:
    def measure(found: Any) -> Any:
        return measurement(metric(found), CASES[0], MAPS[0].numpy(), GRADCAM)["score"]

    for number in (2, np.float32(2), torch.tensor(2), Measurement(2.0)):
        assert measure(number) == 2.0
    for other, kind in (({"score": 2.0}, "dict"), (torch.ones(2), "Tensor"), (None, "NoneType")):
        with pytest.raises(InputError, match=f"answered with a {kind} that is no number; answer with one number"):
            measure(other)


def test_a_metric_of_methods_needs_one() -> None:
    with pytest.raises(AssertionError, match="needs a method"):
        check_metric(Stability(), CASES, MAPS)
