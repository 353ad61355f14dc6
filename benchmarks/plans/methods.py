"""The methods by name, and those that the plans compare."""

from collections.abc import Callable, Mapping

import baselines
from mint import MINT, OverlayMINT, Segmentation
from mint.contract import Attributor

METHODS: Mapping[str, Callable[[], Attributor]] = {"mint": MINT, "overlay": OverlayMINT, **baselines.METHODS}
"""Every method of the suite; called without arguments, it has its defaults."""


def methods(samples: int, kernel_size: float = 4.0) -> dict[str, Attributor]:
    """List the methods of every plan; MINT, OverlayMINT and LIME ask the network equally often, and cut alike.

    Quickshift's kernel of 4 pixels is LIME's for pictures of 224 and more. On scenes of 112 it finds about ten
    super-pixels, with 2 pixels as many as on the larger pictures: it is scaled as occlusion's window is.
    """
    return {
        "mint": MINT(samples=samples, segmentation=Segmentation(kernel_size=kernel_size)),
        "overlay": OverlayMINT(samples=samples, segmentation=Segmentation(kernel_size=kernel_size)),
        "gradcam": baselines.GradCAM(),
        "lime": baselines.LIME(samples=samples, kernel_size=kernel_size),
        "occlusion": baselines.Occlusion(),
        "random": baselines.Random(),
        "centre": baselines.Centre(),
        "sobel": baselines.Sobel(),
        "constant": baselines.Constant(),
    }
