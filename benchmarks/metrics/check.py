"""Checks that a metric keeps what the suite relies on, for the suite's own metrics and a user's."""

import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics import metric as metrics
from benchmarks.metrics.metric import Context, Measurement, MethodMetric, Metric
from mint.checks import Check, report_all, require
from mint.contract import Attributor, fingerprint

DECLARED = {
    "direction": get_args(metrics.Direction),
    "average": get_args(metrics.Average),
    "subsets": (("all",), ("all", "difficult")),
    "judges": (True, False),
    "controlled": (True, False),
}
"""The values that a metric may declare."""
BATCH_SIZES = (1, 3, 64)


def check_metric(
    metric: Metric | MethodMetric,
    contexts: Sequence[Context],
    maps: Sequence[Tensor],
    *,
    method: Attributor | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Check that a metric keeps what the suite relies on; report every clause that it breaks.

    Parameters
    ----------
    metric : Metric or MethodMetric
        What is checked.
    contexts : sequence of Context
        A few cases in front of a small network, with an annotated region where the metric needs one.
    maps : sequence of Tensor
        One map for each case, (h, w) float32.
    method : Attributor, optional
        The method that a `MethodMetric` examines, its layers named.
    tolerance : float
        Largest difference of scores that may come from another batch size, relative to the larger score.

    Raises
    ------
    AssertionError
        If a clause is broken; the message has one line for each.
    """
    checks = metric_checks(metric, contexts, maps, method=method, tolerance=tolerance)
    report_all(f"the metric {type(metric).__name__}", checks)


def metric_checks(
    metric: Metric | MethodMetric,
    contexts: Sequence[Context],
    maps: Sequence[Tensor],
    *,
    method: Attributor | None = None,
    tolerance: float = 1e-5,
) -> list[Check]:
    """List the checks that `check_metric` runs, each with its name."""

    def measure(context: Context, saliency: Tensor, **changes: Any) -> Measurement:
        # A copy of a context remembers nothing of what was computed before.
        fresh = dataclasses.replace(context, **changes)
        if not isinstance(metric, MethodMetric):
            return metric(fresh, saliency)
        require(method is not None, "check_metric needs a method for a metric that examines one")
        return metrics.as_measurement(metric, metric.examine(fresh, method))  # type: ignore[arg-type]

    def answers(**changes: Any) -> list[Measurement]:
        return [measure(context, each, **changes) for context, each in zip(contexts, maps, strict=True)]

    def is_frozen() -> None:
        kind: Any = type(metric)
        frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
        require(frozen, f"{kind.__name__} needs the decorator @dataclass(frozen=True)")

    def has_an_identity() -> None:
        copy = dataclasses.replace(metric)  # type: ignore[type-var]
        require(repr(copy) == repr(metric) and copy == metric, f"a copy has another repr: {copy!r}, not {metric!r}")
        require(" at 0x" not in repr(metric), f"the repr has an address in memory, which changes: {metric!r}")

    def declares_valid_values() -> None:
        wrong = misdeclared(metric)
        require(not wrong, wrong)

    def declares_plain_json() -> None:
        declared = metrics.declaration(metric)
        text = json.dumps(declared)
        require(json.loads(text) == declared, f"JSON changes the declaration: {text}")
        require(" at 0x" not in text, f"a setting is no plain value: {text}")

    def answers_with_a_score() -> None:
        for found in answers():
            require(isinstance(found, Measurement), f"it answers a {type(found).__name__}, not a Measurement")
            sound = isinstance(found.score, float) and not np.isinf(found.score)
            require(sound, f"a score is a finite float, or NaN, not {found.score!r}")

    def answers_with_a_curve() -> None:
        for curve in (found.curve for found in answers() if found.curve is not None):
            require(metric.curve_labels is not None, "it answers a curve but declares no curve_labels")
            fractions, values = (np.asarray(each) for each in curve)
            require(fractions.ndim == 1 and fractions.shape == values.shape, "fractions and values differ in shape")
            require(bool(((fractions >= 0) & (fractions <= 1)).all()), f"fractions are from 0 to 1, not {fractions}")
            require(bool(np.isfinite(values).all()), f"the curve's values are finite, not {values}")

    def repeats_itself() -> None:
        first = answers()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            again = answers()
        _require_same(again, first, 0.0, "other scores when repeated, with another global seed")

    def leaves_the_generators() -> None:
        before = _generators()
        answers()
        require(_generators() == before, "it draws from a global random generator; give it a seed of its own")

    def does_not_depend_on_the_batch_size() -> None:
        expected = answers()
        for size in BATCH_SIZES:
            _require_same(answers(batch_size=size), expected, tolerance, f"other scores with batch_size={size}")

    def leaves_its_input() -> None:
        inputs = [*maps, *(context.image for context in contexts)]
        before = [each.clone() for each in inputs]
        answers()
        require(all(map(torch.equal, inputs, before)), "it changes the map or the picture")

    def leaves_the_network() -> None:
        before = [fingerprint(module) for module in {context.network.module for context in contexts}]
        answers()
        changed = dict.fromkeys(what for each in before for what in each.restore())
        require(not changed, f"it changes the network: {'; '.join(changed)}")

    def refuses(change: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def check() -> None:
            try:
                measure(contexts[0], change(maps[0]))
            except ValueError:
                return
            raise AssertionError("it is accepted; an InputError must be raised")

        return check

    checks: list[Check] = [
        ("is a frozen dataclass", is_frozen),
        ("has a repr that identifies it", has_an_identity),
        ("declares valid values", declares_valid_values),
        ("declares plain JSON", declares_plain_json),
        ("answers with a score", answers_with_a_score),
        ("answers with a sound curve", answers_with_a_curve),
        ("answers the same again", repeats_itself),
        ("leaves the global generators alone", leaves_the_generators),
        ("does not depend on the batch size", does_not_depend_on_the_batch_size),
        ("leaves map and picture as they were", leaves_its_input),
        ("leaves the network as it was", leaves_the_network),
    ]
    if not isinstance(metric, MethodMetric):
        checks += [
            ("refuses a map of another shape", refuses(lambda saliency: saliency[1:])),
            ("refuses a map with NaN", refuses(lambda saliency: saliency * float("nan"))),
        ]
    return checks


def misdeclared(metric: Metric | MethodMetric) -> str:
    """Say what of a metric's declaration cannot be used; "" if all can."""
    wrong = [
        f"{name} is one of {values}, not {found!r}"
        for name, values in DECLARED.items()
        if (found := getattr(metric, name)) not in values
    ]
    if not isinstance(metric.curve_labels, metrics.CurveLabels | None):
        wrong.append(f"curve_labels is a CurveLabels or None, not {metric.curve_labels!r}")
    return "; ".join(wrong)


def _require_same(found: Sequence[Measurement], expected: Sequence[Measurement], tolerance: float, what: str) -> None:
    scores, wanted = (np.array([each.score for each in measured]) for measured in (found, expected))
    same = np.allclose(scores, wanted, rtol=tolerance, atol=tolerance * 1e-2, equal_nan=True)
    require(same, f"{what}: {scores.tolist()}, not {wanted.tolist()}")


def _generators() -> tuple[bytes, str, object]:
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state()), random.getstate()  # noqa: NPY002
