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


def form_of(values: Iterable[float], sign: str = "") -> str:
    """Return the format of a column's numbers: three decimals, and more where half of them are below .02."""
    sizes = np.abs([value for value in values if not np.isnan(value)])
    middle = float(np.median(sizes)) if len(sizes) else 0.0
    more = math.ceil(math.log10(0.02 / middle)) if ROUNDING < middle < 0.02 else 0
    return f"{sign}z.{min(3 + more, MOST_DECIMALS)}f"


def lead(value: float) -> str:
    """Spell a difference by itself; what rounds to 0 has no minus."""
    return f"{value:+{form_of([value])}}"


def counted(count: int, noun: str = "case") -> str:
    """Spell a number of things."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Spell a list of names."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} {word} {last}" if most else last


def pictures_needed(needed: float, beyond: str = "more than ") -> str:
    """Spell how many pictures are needed: two significant digits, as a plan is no more exact."""
    if np.isinf(needed):
        return f"{beyond}{MOST_PICTURES:,}"
    return number(float(f"{needed:.2g}"), ",.0f")


def roughly(value: float) -> str:
    """Spell a number by two significant digits: 0.52, 2, 170, 1,200."""
    return f"{float(f'{value:.2g}'):,.15g}"
