"""Explanations drawn in the paper's style: input, coarse super-pixel on gray, fine feature in jet on dark blue.

The fine picture shows features, not importance, so the attribution itself is drawn beside it.

One row for each explanation. matplotlib is imported when something is drawn, and without pyplot: no state is shared
and no window opens.
"""

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mint.parameters import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: the longer side of a picture, the space around it, the title above a row; under a picture the caption and its
# note together.
SIDE, GAP, TITLE, CAPTION, NOTE = 2.6, 0.1, 0.34, 0.45, 0.22
BAR = 0.5  # a colour bar and its numbers
DOTS_PER_INCH = 150
TITLE_SIZE, CAPTION_SIZE, NOTE_SIZE = 12.0, 9.5, 8.0  # points
CHARACTER, LINE = 0.6, 1.25  # of a character over its size, generously, in the font that matplotlib brings along
SMALLEST = 3.0  # points; a text that would be smaller is left out
STRONGEST = 0.85  # how much an attribution covers the picture at most
PALE = 0.6  # how much is left of the contrast of the gray picture under an attribution


@dataclass(frozen=True, eq=False)
class Row:
    """What one row of a panel shows.

    Attributes
    ----------
    name, score : str
        The row's title: what is explained, and the network's answer.
    picture, coarse_picture, fine_picture : ndarray
        (h, w, 3) uint8: the input, the coarse and the fine explanation.
    importance : float or None
        That of the coarse super-pixel shown; None if none is chosen.
    abstention : str or None
        Why none is chosen.
    chosen : int
        How many fine super-pixels are shown.
    coarse, fine : ndarray
        (h, w) int64, the labels of the super-pixels, from 0.
    attributions : tuple of Map
        What is drawn over the picture in further columns, each with a colour bar.
    """

    name: str
    score: str
    picture: NDArray[np.uint8]
    coarse_picture: NDArray[np.uint8]
    fine_picture: NDArray[np.uint8]
    importance: float | None
    abstention: str | None
    chosen: int
    coarse: NDArray[np.int64]
    fine: NDArray[np.int64]
    attributions: tuple["Map", ...] = ()


@dataclass(frozen=True, eq=False)
class Map:
    """An attribution, (h, w), signed, with the method's name and what its numbers are, in a few words."""

    name: str
    values: NDArray[np.float64]
    unit: str


def draw_panels(rows: Sequence[Row], *, contours: bool = False, figure: "Figure | None" = None) -> "Figure":
    """Draw explanations, a row each: the input, the coarse and the fine explanation, and the attributions.

    Parameters
    ----------
    rows : sequence of Row
        At least one.
    contours : bool
        Draw the super-pixels over the input: strong lines around the coarse ones, thin lines around the fine ones.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in; it is cleared and its size is set. A new one, unknown to pyplot, if None.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is not installed, or there is no row.
    """
    if not rows:
        raise InputError("a panel needs at least one explanation.")
    sizes = [_size(row) for row in rows]
    further = max(len(row.attributions) for row in rows)
    width = 3 * SIDE + 4 * GAP + further * (SIDE + GAP + BAR)
    height = sum(TITLE + down + CAPTION for _, down in sizes) + GAP
    figure = _prepared(figure, width, height)
    top = GAP / 2
    for row, (across, down) in zip(rows, sizes, strict=True):
        _draw_title(figure, row, width, 1 - (top + TITLE / 2) / height)
        top += TITLE
        columns: list[Draw] = [*_COLUMNS, *(partial(_draw_attribution, each) for each in row.attributions)]
        for column, draw in enumerate(columns):
            left = GAP + column * (SIDE + GAP) + max(0, column - 3) * BAR + (SIDE - across) / 2
            place = (left / width, 1 - (top + down) / height, across / width, down / height)
            axes = figure.add_axes(place)
            axes.set_axis_off()
            caption, note = draw(axes, row, across)
            if column == 0 and contours:
                _draw_contours(axes, row)
            below = partial(axes.text, transform=axes.transAxes, ha="center", va="top")
            below(0.5, -0.05 / down, caption, size=CAPTION_SIZE)
            below(0.5, -NOTE / down, note, size=NOTE_SIZE, color="0.35")
        top += down + CAPTION
    return figure


def to_png(row: Row) -> bytes:
    """Draw one explanation and encode it as PNG."""
    stream = io.BytesIO()
    draw_panels([row]).savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()


def _prepared(figure: "Figure | None", width: float, height: float) -> "Figure":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            'drawing an explanation needs matplotlib; install it with pip install "mint-attribution[plot]".'
        ) from error
    if figure is not None:
        figure.clear()
        figure.set_size_inches(width, height)
        return figure
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def _size(row: Row) -> tuple[float, float]:
    """Return a picture's width and height in inches."""
    down, across = row.picture.shape[:2]
    scale = SIDE / max(down, across)
    return scale * across, scale * down


def _draw_title(figure: "Figure", row: Row, width: float, y: float) -> None:
    right = figure.text(1 - GAP / width, y, row.score, size=TITLE_SIZE, va="center", ha="right")
    name = row.name
    # A class's name may hold dollar signs, which make no formula.
    left = figure.text(GAP / width, y, name, size=TITLE_SIZE, weight="bold", va="center", parse_math=False)
    limit = right.get_window_extent().x0 - GAP * figure.dpi
    while name and left.get_window_extent().x1 > limit:
        name = name[:-1]
        left.set_text(f"{name.rstrip()}...")


