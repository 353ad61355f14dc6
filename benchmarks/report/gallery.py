"""The picture gallery: for each network, every case's picture, each method's map, and a method's own panels."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.plots import DOTS_PER_INCH, save_picture
from benchmarks.results.records import Shown

# Inches: the side of a panel, the space between two, the line above all panels, the line under each row.
PANEL, GAP, HEAD, LABEL = 1.35, 0.04, 0.24, 0.2


def draw_gallery(cases: Sequence[Shown], file: Path) -> None:
    """Draw the cases of a setting as a JPEG: cases down; picture, maps and panels across."""
    maps = dict.fromkeys(name for shown in cases for name in shown.maps)
    pictures = dict.fromkeys(name for shown in cases for name in shown.pictures)
    columns = ["input", *maps, *pictures]
    width, height = len(columns) * (PANEL + GAP) + GAP, HEAD + len(cases) * (PANEL + LABEL)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    for i, shown in enumerate(cases):
        images = {"input": shown.image, **shown.pictures}
        images |= {name: overlay(shown.image, evidence) for name, evidence in shown.maps.items()}
        top = HEAD + i * (PANEL + LABEL)
        for j, name in enumerate(columns):
            left = GAP + j * (PANEL + GAP)
            axes = figure.add_axes((left / width, 1 - (top + PANEL) / height, PANEL / width, PANEL / height))
            _panel(axes, images.get(name), None if name in shown.pictures else shown.region)
            if i == 0:
                axes.set_title(name, fontsize=10, pad=3)
            if j == 0:
                # Free to run on to the right, under the maps.
                axes.text(0, -0.02, shown.target_name, transform=axes.transAxes, va="top", fontsize=9)
    save_picture(figure, file)


def _panel(axes: Axes, image: np.ndarray | None, region: np.ndarray | None) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if image is None:
        axes.text(0.5, 0.5, "failed", ha="center", va="center", transform=axes.transAxes)
        return
    axes.imshow(image, interpolation="antialiased")
    if region is not None and 0 < region.mean() < 1:
        # A dark line under a light one is seen on any picture.
        axes.contour(region, levels=[0.5], colors="black", linewidths=1.6)
        axes.contour(region, levels=[0.5], colors="white", linewidths=0.8)


def overlay(image: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Lay a map over the gray picture: the more evidence, the brighter and the less of the picture.

    The image and what is returned are uint8 (h, w, 3), the evidence is uint8 (h, w).
    """
    strength = evidence[..., None] / 255
    gray = image.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    colours = mpl.colormaps["inferno"](evidence)[..., :3]
    cover = 0.35 + 0.5 * strength
    mixed: np.ndarray = np.round(255 * (gray * (1 - cover) + colours * cover)).astype(np.uint8)
    return mixed
