"""What metrics declare about themselves: measure, direction, average, curve, and the settings that records keep."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from benchmarks.metrics import (
    METRICS,
    ROAD,
    Context,
    CurveLabels,
    Deletion,
    Fidelity,
    Gini,
    Insertion,
    MethodMetric,
    Metric,
    Pointing,
    TieBound,
    TieRange,
)
from benchmarks.metrics.metric import controlling, declaration
from benchmarks.metrics.removal.curve import Imputation
from benchmarks.plans import PLANS
from benchmarks.plans.published import FLIPPED

ANSWER = {"score": "area", "x": "share of the pixels", "y": "the target's answer"}
GAIN = {"score": "area", "x": "share of the pixels", "y": "the target's answer, LeRF \N{MINUS SIGN} MoRF"}
HALF_GAIN = {"score": "mean", "x": "share of the pixels", "y": "(LeRF \N{MINUS SIGN} MoRF) / 2"}
SIMILARITY = {"score": "mean", "x": "share of the layers randomised", "y": "similarity to the first map"}
CURVES: dict[str, dict[str, str] | None] = {
    **dict.fromkeys(("Deletion", "Insertion", "LeRF"), ANSWER),
    "SRG": GAIN,
    "ROAD": HALF_GAIN,
    "Randomisation": SIMILARITY,
}
# As the names of classes, their settings and their curves were read before metrics declared it.
MEASURES = {
    "deletion": "Deletion",
    "insertion": "Insertion",
    "morf": "Deletion",
    "lerf": "LeRF",
    "srg": "SRG",
    "pointing": "Pointing",
    "grid-pointing": "GridPointing",
    "grid-share": "GridShare",
    "energy-pointing": "EnergyPointing",
    "relevance-mass": "RelevanceMass",
    "relevance-rank": "RelevanceRank",
    "localisation": "Localisation",
    "road": "ROAD",
    "gini": "Gini",
    "entropy": "Entropy",
    "infidelity": "Infidelity",
    "mu-fidelity": "MuFidelity",
    "single-deletion": "SingleDeletion",
    "average-drop": "AverageDrop",
    "increase": "Increase",
    "complexity": "Complexity",
    "coherence": "Coherence",
    "adcc": "ADCC",
    "max-sensitivity": "MaxSensitivity",
    "kept-sensitivity": "KeptSensitivity",
    "kept-predictions": "KeptPredictions",
    "randomisation": "Randomisation",
    "randomisation-ssim": "Randomisation",
    "tied-pixels": "TiedPixels",
    "tie-range": "TieRange of Insertion",
    "rise-deletion": "Deletion",
    "rise-insertion": "Insertion",
    "torchcam-deletion": "Deletion",
    "torchcam-insertion": "Insertion",
    "quantus-pixel-flipping": "Deletion",
    "xplique-deletion": "Deletion",
    "xplique-insertion": "Insertion",
    "pnpxai-morf": "Deletion",
    "pnpxai-lerf": "LeRF",
    "pnpxai-abpc": "SRG",
    "gradcam-road": "ROAD",
    "torchray-pointing": "Pointing",
    "quantus-pointing": "Pointing",
    **{f"deletion, {change}": "Deletion" for change in ("28 steps", "blur", "mean", "logit")},
    **{f"insertion, {change}": "Insertion" for change in ("28 steps", "zero", "mean", "logit")},
    "deletion-into-blur": "Deletion",
    "insertion-from-zero": "Insertion",
    "insertion, tie range": "TieRange of Insertion",
    "pointing, tie range": "TieRange of Pointing",
    "pointing, lowest of ties": "Pointing",
    "pointing, highest of ties": "Pointing",
    "grid-pointing, tie range": "TieRange of GridPointing",
    "grid-pointing, lowest of ties": "GridPointing",
    "grid-pointing, highest of ties": "GridPointing",
    **{f"{scale} fidelity{kind}": "Fidelity" for scale in ("coarse", "fine") for kind in ("", " held out")},
    "stability": "Stability",
    **{name: {"srg": "SRG", "mif": "Deletion", "lif": "LeRF"}[name[:3]] for name in FLIPPED},
}
DESCRIBING = ("gini", "entropy", "tied-pixels", "complexity", "coherence", "kept-predictions")
LOWER = (
    *("Deletion", "Entropy", "Infidelity", "MaxSensitivity", "Randomisation", "TiedPixels"),
    *("AverageDrop", "Complexity", "KeptSensitivity"),
)
CONTROLLED = {
    "smoke": [("deletion", "insertion", "srg", "road", "pointing")],
    "checks": [()],
    "photos": [
        ("deletion", "insertion", "srg", "road", "grid-pointing", "grid-share"),
        ("deletion", "insertion", "srg", "road"),
    ],
    "imagenet-small": [("deletion", "insertion", "road", "pointing", "energy-pointing", "localisation")],
    "ablations": [("deletion", "insertion", "pointing")],
}
EVERY: dict[str, list[Metric | MethodMetric]] = {name: [make()] for name, make in METRICS.items()}
for each in PLANS.values():
    for part in each.parts:
        for metric_name, planned in part.metrics.items():
            EVERY.setdefault(metric_name, []).append(planned)


def test_no_metric_is_missing_here() -> None:
    assert set(EVERY) == set(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_a_metric_declares_what_it_is(name: str) -> None:
    measure = MEASURES[name]
    for metric in EVERY[name]:
        found = declaration(metric)
        assert found["id"] == repr(metric)
        assert found["measure"] == measure
        assert found["judges"] is not (name in DESCRIBING or measure.startswith("TieRange"))
        lower = measure in LOWER or measure.startswith("TieRange")
        assert found["direction"] == ("lower" if lower else "higher")
        classes = measure == "Pointing" and name != "quantus-pointing"
        assert found["average"] == ("classes" if classes else "cases")
        assert found["subsets"] == (["all", "difficult"] if classes else ["all"])
        assert found["curve"] == CURVES.get(measure)
        assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("plan", CONTROLLED)
def test_controls_are_scored_by_the_first_of_each_measure_that_judges(plan: str) -> None:
    assert [controlling(part.metrics) for part in PLANS[plan].parts] == CONTROLLED[plan]


def test_settings_are_plain_values_and_nested_metrics_name_their_class() -> None:
    insertion = {"steps": 14, "baseline": "blur", "score": "probability"}
    ties = {"metric": {"class": "Insertion", **insertion}, "samples": 2, "seed": 0}
    assert declaration(Insertion(steps=14))["settings"] == insertion
    assert declaration(TieRange(Insertion(steps=14)))["settings"] == ties
    bound = {"ties": {"class": "TieRange", **ties}, "end": "high"}
    assert declaration(TieBound(TieRange(Insertion(steps=14)), "high"))["settings"] == bound
    assert declaration(ROAD(percentiles=(30, 70)))["settings"]["percentiles"] == [30, 70]
    assert declaration(Insertion(steps=np.int64(14)))["settings"] == insertion  # type: ignore[arg-type]
    profile = declaration(METRICS["gradcam-road"]())["settings"]
    assert profile["removed"] == {"class": "Imputation", "noise": 0.01, "seed": 0}
    assert "call" not in profile  # it does not identify the metric


@dataclass(frozen=True)
class Peak(Metric):
    """A user's metric states only what differs from the defaults."""

    direction = "lower"

    def score_map(self, context: Context, saliency: Tensor) -> float:
        return float(saliency.max())


def test_a_users_metric_states_only_what_differs() -> None:
    expected: dict[str, Any] = {"id": "Peak()", "measure": "Peak", "judges": True, "direction": "lower"}
    assert declaration(Peak()) == {
        **expected,
        "average": "cases",
        "subsets": ["all"],
        "settings": {},
        "curve": None,
    }


def test_a_profile_that_imputes_measures_something_else() -> None:
    profile: Any = METRICS["rise-deletion"]()
    assert replace(profile, removed=Imputation()).measure == "Deletion by imputation"
    assert profile.curve_labels == CurveLabels(**ANSWER)  # type: ignore[arg-type]


def test_controls_are_scored_under_the_first_setting_of_each_measure_that_judges() -> None:
    metrics = {
        "gini": Gini(),
        "pointing": Pointing(),
        "deletion, blur": Deletion(baseline="blur"),
        "deletion": Deletion(),
        "fidelity": Fidelity(),
        "insertion": Insertion(),
    }
    assert controlling(metrics) == ("pointing", "deletion, blur", "insertion")
