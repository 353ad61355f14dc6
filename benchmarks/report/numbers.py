"""How numbers are spelled, in every table, sentence and plot of a report."""

import math
from collections.abc import Iterable

import numpy as np

from benchmarks.analysis.statistics import MOST_PICTURES

DASH = "\N{EN DASH}"
MOST_DECIMALS = 6
ROUNDING = 1e-9
"""Differences no larger than this are 0."""


def number(value: float, form: str) -> str:
    """Spell a number by a format specification, NaN as a dash."""
    return DASH if np.isnan(value) else format(value, form)


def interval(low: float, high: float, form: str) -> str:
    """Spell an interval; one without ends as nothing."""
    return "" if np.isnan(low) else f"[{low:{form}}, {high:{form}}]"


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals a column needs: three, and more where half of its numbers are below .02."""
    sizes = np.abs([value for value in values if not np.isnan(value)])
    middle = float(np.median(sizes)) if len(sizes) else 0.0
    return 3 if not 0 < middle < 0.02 else min(3 + math.ceil(math.log10(0.02 / middle)), MOST_DECIMALS)


def form_of(values: Iterable[float], sign: str = "") -> str:
    """Return the format of a column's numbers."""
    return f"{sign}.{decimals(values)}f"


def difference_form(*values: float, sign: str = "+") -> str:
    """Return the format of a difference and of its interval: what rounds to 0 has no minus."""
    size = np.nanmax(np.abs(values))
    return f"{sign}z.{decimals([size if size > ROUNDING else 0.0])}f"


def counted(count: int, noun: str = "case") -> str:
    """Spell a number of things."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Spell a list of names."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def p_value(p: float) -> str:
    """Spell a p-value with its sign."""
    return "< 0.001" if p < 0.001 else f"= {p:.{2 if p >= 0.1 else 3}f}"


def pictures_needed(needed: float, beyond: str = "more than ") -> str:
    """Spell how many pictures are needed: two significant digits, as a plan is no more exact."""
    if np.isinf(needed):
        return f"{beyond}{MOST_PICTURES:,}"
    return number(float(f"{needed:.2g}"), ",.0f")
