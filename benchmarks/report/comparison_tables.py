"""The tables of what the data support: who beats whom, how sure the order is, how reliable a metric. Knows no torch.

All are of one setting, a dataset and a network, and show its headline columns; the rest is in the CSV files.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

from benchmarks.analysis.scores import Column, titles
from benchmarks.analysis.statistics import DIGITS, MOST_PICTURES, SIGNIFICANT
from benchmarks.report.tables import ARROWS, Entry, Table, number

DASH = "\N{EN DASH}"
CORRELATIONS = {"over_means": "rank correlation of the means", "by_picture": "of one picture's scores, averaged"}


def beaten_table(columns: Sequence[Column], pairs: pd.DataFrame) -> Table | None:
    """Make the matrix of pairs: in how many columns the row is better than the column, and worse, if supported.

    None where nothing is.
    """
    methods = columns[0].methods
    shown = pairs.set_index(["metric", "subset"]).loc[[(column.metric, column.subset) for column in columns]]
    wins = list(zip(shown["first"], shown["second"], shown["better"], strict=True))
    if not any(better for _, _, better in wins):
        return None
    rows = []
    for method in columns[0].contenders:
        row = [Entry(method)]
        for other in methods:
            here = [better for first, second, better in wins if {first, second} == {method, other}]
            counts = [here.count(method), here.count(other)]
            text = f"{counts[0]} : {counts[1]}" if any(counts) else ""
            row.append(Entry(DASH if method == other else text, bold=counts[0] > counts[1]))
        rows.append(row)
    title = f"{_where(columns)}: in how many of {len(columns)} columns the row is better : worse, where supported"
    return Table(f"{_name(columns)}-beaten", title, ["", *methods], rows)


def order_table(columns: Sequence[Column], orders: pd.DataFrame) -> Table:
    """Make the table of orders: how often resamples repeat them, and the pictures that each step would need."""
    rows = []
    for column, title in zip(columns, titles(columns), strict=True):
        here = orders[(orders["metric"] == column.metric) & (orders["subset"] == column.subset)]
        if here.empty:
            continue
        steps = here.iloc[:-1]
        rows.append(
            [
                Entry(f"{title} {ARROWS[column.direction]}"),
                Entry(_chain(here)),
                Entry(number(here["whole"].iloc[0], "{:.0%}")),
                Entry(", ".join(number(share, "{:.0%}") for share in steps["over_next"]) or DASH),
                Entry(", ".join(pictures(needed, "> ") for needed in steps["needed"]) or DASH),
            ]
        )
    header = [
        "metric",
        "printed order, best first",
        "resamples with it",
        "each before the next",
        "pictures to separate",
    ]
    return Table(f"{_name(columns)}-order", f"{_where(columns)}: the order of the methods", header, rows)


def _chain(order: pd.DataFrame) -> str:
    signs = ["", *(" = " if step == 0 else " > " for step in order["mean"].diff().round(DIGITS).iloc[1:])]
    return "".join(sign + method for sign, method in zip(signs, order["method"], strict=True))


def pictures(needed: float, beyond: str = "more than ") -> str:
    """Spell how many pictures are needed: two significant digits, as a plan is no more exact."""
    if np.isnan(needed):
        return DASH
    if np.isinf(needed):
        return f"{beyond}{MOST_PICTURES:,}"
    return f"{int(float(f'{needed:.2g}')):,}"


def reliability_table(columns: Sequence[Column], pairs: pd.DataFrame, card: pd.DataFrame) -> Table:
    """Make the reliability card."""
    rows = []
    for column, title in zip(columns, titles(columns), strict=True):
        (row,) = card[(card["metric"] == column.metric) & (card["subset"] == column.subset)].to_dict("records")
        here = contested(column, pairs)
        rows.append(
            [
                Entry(f"{title} {ARROWS[column.direction]}"),
                Entry(f"{row['pictures']}"),
                Entry(f"{(here['better'] != '').sum()} of {len(here)}"),
                *(
                    Entry(number(row[name], "{:z.2f}"), "" if np.isnan(nulls) else f"({nulls:z.2f})")
                    for name, nulls in (
                        ("alpha", row["alpha_with_nulls"]),
                        ("halves", row["halves_with_nulls"]),
                    )
                ),
            ]
        )
    header = ["metric", "pictures", "pairs supported", "alpha (with nulls)", "split halves (with nulls)"]
    return Table(f"{_name(columns)}-reliability", f"{_where(columns)}: reliability card", header, rows)


def numbers_behind(
    columns: Sequence[Column],
    pairs: pd.DataFrame,
    ranks: pd.DataFrame,
    agreement: pd.DataFrame,
    sensitivity: pd.DataFrame,
) -> list[Table]:
    """Make the tables behind the pictures of `comparison_plots.draw_comparisons`, called as their files are.

    Parameters
    ----------
    columns : sequence of Column
        Of any number of datasets and networks; shown are the headline columns that judge.
    pairs, ranks, agreement, sensitivity : pandas.DataFrame
        What `comparisons.compare_pairs`, `comparisons.rank_table`, `reliability.agreement_of_metrics` and
        `reliability.sensitivity` found there.
    """
    shown = [column for column in columns if column.headline and column.judges]
    made = []
    for dataset, network in dict.fromkeys((column.dataset, column.network) for column in shown):
        own = [column for column in shown if (column.dataset, column.network) == (dataset, network)]
        here = [
            frame[(frame["dataset"] == dataset) & (frame["network"] == network)]
            for frame in (ranks, pairs, agreement, sensitivity)
        ]
        found = {
            "ranks": _rank_numbers(own, here[0]),
            "wins": _win_numbers(own, here[1]),
            "metrics": _pair_numbers(here[2], CORRELATIONS),
            "settings": _pair_numbers(here[3], {"tau": "Kendall's tau"}),
        }
        made += [
            Table(f"{_name(own)}.{kind}", f"{_where(own)}: {kind}", header, rows)
            for kind, (header, rows) in found.items()
            if rows
        ]
    return made


def _rank_numbers(columns: Sequence[Column], ranks: pd.DataFrame) -> tuple[list[str], list[list[Entry]]]:
    methods = columns[0].methods
    rows = []
    for column, title in zip(columns, titles(columns), strict=True):
        here = ranks[(ranks["metric"] == column.metric) & (ranks["subset"] == column.subset)]
        if here.empty:
            continue
        found = here.set_index("method")["rank"]
        count = int(here["pictures"].iloc[0])
        entries = [Entry(number(found.get(method, np.nan), "{:.2f}")) for method in methods]
        apart = critical_difference(len(found), count)
        friedman = Entry(number(here["friedman_p"].iloc[0], "{:.2g}"))
        name = Entry(f"{title} {ARROWS[column.direction]}")
        rows.append([name, *entries, Entry(f"{count}"), friedman, Entry(f"{apart:.2f}")])
    header = ["mean ranks", *methods, "pictures", "Friedman's p", "told apart by Nemenyi's test: more than"]
    return header, rows


def critical_difference(methods: int, pictures: int) -> float:
    """Return the difference of mean ranks beyond which Nemenyi's test tells two of so many methods apart."""
    quantile = studentized_range.ppf(1 - SIGNIFICANT, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * pictures)))


