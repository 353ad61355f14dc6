"""Hyper-parameters, checked where they are given and not after a thousand forward passes."""

import math
import numbers
from collections.abc import Sequence

from mint.contract import InputError


def require_word(name: str, value: object, words: Sequence[str]) -> None:
    """Refuse a value that is none of a few words.

    Raises
    ------
    InputError
        If it is something else.
    """
    if value not in words:
        raise InputError(f"{name} is one of {', '.join(map(repr, words))}, not {value!r}.")


def require_count(name: str, value: object, least: int) -> None:
    """Refuse a value that is no whole number, or too small.

    Raises
    ------
    InputError
        If it is no integer, or below ``least``.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or int(value) < least:
        raise InputError(f"{name} is a whole number, {least} or more, not {value!r}.")


def require_number(name: str, value: object, low: float, high: float = math.inf, *, beyond: bool = False) -> None:
    """Refuse a value that is no number, or out of its range.

    Parameters
    ----------
    name, value
        What is checked.
    low, high : float
        The range; both ends belong to it.
    beyond : bool
        The lower end does not.

    Raises
    ------
    InputError
        If it is no real number, NaN included, or out of range.
    """
    sound = isinstance(value, numbers.Real) and low <= float(value) <= high and not (beyond and float(value) == low)
    if not sound:
        least = f"above {low:g}" if beyond else f"{low:g} or more"
        most = "" if high == math.inf else f", at most {high:g}"
        raise InputError(f"{name} is a number {least}{most}, not {value!r}.")


def require_batch_size(value: object) -> None:
    """Refuse a number of pictures at a time that is no whole number above 0; None leaves the choice to the method.

    Raises
    ------
    InputError
        If it is something else.
    """
    if value is not None:
        require_count("batch_size", value, 1)
