"""The tables of what the data support: who beats whom, how sure the order is, how reliable a metric is.

All are of one setting, and show its headline columns; the rest is in the CSV files.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.analysis.comparisons import contested, critical_difference
from benchmarks.analysis.scores import Column
from benchmarks.analysis.statistics import DIGITS
from benchmarks.report.numbers import DASH, number, pictures_needed
from benchmarks.report.tables import Entry, Table, named

TITLES = {
    "subset": "cases",
    "rank": "mean rank",
    "friedman_p": "Friedman's p",
    "apart": "told apart by Nemenyi's test: more than",
    "win_rate": "better on % of the pictures",
    "better": "supported: better is",
    "over_means": "rank correlation of the means",
    "by_picture": "of one picture's scores, averaged",
    "tau": "Kendall's tau",
}


def beaten_tables(columns: Sequence[Column], pairs: pd.DataFrame) -> list[Table]:
    """Make the matrix of pairs: in how many columns the row is better than the column, and worse, if supported.

    None where nothing is.
    """
    methods = columns[0].methods
    found = pd.concat([column.among(pairs) for column in columns])
    wins = list(zip(found["first"], found["second"], found["better"], strict=True))
    rows = []
    for method in columns[0].contenders:
        row = [Entry(method)]
        for other in methods:
            better = [winner for first, second, winner in wins if {first, second} == {method, other}]
            ours, theirs = better.count(method), better.count(other)
            text = f"{ours} : {theirs}" if ours or theirs else ""
            row.append(Entry(DASH if method == other else text, bold=ours > theirs))
        rows.append(row)
    title = f"in how many of {len(columns)} columns the row is better : worse, where supported"
    return [Table("beaten", title, ["", *methods], rows, columns[0].setting)] if any(found["better"]) else []


def order_table(columns: Sequence[Column], orders: pd.DataFrame) -> Table:
    """Make the table of orders: how often resamples repeat them, and the pictures that each step would need."""
    rows = []
    for metric, column in named(columns):
        here = column.among(orders)
        if here.empty:
            continue
        steps = here.iloc[:-1]
        signs = ["", *(" = " if step == 0 else " > " for step in here["mean"].diff().round(DIGITS).iloc[1:])]
        shares = [number(share, ".0%") for share in steps["over_next"]]
        needed = [pictures_needed(count, "> ") for count in steps["needed"]]
        order = "".join(sign + method for sign, method in zip(signs, here["method"], strict=True))
        sure = [Entry(", ".join(words) or DASH) for words in (shares, needed)]
        rows.append([Entry(metric), Entry(order), Entry(here["whole"].iloc[0], form=".0%"), *sure])
    header = ["printed order, best first", "resamples with it", "each before the next", "pictures to separate"]
    return Table("order", "the order of the methods", ["metric", *header], rows, columns[0].setting)


def reliability_table(columns: Sequence[Column], pairs: pd.DataFrame, card: pd.DataFrame) -> Table:
    """Make the reliability card."""
    rows = []
    for metric, column in named(columns):
        (row,) = column.among(card).to_dict("records")
        here = contested(column, pairs)
        figures = []
        for name in ("alpha", "halves"):
            with_nulls = row[f"{name}_with_nulls"]
            figures.append(Entry(row[name], "" if np.isnan(with_nulls) else f"({with_nulls:z.2f})", form="z.2f"))
        supported = Entry(int((here["better"] != "").sum()), f"of {len(here)}")
        rows.append([Entry(metric), Entry(row["pictures"]), supported, *figures])
    header = ["metric", "pictures", "pairs supported", "alpha (with nulls)", "split halves (with nulls)"]
    return Table("reliability", "reliability card", header, rows, columns[0].setting)


def numbers_behind(columns: Sequence[Column], frames: Mapping[str, pd.DataFrame]) -> dict[str, Table]:
    """Make the tables behind the pictures of `comparison_plots.draw_comparisons`, by the kind of picture.

    They are made from the headline columns of a setting, and from "ranks", "comparisons", "metrics" and "settings".
    """
    ranks, pairs = (pd.concat([c.among(frames[name]) for c in columns]) for name in ("ranks", "comparisons"))
    sizes = ranks.groupby(["metric", "subset"])["method"].transform("size")
    ranks["apart"] = list(map(critical_difference, sizes, ranks["pictures"]))
    pairs["win_rate"] *= 100
    metrics, settings = frames["metrics"], frames["settings"]
    shown = {
        "ranks": (ranks, "method", ["metric", "subset", "method", "rank", "pictures", "friedman_p", "apart"]),
        "wins": (pairs, "method", ["metric", "subset", "first", "second", "win_rate", "better"]),
        "metrics": (
            metrics.dropna(subset=["over_means", "by_picture"], how="all"),
            "metric",
            ["first", "second", "over_means", "by_picture"],
        ),
        "settings": (settings.dropna(subset="tau"), "metric", ["first", "second", "subset", "tau"]),
    }
    made = {}
    for kind, (frame, thing, names) in shown.items():
        rows = frame[names].to_numpy(dtype=object)
        entries = [[Entry(each if isinstance(each, str) else float(each), form=".3g") for each in row] for row in rows]
        titles = {"first": thing, "second": f"other {thing}", **TITLES}
        if entries:
            made[kind] = Table(kind, kind, [titles.get(name, name) for name in names], entries, columns[0].setting)
    return made
