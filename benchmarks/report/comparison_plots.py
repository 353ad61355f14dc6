"""The plots of what the data support: wins and the agreement of metrics."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.analysis.scores import Column
from benchmarks.report.plots import look, panels_of, save_plot
from benchmarks.report.tables import head, stem, where

FEWEST_METHODS = 3
"""With fewer methods, a matrix or a diagram shows no more than the tables do."""
ABOUT = {
    "wins": "on how many % of the pictures the row is better than the column (bold: supported)",
    "metrics": "rank correlation of the methods under two metrics",
}


def draw_comparisons(columns: Sequence[Column], frames: Mapping[str, pd.DataFrame], directory: Path) -> dict[str, Path]:
    """Draw a setting's plots, as PNG files by kind; none for fewer than three methods.

    They show the given columns of a data set and network, and "comparisons" and "metrics" of ``frames``, as the report
    found them there; the directory exists.
    """
    if len(columns[0].contenders) < FEWEST_METHODS:
        return {}
    place, files = columns[0].setting, {}
    with mpl.rc_context():
        look("white")
        figures = {
            "wins": _wins(columns, frames["comparisons"]),
            "metrics": _metrics(frames["metrics"]),
        }
        for kind, figure in figures.items():
            if figure is not None:
                files[kind] = directory / f"{stem(place)}.{kind}.png"
                save_plot(figure, f"{where(place)}: {ABOUT[kind]}", files[kind])
    return files


def _wins(columns: Sequence[Column], pairs: pd.DataFrame) -> Figure:
    """Draw the share of pictures on which the row is better than the column; bold where the means differ for sure."""
    methods, rows = list(columns[0].methods), list(columns[0].contenders)
    across = 2 if len(methods) > 8 or len(columns) == 4 else 3
    figure, panels = panels_of(len(columns), 0.8 + 0.42 * len(rows), 1.0 + 0.42 * len(methods), across)
    # The last row's labels and the title, once for the figure.
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + 1.1)
    for i, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        rates = pd.DataFrame(np.nan, methods, methods)
        supported = set()
        for row in column.among(pairs).to_dict("records"):
            rates.loc[row["first"], row["second"]] = row["win_rate"]
            rates.loc[row["second"], row["first"]] = 1 - row["win_rate"]
            if row["better"]:
                supported |= {(row["first"], row["second"]), (row["second"], row["first"])}
        _heat(axes, rates.loc[rows], ".0%", 0, supported)
        axes.set_title(str(head(column)))
        if i % across:
            axes.set_yticklabels([])
        if i + across < len(columns):
            axes.set_xticklabels([])
    return figure


def _heat(axes: Axes, values: pd.DataFrame, form: str, low: float, bold: Collection[tuple[str, str]] = ()) -> None:
    """Draw numbers between ``low`` and 1 as coloured cells; ``bold`` has (row, column)."""
    numbers = values.to_numpy()
    axes.imshow(numbers, cmap="RdBu", vmin=low, vmax=1)
    for i, row in enumerate(values.index):
        for j, column in enumerate(values.columns):
            value = float(numbers[i, j])
            # White on the dark ends of the colours.
            colour = "white" if abs(value - (low + 1) / 2) > 0.36 * (1 - low) else "black"
            weight = "bold" if (row, column) in bold else "normal"
            text = "" if np.isnan(value) else format(value, form).removesuffix("%")
            axes.text(j, i, text, ha="center", va="center", color=colour, weight=weight, fontsize=9)
    axes.set_xticks(range(len(values.columns)), values.columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(values.index)), values.index)
    axes.spines[:].set_visible(False)


def _metrics(agreement: pd.DataFrame) -> Figure | None:
    """Draw the rank correlations between metrics, over the methods' means and picture by picture."""
    if agreement[["over_means", "by_picture"]].isna().all(axis=None):
        return None
    names = list(dict.fromkeys([*agreement["first"], *agreement["second"]]))
    side = 1.4 + 0.5 * len(names)
    figure, panels = panels_of(2, side, side + 0.8)
    kinds = {"over_means": "of the means", "by_picture": "on one picture, averaged"}
    for axes, (kind, title) in zip(panels, kinds.items(), strict=True):
        _heat(axes, _square(agreement, kind, names), ".2f", -1)
        axes.set_title(title)
    return figure


def _square(frame: pd.DataFrame, value: str, names: list[str]) -> pd.DataFrame:
    square = pd.DataFrame(np.nan, names, names)
    for first, second, number in frame[["first", "second", value]].itertuples(index=False):
        square.loc[first, second] = square.loc[second, first] = number
    return square
