"""The methods by name, in groups, and as the plans compare them: each with as many forward passes as the others."""

from collections.abc import Callable, Iterable, Mapping
from math import ceil, log
from typing import Any

import baselines
from baselines import LIME, EngineOcclusion, Occlusion
from baselines.occlusion import REFERENCE_SIZE
from benchmarks.metrics import MethodMetric, Metric
from benchmarks.registry import absent
from benchmarks.run.plan import Part
from mint import MINT, OverlayMINT, Segmentation
from mint.contract import Attributor

METHODS: Mapping[str, Callable[[], Attributor]] = {"mint": MINT, "overlay": OverlayMINT, **baselines.METHODS}
"""Every method of the suite; called without arguments, it has its defaults."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    **{name: tuple(group) for name, group in baselines.GROUPS.items()},
    "perturbation": ("mint", "overlay", *baselines.GROUPS["perturbation"]),
    "all": tuple(METHODS),
}
"""The names that ``--methods @GROUP`` stands for."""

ABSENT: Mapping[str, str] = {name: why for name, method in METHODS.items() if (why := absent(method))}
"""The methods whose package is not installed, and what to install."""

NULLS = ("random", "centre", "sobel", "constant")
FEW = ("mint", "overlay", "gradcam", "lime", "occlusion", *NULLS)
"""The methods of most plans."""
BEST_KNOWN = ("mint", "overlay", "gradcam", "lime", "occlusion", *NULLS)
"""The dozen that most readers look for, and the nulls. None needs a package beyond the extra ``benchmarks``."""
PRESENT = tuple(name for name in METHODS if name not in ABSENT)

_WINDOW = 32  # pixels at 224; occlusion's own
# Even ones, which scale to pictures of 112 pixels without rounding; and 3, as 2 asks nearly ten thousand times.
_STRIDES: tuple[int, ...] = (3, *range(4, _WINDOW + 1, 2))


def _stride(forwards: int) -> int:
    """Find the stride at which occlusion's windows are nearest to a number of forward passes."""

    def off(stride: int) -> float:
        windows = (ceil((REFERENCE_SIZE - _WINDOW) / stride) + 1) ** 2
        return abs(log(windows / forwards))

    return min(_STRIDES, key=off)


def _cut(kernel_size: float) -> Segmentation:
    return Segmentation(kernel_size=kernel_size)


BUDGETED: Mapping[str, Callable[[int, float], Attributor]] = {
    "mint": lambda forwards, kernel_size: MINT(samples=forwards, segmentation=_cut(kernel_size)),
    "overlay": lambda forwards, kernel_size: OverlayMINT(samples=forwards, segmentation=_cut(kernel_size)),
    "lime": lambda forwards, kernel_size: LIME(samples=forwards, kernel_size=kernel_size),
    "occlusion": lambda forwards, _: Occlusion(_WINDOW, _stride(forwards)),
    "occlusion-engine": lambda forwards, _: EngineOcclusion(_WINDOW, _stride(forwards)),
}
"""The methods that can be given a number of forward passes: called with it, and with Quickshift's kernel in pixels.

They ask as often as that as nearly as their parameters allow; ``study budget`` measures how often they do.
"""


def methods(samples: int, kernel_size: float = 4.0, names: Iterable[str] = FEW) -> dict[str, Attributor]:
    """Make methods: those that ask the network again and again ask equally often, and those that cut cut alike.

    Quickshift's kernel of 4 pixels is LIME's for pictures of 224 and more. On scenes of 112 it finds about ten
    super-pixels, with 2 pixels as many as on the larger pictures: it is scaled as occlusion's window is.
    """
    return {name: BUDGETED[name](samples, kernel_size) if name in BUDGETED else METHODS[name]() for name in names}


def comparison(
    dataset: str,
    networks: tuple[str, ...],
    metrics: Mapping[str, Metric | MethodMetric],
    *,
    samples: int,
    kernel_size: float = 4.0,
    names: Iterable[str] = FEW,
    **more: Any,
) -> Part:
    """Make a part that compares the methods of these names; the others wait, with the same budget, to be asked for."""
    every = methods(samples, kernel_size, PRESENT)
    return Part(dataset, networks, {name: every[name] for name in names}, metrics, others=every, **more)
