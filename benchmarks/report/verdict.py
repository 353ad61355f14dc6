"""The verdict in plain sentences: who is ahead on what, whether a test supports it, and on which networks."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.analysis.comparisons import contested
from benchmarks.analysis.scores import Column, titled
from benchmarks.analysis.statistics import SIGNIFICANT, smallest_p
from benchmarks.analysis.verdicts import REFERENCE, duels, leaders, order
from benchmarks.report.numbers import counted, lead, listed, pictures_needed, roughly
from benchmarks.report.tables import Place, by_setting, place_of, settings_of

WIDTH = 80
STATES = {
    "ahead": "ahead of",
    "behind": "behind",
    "undecided": "undecided (and the pictures that would decide) against",
}


def conclude(columns: Sequence[Column], pairs: pd.DataFrame) -> list[str]:
    """Conclude from the headline columns of all settings, in at most five sentences of Markdown."""
    scored = [(column, found) for column in columns if (found := order(column, column.contenders))]
    if not scored or max(len(found) for _, found in scored) < 2:
        return ["Nothing to compare: no column has scores of two methods."]
    names = settings_of(pd.DataFrame([column.place for column in columns]))
    best = [
        (column, [m for m, mean in found.items() if mean == next(iter(found.values()))]) for column, found in scored
    ]
    ahead = Counter(method for _, methods in best for method in methods).most_common()
    leads = {method: [column for column, methods in best if method in methods] for method, _ in ahead}
    said = [
        "The best mean: " + "; ".join(f"**{m}** by {_places(own, names, columns)}" for m, own in leads.items()) + "."
    ]
    contests = [contested(column, pairs) for column, _ in scored]
    lowest = min(smallest_p(int(each["pictures"].max()), len(each)) for each in contests if len(each))
    if lowest >= SIGNIFICANT:
        bound = f": no p can be below {lowest:.2f}" if lowest < 1 else ""
        return [*said, f"**No test can support any of it on so few pictures**{bound}."]
    groups = [(column, leaders(column, pairs), found) for column, found in scored]
    alone = {m: [column for column, group, _ in groups if group == (m,)] for m in leads}
    clear = [f"**{m}** by {_places(own, names, columns)}" for m, own in alone.items() if own]
    said.append(f"Ahead of every other method, supported by tests: {'; '.join(clear) or 'none'}.")
    among = Counter(m for _, group, found in groups for m in group if m in found)
    beaten = [m for m in dict.fromkeys(m for _, found in scored for m in found) if m not in among]
    counts = "; ".join(f"{method} in {count}" for method, count in among.most_common())
    last = f"; {listed(beaten)} in none" if beaten else ""
    said.append(f"Of {len(groups)} columns a method is the best, or not told apart from it: {counts}{last}.")
    every = pd.concat(contests)
    open_ = every[(every["better"] == "") & every["needed"].notna()].sort_values("needed")
    power = f"{(every['better'] != '').sum()} of {len(every)} differences are supported, on {_pictures(every)}"
    if len(open_):
        row = open_.iloc[0].to_dict()
        power += (
            f"; the next to be decided would be {row['first']} and {row['second']} by {row['metric']} "
            f"({names[place_of(row)]}), with {pictures_needed(row['needed'])} pictures"
        )
    return [*said, f"{power}.", *_nulls([column for column, _ in scored], pairs, names)]


def _places(columns: Iterable[Column], names: Mapping[Place, str], every: Sequence[Column]) -> str:
    """List metrics, with the settings where these are not all that the metric has."""
    found: dict[str, list[Place]] = {}
    for column in columns:
        found.setdefault(column.title, []).append(column.setting)
    full = {title: {each.setting for each in every if each.title == title} for title in found}
    parts: dict[str, list[str]] = {}
    for title, places in found.items():
        where = "" if {*places} == full[title] else f" ({', '.join(names[place] for place in places)})"
        parts.setdefault(where, []).append(title)
    return ", and by ".join(f"{listed(titles)}{where}" for where, titles in parts.items())


def _pictures(frame: pd.DataFrame) -> str:
    most = frame.groupby(["dataset", "network"], sort=False)["pictures"].max().unique()
    low, high = counted(int(most.min()), "picture"), counted(int(most.max()), "picture")
    return high if low == high else f"{most.min():,} to {high}"


def _nulls(columns: Sequence[Column], pairs: pd.DataFrame, names: Mapping[Place, str]) -> list[str]:
    """Say which methods are not better than every null, supported, by metric."""
    unbeaten: dict[str, dict[str, list[Column]]] = {}
    for column in columns:
        here, nulls = column.among(pairs), {*column.nulls} - {*column.contenders}
        for method in column.contenders:
            own = here[(here["first"] == method) | (here["second"] == method)]
            other = own["first"].where(own["second"] == method, own["second"])
            if (own[other.isin(nulls) & (own["cases"] > 0)]["better"] != method).any():
                unbeaten.setdefault(column.title, {}).setdefault(method, []).append(column)
    if all({*column.nulls} <= {*column.contenders} for column in columns):
        return []
    if not unbeaten:
        return ["Every method is ahead of every null, supported."]
    said = []
    for title, methods in unbeaten.items():
        asked = [column for column in columns if column.title == title]
        who = [method + _places(own, names, asked).removeprefix(title) for method, own in methods.items()]
        every = who == [*asked[0].contenders]
        said.append(f"{'every method' if every else listed(who)} by {title}")
    return [f"Not supported over every null, which knows nothing of the network: {'; '.join(said)}."]


def settings_sentences(sensitivity: pd.DataFrame) -> str:
    """Say how far the order of the methods depends on a measure's settings, a line for each measure."""
    lines, names = [], settings_of(sensitivity)
    for keys, group in sensitivity.groupby(["measure", "subset", "dataset", "network"], sort=False):
        measure, subset, dataset, network = map(str, keys)
        taus = group["tau"].dropna()
        if taus.empty:
            continue
        best = dict(zip(group["first"], group["first_best"], strict=True))
        best |= dict(zip(group["second"], group["second_best"], strict=True))
        winners = [f"{method} ({count})" for method, count in Counter(filter(None, best.values())).most_common()]
        lines.append(
            f"- **{titled(measure, subset)}**, {names[dataset, network]}, {len(best)} settings: Kendall's τ of the "
            f"methods' orders is {taus.min():.2f} to {taus.max():.2f}, {taus.mean():.2f} on average; the best is "
            f"{listed(winners, 'or')}."
        )
    return "\n".join(lines)


