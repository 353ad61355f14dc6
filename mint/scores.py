"""What is read of a network's answer: one score of each image's target class."""

import inspect
import warnings
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mint.parameters import InputError, said

ScoreName = Literal["probability", "logit", "log-probability", "sigmoid"]
ScoreFunction = Callable[[Tensor], Tensor]
Score = ScoreName | ScoreFunction
"""A score by name, or a function of the user's from the network's answers, (n, outputs), to scores, (n, classes)."""

SCORE_NAMES: tuple[ScoreName, ...] = get_args(ScoreName)
SCORES_OF_ONE_OUTPUT: tuple[ScoreName, ...] = ("logit", "sigmoid")

NOT_FINITE = "the network answered with NaN or infinite values; check its weights and the normalisation of its input."
ONE_OUTPUT = (
    "the network has one output, and the softmax of one output is always 1; choose the score 'sigmoid' or 'logit' (on "
    "the command line, --score sigmoid), for which class 0 is the output and class 1 its opposite (with 'sigmoid', p "
    "and 1 - p)."
)
PROBABILITIES = (
    "the network's answers seem to be probabilities already: none is negative, and each row sums to 1. The softmax of "
    "probabilities is nearly flat; choose the score 'logit', which takes the answers as they are, or take the softmax "
    "out of the network."
)


def _softmax(function: Callable[..., Tensor]) -> ScoreFunction:
    def score(answers: Tensor) -> Tensor:
        if answers.shape[1] == 1:
            raise InputError(ONE_OUTPUT)
        return function(answers, dim=1)

    return score


def _both_classes(answers: Tensor) -> Tensor:
    """Give a network of one output its second class, the opposite."""
    return torch.cat([answers, -answers], dim=1) if answers.shape[1] == 1 else answers


SCORES: Mapping[str, ScoreFunction] = {
    "probability": _softmax(F.softmax),
    "logit": _both_classes,
    "log-probability": _softmax(F.log_softmax),
    "sigmoid": lambda answers: _both_classes(answers).sigmoid(),
}


def require_score(name: str, value: object) -> None:
    """Refuse a score that is neither one of the names nor a function.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not callable(value) and not (isinstance(value, str) and value in SCORES):
        names = ", ".join(map(repr, SCORES))
        raise InputError(f"{name} is one of {names}, or a function from answers to scores, not {value!r}.")


@dataclass(frozen=True)
class UsersScore:
    """A function of the user's as a score that prints by its name, so that what was computed with it is found again."""

    name: str
    function: ScoreFunction = field(repr=False)

    def __call__(self, answers: Tensor) -> Tensor:
        """Call the function."""
        return self.function(answers)


def named_score(score: Score) -> Score:
    """Let a function print by its name.

    Raises
    ------
    InputError
        If the name does not tell it from other functions, or an object prints as its address in memory.
    """
    if inspect.isfunction(score) and "<" not in score.__qualname__:
        return UsersScore(score.__name__, score)
    if " at 0x" in repr(score) or not isinstance(score, Hashable):
        raise InputError(
            f"the score {score_name(score)} cannot be told from others; use a function with a name that is defined "
            "outside of other functions, or an instance of a frozen dataclass with __call__(self, answers)."
        )
    return score


def score_name(score: Score) -> str:
    """Return what a score is called: its name, or that of the function or its class."""
    if isinstance(score, UsersScore):
        return score.name
    return score if isinstance(score, str) else str(getattr(score, "__name__", type(score).__name__))


def score_classes(score: Score, answers: Tensor, target: int = 0) -> Tensor:
    """Turn a network's answers, (n, outputs), into the scores of all classes, (n, classes); ``target`` is one of them.

    Raises
    ------
    InputError
        If a softmax is taken of one output, or a user's function fails, gives something else, or has no such class.
    """
    if isinstance(score, str):
        return SCORES[score](answers)
    called = score.function if isinstance(score, UsersScore) else score
    try:
        found: Any = called(answers)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise InputError(f"the score {score_name(score)} failed: {said(error, called)}.") from error
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(answers):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"the score {score_name(score)} gave {shape} for answers of shape {tuple(answers.shape)}; it must give a "
            "tensor (n, classes)."
        )
    if target >= found.shape[1]:
        raise InputError(
            f"the score {score_name(score)} gave {found.shape[1]} classes, without number {target}; it must give one "
            "for each class that is explained."
        )
    return found


