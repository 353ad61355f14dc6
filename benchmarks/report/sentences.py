"""What the data support, and what they do not, in words made from the numbers. Knows no torch."""

import itertools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.scores import Column, titles
from benchmarks.analysis.statistics import SIGNIFICANT, smallest_p
from benchmarks.report.comparison_tables import contested, pictures
from benchmarks.report.tables import ARROWS

Row = dict[Hashable, Any]

MOST_LISTED = 3
"""More pairs than these that cannot be told apart are cut down to the neighbours in the printed order."""
MOST_METHODS = 5
"""More methods than these are cut down to the best, what cannot be told apart from it, and the neighbours."""


def conclude(
    columns: Sequence[Column], pairs: pd.DataFrame, orders: pd.DataFrame, sensitivity: pd.DataFrame
) -> list[str]:
    """Conclude from one setting's comparisons.

    Parameters
    ----------
    columns : sequence of Column
        The headline columns of a dataset and network.
    pairs, orders : pandas.DataFrame
        What `comparisons.compare_pairs` and `comparisons.order_methods` found in them.
    sensitivity : pandas.DataFrame
        What `reliability.sensitivity` found in the setting.

    Returns
    -------
    list of str
        Paragraphs and lists in Markdown, a line each.
    """
    contests = [contested(column, pairs) for column in columns]
    every = pd.concat(contests)
    if every.empty:
        return ["One method: nothing to compare."]
    supported = int((every["better"] != "").sum())
    count = (
        f"{supported} of {len(every)} differences between {len(columns[0].contenders)} methods "
        f"({_count(len(contests[0]), 'pair')}, {_count(len(columns), 'column')}) are supported"
    )
    lowest = min(_floor(column, pairs) for column in columns)
    if lowest >= SIGNIFICANT:
        why = "with one picture, there is no test"
        if every["pictures"].max() > 1:
            why = f"on so few pictures, no test can have a p below {_short(lowest, 2)} after Holm's correction"
        return [f"{count}, and none can be: {why}.", "", *_settings(sensitivity)]
    lines = [
        f"{count}; p is after Holm's correction. Behind pairs that are not told apart: how many pictures would be "
        "needed.",
        "",
    ]
    for column, title, contest in zip(columns, titles(columns), contests, strict=True):
        lines.append(f"- **{title}** {ARROWS[column.direction]}: {_column(column, contest, orders)}")
    return lines + _contradictions(columns, contests) + _nulls(columns, pairs) + _settings(sensitivity)


def _floor(column: Column, pairs: pd.DataFrame) -> float:
    """Return the smallest p that the test can find for a column's pairs, after correction; 1 for a single picture."""
    here = pairs[(pairs["metric"] == column.metric) & (pairs["subset"] == column.subset)]
    tested = contested(column, here[here["pictures"] > 1])
    return 1.0 if tested.empty else smallest_p(int(tested["pictures"].max()), len(tested))


def _column(column: Column, contest: pd.DataFrame, orders: pd.DataFrame) -> str:
    here = orders[(orders["metric"] == column.metric) & (orders["subset"] == column.subset)]
    order = list(here["method"])
    rows = {frozenset((row["first"], row["second"])): row for row in contest.to_dict("records")}
    ahead = {pair: row["better"] for pair, row in rows.items()}

    def follows(better: str, worse: str) -> bool:
        return any(
            ahead.get(frozenset((better, between))) == better and ahead.get(frozenset((between, worse))) == between
            for between in order
        )

    if not order:
        return "no scores."
    couples = list(itertools.combinations(order, 2))
    neighbours = list(itertools.pairwise(order))
    won = [(a, b) for a, b in couples if ahead[frozenset((a, b))]]
    undecided = [pair for pair in couples if pair not in won]
    if len(order) > MOST_METHODS:
        rivals = [pair for pair in undecided if pair[0] == order[0]]
        told = [pair for pair in won if pair in neighbours]
        best = f"{order[0]} is best, "
        best += f"not told apart from {_open(rivals, rows, with_first=False)}" if rivals else "and no other is near"
        return f"{best}; {len(won)} of {_count(len(couples), 'pair')} supported, of neighbours " + (
            _support([rows[frozenset(pair)] for pair in told], column) if told else "none."
        )
    listed = undecided if len(undecided) <= MOST_LISTED else [pair for pair in undecided if pair in neighbours]
    parts = []
    if won:
        direct = [rows[frozenset(pair)] for pair in won if not follows(*_by_merit(rows[frozenset(pair)]))]
        parts.append(_support(direct, column))
    if undecided:
        distant = len(undecided) - len(listed)
        more = f"; {_count(distant, 'more pair')}" if distant else ""
        parts.append(f"Not told apart: {_open(listed, rows)}{more}.")
    return " ".join(parts)


def _by_merit(row: Row) -> tuple[str, str]:
    return row["better"], row["second"] if row["better"] == row["first"] else row["first"]


