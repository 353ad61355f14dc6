"""Named checks: run all of them, and report every one that is broken."""

from collections.abc import Callable, Iterable

Check = tuple[str, Callable[[], None]]
"""A clause, as a short phrase, and a function that raises an error whose message says how the clause is broken."""


def require(condition: bool, sentence: str) -> None:
    """Raise an AssertionError with this sentence unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


def report_all(subject: str, checks: Iterable[Check]) -> None:
    """Run every check and report all that are broken together.

    Parameters
    ----------
    subject : str
        What is checked, for the message: "the method LIME".
    checks : iterable of Check
        Each clause's name and the function that checks it. Any exception counts as a broken clause.

    Raises
    ------
    AssertionError
        If a clause is broken; the message has one line for each broken clause.
    """
    broken: list[str] = []
    for name, check in checks:
        try:
            check()
        except AssertionError as error:
            broken.append(f"{name}: {error}")
        except Exception as error:
            broken.append(f"{name}: {type(error).__name__}: {error}")
    if broken:
        raise AssertionError("\n- ".join([f"{subject} breaks {len(broken)} of its checks:", *broken]))