def _win_numbers(columns: Sequence[Column], pairs: pd.DataFrame) -> tuple[list[str], list[list[Entry]]]:
    methods, rows = columns[0].methods, []
    for column, title in zip(columns, titles(columns), strict=True):
        here = pairs[(pairs["metric"] == column.metric) & (pairs["subset"] == column.subset)]
        found = {}
        for row in here.to_dict("records"):
            for method, other, rate in (
                (row["first"], row["second"], row["win_rate"]),
                (row["second"], row["first"], 1 - row["win_rate"]),
            ):
                # A star: what is bold is not read aloud.
                found[method, other] = Entry(number(rate, "{:.0%}") + ("*" if row["better"] else ""))
        for method in column.contenders:
            entries = [found.get((method, other), Entry(DASH)) for other in methods]
            rows.append([Entry(f"{title} {ARROWS[column.direction]}"), Entry(method), *entries])
    return ["metric", "on how many pictures (*: supported)", *(f"better than {method}" for method in methods)], rows


def _pair_numbers(frame: pd.DataFrame, values: Mapping[str, str]) -> tuple[list[str], list[list[Entry]]]:
    """List pairs of metrics; none where no pair has a number."""
    known = frame[frame[list(values)].notna().any(axis=1)]
    rows = []
    for row in known.to_dict("records"):
        ending = "" if row.get("subset", "all") == "all" else f", {row['subset']}"
        names = [Entry(f"{row[name]}{ending}") for name in ("first", "second")]
        rows.append([*names, *(Entry(number(row[name], "{:z.2f}")) for name in values)])
    return ["metric", "other metric", *values.values()], rows


def contested(column: Column, pairs: pd.DataFrame) -> pd.DataFrame:
    """Select a column's pairs of contenders, nulls left out."""
    here = pairs[(pairs["metric"] == column.metric) & (pairs["subset"] == column.subset)]
    names = list(column.contenders)
    return here[here["first"].isin(names) & here["second"].isin(names)]


def _name(columns: Sequence[Column]) -> str:
    return f"{columns[0].network}-on-{columns[0].dataset}"


def _where(columns: Sequence[Column]) -> str:
    return f"{columns[0].network} on {columns[0].dataset}"
