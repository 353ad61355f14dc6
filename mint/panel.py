"""Explanations drawn in the paper's style: input, coarse super-pixel on gray, fine feature in jet on dark blue.

One row for each explanation. matplotlib is imported when something is drawn, and without pyplot: no state is shared
and no window opens.
"""

import io
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mint.contract import InputError
from mint.explanation import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: the longer side of a picture, the space around it, the title above a row; under a picture the caption and its
# note together.
SIDE, GAP, TITLE, CAPTION, NOTE = 2.6, 0.1, 0.34, 0.45, 0.22
DOTS_PER_INCH = 150
TITLE_SIZE, CAPTION_SIZE, NOTE_SIZE = 12.0, 9.5, 8.0  # points
CHARACTER = 0.6  # width of a character over its size, generously, in the font that matplotlib brings along


def draw_panels(
    explanations: Sequence[Explanation],
    class_names: Sequence[str | None] | None = None,
    *,
    contours: bool = False,
    figure: "Figure | None" = None,
) -> "Figure":
    """Draw explanations, a row of three pictures each: the input, the coarse and the fine explanation.

    Parameters
    ----------
    explanations : sequence of Explanation
        At least one.
    class_names : sequence of str or None, optional
        What the rows' titles call the classes; "class 340" for None.
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
        If matplotlib is not installed, there is no explanation, or not one name for each.
    """
    names = [None] * len(explanations) if class_names is None else list(class_names)
    if not explanations or len(names) != len(explanations):
        raise InputError(f"panels need one name for each explanation, not {len(names)} for {len(explanations)}.")
    sizes = [_size(explanation) for explanation in explanations]
    width = 3 * SIDE + 4 * GAP
    height = sum(TITLE + down + CAPTION for _, down in sizes) + GAP
    figure = _prepared(figure, width, height)
    top = GAP / 2
    for explanation, name, (across, down) in zip(explanations, names, sizes, strict=True):
        _draw_title(figure, explanation, name, width, 1 - (top + TITLE / 2) / height)
        top += TITLE
        for column in range(3):
            left = GAP + column * (SIDE + GAP) + (SIDE - across) / 2
            place = (left / width, 1 - (top + down) / height, across / width, down / height)
            axes = figure.add_axes(place)
            axes.set_axis_off()
            caption, note = _COLUMNS[column](axes, explanation, across)
            if column == 0 and contours:
                _draw_contours(axes, explanation)
            below = partial(axes.text, transform=axes.transAxes, ha="center", va="top")
            below(0.5, -0.05 / down, caption, size=CAPTION_SIZE)
            below(0.5, -NOTE / down, note, size=NOTE_SIZE, color="0.35")
        top += down + CAPTION
    return figure


def to_png(explanation: Explanation) -> bytes:
    """Draw one explanation and encode it as PNG."""
    stream = io.BytesIO()
    draw_panels([explanation]).savefig(stream, format="png", dpi=DOTS_PER_INCH)
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


def _size(explanation: Explanation) -> tuple[float, float]:
    """Return a picture's width and height in inches."""
    down, across = explanation.picture.shape[:2]
    scale = SIDE / max(down, across)
    return scale * across, scale * down


def _draw_title(figure: "Figure", explanation: Explanation, name: str | None, width: float, y: float) -> None:
    response = explanation.parameters.get("response", "probability")
    score = f"g(X) = {explanation.answer:.3g} ({response})"
    right = figure.text(1 - GAP / width, y, score, size=TITLE_SIZE, va="center", ha="right")
    name = f"class {explanation.target}" if name is None else name
    # A class's name may hold dollar signs, which make no formula.
    left = figure.text(GAP / width, y, name, size=TITLE_SIZE, weight="bold", va="center", parse_math=False)
    limit = right.get_window_extent().x0 - GAP * figure.dpi
    while name and left.get_window_extent().x1 > limit:
        name = name[:-1]
        left.set_text(f"{name.rstrip()}...")


def _draw_input(axes: "Axes", explanation: Explanation, across: float) -> tuple[str, str]:
    axes.imshow(explanation.picture, interpolation="antialiased")
    height, width = explanation.picture.shape[:2]
    return f"input, {width} x {height}", "as the network sees it"


def _draw_coarse(axes: "Axes", explanation: Explanation, across: float) -> tuple[str, str]:
    axes.imshow(explanation.coarse_picture(), interpolation="antialiased")
    if explanation.chosen_coarse is None:
        # In a narrow picture the longest word sets the size.
        size = min(CAPTION_SIZE, across * 72 / (CHARACTER * len("importances,")))
        lines = textwrap.fill(f"no region is chosen: {explanation.abstention}", int(across * 72 / (CHARACTER * size)))
        axes.text(0.5, 0.5, lines, transform=axes.transAxes, ha="center", va="center", size=size, color="white")
        return "coarse: none", "no region is important enough"
    importance = float(explanation.u_c[explanation.chosen_coarse])
    return f"coarse: importance {importance:.2g}", "the most important region"


def _draw_fine(axes: "Axes", explanation: Explanation, across: float) -> tuple[str, str]:
    axes.imshow(explanation.fine_picture(), interpolation="antialiased")
    caption = f"fine: {len(explanation.chosen_fine)} of {len(explanation.u_f)} super-pixels"
    return caption, "colour: shallow feature, not importance"


_COLUMNS = (_draw_input, _draw_coarse, _draw_fine)


def _draw_contours(axes: "Axes", explanation: Explanation) -> None:
    from matplotlib.collections import LineCollection

    coarse, fine = explanation.superpixels.coarse.numpy(), explanation.superpixels.fine.numpy()
    # A dark line under a light one is seen on any picture.
    for labels, colour, line in (
        (fine, "black", 0.9),
        (fine, "white", 0.35),
        (coarse, "black", 3.0),
        (coarse, "yellow", 1.6),
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
