"""Deletion and insertion: how the network's answer follows the pixels that a map ranks first.

Source: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
Models", BMVC 2018, section 4.2, and the authors' ``evaluation.py``, followed here with these conventions:

* one picture row's worth of pixels a step (224 at 224 x 224, so 225 points on the curve);
* removed pixels become 0 in the normalised space (deletion), missing pixels are those of the blurred picture
  (insertion);
* the answer is the target's softmax probability. RISE follows the class predicted on the whole picture;
  here it is the case's target, as in every other measurement of this suite;
* the area is the exact trapezoid over the true fractions of pixels. It equals RISE's own formula,
  (sum - ends / 2) / (n - 1), wherever the steps divide the picture evenly, as RISE's do.

Each of them is a parameter, and so part of the metric's identity: published numbers differ by such choices
more than by method.

Pixels are ranked once, by a stable descending sort: **ties go by pixel index, top row first, left to
right**. A map with plateaus (super-pixels, a constant) is therefore scored in that order inside each plateau.

What these areas cannot tell: a partly removed picture is unlike anything the network was trained on (ROAR,
Hooker et al. 2019), the ranking of methods moves with the removal value and the number of steps (Tomsett et
al. 2020), and smooth maps are favoured. Read them beside the controls and another metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import torch

from benchmarks.metrics.metric import Average, Context, Direction, Measurement, check_saliency
from mint.attributor import InputError
from mint.perturbation import Score, blurred, masked_scores, read_scores

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["zero", "blur", "mean"]

FILLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "zero": torch.zeros_like,
    "blur": blurred,
    "mean": lambda image: image.mean((-2, -1), keepdim=True).expand_as(image),
}


def removal_order(saliency: Tensor, steps: int | None) -> tuple[Tensor, np.ndarray]:
    """Return the step at which each pixel goes, and the fraction of pixels gone after each step.

    Parameters
    ----------
    saliency
        (h, w), finite; the highest value goes first, ties by pixel index.
    steps
        Number of equal intervals, their bounds rounded to whole pixels; None: one row's worth of pixels each.

    Returns
    -------
    labels
        (h, w) int64 in 0 .. steps - 1, on the map's device.
    fractions
        (steps + 1,) float64, from 0 to 1.

    Raises
    ------
    InputError
        If there are fewer pixels than steps.
    """
    height, width = saliency.shape
    pixels = height * width
    steps = height if steps is None else steps
    if steps > pixels:
        raise InputError(f"{steps} steps are more than the picture's {pixels} pixels; choose at most that many.")
    bounds = torch.tensor([round(pixels * step / steps) for step in range(steps + 1)])
    order = torch.argsort(saliency.flatten(), descending=True, stable=True)
    labels = torch.empty_like(order)
    labels[order] = torch.repeat_interleave(torch.arange(steps), bounds.diff()).to(order.device)
    return labels.view(height, width), bounds.numpy() / pixels


def _fill(context: Context, baseline: Baseline | float) -> Tensor:
    def compute() -> Tensor:
        if isinstance(baseline, str):
            return FILLS[baseline](context.image)
        return torch.full_like(context.image, baseline)

    return context.once(("fill", baseline), compute)


def _answer(context: Context, image: Tensor, score: Score) -> float:
    target = torch.tensor([context.case.target], device=image.device)
    with torch.no_grad():
        return float(read_scores(context.network.module, image.unsqueeze(0), target, score))


def _check_parameters(steps: int | None, baseline: Baseline | float, score: Score) -> None:
    if steps is not None and steps < 1:
        raise InputError(f"A curve needs at least 1 step, not {steps}.")
    if isinstance(baseline, str) and baseline not in FILLS:
        raise InputError(f"Unknown baseline value {baseline!r}; choose a number or one of {', '.join(FILLS)}.")
    if score not in get_args(Score):
        raise InputError(f"Unknown score {score!r}; choose one of {', '.join(get_args(Score))}.")


@dataclass(frozen=True)
class Deletion:
    """Area under the target's answer while the pixels go, the highest-ranked first.

    Source, conventions and limits: this module's text. Direction: lower is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    Parameters
    ----------
    steps
        Number of equal intervals; None, RISE's: one picture row's worth of pixels a step.
    baseline
        What a removed pixel becomes, in the normalised space: "zero" (RISE's), "blur", "mean" (the
        picture's own, by channel), or a number.
    score
        The network's answer that is followed.
    """

    direction: ClassVar[Direction] = "lower"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    steps: int | None = None
    baseline: Baseline | float = "zero"
    score: Score = "probability"

    def __post_init__(self) -> None:
        _check_parameters(self.steps, self.baseline, self.score)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        return _removal_curve(context, saliency, self, torch.triu)


@dataclass(frozen=True)
class Insertion:
    """Area under the target's answer while the pixels come, the highest-ranked first.

    Source, conventions and limits: this module's text. Direction: higher is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    Parameters
    ----------
    steps
        Number of equal intervals; None, RISE's: one picture row's worth of pixels a step.
    baseline
        What a missing pixel is, in the normalised space: "blur" (RISE's), "zero", "mean" (the picture's
        own, by channel), or a number.
    score
        The network's answer that is followed.
    """

    direction: ClassVar[Direction] = "higher"
    average: ClassVar[Average] = "cases"
    subsets: ClassVar[tuple[str, ...]] = ("all",)

    steps: int | None = None
    baseline: Baseline | float = "blur"
    score: Score = "probability"

    def __post_init__(self) -> None:
        _check_parameters(self.steps, self.baseline, self.score)

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Measure a map, (h, w) float32; InputError if its shape is wrong or it is not finite."""
        return _removal_curve(context, saliency, self, lambda ones: torch.tril(ones, diagonal=-1))


def _removal_curve(
    context: Context, saliency: Tensor, metric: Deletion | Insertion, showing: Callable[[Tensor], Tensor]
) -> Measurement:
    check_saliency(context, saliency)
    labels, fractions = removal_order(saliency, metric.steps)
    fill, score = _fill(context, metric.baseline), metric.score
    clean = context.once(("clean", score), lambda: _answer(context, context.image, score))
    filled = context.once(("filled", metric.baseline, score), lambda: _answer(context, fill, score))
    steps = len(fractions) - 1
    # Row k is the picture after k steps: which steps' pixels show.
    states = showing(torch.ones(steps + 1, steps, dtype=torch.bool))
    between = masked_scores(
        context.network.module,
        context.image,
        fill,
        labels.to(context.image.device),
        states[1:-1],
        context.case.target,
        score=score,
        batch_size=context.batch_size,
    )
    first, last = (clean if row.all() else filled for row in (states[0], states[-1]))
    values = np.array([first, *between.tolist(), last], dtype=np.float64)
    return Measurement(float(np.trapezoid(values, fractions)), (fractions, values))
