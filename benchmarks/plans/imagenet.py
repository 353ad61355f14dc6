"""The plans on a folder in ImageNet's layout, which ``--data`` names."""

from collections.abc import Mapping
from typing import Any

from baselines.controls import DERIVED
from benchmarks.metrics import ROAD
from benchmarks.plans.methods import ABSENT, PRESENT, comparison
from benchmarks.plans.metrics import (
    BOXES,
    CHECKED,
    ELSEWHERE,
    FEW_POINTS,
    GRID,
    GRID_TIES,
    HEADLINE,
    MASKS,
    PLACE,
    TIES,
)
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.run.plan import Plan

IMAGENET = Plan(
    "imagenet",
    "VGG16 and ResNet50 on a folder in ImageNet's layout (--data).",
    (
        comparison(
            "imagenet",
            ("vgg16", "resnet50"),
            BOXES,
            samples=1000,
            limit=100,
            timed=4,
            shown=6,
            controls=DERIVED,
            controlled=20,
        ),
    ),
    headline=HEADLINE,
)
IMAGENET_SMALL = Plan(
    "imagenet-small",
    "ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data), small boxes apart: hours of a CPU, not days.",
    (
        comparison(
            "imagenet",
            ("resnet18", "resnet50"),
            {**FEW_POINTS, "road": ROAD(percentiles=(30, 70)), **PLACE, **TIES},
            samples=200,
            limit=200,
            remembering=True,
            controls=DERIVED,
            controlled=12,
            apart=True,
        ),
    ),
)
_EVERY_NETWORK = ("vgg16", "vgg19", "resnet18", "resnet50", "inception_v3")
_WHOLE: Mapping[str, Any] = {"samples": 5000, "names": PRESENT, "timed": 8, "shown": 6, "controls": DERIVED}
FULL = Plan(
    "full",
    "Every method, with 5000 samples, on all scenes, photos and ImageNet pictures (--data), through every network.",
    (
        comparison("scenes", SMALL_NETWORKS, {**MASKS, **CHECKED, **ELSEWHERE}, kernel_size=2.0, **_WHOLE),
        comparison("photos", ("efficientnet-lite0",), {**GRID, **GRID_TIES}, **_WHOLE),
        comparison("imagenet", _EVERY_NETWORK, {**BOXES, **ELSEWHERE}, **_WHOLE),
    ),
    left_out=ABSENT,
)
