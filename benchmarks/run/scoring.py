"""What is read of the networks' answers: one score for all methods and metrics, and whether it suits a network."""

import warnings
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from benchmarks.networks.network import Network
from benchmarks.run.plan import Part
from mint.contract import InputError
from mint.scores import PROBABILITIES, SCORES, Score, named_score, score_classes, taken_twice

FIELDS = ("score", "response", "derivative_of")
"""What methods and metrics call a score; ``derivative_of`` is changed where it is that of the score explained."""


def scored(part: Part, score: Score | None) -> Part:
    """Replace the score of every method and metric; None only names functions, so that keys hold them."""
    return replace(
        part,
        methods={name: rescored(method, score) for name, method in part.methods.items()},
        metrics={name: rescored(metric, score) for name, metric in part.metrics.items()},
    )


def rescored(instance: Any, score: Score | None) -> Any:
    """Copy a frozen dataclass with another score, also in the dataclasses in its fields."""
    changes: dict[str, Any] = {}
    for name, value in _held(instance):
        if not _is_score(name, value):
            changes[name] = rescored(value, score)
        elif name != "derivative_of" or value == getattr(instance, "response", None):
            changes[name] = named_score(value if score is None else score)
        else:
            changes[name] = named_score(value)
    changed = {name: value for name, value in changes.items() if value != getattr(instance, name)}
    return replace(instance, **changed) if changed else instance


def scores_of(instance: Any) -> Iterator[Score]:
    """List the scores that a method or metric reads."""
    for name, value in _held(instance):
        if _is_score(name, value):
            yield value
        else:
            yield from scores_of(value)


def _held(instance: Any) -> Iterator[tuple[str, Any]]:
    """Go through the fields that are scores or hold dataclasses."""
    if not is_dataclass(instance) or isinstance(instance, type):
        return
    for field in fields(instance):
        value = getattr(instance, field.name)
        if field.init and (_is_score(field.name, value) or is_dataclass(value)):
            yield field.name, value


def _is_score(name: str, value: Any) -> bool:
    return name in FIELDS and (callable(value) or (isinstance(value, str) and value in SCORES))


def check_scores(part: Part, network: Network) -> None:
    """Read every score of a part off the network's answer to a blank picture.

    Warns
    -----
    UserWarning
        If a softmax is taken of answers that are probabilities already.

    Raises
    ------
    InputError
        If a score does not suit the network.
    """
    scores = {score: None for each in (*part.methods.values(), *part.metrics.values()) for score in scores_of(each)}
    for score in scores:
        try:
            score_classes(score, network.blank, len(network.classes) - 1)
        except InputError as error:
            raise InputError(f"with the network {network.name}, {error}") from error
    if any(taken_twice(score, network.blank) for score in scores):
        warnings.warn(f"with the network {network.name}, {PROBABILITIES}", stacklevel=2)