def _support(rows: Sequence[Row], column: Column) -> str:
    """Spell supported differences; a p that all of them have comes once."""
    p = {_equals(row["p_holm"]) for row in rows}
    alike = len(p) == 1 and len(rows) > 1
    spelled = []
    for row in rows:
        better, worse = _by_merit(row)
        # Pairs are first minus second; here, in favour of the better.
        sign = column.sign * (1 if better == row["first"] else -1)
        difference, low, high = sign * row["difference"], *sorted((sign * row["low"], sign * row["high"]))
        digits = _digits(difference)
        interval = f"[{_short(low, digits)}, {_short(high, digits)}]"
        own = "" if alike else f", p {_equals(row['p_holm'])}"
        spelled.append(f"{better} > {worse} by {_short(difference, digits)} {interval}{own}")
    return "; ".join(spelled) + (f"; each p {p.pop()}." if alike else ".")


def _open(pairs: Sequence[tuple[str, str]], rows: Mapping[frozenset[str], Row], *, with_first: bool = True) -> str:
    """Spell pairs that cannot be told apart, with what it would take."""
    spelled = []
    for first, second in pairs:
        row = rows[frozenset((first, second))]
        reasons = [] if np.isnan(row["needed"]) else [pictures(row["needed"])]
        if row["p"] < SIGNIFICANT:
            reasons.append(f"p {_equals(row['p'])} before correction")
        note = f" ({', '.join(reasons)})" if reasons else ""
        spelled.append((f"{first} and " if with_first else "") + second + note)
    return ("; " if with_first else ", ").join(spelled)


def _contradictions(columns: Sequence[Column], contests: Sequence[pd.DataFrame]) -> list[str]:
    """List the pairs that one column supports one way round and another the other way round."""
    winners: dict[tuple[str, str], dict[str, list[str]]] = {}
    for title, contest in zip(titles(columns), contests, strict=True):
        for row in contest[contest["better"] != ""].to_dict("records"):
            found = winners.setdefault((row["first"], row["second"]), {})
            found.setdefault(row["better"], []).append(title)
    sentences = [
        ", but ".join(
            f"{better} > {second if better == first else first} by {_list(names)}" for better, names in found.items()
        )
        for (first, second), found in winners.items()
        if len(found) == 2
    ]
    return [f"- **Columns contradict each other**: {'; '.join(sentences)}."] if sentences else []


def _nulls(columns: Sequence[Column], pairs: pd.DataFrame) -> list[str]:
    if not columns[0].nulls or columns[0].contenders == columns[0].methods:
        return []
    found: dict[str, list[str]] = {}
    for column, title in zip(columns, titles(columns), strict=True):
        here = pairs[(pairs["metric"] == column.metric) & (pairs["subset"] == column.subset)]
        unbeaten: dict[str, list[str]] = {}
        for row in here.to_dict("records"):
            names = (row["first"], row["second"])
            if sum(name in column.nulls for name in names) != 1 or not row["cases"]:
                continue
            method, null = names if names[1] in column.nulls else names[::-1]
            if row["better"] != method:
                worse = " (which is better)" if row["better"] == null else ""
                unbeaten.setdefault(null + worse, []).append(method)
        if unbeaten:
            found.setdefault(_unbeaten(unbeaten, len(column.contenders)), []).append(title)
    if not found:
        return [f"- Every method is better than every null ({_list(columns[0].nulls)}) in every column, supported."]
    return [f"- **Not supported over a null** ({'; '.join(names)}): {text}." for text, names in found.items()]


def _unbeaten(methods_by_null: Mapping[str, list[str]], contenders: int) -> str:
    """Spell which methods are not better than which nulls, nulls that the same methods fail at together."""
    nulls: dict[tuple[str, ...], list[str]] = {}
    for null, names in methods_by_null.items():
        nulls.setdefault(tuple(names), []).append(null)
    return "; ".join(
        f"no method over {_list(beside, 'or')}"
        if len(names) == contenders > 1
        else f"{_list(names)} over {_list(beside)}"
        for names, beside in nulls.items()
    )


def _settings(sensitivity: pd.DataFrame) -> list[str]:
    lines = []
    for (measure, subset), group in sensitivity.groupby(["measure", "subset"], sort=False):
        best = dict(zip(group["first"], group["first_best"], strict=True))
        best |= dict(zip(group["second"], group["second_best"], strict=True))
        taus = group["tau"].dropna()
        if taus.empty:
            continue
        firsts = Counter(method for method in best.values() if method)
        where = f"{measure}" if subset == "all" else f"{measure}, {subset}"
        leaders = _list([f"{method} ({count})" for method, count in firsts.most_common()], "or")
        if len(firsts) == 1:
            leaders = f"{next(iter(firsts))} in all"
        agree = f"of {_short(taus.min(), 2)}"
        if len(taus) > 1:
            agree += f" to {_short(taus.max(), 2)}, {_short(taus.mean(), 2)} on average"
        lines.append(
            f"- **{where}** with {len(best)} settings: the orders of the methods agree by Kendall's τ {agree}; "
            f"the best is {leaders}."
        )
    return lines


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _list(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _digits(value: float) -> int:
    """Return how many decimals show two digits of a difference: 3 to 6."""
    return int(np.clip(1 - np.floor(np.log10(value)), 3, 6)) if value > 0 else 3


def _short(value: float, digits: int) -> str:
    spelled = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return spelled.replace("0.", ".", 1) if abs(value) < 1 else spelled


def _equals(p: float) -> str:
    return "< .001" if p < 0.001 else f"= {_short(p, 2 if p >= 0.1 else 3)}"
