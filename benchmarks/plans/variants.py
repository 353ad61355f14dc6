"""Which variant of MINT is the strongest: what the plans ``variants`` compare, the challenger first."""

import baselines
from mint import MINT, Display, OverlayMINT, Segmentation, Surrogate
from mint.contract import Attributor

SAMPLES = 500
TUNED_ON = (
    "Nothing was tuned on these pictures: the variant's settings were chosen on the scenes' cases 60 to 95 and on "
    "ImageNet pictures 177 to 188, in each data set's order."
)


def contestants(kernel_size: float) -> dict[str, Attributor]:
    """List the challenger, other variants of MINT, and the baselines; all perturb equally often where they sample.

    Parameters
    ----------
    kernel_size : float
        Quickshift's, in pixels, for all that use it.
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
