"""The measurements: each takes one map of one case and answers with one number, NaN for "does not apply"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.metrics.grid import GridPointing, GridShare
from benchmarks.metrics.metric import Context, Measurement, Metric
from benchmarks.metrics.pointing import Pointing
from benchmarks.metrics.profiles import PROFILES, PointingProfile, RemovalProfile
from benchmarks.metrics.removal import SRG, Deletion, Insertion, LeRF, MoRF
from benchmarks.metrics.surrogate import Fidelity, MethodMetric, Stability
from benchmarks.metrics.ties import TieBound, TiedPixels, TieRange

__all__ = [
    "METRICS",
    "PROFILES",
    "SRG",
    "Context",
    "Deletion",
    "Fidelity",
    "GridPointing",
    "GridShare",
    "Insertion",
    "LeRF",
    "Measurement",
    "MethodMetric",
    "Metric",
    "MoRF",
    "Pointing",
    "PointingProfile",
    "RemovalProfile",
    "Stability",
    "TieBound",
    "TieRange",
    "TiedPixels",
]


def _always(metric: Metric) -> Callable[[], Metric]:
    return lambda: metric


METRICS: Mapping[str, Callable[[], Metric]] = {
    "deletion": Deletion,
    "insertion": Insertion,
    "morf": MoRF,
    "lerf": LeRF,
    "srg": SRG,
    "pointing": Pointing,
    "grid-pointing": GridPointing,
    "grid-share": GridShare,
    "tied-pixels": TiedPixels,
    "tie-range": TieRange,
    **{name: _always(profile) for name, profile in PROFILES.items()},
}
