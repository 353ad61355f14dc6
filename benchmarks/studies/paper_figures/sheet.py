"""What the figures are drawn with: a sheet for panels, arrows and words, and pictures of maps and labels."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from scipy.ndimage import distance_transform_edt

from benchmarks.report.gallery import overlay
from mint.panel import borders
from mint.superpixels import SuperPixels

DOTS_PER_INCH = 130
SIDE = 1.5  # inches, of a panel
GAP = 0.06  # inches, between two panels of a row
GRAY = 128

Panel = tuple[str, np.ndarray, str]
"""A title, a picture and a note."""


class Sheet:
    """A figure of a width and height in inches, on which things are placed in inches from the left and the top."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)

    def panel(
        self, image: np.ndarray, left: float, top: float, side: float = SIDE, *, title: str = "", note: str = ""
    ) -> Axes:
        """Place a square picture, uint8 (h, w, 3), with a title above and a note below."""
        place = (left / self.width, 1 - (top + side) / self.height, side / self.width, side / self.height)
        axes = self.figure.add_axes(place)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(linewidth=0.5, color="0.4")
        axes.imshow(image, interpolation="antialiased")
        self.write(left + side / 2, top - 0.05, title, ha="center", va="bottom", fontsize=9)
        self.write(left + side / 2, top + side + 0.04, note, ha="center", va="top", fontsize=7.5, color="0.25")
        return axes

    def write(self, left: float, top: float, text: str, **style: object) -> None:
        """Write text; ``style`` as matplotlib's ``Figure.text`` takes it."""
        if text:
            self.figure.text(left / self.width, 1 - top / self.height, text, **style)  # type: ignore[arg-type]

    def arrow(self, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
        """Draw an arrow between two points, (left, top) in inches, with words at its middle."""
        ends = [(x / self.width, 1 - y / self.height) for x, y in (start, end)]
        shape = FancyArrowPatch(
            *ends, transform=self.figure.transFigure, arrowstyle="-|>", mutation_scale=13, lw=1.3, color="0.25"
        )
        self.figure.add_artist(shape)
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        if abs(start[0] - end[0]) < abs(start[1] - end[1]):
            self.write(x + 0.08, y, text, ha="left", va="center", fontsize=7.5)
        else:
            self.write(x, y - 0.06, text, ha="center", va="bottom", fontsize=7.5)


def draw_rows(rows: Sequence[Sequence[Panel]], *, head: float, between: float) -> tuple[Figure, list[list[Axes]]]:
    """Draw rows of equally many panels, titled above the first row; return the figure and each row's axes.

    ``head`` and ``between`` are inches above the first row, and below each.
    """
    across, down = SIDE + GAP, SIDE + between
    sheet = Sheet(len(rows[0]) * across + GAP, head + len(rows) * down)
    axes = [
        [
            sheet.panel(picture, GAP + j * across, head + i * down, title="" if i else title, note=note)
            for j, (title, picture, note) in enumerate(row)
        ]
        for i, row in enumerate(rows)
    ]
    return sheet.figure, axes


def outline(axes: Axes, labels: np.ndarray, *, width: float = 1.0, colour: str = "white", halo: bool = True) -> None:
    """Draw the borders between labels, (h, w), along the pixels' edges."""
    lines = list(borders(labels))
    if halo:
        # A dark line under a light one is seen on any picture.
        axes.add_collection(LineCollection(lines, colors="black", linewidths=width * 2, capstyle="round"))
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, capstyle="round"))


def outline_both(axes: Axes, superpixels: SuperPixels) -> None:
    """Draw the borders of the fine super-pixels in yellow, and above them those of the coarse ones in white."""
    outline(axes, superpixels.fine.numpy(), width=0.6, halo=False, colour="yellow")
    outline(axes, superpixels.coarse.numpy(), width=1.2)


def number(axes: Axes, labels: np.ndarray, words: Sequence[str]) -> None:
    """Write one word into each label's region, (h, w), where it is widest."""
    box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
    for label, word in enumerate(words):
        # A border of zeros keeps words off the picture's edge.
        depth = distance_transform_edt(np.pad(labels == label, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        axes.text(float(x), float(y), word, ha="center", va="center", fontsize=7, color="black", bbox=box)


def evidence(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Lay the positive part of a map, (h, w), over the picture, its maximum the brightest."""
    positive = np.maximum(values, 0)
    return overlay(image, np.rint(255 * positive / (positive.max() or 1)).astype(np.uint8))


def only(image: np.ndarray, region: np.ndarray, absent: np.ndarray | int = GRAY) -> np.ndarray:
    """Keep a picture inside a region, bool (h, w); elsewhere it has the colour ``absent``."""
    return np.where(region[..., None], image, np.asarray(absent)).astype(np.uint8)


def coloured(values: np.ndarray, name: str, low: float, high: float) -> np.ndarray:
    """Give a map, (h, w), the colours of matplotlib's map ``name`` between two values: uint8 (h, w, 3)."""
    scaled = (values - low) / ((high - low) or 1)
    return np.asarray(np.rint(255 * mpl.colormaps[name](scaled)[..., :3]), np.uint8)


def signed(values: np.ndarray) -> np.ndarray:
    """Colour a map, (h, w): red where it is positive, blue where negative, white at zero."""
    largest = float(np.abs(values).max())
    return coloured(values, "RdBu_r", -largest, largest)
