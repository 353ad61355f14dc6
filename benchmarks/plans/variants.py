"""Which variant of MINT is the strongest: what the plans ``variants`` compare, the challenger first."""

from collections.abc import Mapping

import baselines
from benchmarks.metrics import Metric, Pointing
from benchmarks.plans.metrics import PHOTO_REMOVAL
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.results.records import REMOVAL
from benchmarks.run.plan import Part, Plan
from mint import MINT, Display, OverlayMINT, Segmentation, Surrogate
from mint.contract import Attributor

SAMPLES = 500
TUNED_ON = (
    "Nothing was tuned on these pictures: the variant's settings were chosen on the scenes' cases 60 to 95 and on "
    "ImageNet pictures 177 to 188, in each data set's order."
)


def contestants(kernel_size: float) -> dict[str, Attributor]:
    """List the challenger, other variants of MINT, and the baselines; all perturb equally often where they sample.

    ``kernel_size`` is Quickshift's, in pixels, for all that use it.
    """
    segmentation = Segmentation(kernel_size=kernel_size)
    return {
        "overlay": OverlayMINT(samples=SAMPLES, segmentation=segmentation),
        "mint": MINT(samples=SAMPLES, segmentation=segmentation),
        "mint, hierarchical": MINT(
            samples=SAMPLES,
            segmentation=segmentation,
            sampling="hierarchical",
            surrogate=Surrogate(intercept=True),
            shown=Display(scale="both"),
        ),
        "lime": baselines.LIME(samples=SAMPLES, kernel_size=kernel_size),
        "occlusion": baselines.Occlusion(),
        "gradcam": baselines.GradCAM(),
    }


_METRICS: Mapping[str, Metric] = {**PHOTO_REMOVAL, "pointing": Pointing()}
_HEADLINE = (REMOVAL, "insertion", "deletion", "pointing")
VARIANTS = Plan(
    "variants",
    f"The strongest variant of MINT against MINT and the baselines, on scenes. {TUNED_ON}",
    (Part("scenes", SMALL_NETWORKS, contestants(kernel_size=2.0), _METRICS, limit=60),),
    focus=("overlay",),
    headline=_HEADLINE,
)
VARIANTS_IMAGENET = Plan(
    "variants-imagenet",
    f"The same through ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data). {TUNED_ON}",
    (Part("imagenet", ("resnet18", "resnet50"), contestants(kernel_size=4.0), _METRICS, limit=100),),
    focus=("overlay",),
    headline=_HEADLINE,
)
