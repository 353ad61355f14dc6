"""How plots look and are kept, and the curves."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.analysis import statistics
from benchmarks.report.tables import ARROWS, place_of, where
from benchmarks.results.records import Records, own_maps, rows_of
from benchmarks.results.tables import stacked

DOTS_PER_INCH = 110
ACROSS = 4
"""Panels in a row of a figure, at most."""
OPEN = {"axes.spines.top": False, "axes.spines.right": False}
"""Axes without lines at the top and on the right."""
LETTERS_AN_INCH = 11
LEGEND_WIDTH = 1.5
"""Inches of a figure's width for each column of its legend, at least."""


@dataclass(frozen=True)
class Style:
    """How a method looks in every plot: colour, dashes of its line, marker of its points."""

    colour: str
    dashes: tuple[float, ...] = ()
    marker: str = "o"


# Okabe and Ito's colours, which the colour-blind tell apart; the controls are gray, and dashed.
STYLES: Mapping[str, Style] = {
    "mint": Style("#D55E00", marker="D"),
    "gradcam": Style("#0072B2"),
    "lime": Style("#009E73", marker="s"),
    "occlusion": Style("#CC79A7", marker="^"),
    "random": Style("#8C8C8C", (1, 1.2), "X"),
    "constant": Style("#D0D0D0", (2, 2), "."),
    "centre": Style("#595959", (4, 1.5), "P"),
    "sobel": Style("#B0B0B0", (5, 1.2, 1, 1.2), "v"),
}
COLOURS = ("#E69F00", "#56B4E9", "#000000", "#8B5CF6", "#A16207", "#BE123C", "#4D7C0F", "#0E7490")
OTHERS = tuple(
    Style(colour, dashes, marker)
    for dashes in ((), (4, 1.2), (1, 1))
    for colour, marker in zip(COLOURS, "h*dp<>8H", strict=True)
)


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """Give each method its style; those that are not ours take the remaining ones in turn."""
    unknown = [method for method in methods if method not in STYLES]
    return {**STYLES, **{method: OTHERS[i % len(OTHERS)] for i, method in enumerate(unknown)}}


@contextmanager
def look(style: str, **more: Any) -> Iterator[None]:
    """Set how figures look that are drawn meanwhile; ``more`` are parameters of matplotlib's."""
    own = {"axes.edgecolor": ".6", "font.size": 11, "axes.titlesize": 12, "axes.titlelocation": "left"}
    with mpl.rc_context():
        sns.set_theme(style=style, rc=own | more)
        yield


def draw_curves(records: Records, summary: pd.DataFrame, declared: Mapping[str, Any], file: Path) -> Path | None:
    """Draw a setting's curves, with bands; nothing where there are none. ``declared`` is what its metrics declare."""
    place = place_of(summary.iloc[0].to_dict())
    curves, shown = own_maps(rows_of(records.curves, place)), summary[summary["main"]]
    metrics = [metric for metric in curves["metric"].unique() if (shown["metric"] == metric).any()]
    if not metrics:
        return None
    looks = styles(shown["method"].unique())
    with look("whitegrid", **OPEN):
        figure, panels = panels_of(len(metrics), 4.0, 4.3)
        for axes, metric in zip(panels, metrics, strict=True):
            _curve(axes, curves[curves["metric"] == metric], looks, declared[metric])
        legend(figure, panels)
        save_plot(figure, f"{where(place)}: curves, means with 95 % intervals", file)
    return file


def save_plot(figure: Figure, title: str, file: Path) -> None:
    """Write a figure with a title above all its panels."""
    title = textwrap.fill(title, int(LETTERS_AN_INCH * figure.get_figwidth()))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=".35")
    save_picture(figure, file)


def save_picture(figure: Figure, file: Path) -> None:
    """Write a figure without a display, the same bytes every time, and small.

    A ``.png`` has 256 colours, enough for a plot; photographs are better off as ``.jpg``.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels)
    if file.suffix == ".png":
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(file, optimize=True, quality=85, subsampling=0)


def panels_of(
    count: int, height: float, width: float, across: int = ACROSS, **layout: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure of so many panels, in inches each, at most ``across`` in a row; ``layout`` as for subplots."""
    across = min(count, across)
    rows = -(-count // across)
    figure = Figure(figsize=(width * across, height * rows), dpi=DOTS_PER_INCH, layout="constrained")
    panels = list(np.ravel(figure.subplots(rows, across, **layout)))
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _curve(axes: Axes, here: pd.DataFrame, looks: Mapping[str, Style], about: Mapping[str, Any]) -> None:
    codes, pictures = here["picture"].factorize()
    numbers, methods = here["method"].factorize()
    draws = statistics.draw(len(pictures))
    for number, method in enumerate(methods):
        cases, own = here[numbers == number], looks[str(method)]
        fractions = cases["fractions"].iloc[0]
        if cases["fractions"].nunique() == 1:
            curves = stacked(cases["values"])
        else:  # read where the first one is, as a metric may choose its points by the picture
            lines = zip(cases["fractions"], cases["values"], strict=True)
            curves = np.array([np.interp(fractions, *line) for line in lines])
        mean, low, high = statistics.curve_band(curves, codes[numbers == number], draws)
        axes.fill_between(fractions, low, high, color=own.colour, alpha=0.12, linewidth=0)
        axes.plot(fractions, mean, color=own.colour, dashes=own.dashes or (None, None), lw=1.8, label=method)
    curve, arrow = about["curve"], ARROWS[about["direction"]]
    metric = here["metric"].iloc[0]
    axes.set(title=f"{metric} ({curve['score']} {arrow})", xlim=(0, 1), xlabel=curve["x"], ylabel=curve["y"])


def legend(figure: Figure, panels: Iterable[Axes]) -> None:
    """Name the methods of all panels under them, once for the figure."""
    found = [axes.get_legend_handles_labels() for axes in panels]
    named = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    columns = min(len(named), 8, int(figure.get_figwidth() / LEGEND_WIDTH))
    figure.legend([*named.values()], [*named], loc="outside lower center", ncols=columns, frameon=False, fontsize=10)
