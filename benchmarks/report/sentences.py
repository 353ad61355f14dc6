"""What the data support, and what they do not, in words made from the numbers: one sentence a column."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.analysis.comparisons import contested
from benchmarks.analysis.scores import Column
from benchmarks.analysis.statistics import SIGNIFICANT, smallest_p
from benchmarks.report.numbers import counted, difference_form, interval, listed, number, p_value, pictures_needed
from benchmarks.report.tables import Metric, named


def efficiency(row: Mapping[Any, Any]) -> str:
    """Say how long a run took beside the bare forward passes of its network."""
    return (
        f"{row['network']} on {row['dataset']}: {row['pictures']:,.0f} pictures through the network in "
        f"{row['seconds']:.0f} s, {row['seconds'] / row['bare_seconds']:.2f} times what the network alone takes"
    )


def conclude(
    columns: Sequence[Column], pairs: pd.DataFrame, orders: pd.DataFrame, sensitivity: pd.DataFrame
) -> list[str]:
    """Conclude from one setting's comparisons, in paragraphs and lists of Markdown, a line each.

    ``columns`` are the headline columns of a data set and network; the frames are what `comparisons.compare_pairs`,
    `comparisons.order_methods` and `reliability.sensitivity` found in it.
    """
    contests = [contested(column, pairs) for column in columns]
    every = pd.concat(contests)
    if every.empty:
        return ["One method: nothing to compare."]
    count = (
        f"{(every['better'] != '').sum()} of {len(every)} differences between {len(columns[0].contenders)} methods "
        f"({counted(len(contests[0]), 'pair')}, {counted(len(columns), 'column')}) are supported"
    )
    tested = [contest[contest["pictures"] > 1] for contest in contests]
    lowest = min(smallest_p(int(each["pictures"].max()), len(each)) if len(each) else 1.0 for each in tested)
    if lowest >= SIGNIFICANT:
        few = f"on so few pictures, no test can have a p below {lowest:.2f} after Holm's correction"
        why = few if every["pictures"].max() > 1 else "with one picture, there is no test"
        return [f"{count}, and none can be: {why}.", "", *_settings(sensitivity)]
    lines = [f"{count}. p is after Holm's correction.", ""]
    lines += [
        f"- **{metric.title}** {str(metric)[-1]}: {_column(column, contest, column.among(orders))}"
        for (metric, column), contest in zip(named(columns), contests, strict=True)
    ]
    contradictions = _contradictions([metric for metric, _ in named(columns)], contests)
    return lines + contradictions + _nulls(columns, pairs) + _settings(sensitivity)


def _column(column: Column, contest: pd.DataFrame, orders: pd.DataFrame) -> str:
    """Say what the best method is level with, and which neighbours in the printed order are told apart."""
    order = list(orders["method"])
    if not order:
        return "no scores."
    rows = {frozenset((row["first"], row["second"])): row for row in contest.to_dict("records")}
    level, apart = [], []
    for other in order[1:]:
        row = rows[frozenset((order[0], other))]
        if not row["better"]:
            before = f", p {p_value(row['p'])} before correction" if row["p"] < SIGNIFICANT else ""
            level.append(f"{other} ({pictures_needed(row['needed'])} pictures would be needed{before})")
    for one, other in itertools.pairwise(order):
        row = rows[frozenset((one, other))]
        if row["better"]:
            # Pairs are first minus second; here, in favour of the better.
            sign = column.sign * (1 if row["better"] == row["first"] else -1)
            low, high = sorted((sign * row["low"], sign * row["high"]))
            form = difference_form(row["difference"], low, high, sign="")
            size = f"{number(sign * row['difference'], form)} {interval(low, high, form)}"
            apart.append(f"{one} > {other} by {size}, p {p_value(row['p_holm'])}")
    couples = [rows[frozenset(couple)]["better"] for couple in itertools.combinations(order, 2)]
    best = f"not told apart from {listed(level)}" if level else "and no other is near"
    return (
        f"{order[0]} is best, {best}; {sum(map(bool, couples))} of {counted(len(couples), 'pair')} supported, "
        f"of neighbours {'; '.join(apart) or 'none'}."
    )


def _contradictions(metrics: Sequence[Metric], contests: Sequence[pd.DataFrame]) -> list[str]:
    """List the pairs that one column supports one way round and another the other way round."""
    winners: dict[frozenset[str], dict[str, list[str]]] = {}
    for metric, contest in zip(metrics, contests, strict=True):
        for row in contest[contest["better"] != ""].to_dict("records"):
            found = winners.setdefault(frozenset((row["first"], row["second"])), {})
            found.setdefault(row["better"], []).append(metric.title)
    sentences = [
        ", but ".join(f"{better} > {next(iter(both - {better}))} by {listed(names)}" for better, names in found.items())
        for both, found in winners.items()
        if len(found) == 2
    ]
    return [f"- **Columns contradict each other**: {'; '.join(sentences)}."] if sentences else []


def _nulls(columns: Sequence[Column], pairs: pd.DataFrame) -> list[str]:
    """List, by column, the methods that are not better than a null, supported."""
    if not columns[0].nulls or columns[0].contenders == columns[0].methods:
        return []
    lines = []
    for metric, column in named(columns):
        unbeaten: dict[str, list[str]] = {}
        for row in column.among(pairs).to_dict("records"):
            both = {row["first"], row["second"]}
            nulls = both & {*column.nulls}
            if len(nulls) != 1 or not row["cases"]:
                continue
            (method,), (null,) = both - nulls, nulls
            if row["better"] != method:
                unbeaten.setdefault(method, []).append(f"{null} (which is better)" if row["better"] else null)
        if unbeaten:
            over = "; ".join(f"{method} over {listed(nulls)}" for method, nulls in unbeaten.items())
            lines.append(f"- **Not supported over a null** ({metric.title}): {over}.")
    names = listed(columns[0].nulls)
    return lines or [f"- Every method is better than every null ({names}) in every column, supported."]


def _settings(sensitivity: pd.DataFrame) -> list[str]:
    """Say how far the order of the methods depends on a measure's settings."""
    lines = []
    for (measure, subset), group in sensitivity.groupby(["measure", "subset"], sort=False):
        taus = group["tau"].dropna()
        if taus.empty:
            continue
        best = dict(zip(group["first"], group["first_best"], strict=True))
        best |= dict(zip(group["second"], group["second_best"], strict=True))
        leaders = [f"{method} ({count})" for method, count in Counter(filter(None, best.values())).most_common()]
        name = measure if subset == "all" else f"{measure}, {subset}"
        lines.append(
            f"- **{name}** with {len(best)} settings: Kendall's τ of the methods' orders is {taus.min():.2f} to "
            f"{taus.max():.2f}, {taus.mean():.2f} on average; the best is {listed(leaders, 'or')}."
        )
    return lines
