"""The plans on a folder in ImageNet's layout, which ``--data`` names."""

from collections.abc import Mapping
from typing import Any

from baselines.controls import DERIVED
from benchmarks.metrics import ROAD, Deletion, EnergyPointing, Gini, Insertion, Localisation, Pointing
from benchmarks.plans.methods import methods
from benchmarks.plans.metrics import BOXES, CHECKED, ELSEWHERE, GRID, GRID_TIES, HEADLINE, MASKS, TIES
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.run.plan import Part, Plan

IMAGENET = Plan(
    "imagenet",
    "VGG16 and ResNet50 on a folder in ImageNet's layout (--data).",
    (
        Part(
            "imagenet",
            ("vgg16", "resnet50"),
            methods(samples=1000),
            BOXES,
            limit=100,
            timed=4,
            shown=6,
            controls=DERIVED,
            controlled=20,
        ),
    ),
    headline=HEADLINE,
)
# Equal budgets: occlusion asks 169 times, the others that perturb 200.
IMAGENET_SMALL = Plan(
    "imagenet-small",
    "ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data), small boxes apart: hours of a CPU, not days.",
    (
        Part(
            "imagenet",
            ("resnet18", "resnet50"),
            methods(samples=200),
            {
                "deletion": Deletion(steps=14),
                "insertion": Insertion(steps=14),
                "road": ROAD(percentiles=(30, 70)),
                "pointing": Pointing(),
                "energy-pointing": EnergyPointing(),
                "localisation": Localisation(),
                "gini": Gini(),
                **TIES,
            },
            limit=200,
            remembering=True,
            controls=DERIVED,
            controlled=12,
            apart=True,
        ),
    ),
)
_WHOLE: Mapping[str, Any] = {"timed": 8, "shown": 6, "controls": DERIVED}
FULL = Plan(
    "full",
    "All scenes, photos and ImageNet pictures (--data), on every network, with the paper's 5000 samples.",
    (
        Part("scenes", SMALL_NETWORKS, methods(5000, kernel_size=2.0), {**MASKS, **CHECKED, **ELSEWHERE}, **_WHOLE),
        Part("photos", ("efficientnet-lite0",), methods(5000), {**GRID, **GRID_TIES}, **_WHOLE),
        Part(
            "imagenet",
            ("vgg16", "vgg19", "resnet18", "resnet50", "inception_v3"),
            methods(5000),
            {**BOXES, **ELSEWHERE},
            **_WHOLE,
        ),
    ),
)
