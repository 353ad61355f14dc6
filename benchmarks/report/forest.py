"""The figures of the headline columns: every method's interval, and quality against cost."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmarks.report.plots import OPEN, Style, legend, look, panels_of, save_plot, styles
from benchmarks.report.tables import Place, by_metric, settings_of
from benchmarks.results.records import rows_of

ROW, GAP = 0.27, 0.9
"""Inches of a method's row, and rows between two networks."""


def draw_headlines(summary: pd.DataFrame, file: Path) -> Path:
    """Draw the methods' means with their intervals, a panel for each headline metric, a group for each setting.

    Better is to the right in every panel; a band goes from the lowest to the highest mean of the nulls. Filled is what
    is among the best of its column, as ``leading`` says.
    """
    shown = summary[summary["headline"]]
    names, heights = settings_of(shown), _heights(shown)
    looks, columns = styles(summary["method"].unique()), list(by_metric(shown))
    with look("whitegrid", **OPEN, **{"ytick.labelsize": 10}):
        height = 1.15 + ROW * (max(heights.values()) + 1)
        figure, panels = panels_of(len(columns), height, 1.0 + 10 / (len(columns) + 1), len(columns), sharey=True)
        for axes, (metric, column) in zip(panels, columns, strict=True):
            for place in names:
                _group(axes, rows_of(column, place), place, heights, looks)
            axes.set_title(str(metric), fontsize=11)
            axes.grid(False, axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            if metric.direction == "lower":
                axes.invert_xaxis()
        first = panels[0]
        first.set_yticks(list(heights.values()), [method for _, method in heights])
        first.set_ylim(max(heights.values()) + 0.7, -0.7 - (len(names) > 1))
        for place, name in names.items() if len(names) > 1 else ():
            top = min(height for (own, _), height in heights.items() if own == place)
            first.annotate(
                name, (0, top - 0.75), xycoords=("axes fraction", "data"), weight="bold", fontsize=10, va="center",
                xytext=(3, 0), textcoords="offset points",
            )  # fmt: skip
        gray = "; gray: from the worst to the best null" if shown["null"].any() else ""
        title = f"means with 95 % intervals, better to the right; filled: among the best{gray}"
        save_plot(figure, title, file)
    return file


def _heights(shown: pd.DataFrame) -> dict[tuple[Place, str], float]:
    """Give each method of each setting its row; nulls have none."""
    heights, at = {}, 0.0
    for place in settings_of(shown):
        for method in rows_of(shown[~shown["null"]], place)["method"].unique():
            heights[place, str(method)] = at
            at += 1
        at += GAP + 0.5
    return heights


def _group(
    axes: Axes, rows: pd.DataFrame, place: Place, heights: Mapping[tuple[Place, str], float], looks: Mapping[str, Style]
) -> None:
    own = [height for (each, _), height in heights.items() if each == place]
    nulls = rows.loc[rows["null"], "mean"].dropna()
    if len(nulls) and own:
        low, high = nulls.min(), nulls.max()
        axes.fill_betweenx([min(own) - 0.5, max(own) + 0.5], low, high, color=".55", alpha=0.22, linewidth=0, zorder=0)
    for row in rows[~rows["null"] & (rows["n"] > 0)].to_dict("records"):
        height, style = heights[place, row["method"]], looks[row["method"]]
        axes.plot([row["low"], row["high"]], [height, height], color=style.colour, lw=2, alpha=0.8, zorder=2)
        filled = style.colour if row["leading"] else "white"
        axes.plot(row["mean"], height, style.marker, color=style.colour, mfc=filled, ms=7, zorder=3)


def draw_costs(summary: pd.DataFrame, timings: pd.DataFrame, file: Path) -> Path | None:
    """Draw the headline scores over forwards, a point for each method that is no null, and join the frontier.

    The frontier has the methods that no other one is ahead of for as many forwards or fewer.
    """
    keys = ["dataset", "network", "method"]
    found = summary[summary["headline"] & ~summary["null"] & (summary["n"] > 0)].merge(
        timings[[*keys, "forwards"]].drop_duplicates(keys), on=keys
    )
    found = found[found["forwards"] > 0]
    if found.empty:
        return None
    names, columns, looks = settings_of(found), list(by_metric(found)), styles(summary["method"].unique())
    with look("whitegrid", **OPEN):
        figure, panels = panels_of(len(names) * len(columns), 2.7, 1 + 11 / (len(columns) + 1), len(columns))
        for i, axes in enumerate(panels):
            place, (metric, column) = list(names)[i // len(columns)], columns[i % len(columns)]
            if (rows := rows_of(column, place)).empty:  # the metric does not apply to the setting
                axes.remove()
                continue
            _cost(axes, rows, looks)
            axes.set_title(f"{metric}\n{names[place]}" if len(names) > 1 else str(metric), fontsize=11)
            if metric.direction == "lower":
                axes.invert_yaxis()
            if i >= len(panels) - len(columns):
                axes.set_xlabel("forwards")
        legend(figure, panels)
        save_plot(figure, "quality against cost, better above; the line: no other method does better for less", file)
    return file


def _cost(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    sign = 1 if rows["direction"].iloc[0] == "higher" else -1
    ordered = rows.assign(size=sign * rows["mean"]).sort_values(["forwards", "size"], ascending=[True, False])
    frontier = ordered[ordered["size"] > ordered["size"].cummax().shift(fill_value=-np.inf)]
    axes.plot(frontier["forwards"], frontier["mean"], color=".5", lw=1.2, zorder=1, drawstyle="steps-post")
    for row in rows.to_dict("records"):
        style = looks[row["method"]]
        axes.plot(
            row["forwards"], row["mean"], style.marker, color=style.colour, ms=8, lw=0, label=row["method"], zorder=2
        )
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.12)
