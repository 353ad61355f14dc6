"""The metrics: each takes one map of one case and answers with one number; NaN means that it does not apply."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from benchmarks.metrics.adcc import ADCC, Coherence, Complexity
from benchmarks.metrics.average_drop import AverageDrop, Increase
from benchmarks.metrics.cells import MuFidelity, SingleDeletion
from benchmarks.metrics.check import check_metric
from benchmarks.metrics.complexity import Entropy, Gini
from benchmarks.metrics.fidelity import Fidelity, Stability
from benchmarks.metrics.infidelity import Infidelity
from benchmarks.metrics.kept_sensitivity import KeptPredictions, KeptSensitivity
from benchmarks.metrics.localisation import Localisation
from benchmarks.metrics.max_sensitivity import MaxSensitivity
from benchmarks.metrics.metric import Context, CurveLabels, Measurement, MethodMetric, Metric, RegionMetric
from benchmarks.metrics.pointing import GridPointing, Pointing
from benchmarks.metrics.randomisation import Randomisation
from benchmarks.metrics.relevance import EnergyPointing, GridShare, RelevanceMass, RelevanceRank
from benchmarks.metrics.removal.areas import SRG, Deletion, Insertion, LeRF, MoRF
from benchmarks.metrics.removal.peers import PROFILES, PointingProfile, RemovalProfile
from benchmarks.metrics.removal.road import ROAD
from benchmarks.metrics.ties import TieBound, TiedPixels, TieRange

__all__ = [
    "ADCC",
    "METRICS",
    "PROFILES",
    "ROAD",
    "SRG",
    "AverageDrop",
    "Coherence",
    "Complexity",
    "Context",
    "CurveLabels",
    "Deletion",
    "EnergyPointing",
    "Entropy",
    "Fidelity",
    "Gini",
    "GridPointing",
    "GridShare",
    "Increase",
    "Infidelity",
    "Insertion",
    "KeptPredictions",
    "KeptSensitivity",
    "LeRF",
    "Localisation",
    "MaxSensitivity",
    "Measurement",
    "MethodMetric",
    "Metric",
    "MoRF",
    "MuFidelity",
    "Pointing",
    "PointingProfile",
    "Randomisation",
    "RegionMetric",
    "RelevanceMass",
    "RelevanceRank",
    "RemovalProfile",
    "SingleDeletion",
    "Stability",
    "TieBound",
    "TieRange",
    "TiedPixels",
    "check_metric",
]


METRICS: Mapping[str, Callable[[], Metric | MethodMetric]] = {
    "deletion": Deletion,
    "insertion": Insertion,
    "morf": MoRF,
    "lerf": LeRF,
    "srg": SRG,
    "pointing": Pointing,
    "grid-pointing": GridPointing,
    "grid-share": GridShare,
    "energy-pointing": EnergyPointing,
    "relevance-mass": RelevanceMass,
    "relevance-rank": RelevanceRank,
    "localisation": Localisation,
    "road": ROAD,
    "gini": Gini,
    "entropy": Entropy,
    "infidelity": Infidelity,
    "mu-fidelity": MuFidelity,
    "single-deletion": SingleDeletion,
    "average-drop": AverageDrop,
    "increase": Increase,
    "complexity": Complexity,
    "coherence": Coherence,
    "adcc": ADCC,
    "max-sensitivity": MaxSensitivity,
    "kept-sensitivity": KeptSensitivity,
    "kept-predictions": KeptPredictions,
    "randomisation": Randomisation,
    "randomisation-ssim": partial(Randomisation, "ssim"),
    "tied-pixels": TiedPixels,
    "tie-range": TieRange,
    **{name: partial(replace, profile) for name, profile in PROFILES.items()},
}
