"""Stability: whether a method that draws samples finds the same importances with other seeds."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.metrics.fidelity import explain, explanation_of, has_surrogate
from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Measurement, MethodMetric, passed_over
from mint.fidelity import rank_correlation
from mint.parameters import require_count


@dataclass(frozen=True)
class Stability(MethodMetric):
    """Mean rank correlation of the fine importances u_f over pairs of seeds.

    Source: this suite's own; other indices for the same question are those of G. Visani, E. Bagli, F. Chesani,
    A. Poluzzi, D. Capuzzo, "Statistical stability indices for LIME: Obtaining reliable explanations for machine
    learning models", Journal of the Operational Research Society 73, 2022. Direction: higher is better. Range: [-1, 1];
    NaN where the method has no surrogate, and for cases that are passed over. The super-pixels do not depend on the
    seed, so the importances of two seeds can be compared one by one.

    What it cannot tell: whether the importances are right. A surrogate that is wrong in the same way with every seed
    scores 1. Only ranks are compared: where importances hardly differ, a change of order counts as much as elsewhere.

    Parameters
    ----------
    seeds
        How many: the method's own, and those that follow it.
    every
        One case in so many is measured, because it costs ``seeds`` explanations; the case's digest decides which. The
        score of the others is NaN.
    """

    seeds: int = 5
    every: int = 1

    def __post_init__(self) -> None:
        require_count("seeds", self.seeds, 2)
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Any) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the case is passed over."""
        if not has_surrogate(method) or passed_over(context, self.every):
            return NOT_APPLICABLE
        others = [dataclasses.replace(method, seed=method.seed + i) for i in range(1, self.seeds)]
        importances = [explanation_of(context, method).u_f, *(explain(context, other).u_f for other in others)]
        pairs = itertools.combinations(importances, 2)
        return Measurement(float(np.mean([rank_correlation(one, other) for one, other in pairs])))