def _draw_input(axes: "Axes", row: Row, across: float) -> tuple[str, str]:
    axes.imshow(row.picture, interpolation="antialiased")
    height, width = row.picture.shape[:2]
    return f"input, {width} x {height}", "as the network sees it"


def _draw_coarse(axes: "Axes", row: Row, across: float) -> tuple[str, str]:
    axes.imshow(row.coarse_picture, interpolation="antialiased")
    if row.importance is None:
        lines, size = _fitted(f"no region is chosen: {row.abstention}", *_size(row))
        axes.text(0.5, 0.5, lines, transform=axes.transAxes, ha="center", va="center", size=size, color="white")
        return "coarse: none", "no region is important enough"
    return f"coarse: importance {row.importance:.2g}", "the most important region"


def _fitted(text: str, across: float, down: float) -> tuple[str, float]:
    """Break a text into lines that fit a picture of so many inches; also return their size in points."""
    size, longest = CAPTION_SIZE, max(map(len, text.split()))
    while size > SMALLEST:
        most = int(across * 72 / (CHARACTER * size))
        lines = textwrap.wrap(text, most) if most >= longest else []
        if lines and len(lines) * LINE * size <= down * 72:
            return "\n".join(lines), size
        size *= 0.95
    return "", size


def _draw_fine(axes: "Axes", row: Row, across: float) -> tuple[str, str]:
    axes.imshow(row.fine_picture, interpolation="antialiased")
    caption = f"fine: {row.chosen} of {int(row.fine.max()) + 1} super-pixels"
    return caption, "colour: shallow feature, not importance"


Draw = Callable[["Axes", Row, float], tuple[str, str]]


def _draw_attribution(attribution: Map, axes: "Axes", row: Row, across: float) -> tuple[str, str]:
    """Draw a signed map over the gray picture: red for, blue against, and the picture where there is nothing."""
    largest = float(np.abs(attribution.values).max())
    largest = largest if largest >= np.finfo(np.float32).tiny else 1.0  # below, zeros were put in order alone
    gray = row.picture.mean(axis=2)
    axes.imshow(255 - (255 - gray) * PALE, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    shown = axes.imshow(
        attribution.values,
        cmap="RdBu_r",
        vmin=-largest,
        vmax=largest,
        alpha=_cover(attribution.values / largest),
        interpolation="nearest",
    )
    scale = axes.inset_axes((1 + 0.06 / across, 0, 0.1 / across, 1))
    # The colours of the bar are those of the map over a middle gray.
    steps = np.linspace(-1, 1, 255)
    cover = _cover(steps)[:, None]
    blended = cover * shown.get_cmap()(steps / 2 + 0.5)[:, :3] + (1 - cover) * (1 - PALE / 2)
    scale.imshow(blended[:, None], origin="lower", aspect="auto", extent=(0, 1, -largest, largest))
    scale.tick_params(
        labelsize=NOTE_SIZE - 1, length=2, pad=1, labelleft=False, labelright=True, left=False, right=True
    )
    scale.set_xticks([])
    scale.set_yticks([-largest, 0, largest], [f"{-largest:.2g}", "0", f"{largest:.2g}"])
    lowest, _, highest = scale.get_yticklabels()
    lowest.set_verticalalignment("bottom")
    highest.set_verticalalignment("top")
    return f"{attribution.name}: attribution", attribution.unit


def _cover(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell how opaque values from -1 to 1 are drawn: small ones are seen, too, and zero is not."""
    return np.asarray(STRONGEST * np.sqrt(np.clip(np.abs(values), 0, 1)))


_COLUMNS = (_draw_input, _draw_coarse, _draw_fine)


def _draw_contours(axes: "Axes", row: Row) -> None:
    from matplotlib.collections import LineCollection

    # A dark line under a light one is seen on any picture.
    for labels, colour, line in (
        (row.fine, "black", 0.9),
        (row.fine, "white", 0.35),
        (row.coarse, "black", 3.0),
        (row.coarse, "yellow", 1.6),
    ):
        axes.add_collection(LineCollection(list(borders(labels)), colors=colour, linewidths=line, capstyle="round"))


def borders(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the pixel edges between different labels.

    Parameters
    ----------
    labels : ndarray
        (h, w) integers.

    Returns
    -------
    ndarray
        (edges, 2, 2): the two ends of each, (x, y) in pixels, where pixel centres are whole numbers.
    """
    y, x = np.nonzero(labels[:, :-1] != labels[:, 1:])
    upright = np.stack([np.stack([x + 0.5, y - 0.5], axis=1), np.stack([x + 0.5, y + 0.5], axis=1)], axis=1)
    y, x = np.nonzero(labels[:-1] != labels[1:])
    level = np.stack([np.stack([x - 0.5, y + 0.5], axis=1), np.stack([x + 0.5, y + 0.5], axis=1)], axis=1)
    return np.concatenate([upright, level])
