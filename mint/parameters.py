"""Bad input and the sentences that refuse it.

Hyper-parameters are checked when an object is made, so that nothing long is computed before a mistake is found.
"""

import difflib
import inspect
import math
import numbers
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np


class InputError(ValueError):
    """Bad input, described in one sentence that says what was wrong and what to do."""


def nearest(name: str, names: Iterable[str], most: int = 3) -> str:
    """List the existing names that are most like a name that does not exist: "a, b, c".

    Upper and lower case count as equal. The most similar name comes first.
    """
    spelled = {each.casefold(): each for each in names}
    alike = difflib.get_close_matches(name.casefold(), spelled, n=most, cutoff=0.0)
    return ", ".join(spelled[each] for each in alike)


def said(error: BaseException, called: object = None, most: int = 500) -> str:
    """Name an error that somebody else's code raised and quote it, without the full stop, and say where it arose.

    ``called`` is what was called: where it cannot take its arguments, the place is that of its definition.
    """
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(". ")
    place = users_place(error) or (_definition(called) if isinstance(error, TypeError) else "")
    return (text if len(text) <= most else f"{text[:most]}...") + (f" ({place})" if place else "")


def users_place(error: BaseException) -> str:
    """Say where in a user's own code an error arose: the last function, with file and line; empty if in none."""
    steps = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_users(frame.f_globals)]
    if not steps:
        return ""
    frame, line = steps[-1]
    return _place(frame.f_code, line)


def _place(code: CodeType, line: int) -> str:
    name, file = code.co_qualname, Path(code.co_filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{'' if name == '<module>' else f'in {name}, '}{shown} line {line}"


def _definition(called: object) -> str:
    """Say where a user's function, class or object to be called is defined; empty for others."""
    kind = called if inspect.isfunction(called) or inspect.isclass(called) else type(called)
    function = getattr(kind, "__init__" if inspect.isclass(called) else "__call__", None)
    code = getattr(kind, "__code__", None) or getattr(function, "__code__", None)
    module = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
    return _place(code, code.co_firstlineno) if code and _is_users(module) else ""


def _is_users(module: dict[str, Any]) -> bool:
    """Tell whether a module, as its globals, is neither this project's nor Python's nor an installed library."""
    # What `python -m` runs is called __main__, and known by its package.
    top = str(module.get("__package__") or module.get("__name__", "")).partition(".")[0]
    installed = {"site-packages", "dist-packages"} & set(Path(str(module.get("__file__", ""))).parts)
    return top not in {"mint", "baselines", "benchmarks", *sys.stdlib_module_names} and not installed


def require_word(name: str, value: object, words: Sequence[object]) -> None:
    """Refuse a value that is none of a few words.

    Raises
    ------
    InputError
        If it is something else.
    """
    # Arrays are no words, and would be compared entry by entry.
    if not isinstance(value, str | numbers.Number | np.generic) or value not in words:
        raise InputError(f"{name} is one of {', '.join(map(repr, words))}, not {value!r}.")


def require_count(name: str, value: object, least: int) -> None:
    """Refuse a value that is no whole number, or too small.

    Raises
    ------
    InputError
        If it is no integer, or below ``least``.
    """
    if not _whole(value) or int(value) < least:  # type: ignore[call-overload]
        raise InputError(f"{name} is a whole number, {least} or more, not {value!r}.")


def require_seed(name: str, value: object, bits: int = 63) -> None:
    """Refuse a seed that is no whole number from 0 to 2^63 - 1, which torch and NumPy take, or of fewer bits.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not _whole(value) or not 0 <= int(value) < 2**bits:  # type: ignore[call-overload]
        raise InputError(f"{name} is a whole number from 0 to 2^{bits} - 1, not {value!r}.")


def _whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


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
        If it is no finite real number, or out of range.
    """
    sound = is_number(value) and low <= float(value) <= high and not (beyond and float(value) == low)  # type: ignore[arg-type]
    if not sound:
        least = f"above {low:g}" if beyond else f"{low:g} or more"
        most = "" if high == math.inf else f", at most {high:g}"
        raise InputError(f"{name} is a number {least}{most}, not {value!r}.")


def is_number(value: object) -> bool:
    """Tell whether a value is a finite real number that a float can hold."""
    try:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def no_file(path: Path) -> str:
    """Say why a path is no file, to follow its name in a sentence."""
    if not path.exists():
        return "does not exist"
    return "is a folder" if path.is_dir() else "is a pipe or a device"


def require_layer(name: str, value: object) -> None:
    """Refuse a layer that is not named by a text; None leaves the choice to the method.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(value, str | None):
        raise InputError(f"{name} is the name of a module, or None, not {value!r}.")


def require_batch_size(value: object) -> None:
    """Refuse a number of pictures at a time that is no whole number above 0; None leaves the choice to the method.

    Raises
    ------
    InputError
        If it is something else.
    """
    if value is not None:
        require_count("batch_size", value, 1)
