"""Fidelity: how well the surrogate that a method fits to the network predicts the network.

It looks at the explanation, not at a map, and does not apply to a method that has no surrogate.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.metrics.metric import NOT_APPLICABLE, Context, Measurement, MethodMetric
from mint.display import Display
from mint.explanation import Explanation


def has_surrogate(method: Any) -> bool:
    """Tell whether a method explains by a surrogate, as MINT does."""
    return all(hasattr(method, name) for name in ("explain", "seed", "shown"))


def explain(context: Context, method: Any) -> Explanation:
    """Explain the case."""
    explanation: Explanation = method.explain(context.network.module, context.image, context.case.target)
    return explanation


def explanation_of(context: Context, method: Any) -> Explanation:
    """Explain the case, once for all metrics, and once for all methods that differ in what they show alone."""
    same = dataclasses.replace(method, shown=Display())
    return context.once(("explanation", same), lambda: explain(context, same))


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

    def examine(self, context: Context, method: Any) -> Measurement:
        """Measure a method on a case; NaN where it has no surrogate, or the network's answers are all equal."""
        if not has_surrogate(method):
            return NOT_APPLICABLE
        found = explanation_of(context, method).fidelity
        return Measurement(float(getattr(found, self.scale + ("_held_out" if self.held_out else ""))))
