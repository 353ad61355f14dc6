"""Fidelity and stability: metrics of methods that explain by a surrogate, as MINT does.

Both look at the explanation itself, not at a map. For a method without ``explain`` and ``seed`` they do not apply.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from benchmarks.metrics.metric import Average, Context, Direction, Measurement
from mint.contract import InputError
from mint.display import Display
from mint.fidelity import rank_correlation

if TYPE_CHECKING:
    from mint.contract import Attributor
    from mint.explanation import Explanation


@runtime_checkable
class MethodMetric(Protocol):
    """A metric of a method's explanation of a case, rather than of its map; otherwise as a `Metric`."""

    direction: ClassVar[Direction]
    average: ClassVar[Average]
    subsets: ClassVar[tuple[str, ...]]

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure how a method, its layers named, explains ``context.case``."""
        ...


NOT_APPLICABLE = Measurement(float("nan"))


def passed_over(context: Context, every: int) -> bool:
    """Tell whether a metric that is measured on every n-th case, as its digest has it, leaves this one out."""
    return int(context.case.digest, 16) % every != 0


def _explain(context: Context, method: Any) -> Explanation:
    explanation: Explanation = method.explain(context.network.module, context.image, context.case.target)
    return explanation


def _explanation(context: Context, method: Any) -> Explanation:
    """Explain the case once for all metrics, and for methods that differ in their single map alone."""
    same = dataclasses.replace(method, shown=Display())
    return context.once(("explanation", same), lambda: _explain(context, same))


def _has_surrogate(method: Attributor) -> bool:
    return all(hasattr(method, name) for name in ("explain", "seed", "shown"))


@dataclass(frozen=True)
class Fidelity:
    """Weighted R-squared of the surrogate: which share of the network's answers to its samples it predicts.

    Source: the local fidelity of M. T. Ribeiro, S. Singh, C. Guestrin, "Why Should I Trust You?", KDD 2016, as the
    R-squared that their package reports; samples held out are this suite's own. Direction: higher is better. Range: at
    most 1; 0 is the samples' weighted mean; NaN where the method has no surrogate, or the answers are all equal. See
    :class:`mint.fidelity.Fidelity`.

    What it cannot tell: variants that draw, weigh or score their samples differently are held against different
    answers. Nor does it tell how the network answers away from its samples.

    Parameters
    ----------
    scale
        Which of the two surrogates.
    held_out
        On samples that the surrogate was not fitted to (five-fold cross-validation).
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    scale: Literal["coarse", "fine"] = "fine"
    held_out: bool = False

    def examine(self, context: Context, method: Attributor) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the network's answers are all equal."""
        if not _has_surrogate(method):
            return NOT_APPLICABLE
        fidelity = _explanation(context, method).fidelity
        return Measurement(float(getattr(fidelity, self.scale + ("_held_out" if self.held_out else ""))))


@dataclass(frozen=True)
class Stability:
    """Mean rank correlation of the fine importances u_f over pairs of seeds.

    Source: this suite's own; other indices for the same question are those of G. Visani, E. Bagli, F. Chesani,
    A. Poluzzi, D. Capuzzo, "Statistical stability indices for LIME: Obtaining reliable explanations for machine
    learning models", Journal of the Operational Research Society 73, 2022. Direction: higher is better. Range: [-1, 1];
    NaN where the method has no surrogate, and for cases that are passed over. The super-pixels do not depend on the
    seed, so the importances of two seeds can be compared one by one.

    What it cannot tell: whether the importances are right. A surrogate that is wrong in the same way with every seed
    scores 1. Ranks alone are compared: where importances hardly differ, a change of order counts as much as elsewhere.

    Parameters
    ----------
    seeds
        How many: the method's own, and those that follow it.
    every
        Measured on every n-th case, as its digest has it, and NaN for the others: it costs ``seeds`` explanations.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    seeds: int = 5
    every: int = 1

    def __post_init__(self) -> None:
        if self.seeds < 2 or self.every < 1:
            raise InputError(f"Stability needs 2 seeds or more and every >= 1, not {self.seeds} and {self.every}.")

    def examine(self, context: Context, method: Any) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the case is passed over."""
        if not _has_surrogate(method) or passed_over(context, self.every):
            return NOT_APPLICABLE
        others = [dataclasses.replace(method, seed=method.seed + i) for i in range(1, self.seeds)]
        importances = [_explanation(context, method).u_f, *(_explain(context, other).u_f for other in others)]
        pairs = itertools.combinations(importances, 2)
        return Measurement(float(np.mean([rank_correlation(one, other) for one, other in pairs])))
