"""The methods by name, in groups, and as the plans compare them: each with as many forward passes as the others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from math import ceil, log
from typing import Any, TypeVar

import baselines
from baselines.occlusion import REFERENCE_SIZE
from benchmarks.metrics import MethodMetric, Metric
from benchmarks.registry import absent
from benchmarks.run.plan import Part
from mint import MINT, OverlayMINT, Segmentation
from mint.contract import Attributor

Choice = TypeVar("Choice")

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
BEST_KNOWN = (
    *("mint", "overlay", "lime", "kernel-shap", "occlusion", "rise"),
    *("gradcam", "gradcam++", "guided-gradcam", "integrated-gradients", "smoothgrad", "deeplift"),
    *NULLS,
)
"""The dozen that most readers look for, and the nulls. None needs a package beyond the extra ``benchmarks``."""
PRESENT = tuple(name for name in METHODS if name not in ABSENT)

_WINDOW = 32  # pixels at 224; occlusion's own
# Even ones, which scale to pictures of 112 pixels without rounding; and 3, as 2 asks nearly ten thousand times.
_STRIDES: tuple[int, ...] = (3, *range(4, _WINDOW + 1, 2))
_GRIDS = tuple(product(range(3, 9), (4, 8, 16, 32, 64, 128)))  # Sobol's cells along each side, and its designs
_AREAS = len(baselines.ExtremalPerturbation.areas)


def _stride(forwards: int) -> int:
    def windows(stride: int) -> int:
        return (ceil((REFERENCE_SIZE - _WINDOW) / stride) + 1) ** 2

    return _nearest(_STRIDES, windows, forwards)


def _grid(forwards: int) -> tuple[int, int]:
    return _nearest(_GRIDS, lambda grid: grid[1] * (grid[0] ** 2 + 1), forwards)


def _nearest(choices: Iterable[Choice], cost: Callable[[Choice], int], forwards: int) -> Choice:
    """Choose what asks the network as often as wanted, as nearly as there is a choice."""
    return min(choices, key=lambda choice: abs(log(cost(choice) / forwards)))


def _cut(kernel_size: float) -> Segmentation:
    return Segmentation(kernel_size=kernel_size)


BUDGETED: Mapping[str, Callable[[int, float], Attributor]] = {
    "mint": lambda forwards, kernel_size: MINT(samples=forwards, segmentation=_cut(kernel_size)),
    "overlay": lambda forwards, kernel_size: OverlayMINT(samples=forwards, segmentation=_cut(kernel_size)),
    "lime": lambda forwards, kernel_size: baselines.LIME(samples=forwards, kernel_size=kernel_size),
    "kernel-shap": lambda forwards, kernel_size: baselines.KernelSHAP(samples=forwards, kernel_size=kernel_size),
    "feature-ablation": lambda _, kernel_size: baselines.FeatureAblation(kernel_size=kernel_size),
    "occlusion": lambda forwards, _: baselines.Occlusion(_WINDOW, _stride(forwards)),
    "occlusion-engine": lambda forwards, _: baselines.EngineOcclusion(_WINDOW, _stride(forwards)),
    "rise": lambda forwards, _: baselines.RISE(samples=forwards),
    "sobol": lambda forwards, _: baselines.SobolAttribution(*_grid(forwards)),
    "extremal-perturbation": lambda forwards, _: baselines.ExtremalPerturbation(steps=max(1, round(forwards / _AREAS))),
    "partition-shap": lambda forwards, _: baselines.PartitionSHAP(max_evals=max(2, forwards)),
    "scorecam": lambda forwards, _: baselines.ScoreCAM(channels=forwards),
}
"""The methods that can be given a number of forward passes: called with it, and with Quickshift's kernel in pixels.

They ask as often as that as nearly as their parameters allow; ``study budget`` measures how often they do. Feature
ablation asks once for each super-pixel, and Score-CAM at most once for each channel, whatever they are given.
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
