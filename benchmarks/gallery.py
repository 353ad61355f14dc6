"""The picture gallery: for each network, every case's picture, each method's map, and a method's own panels."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.plots import DOTS_PER_INCH, save_png
from benchmarks.records import Shown

PANEL_INCHES = 1.35


def draw_gallery(gallery: Sequence[Shown], directory: Path) -> list[Path]:
    """Draw one PNG for each dataset and network: cases down; picture, maps and panels across."""
    files = []
    for (dataset, network), group in groupby(gallery, key=lambda shown: (shown.dataset, shown.network)):
        files.append(directory / f"{network}-on-{dataset}.png")
        save_png(_figure(list(group)), files[-1])
    return files


def _figure(cases: Sequence[Shown]) -> Figure:
    maps = list(dict.fromkeys(name for shown in cases for name in shown.maps))
    pictures = list(dict.fromkeys(name for shown in cases for name in shown.pictures))
    columns = ["input", *maps, *pictures]
    size = (PANEL_INCHES * len(columns), (PANEL_INCHES + 0.16) * len(cases) + 0.3)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout=layout)
    grid = figure.subplots(len(cases), len(columns), squeeze=False)
    for shown, row in zip(cases, grid, strict=True):
        images = {"input": shown.image, **shown.pictures}
        images |= {name: overlay(shown.image, evidence) for name, evidence in shown.maps.items()}
        for name, axes in zip(columns, row, strict=True):
            _panel(axes, images.get(name), shown.region if name not in shown.pictures else None)
        row[0].set_xlabel(shown.target_name, fontsize=9, labelpad=2)
    for name, axes in zip(columns, grid[0], strict=True):
        axes.set_title(name, fontsize=10, pad=3)
    return figure


def _panel(axes: Axes, image: np.ndarray | None, region: np.ndarray | None) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
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

    Parameters
    ----------
    image : numpy.ndarray
        uint8 (h, w, 3).
    evidence : numpy.ndarray
        uint8 (h, w).

    Returns
    -------
    numpy.ndarray
        uint8 (h, w, 3).
    """
    strength = evidence[..., None] / 255
    gray = image.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    colours = mpl.colormaps["inferno"](evidence)[..., :3]
    cover = 0.35 + 0.5 * strength
    mixed: np.ndarray = np.round(255 * (gray * (1 - cover) + colours * cover)).astype(np.uint8)
    return mixed
