"""The measurements: each takes one map of one case and answers with one number, NaN for "does not apply"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.metrics.grid import GridPointing, GridShare
from benchmarks.metrics.metric import Context, Measurement, Metric
from benchmarks.metrics.pointing import Pointing
from benchmarks.metrics.removal import Deletion, Insertion
from benchmarks.metrics.surrogate import Fidelity, MethodMetric, Stability

__all__ = [
    "METRICS",
    "Context",
    "Deletion",
    "Fidelity",
    "GridPointing",
    "GridShare",
    "Insertion",
    "Measurement",
    "MethodMetric",
    "Metric",
    "Pointing",
    "Stability",
]

METRICS: Mapping[str, Callable[[], Metric]] = {
    "deletion": Deletion,
    "insertion": Insertion,
    "pointing": Pointing,
    "grid-pointing": GridPointing,
    "grid-share": GridShare,
}
