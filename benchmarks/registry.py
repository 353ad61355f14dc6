"""Names on the command line, looked up in tables."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from mint.contract import InputError

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
        If there is none of that name; the sentence lists the nearest, or all where none is near.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, cutoff=0.5)
    sentence = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(sorted(table))}"
    raise InputError(f"unknown {kind} {name!r}; {sentence}.")
