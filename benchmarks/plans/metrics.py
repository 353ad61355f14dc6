"""The sets of metrics that several plans share."""

from collections.abc import Mapping

from benchmarks.metrics import (
    ROAD,
    SRG,
    AverageDrop,
    Deletion,
    EnergyPointing,
    Entropy,
    Gini,
    GridPointing,
    GridShare,
    Increase,
    Infidelity,
    Insertion,
    Localisation,
    MaxSensitivity,
    MethodMetric,
    Metric,
    MuFidelity,
    Pointing,
    Randomisation,
    RelevanceMass,
    RelevanceRank,
    SingleDeletion,
    TieBound,
    TiedPixels,
    TieRange,
)

REMOVAL: Mapping[str, Metric] = {"deletion": Deletion(), "insertion": Insertion()}
# Eight rows of pixels a step: an eighth of RISE's points, for a network that takes 20 ms a picture on a CPU.
PHOTO_REMOVAL: Mapping[str, Metric] = {"deletion": Deletion(steps=28), "insertion": Insertion(steps=28)}
FEW_POINTS: Mapping[str, Metric] = {"deletion": Deletion(steps=14), "insertion": Insertion(steps=14)}
# How far the order of the methods hangs on the steps, the baseline value and the score: the report compares them.
SETTINGS: Mapping[str, Metric] = {
    "deletion, 28 steps": Deletion(steps=28),
    "deletion, blur": Deletion(steps=28, baseline="blur"),
    "deletion, mean": Deletion(steps=28, baseline="mean"),
    "deletion, logit": Deletion(steps=28, score="logit"),
    "insertion, 28 steps": Insertion(steps=28),
    "insertion, zero": Insertion(steps=28, baseline="zero"),
    "insertion, mean": Insertion(steps=28, baseline="mean"),
    "insertion, logit": Insertion(steps=28, score="logit"),
}


def _of_ties(name: str, metric: Metric) -> dict[str, Metric]:
    ties = TieRange(metric)
    lowest, highest = TieBound(ties, "low"), TieBound(ties, "high")
    return {f"{name}, tie range": ties, f"{name}, lowest of ties": lowest, f"{name}, highest of ties": highest}


# None of them asks the network.
TIES: Mapping[str, Metric] = {"tied-pixels": TiedPixels(), **_of_ties("pointing", Pointing())}
# Where a map lies, boxes being enough to tell; and on how few pixels.
PLACE: Mapping[str, Metric] = {
    "pointing": Pointing(),
    "energy-pointing": EnergyPointing(),
    "localisation": Localisation(),
    "gini": Gini(),
}
_FIVE_SHARES = ROAD(percentiles=(10, 30, 50, 70, 90))
MASKS: Mapping[str, Metric | MethodMetric] = {
    **REMOVAL,
    "srg": SRG(steps=28),
    "road": _FIVE_SHARES,
    "pointing": Pointing(),
    "energy-pointing": EnergyPointing(),
    "relevance-mass": RelevanceMass(),
    "relevance-rank": RelevanceRank(),
    "localisation": Localisation(),
    "infidelity": Infidelity(),
    "gini": Gini(),
    "entropy": Entropy(),
    "insertion, tie range": TieRange(Insertion(steps=28)),
    **TIES,
    **SETTINGS,
}
# What other papers report besides.
ELSEWHERE: Mapping[str, Metric] = {
    "average-drop": AverageDrop(),
    "increase": Increase(),
    "mu-fidelity": MuFidelity(),
    "single-deletion": SingleDeletion(),
}
# What a report of these shows first.
HEADLINE = ("insertion", "deletion", "road", "pointing", "energy-pointing")
# Both explain a picture several times anew.
CHECKED: Mapping[str, MethodMetric] = {
    "randomisation": Randomisation(),
    "randomisation-ssim": Randomisation("ssim"),
    "max-sensitivity": MaxSensitivity(),
}
BOXES: Mapping[str, Metric] = {**REMOVAL, "srg": SRG(), "road": _FIVE_SHARES, **PLACE, **TIES}
CURVES: Mapping[str, Metric] = {**PHOTO_REMOVAL, "srg": SRG(steps=28), "road": _FIVE_SHARES}
PHOTO: Mapping[str, Metric] = {**CURVES, "gini": Gini(), "entropy": Entropy(), "tied-pixels": TiedPixels()}
# What a comparison needs. 28 steps order the methods as 112 do, but for neighbours that tie (results/trust).
COMPARED: Mapping[str, Metric] = {**CURVES, **PLACE, "tied-pixels": TiedPixels()}
GRID: Mapping[str, Metric] = {**PHOTO, "grid-pointing": GridPointing(), "grid-share": GridShare()}
PHOTO_TIES: Mapping[str, Metric] = {"insertion, tie range": TieRange(Insertion(steps=28))}
GRID_TIES: Mapping[str, Metric] = {**PHOTO_TIES, **_of_ties("grid-pointing", GridPointing())}
