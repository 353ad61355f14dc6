"""One picture explained: what the network is asked, what is said of it, and what a script reads of it."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mint.app.classifiers import Classifier
from mint.app.describe import describe
from mint.app.pictures import prepared, read_picture
from mint.display import Display
from mint.fidelity import UntilSettled
from mint.layers import NoGradientError, find_layers
from mint.method import MINT
from mint.overlay import OverlayMINT
from mint.panel import Map, Row
from mint.parameters import InputError, nearest, said
from mint.scores import Score, read_answer, score_classes

CLASSES = 5  # that are printed
# The largest difference of two logarithms of width over height that rounding to whole pixels may have made.
SAME_PROPORTIONS = 0.02

Say = Callable[[str], None]
Watch = Callable[[nn.Module, int, str], AbstractContextManager[None]]


@dataclass(frozen=True, eq=False)
class Explained:
    """What is found of one picture: a panel's row and a line of JSON for each class."""

    rows: list[Row]
    records: list[dict[str, Any]]


def explain_picture(
    options: argparse.Namespace, classifier: Classifier, file: Path, say: Say, watch: Watch
) -> Explained:
    """Explain one picture.

    Parameters
    ----------
    options : argparse.Namespace
        Those of the command line; ``device`` is a torch.device.
    classifier : Classifier
        On that device.
    file : pathlib.Path
        The picture.
    say : callable
        It gets every line, as soon as it is known.
    watch : callable
        ``watch(module, samples, name)`` is entered while an explanation is made.

    Raises
    ------
    InputError
        If the picture, a class, a layer or the network's answer cannot be used.
    """
    picture = read_picture(file)
    image = prepared(classifier, picture, options.device, options.model)
    module = classifier.module
    answers = _answer(module, image, options.score)
    names = _names(classifier, len(answers))
    ranked = answers.argsort(descending=True, stable=True).tolist()
    targets = [_class_index(name, names) for name in options.classes] if options.classes else ranked[: options.top]
    shares_of_one = options.score in ("probability", "sigmoid")

    height, width = image.shape[-2:]
    say(f"{file}: {picture.width} x {picture.height}, seen by {options.model} as {width} x {height}")
    if abs(math.log(picture.width * height / (picture.height * width))) > SAME_PROPORTIONS:
        say("  not in its own proportions: the network's preprocess crops or stretches it, as the panel shows")
    for index in ranked[: max(CLASSES, options.top)]:
        value = float(answers[index])
        say(f"  {f'{value:7.2%}' if shares_of_one else f'{value:8.4g}'}  {names[index]}")

    common = {"samples": options.samples, "seed": options.seed}
    minimal = options.minimal_importance
    method = MINT(
        **common,
        response=options.score,
        layers=_layers(options.shallow_layer, options.deep_layer, module, image),
        shown=Display(minimal_importance=(0.05 if shares_of_one else 0.0) if minimal is None else minimal),
    )
    # The samples, and the picture once for its gradient; the layers have been found before.
    passes = 1 + (options.samples.most if isinstance(options.samples, UntilSettled) else options.samples)
    device = device_name(options.device)
    rows, records = [], []
    for target in targets:
        with watch(module, passes, names[target]):
            explanation = method.explain(module, image, target)
        say(f"\n{names[target]}{f' (class {target})' if classifier.classes else ''}")
        say("\n".join(f"  {line}" for line in describe(explanation, device)))
        row = explanation.row(names[target])
        if "overlay" in options.methods:
            overlay = OverlayMINT(**common, score=options.score, deep_layer=method.layers and method.layers[1])
            with watch(module, passes, f"{names[target]}, overlay"):
                found = overlay(module, image[None], torch.tensor([target], device=image.device))
            shown = Map("OverlayMINT", found[0].double().cpu().numpy(), "per area: red for, blue against")
            row = dataclasses.replace(row, attributions=(*row.attributions, shown))
        rows.append(row)
        head = {"class": names[target], "rank": 1 + ranked.index(target), "device": device, "model": options.model}
        head["weights"] = classifier.weights and str(classifier.weights)
        records.append(head | explanation.to_dict())
    return Explained(rows, records)


def device_name(device: torch.device) -> str:
    """Name a device, and what it is if it is a GPU: "cpu", "cuda:0 (NVIDIA H100)"."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _layers(shallow: str | None, deep: str | None, module: nn.Module, image: Tensor) -> tuple[str, str] | None:
    """Return the two layers, named or found by tracing; None if none are named and no gradient leads to any."""
    if shallow is not None and deep is not None:
        return shallow, deep
    try:
        found = find_layers(module, image)
    except NoGradientError:
        if shallow is None and deep is None:
            return None  # MINT says so
        raise
    return shallow or found[0], deep or found[1]


@torch.no_grad()
def _answer(module: nn.Module, image: Tensor, score: Score) -> Tensor:
    """Return the score of each class, (classes,) float64."""
    try:
        answer: Any = module(image[None].clone())  # a network may write on its input
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the network cannot take a picture of shape {tuple(image.shape)}: {said(error)}.") from error
    logits = read_answer(answer, 1)
    if not torch.isfinite(logits).all():
        raise InputError("the network answered with NaN or infinite values; check its weights.")
    return score_classes(score, logits.double())[0].cpu()


def _names(classifier: Classifier, count: int) -> Sequence[str]:
    if classifier.classes and len(classifier.classes) != count:
        raise InputError(f"the classifier names {len(classifier.classes)} classes, but the network answers {count}.")
    return classifier.classes or [f"class {index}" for index in range(count)]


def _class_index(name: str, names: Sequence[str]) -> int:
    """Find a class by its name, in any case, or by its number."""
    alike = [index for index, other in enumerate(names) if other.casefold() == name.casefold()]
    if len(alike) > 1:
        raise InputError(f"several classes are called {name!r}; choose by number: {', '.join(map(str, alike))}.")
    if alike:
        return alike[0]
    if name.isdecimal():
        number = int(name.lstrip("0")[:20] or "0")  # Python reads no number of thousands of digits
        if number < len(names):
            return number
        raise InputError(f"there is no class {name}; the network has {len(names)}, 0 to {len(names) - 1}.")
    raise InputError(
        f"unknown class {name!r}; the nearest are {nearest(name, names)}, or a number up to {len(names) - 1}."
    )
