"""The plots of a report: curves, scores case by case, quality against cost."""

import textwrap
import warnings
from collections.abc import Iterable, Mapping
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
from benchmarks.report.tables import ARROWS, by_metric, place_of, stem, where
from benchmarks.results.records import Records, own_maps, rows_of

DOTS_PER_INCH = 110
ACROSS = 4
"""Panels in a row of a figure, at most."""
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
OTHERS = tuple(
    Style(colour, marker=marker)
    for colour, marker in zip(("#E69F00", "#56B4E9", "#000000", "#8B5CF6", "#A16207"), "h*dp<", strict=True)
)


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """Give each method its style; those that are not ours take the remaining ones in turn."""
    unknown = [method for method in methods if method not in STYLES]
    return {**STYLES, **{method: OTHERS[i % len(OTHERS)] for i, method in enumerate(unknown)}}


def look(style: str, **more: Any) -> None:
    """Set how figures look. Inside ``mpl.rc_context()`` it ends with the context, and no other picture is changed."""
    own = {"axes.edgecolor": ".6", "font.size": 11, "axes.titlesize": 12, "axes.titlelocation": "left"}
    sns.set_theme(style=style, rc=own | more)


def draw_plots(
    records: Records, summary: pd.DataFrame, declared: Mapping[str, Any], directory: Path
) -> dict[str, Path]:
    """Draw what there are records for of one setting, as PNG files by kind.

    ``summary`` has the setting's rows of what `scores.summarise` found; ``declared`` is what its metrics declare.
    """
    group, place = summary[summary["headline"]], place_of(summary)
    with mpl.rc_context():
        look("whitegrid", **{"axes.spines.top": False, "axes.spines.right": False})
        figures = {
            "curves": _curves(rows_of(own_maps(records.curves), place), group, declared),
            "scores": _scores(rows_of(own_maps(records.scores), place), group),
            "cost": _cost(rows_of(records.timings, place), group),
        }
        return save_pictures(figures, place, directory, {})


def save_pictures(
    figures: Mapping[str, Figure | None], place: tuple[str, str], directory: Path, about: Mapping[str, str]
) -> dict[str, Path]:
    """Write a setting's figures, by kind, under its name and what ``about`` says of the kind; return the files."""
    files = {}
    for kind, figure in figures.items():
        if figure is not None:
            files[kind] = directory / f"{stem(place)}.{kind}.png"
            save_plot(figure, ": ".join(filter(None, (where(place), about.get(kind)))), files[kind])
    return files


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


def _curves(curves: pd.DataFrame, group: pd.DataFrame, declared: Mapping[str, Any]) -> Figure | None:
    metrics = [metric for metric in curves["metric"].unique() if (group["metric"] == metric).any()]
    if not metrics:
        return None
    looks = styles(group["method"].unique())
    figure, panels = panels_of(len(metrics), 4.0, 4.3)
    for axes, metric in zip(panels, metrics, strict=True):
        here = curves[curves["metric"] == metric]
        pictures = pd.Index(here["picture"].unique())
        draws = statistics.draw(len(pictures))
        for method, cases in here.groupby("method", sort=False):
            fractions = cases["fractions"].iloc[0]
            codes = pictures.get_indexer(pd.Index(cases["picture"]))
            mean, low, high = statistics.curve_band(np.stack(cases["values"].tolist()), codes, draws)
            own = looks[str(method)]
            axes.fill_between(fractions, low, high, color=own.colour, alpha=0.12, linewidth=0)
            axes.plot(fractions, mean, color=own.colour, dashes=own.dashes or (None, None), lw=1.8, label=method)
        curve, arrow = declared[metric]["curve"], ARROWS[declared[metric]["direction"]]
        axes.set(title=f"{metric} ({curve['score']} {arrow})", xlim=(0, 1), xlabel=curve["x"], ylabel=curve["y"])
    _legend(figure, panels[0])
    return figure


def _scores(scores: pd.DataFrame, group: pd.DataFrame) -> Figure | None:
    """Box plots of scores; where a score is a hit or a miss, the mean and its interval instead."""
    if scores.empty:
        return None
    looks = styles(group["method"].unique())
    colours = {method: looks[method].colour for method in group["method"].unique()}
    metrics = list(group["metric"].unique())
    figure, panels = panels_of(len(metrics), 0.9 + 0.42 * len(colours), 3.3)
    for i, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        here = scores[(scores["metric"] == metric) & scores["score"].notna()]
        about = group[group["metric"] == metric]
        if here["score"].isin([0.0, 1.0]).all():
            _dots(axes, about, colours)
        else:
            _boxes(axes, here, colours)
        axes.set(title=f"{metric} {ARROWS[about['direction'].iloc[0]]}", ylabel="")
        if i % ACROSS:
            axes.set_yticklabels([])
    return figure


def _boxes(axes: Axes, here: pd.DataFrame, colours: Mapping[str, str]) -> None:
    with warnings.catch_warnings():
        # seaborn 0.13 calls matplotlib 3.11 by a parameter that is going to be renamed.
        warnings.simplefilter("ignore", mpl.MatplotlibDeprecationWarning)
        sns.boxplot(
            here, x="score", y="method", order=list(colours), hue="method", palette=colours, ax=axes, legend=False,
            width=0.6, linewidth=1, fliersize=2, whis=(5, 95), boxprops={"alpha": 0.75},
        )  # fmt: skip
    axes.set_xlabel("case by case: quartiles, 5 to 95 %")


def _dots(axes: Axes, about: pd.DataFrame, colours: Mapping[str, str]) -> None:
    methods, subsets = list(colours), list(about["subset"].unique())
    for row in about.to_dict("records"):
        filled = row["subset"] == subsets[0]
        place = methods.index(row["method"]) + (0.0 if len(subsets) == 1 else (-0.14 if filled else 0.14))
        colour = colours[row["method"]]
        axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=2, alpha=0.8)
        axes.plot(row["mean"], place, "o", color=colour, mfc=colour if filled else "white", ms=6.5)
    axes.set_yticks(range(len(methods)), methods)
    axes.grid(False, axis="y")
    label = "mean, 95 % interval" + (f" (open: {subsets[1]})" if len(subsets) > 1 else "")
    axes.set(ylim=(len(methods) - 0.5, -0.5), xlim=(-0.03, 1.03), xlabel=label)


def _cost(timings: pd.DataFrame, group: pd.DataFrame) -> Figure | None:
    if timings.empty:
        return None
    looks = styles(group["method"].unique())
    milliseconds = timings.set_index("method")["median_ms"]
    columns = list(by_metric(group))
    figure, panels = panels_of(len(columns), 3.5, 3.1)
    for axes, (metric, column) in zip(panels, columns, strict=True):
        for row in column[column["method"].isin(milliseconds.index)].to_dict("records"):
            method, own = row["method"], looks[row["method"]]
            bounds = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axes.errorbar(
                milliseconds[method], row["mean"], yerr=None if np.isnan(row["low"]) else bounds, color=own.colour,
                marker=own.marker, ms=8, lw=0, elinewidth=1.4, label=method,
            )  # fmt: skip
        axes.set(title=str(metric), xscale="log", xlabel="ms a picture")
        axes.margins(x=0.12)
    _legend(figure, panels[0])
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = min(len(labels), 8, int(figure.get_figwidth() / LEGEND_WIDTH))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=10)
