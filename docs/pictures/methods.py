"""Draw methods.jpg, every method's map: ``python -m docs.pictures.methods`` (needs the extras ``photos`` and ``methods``).

It takes a quarter of an hour on one core, most of it for extremal perturbation and RISE of the photograph.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from baselines import GROUPS, METHODS
from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.networks import load_network
from mint import MINT, OverlayMINT, Segmentation

# A network, its data set, a case, and Quickshift's kernel size, which suits the picture's size.
EXAMPLES = (
    ("scenes-resnet", "scenes", "scene-0003.checked-star", 2.0),
    ("efficientnet-lite0", "photos-single", "bull-mastiff", 4.0),
)
BLOCKS = (
    ("input", "mint", "overlay", *GROUPS["cam"], "sobel"),
    tuple(GROUPS["gradient"]),
    (*(name for name in GROUPS["perturbation"] if name != "occlusion-engine"), "centre"),
)
BROKEN = ("extremal-perturbation", "integrated-gradients", "guided-backprop", "guided-gradcam")
TITLES = {name: name.replace("-", "-\n") for name in BROKEN}
TITLES |= {
    "input-x-gradient": "input-x-\ngradient",
    **{name: f"{name} (null)" for name in ("sobel", "centre")},
}


def method_of(name: str, kernel_size: float) -> Any:
    """Make a method with its defaults, but super-pixels that suit the picture's size, and 1000 samples for MINT."""
    if name in ("mint", "overlay"):
        kind = MINT if name == "mint" else OverlayMINT
        return kind(samples=1000, segmentation=Segmentation(kernel_size=kernel_size))
    method: Any = METHODS[name]()
    cuts = any(field.name == "kernel_size" for field in fields(method))
    return replace(method, kernel_size=kernel_size) if cuts else method


def explain(
    network_name: str, dataset: str, wanted: str, kernel_size: float
) -> tuple[Case, Mapping[str, np.ndarray]]:
    """Compute the map of every method of one case."""
    network = load_network(network_name)
    case = next(c for c in DATASETS[dataset](network, DataOptions()) if wanted in c.key)
    image, target = network.tensor(case.image)[None], torch.tensor([case.target])
    names = [name for block in BLOCKS for name in block if name != "input"]
    maps = {
        name: method_of(name, kernel_size)(network.module, image, target)[0].numpy()
        for name in names
    }
    return case, maps


def scaled(saliency: np.ndarray) -> np.ndarray:
    """Scale a map to [-1, 1], where 0 is neutral; in a map without negative values, the lowest one is.

    The few outermost values are cut off, as those of a gradient may be many times as large as all others.
    """
    low, high = np.quantile(saliency, [0.002, 0.998])
    if low > -0.05 * high:
        return np.clip((saliency - low) / (high - low), 0, 1)
    return np.clip(saliency / max(high, -low), -1, 1)


def draw(found: list[tuple[Case, Mapping[str, np.ndarray]]], file: Path) -> None:
    """Draw the maps over their pictures in gray: a block of methods below another, with a row for each example."""
    figure, axes = plt.subplots(
        len(BLOCKS) * len(found), len(BLOCKS[0]), figsize=(9.6, 7.5), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.012, h_pad=0.012, wspace=0, hspace=0)
    for row, axis_row in enumerate(axes):
        case, maps = found[row % len(found)]
        names = BLOCKS[row // len(found)]
        for axis, name in zip(axis_row, names, strict=True):
            axis.set(xticks=[], yticks=[])
            if row % len(found) == 0:
                axis.set_title(TITLES.get(name, name), fontsize=9, pad=3, linespacing=0.95)
            if name == "input":
                axis.imshow(case.image)
                axis.set_ylabel(case.target_name, fontsize=9, labelpad=2)
                continue
            axis.imshow(case.image.mean(axis=2), cmap="gray", vmin=-60, vmax=320)
            axis.imshow(scaled(maps[name]), cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.65)
    figure.savefig(file, dpi=140, pil_kwargs={"quality": 72} if file.suffix == ".jpg" else None)


if __name__ == "__main__":
    draw([explain(*example) for example in EXAMPLES], Path(__file__).parent / "methods.jpg")
