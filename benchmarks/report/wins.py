"""The plot of pairs: on how many pictures a method is better than another."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.analysis.scores import Column
from benchmarks.report.plots import look, panels_of, save_plot
from benchmarks.report.tables import head, where

FEWEST_METHODS, MOST_METHODS = 3, 20
"""With fewer methods a matrix shows no more than the tables do, and with more it fills screens."""
ABOUT = "on how many % of the pictures the row is better than the column (bold: supported)"


def draw_wins(columns: Sequence[Column], pairs: pd.DataFrame, file: Path) -> Path | None:
    """Draw the wins in a setting's columns, as PNG; nothing for fewer than three methods, or more than twenty.

    ``pairs`` is what `comparisons.compare_pairs` found; bold is where the means differ for sure.
    """
    if not FEWEST_METHODS <= len(columns[0].contenders) <= MOST_METHODS:
        return None
    with look("white"):
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
            _heat(axes, rates.loc[rows], supported)
            axes.set_title(str(head(column)))
            if i % across:
                axes.set_yticklabels([])
            if i + across < len(columns):
                axes.set_xticklabels([])
        save_plot(figure, f"{where(columns[0].setting)}: {ABOUT}", file)
        return file


def _heat(axes: Axes, shares: pd.DataFrame, bold: Collection[tuple[str, str]]) -> None:
    """Draw shares as coloured cells, in per cent; ``bold`` has (row, column)."""
    axes.imshow(shares, cmap="RdBu", vmin=0, vmax=1)
    for i, row in enumerate(shares.index):
        for j, column in enumerate(shares.columns):
            share = float(shares.iloc[i, j])  # type: ignore[arg-type]
            # White on the dark ends of the colours.
            colour = "white" if abs(share - 0.5) > 0.36 else "black"
            weight = "bold" if (row, column) in bold else "normal"
            text = "" if np.isnan(share) else f"{100 * share:.0f}"
            axes.text(j, i, text, ha="center", va="center", color=colour, weight=weight, fontsize=9)
    axes.set_xticks(range(len(shares.columns)), shares.columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(shares.index)), shares.index)
    axes.spines[:].set_visible(False)
