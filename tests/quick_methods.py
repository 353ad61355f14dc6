"""Every method with so few samples that it is done at once on a small network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from baselines import GROUPS, METHODS
from mint.contract import Attributor

FEWER: Mapping[str, Mapping[str, Any]] = {
    "lime": {"samples": 30},
    "kernel-shap": {"samples": 60},
    "rise": {"samples": 30},
    "sobol": {"cells": 3, "designs": 4},
    "extremal-perturbation": {"steps": 5},
    "partition-shap": {"max_evals": 30, "together": 8},
}
AT_A_LAYER = (*GROUPS["cam"], "guided-gradcam")


def quick(name: str, deep_layer: str) -> Attributor:
    """Make a method of this name; those that read a layer read the one that is named."""
    layer = {"deep_layer": deep_layer} if name in AT_A_LAYER else {}
    return replace(METHODS[name](), **FEWER.get(name, {}), **layer)  # type: ignore[type-var]