def box(
    method: str, against: Sequence[str], columns: Sequence[Column], pairs: pd.DataFrame, timings: pd.DataFrame
) -> list[str]:
    """Say where a method is ahead, behind and undecided, and what it costs: a title, and a line for each."""
    found = duels(columns, pairs, method, against)
    if found.empty:
        return [f"**{method}**: no case has both its score and another method's, so there is nothing to compare."]
    rivals, names = list(dict.fromkeys(found["rival"])), settings_of(found)
    usual = "the best of the others in each column" + (f" and {REFERENCE}" if REFERENCE in rivals else "")
    pictures = _pictures(pairs.merge(found[["dataset", "network", "metric", "subset"]].drop_duplicates()))
    lines = [f"**{method}** against {listed(against) or usual}, on {pictures}, {listed(names.values())}:"]
    for state, words in STATES.items():
        rows = found[found["state"] == state].groupby("rival", sort=False)
        parts = [f"{rival} by {_leads(group, names)}" for rival, group in rows]
        lines.append(f"**{words}** {'; '.join(parts) or 'none'}.")
    return lines + _cost(method, rivals, timings)


def _leads(group: pd.DataFrame, names: Mapping[Place, str]) -> str:
    """List metrics with the leads on each network, or with the pictures that would decide."""
    said: dict[str, dict[str, str]] = {}
    for row in group.to_dict("records"):
        size = pictures_needed(row["needed"], "> ") if row["state"] == "undecided" else lead(row["lead"])
        said.setdefault(titled(row["metric"], row["subset"]), {})[names[place_of(row)]] = size
    # In the order of the title, where there is one for each network.
    return ", ".join(
        f"{metric} ({'; '.join(sizes.values() if len(sizes) == len(names) else map(' '.join, sizes.items()))})"
        for metric, sizes in said.items()
    )


def _cost(method: str, rivals: Sequence[str], timings: pd.DataFrame) -> list[str]:
    lines = []
    for place, group in by_setting(timings):
        rows = group.to_dict("records")
        if own := next((row for row in rows if row["method"] == method), None):
            # Times of other devices do not compare.
            costs = {row["method"]: row for row in rows if row["device"] == own["device"]}
            times = [
                f"{roughly(own['median_ms'] / costs[rival]['median_ms'])} times {rival}'s"
                for rival in rivals
                if rival in costs
            ]
            about = f"{own['forwards']:g} forwards, {own['median_ms']:.0f} ms a picture"
            beside = f" ({', '.join(times)})" if times else ""
            lines.append(f"{settings_of(timings)[place]} {about}{beside}")
    return [f"**cost** {'; '.join(lines)}."] if lines else []


def plain(lines: Sequence[str]) -> str:
    """Spell lines of Markdown for the terminal: no marks, wrapped, what follows the first indented."""
    first, *rest = (line.replace("**", "") for line in lines)
    indented = [textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ") for line in rest]
    return "\n".join([textwrap.fill(first, WIDTH), *indented])


def efficiency(row: Mapping[Any, Any]) -> str:
    """Say how long a run took beside the bare forward passes of its network."""
    return (
        f"{row['network']} on {row['dataset']}: {row['pictures']:,.0f} pictures through the network in "
        f"{row['seconds']:.0f} s, {row['seconds'] / row['bare_seconds']:.2f} times what the network alone takes"
    )
