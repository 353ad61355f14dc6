"""Names on the command line, looked up in tables."""

from collections.abc import Mapping
from typing import TypeVar

from mint.parameters import InputError, nearest

Value = TypeVar("Value")


def look_up(kind: str, name: str, table: Mapping[str, Value]) -> Value:
    """Return ``table[name]``.

    Parameters
    ----------
    kind : str
        What the table holds, for the error's sentence: "plan", "method", ...
    name : str
        What the user typed.
    table : Mapping
        Everything there is.

    Raises
    ------
    InputError
        If there is none of that name; the sentence lists the nearest.
    """
    if name in table:
        return table[name]
    raise InputError(f"unknown {kind} {name!r}; the nearest are {nearest(name, table)}.")
