"""What makes `OverlayMINT`: each of its ideas taken away or added alone, and beside it the baselines.

A metric rewards a method that hides as the metric does. So the plans remove by three values and by imputation (ROAD),
and what counts for an idea is where it helps under those that it does not imitate.
"""

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.metrics import ROAD, SRG, Deletion, EnergyPointing, Insertion, Metric, Pointing
from benchmarks.plans.methods import NULLS, methods
from benchmarks.plans.metrics import FEW_POINTS
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.results.records import REMOVAL
from benchmarks.run.plan import Part, Plan
from mint import OverlayMINT, Segmentation
from mint.contract import Attributor

SAMPLES = 500
BUDGETS = (100, 250, 1000, 2000)
PEERS = ("mint", "lime", "kernel-shap", "rise", "occlusion", "gradcam", "gradcam++", "centre")
TUNED_ON = (
    "The variant's settings were chosen on the scenes' cases 60 to 95 and on ImageNet pictures 177 to 188, in each "
    "data set's order. Multiplying by M was taken later, by 24 scenes of the training split that no network was "
    "trained on (numbers 20,008 to 20,031) and by the 24 of ImageNet's pictures whose names come first; windows, which "
    "are not the default, by 23 of these and the scenes' cases 60 to 83."
)


def contestants(kernel_size: float) -> dict[str, Attributor]:
    """List the variant, the variant with one idea changed, and the baselines; they ask equally often unless named so.

    ``kernel_size`` is Quickshift's, in pixels, for all that use it.
    """
    overlay = OverlayMINT(samples=SAMPLES, segmentation=Segmentation(kernel_size=kernel_size))
    changed: dict[str, Attributor] = {
        "hidden by blur": replace(overlay, hiding=("blur",)),
        "hidden by zero and blur": replace(overlay, hiding=(0.0, "blur")),
        "hidden by zero, mean and blur": replace(overlay, hiding=(0.0, "mean", "blur")),
        "not times M": replace(overlay, floor=None),
        "gate without M": replace(overlay, gate=1e6),
        "grids as well": replace(overlay, grids=(7,)),
        "grids alone": replace(overlay, grids=(7,), slic_segments=()),
        "one partition": replace(overlay, slic_segments=()),
        "soft edges": replace(overlay, edge=0.02),
        "windows as well": replace(overlay, windows=13),
    }
    budgets = {f"{samples} samples": replace(overlay, samples=samples) for samples in BUDGETS}
    return {"overlay": overlay, **changed, **budgets, **methods(SAMPLES, kernel_size, PEERS)}


METRICS: Mapping[str, Metric] = {
    **FEW_POINTS,
    "deletion, blur": Deletion(steps=14, baseline="blur"),
    "insertion, zero": Insertion(steps=14, baseline="zero"),
    "deletion, mean": Deletion(steps=14, baseline="mean"),
    "insertion, mean": Insertion(steps=14, baseline="mean"),
    "srg": SRG(steps=14),
    "road": ROAD(percentiles=(10, 30, 50, 70, 90)),
    "pointing": Pointing(),
    "energy-pointing": EnergyPointing(),
}
_HEADLINE = (REMOVAL, "insertion", "deletion", "road", "pointing", "energy-pointing")
_ON_SCENES = contestants(kernel_size=2.0)
VARIANTS = Plan(
    "variants",
    f"What each idea of OverlayMINT is worth, and the baselines, on scenes. {TUNED_ON}",
    (Part("scenes", SMALL_NETWORKS, _ON_SCENES, METRICS, limit=60, remembering=True),),
    focus=("overlay",),
    headline=_HEADLINE,
)
VARIANTS_IMAGENET = Plan(
    "variants-imagenet",
    f"The same through ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data). {TUNED_ON}",
    (Part("imagenet", ("resnet18", "resnet50"), contestants(kernel_size=4.0), METRICS, limit=100, remembering=True),),
    focus=("overlay",),
    headline=_HEADLINE,
)
HELD_OUT = Plan(
    "held-out",
    f"The variant, with half of its budget as well, and the baselines, on 300 new scenes. {TUNED_ON}",
    (
        Part(
            "scenes-endless",
            SMALL_NETWORKS,
            {name: _ON_SCENES[name] for name in ("overlay", "250 samples", *PEERS)},
            METRICS,
            # By the intervals of `variants`, enough to support a lead of .02 over LIME nine times in ten.
            limit=300,
            remembering=True,
        ),
    ),
    focus=("overlay", "250 samples"),
    headline=_HEADLINE,
    against=tuple(name for name in PEERS if name not in NULLS),
)
