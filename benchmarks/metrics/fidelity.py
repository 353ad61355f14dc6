"""How well the surrogate that a method fits to the network predicts it, and whether other seeds find the same one.

These metrics look at the explanation, not at a map, and do not apply to a method that has no surrogate.
"""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Measurement, MethodMetric, passed_over
from mint.display import Display
from mint.explanation import Explanation
from mint.fidelity import rank_correlation
from mint.parameters import require_count, require_word


def _has_surrogate(method: Any) -> bool:
    return all(hasattr(method, name) for name in ("explain", "seed", "shown"))


def _explain(context: Context, method: Any) -> Explanation:
    explanation: Explanation = method.explain(context.network.module, context.image, context.case.target)
    return explanation


def _explanation_of(context: Context, method: Any) -> Explanation:
    """Explain the case, once for all metrics, and once for all methods that differ in what they show alone."""
    same = dataclasses.replace(method, shown=Display())
    return context.once(("explanation", same), lambda: _explain(context, same))


@dataclass(frozen=True)
class Fidelity(MethodMetric):
    """Weighted R-squared of the surrogate: which share of the network's answers to its samples it predicts.

    Source: the local fidelity of M. T. Ribeiro, S. Singh, C. Guestrin, "Why Should I Trust You?", KDD 2016, as the
    R-squared that their package reports; the version on samples held out is this suite's own. Direction: higher is
    better. Range: at most 1; 0 is the samples' weighted mean; NaN where the method has no surrogate, or the answers are
    all equal. See :class:`mint.fidelity.Fidelity`.

    What it cannot tell: which of two variants is better where they draw, weigh or score their samples differently,
    because each is then compared with other answers. Nor does it tell how the network answers away from the samples.

    Parameters
    ----------
    scale
        Which of the two surrogates.
    held_out
        On samples that the surrogate was not fitted to (five-fold cross-validation).
    """

    scale: Literal["coarse", "fine"] = "fine"
    held_out: bool = False

    def __post_init__(self) -> None:
        require_word("scale", self.scale, ("coarse", "fine"))

    def examine(self, context: Context, method: Any) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the network's answers are all equal."""
        if not _has_surrogate(method):
            return NOT_APPLICABLE
        found = _explanation_of(context, method).fidelity
        return Measurement(float(getattr(found, self.scale + ("_held_out" if self.held_out else ""))))


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
        How many: the method's own, and those that follow it. Each costs an explanation.
    every
        One case in so many is measured; the case's digest decides which. The score of the others is NaN.
    """

    seeds: int = 5
    every: int = 1

    def __post_init__(self) -> None:
        require_count("seeds", self.seeds, 2)
        require_count("every", self.every, 1)

    def examine(self, context: Context, method: Any) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the case is passed over."""
        if not _has_surrogate(method) or passed_over(context, self.every):
            return NOT_APPLICABLE
        others = [dataclasses.replace(method, seed=method.seed + i) for i in range(1, self.seeds)]
        importances = [_explanation_of(context, method).u_f, *(_explain(context, other).u_f for other in others)]
        pairs = itertools.combinations(importances, 2)
        return Measurement(float(np.mean([rank_correlation(one, other) for one, other in pairs])))
