"""Every choice that the paper leaves open, one at a time: what the plans ``ablations`` compare.

A variant is called "choice: setting" after the choice in which it differs from the default.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.metrics import ROAD, Deletion, Fidelity, Insertion, MethodMetric, Metric, Pointing, Stability
from benchmarks.plans.metrics import FEW_POINTS, PHOTO_REMOVAL
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.run.plan import Part, Plan
from mint import MINT, Display, Segmentation, Surrogate
from mint.contract import Attributor

DEFAULT = "default"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "pooling: raw": {"pooling": "raw"},
    "pooling: ones": {"pooling": "ones"},
    "constraint: soft": {"surrogate": Surrogate(constraint="soft")},
    "constraint: off": {"surrogate": Surrogate(constraint="off")},
    "sampling: uniform-cardinality": {"sampling": "uniform-cardinality"},
    "sampling: antithetic": {"sampling": "antithetic"},
    "sampling: hierarchical": {"sampling": "hierarchical"},
    "proximity: 0.25": {"proximity": 0.25},
    "proximity: 2": {"proximity": 2.0},
    "proximity: none": {"proximity": 1e9},
    "response: logit": {"response": "logit"},
    "response: log-probability": {"response": "log-probability"},
    "fill: blur": {"fill": "blur"},
    "fill: super-pixel mean": {"fill": "super-pixel mean"},
    "prior: grad-cam": {"prior": "grad-cam"},
    "alpha: 0": {"surrogate": Surrogate(alpha=0.0)},
    "alpha: 0.005": {"surrogate": Surrogate(alpha=0.005)},
    "alpha: 0.1": {"surrogate": Surrogate(alpha=0.1)},
    "intercept: on": {"surrogate": Surrogate(intercept=True)},
    "scale: coarse": {"shown": Display(scale="coarse")},
    "scale: both": {"shown": Display(scale="both")},
    "together: hierarchical + intercept": {"sampling": "hierarchical", "surrogate": Surrogate(intercept=True)},
    "together: hierarchical + both scales": {"sampling": "hierarchical", "shown": Display(scale="both")},
}
SAMPLES = (100, 200, 500, 1000, 2000, 5000)


def variants(base: MINT, most: int = SAMPLES[-1]) -> dict[str, Attributor]:
    """List the default and its variants, by name; none asks for more than ``most`` samples."""
    changed = {name: replace(base, **change) for name, change in CHANGES.items()}
    fine_cut = replace(base, segmentation=replace(base.segmentation, fine="slic"))
    paper = replace(MINT.paper(), samples=base.samples, segmentation=base.segmentation)
    counts = {f"samples: {count}": replace(base, samples=count) for count in SAMPLES if base.samples != count <= most}
    return {DEFAULT: base, **changed, "fine cut: slic": fine_cut, "reading: paper": paper, **counts}


# Stability costs as much as all the rest, on every third case.
SURROGATE: Mapping[str, Metric | MethodMetric] = {
    "coarse fidelity": Fidelity("coarse"),
    "coarse fidelity held out": Fidelity("coarse", held_out=True),
    "fine fidelity": Fidelity("fine"),
    "fine fidelity held out": Fidelity("fine", held_out=True),
    "stability": Stability(every=3),
}

_ON_SCENES = MINT(samples=500, segmentation=Segmentation(kernel_size=2.0))
_ON_IMAGENET = MINT(samples=300)
ABLATIONS = Plan(
    "ablations",
    "Every choice that MINT's paper leaves open, one at a time, on scenes.",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            variants(_ON_SCENES),
            {**PHOTO_REMOVAL, "pointing": Pointing(), **SURROGATE},
            limit=24,
            timed=3,
            remembering=True,
        ),
    ),
    report="ablation",
)
# Few samples and one resolution of curves, as a picture takes a core 50 ms: many pictures tell more.
ABLATIONS_IMAGENET = Plan(
    "ablations-imagenet",
    "The same through ResNet-18 on a folder in ImageNet's layout (--data), with fewer samples.",
    (
        Part(
            "imagenet",
            ("resnet18",),
            variants(_ON_IMAGENET, most=500),
            {**FEW_POINTS, "pointing": Pointing(), **SURROGATE, "stability": Stability(every=15)},
            limit=60,
            remembering=True,
        ),
    ),
    report="ablation",
)

_OTHER_FILLS = ("fill: blur", "fill: super-pixel mean", "together: hierarchical + both scales")
_CANVASES: Mapping[str, Metric | MethodMetric] = {
    **FEW_POINTS,
    "road": ROAD(),
    "deletion-into-blur": Deletion(steps=14, baseline="blur"),
    "insertion-from-zero": Insertion(steps=14, baseline="zero"),
}


def _filled(base: MINT) -> dict[str, Attributor]:
    every = variants(base)
    return {name: every[name] for name in (DEFAULT, *_OTHER_FILLS)}


CANVASES = Plan(
    "canvases",
    "Does a fill explain better, or only as the metric removes? Removal on either canvas, and ROAD.",
    (
        Part("scenes", SMALL_NETWORKS, _filled(_ON_SCENES), _CANVASES, limit=24, remembering=True),
        Part("imagenet", ("resnet18",), _filled(_ON_IMAGENET), _CANVASES, limit=30, remembering=True),
    ),
)