def warn_of_probabilities(score: Score, answers: Tensor) -> None:
    """Warn where a softmax is taken of answers that are probabilities already; a GPU is waited for."""
    if taken_twice(score, answers):
        warnings.warn(PROBABILITIES, stacklevel=3)


@torch.no_grad()
def taken_twice(score: Score, answers: Tensor) -> Tensor:
    """Tell whether a score is a softmax, and answers, (n, outputs), are probabilities already: () bool, there."""
    if score not in ("probability", "log-probability") or answers.shape[1] < 2 or not len(answers):
        return torch.zeros((), dtype=torch.bool, device=answers.device)
    rows = answers.float()
    return (rows >= 0).all() & ((rows.sum(dim=1) - 1).abs() < 1e-3).all()


def read_scores(
    model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, score: Score = "probability"
) -> Tensor:
    """Ask a classifier for one score per image, and check its answer.

    Parameters
    ----------
    model : nn.Module
        A classifier: images to (n, classes) logits; see :func:`read_answer` for the forms that are read.
    images : Tensor
        (n, c, h, w), normalised.
    targets : Tensor
        (n,) int64.
    score : {"probability", "logit", "log-probability", "sigmoid"} or callable
        What is read of the target's class; or a function from the answers, (n, outputs), to scores, (n, classes).

    Returns
    -------
    Tensor
        (n,), in the logits' dtype, differentiable where gradients are enabled.

    Raises
    ------
    InputError
        If the answer is not (n, classes), is not finite, or a target lies outside the classes; or if a softmax is
        taken of one output.
    """
    highest = int(targets.max())
    logits = read_logits(model, images.clone(), highest)  # a network may write on its input
    if not torch.isfinite(logits).all():
        raise InputError(NOT_FINITE)
    warn_of_probabilities(score, logits)
    scores = score_classes(score, logits, highest)
    return scores.gather(1, targets[:, None])[:, 0]


def read_logits(model: Callable[[Tensor], Tensor], images: Tensor, target: int) -> Tensor:
    """Ask a classifier for its logits, (n, outputs); check their shape, and that ``target`` is one of the classes.

    A network with one output has two classes, the output and its opposite.
    """
    logits = read_answer(model(images), len(images))
    classes = max(2, logits.shape[1])
    if target >= classes:
        raise InputError(f"target {target} lies outside the network's {classes} classes, 0 to {classes - 1}.")
    return logits


def read_answer(answer: Any, count: int) -> Tensor:
    """Find the logits, (count, outputs), in what a network answered.

    They are the answer itself; its attribute ``logits``, as of torchvision's networks with auxiliary outputs; its entry
    "logits"; or its first element.

    Raises
    ------
    InputError
        If there are none.
    """
    found = answer
    if not isinstance(answer, Tensor):
        found = answer.get("logits") if isinstance(answer, Mapping) else getattr(answer, "logits", None)
        if found is None and isinstance(answer, tuple | list) and answer:
            found = answer[0]
    if isinstance(found, Tensor) and found.ndim == 2 and len(found) == count and found.shape[1]:
        if not found.is_floating_point() or found.layout != torch.strided:
            raise InputError(
                f"the network's answer is a {found.layout} tensor of {found.dtype}; logits must be a dense tensor of "
                "floating point numbers."
            )
        return found
    raise InputError(
        f"the network must answer {count} images with (n, classes) logits, not with {_described(answer)}; logits are "
        "also found as .logits, under 'logits', and first in a tuple. Wrap it in a module that returns them."
    )


def _described(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return str(tuple(answer.shape))
    if isinstance(answer, Mapping):
        return f"a {type(answer).__name__} of {', '.join(map(repr, answer))}"
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {', '.join(map(_described, answer)) or 'nothing'}"
    return type(answer).__name__
