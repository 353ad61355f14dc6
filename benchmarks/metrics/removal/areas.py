"""Areas under removal curves: deletion, insertion, MoRF, LeRF, and the symmetric relevance gain.

Source: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
section 4.2, and the authors' ``evaluation.py``. The conventions are theirs: one picture row's worth of pixels a step
(224 at 224 x 224, so 225 points); removed pixels become 0 in the normalised space (deletion), missing ones are the
blurred picture's (insertion); the answer is a softmax probability, here that of the case's target, where RISE follows
the class predicted on the whole picture. The area is the exact trapezoid over the true fractions of pixels: RISE's
(sum - ends / 2) / (n - 1) wherever the steps divide the picture evenly.

Each of them is a parameter, and so part of the metric's identity: published numbers differ more by such choices than by
method. What such curves cannot tell in general is said in :mod:`benchmarks.metrics.removal.curve`.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmarks.metrics.removal import curve
from benchmarks.metrics.removal.points import RemovalMetric
from mint.contract import InputError
from mint.parameters import require_count
from mint.scores import Score


def equal_steps(pixels: int, steps: int) -> list[int]:
    """Divide pixels into equal intervals, their bounds rounded to whole pixels: steps + 1 counts, from 0 to all.

    InputError if there are fewer pixels than steps.
    """
    if steps > pixels:
        raise InputError(f"{steps} steps are more than the picture's {pixels} pixels; choose at most that many.")
    return [round(pixels * step / steps) for step in range(steps + 1)]


@dataclass(frozen=True)
class _Area(RemovalMetric):
    """An area under curves, by this suite's own conventions."""

    curve_labels = curve.ANSWER
    paths: ClassVar[tuple[curve.Path, ...]]

    steps: int | None = None
    baseline: curve.Baseline | float = "zero"
    score: Score = "probability"

    def __post_init__(self) -> None:
        if self.steps is not None:
            require_count("steps", self.steps, 1)
        curve.check_removal(self.baseline, self.score)

    @property
    def removal(self) -> curve.Removal:
        """The area under the curve."""
        return curve.Removal(self.paths, self._points, self.baseline, self.score, "trapezoid")

    def _points(self, ranked: Tensor, width: int) -> list[int]:
        pixels = ranked.shape[1]
        return equal_steps(pixels, pixels // width if self.steps is None else self.steps)


@dataclass(frozen=True)
class Deletion(_Area):
    """Area under the target's answer while the pixels go, the highest-ranked first.

    Source and conventions: RISE, in the text of this module. Direction: lower is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    What it cannot tell: whether the answer falls because evidence is gone or because the picture has become unlike any
    that the network was trained on: any large hole lowers it.

    Parameters
    ----------
    steps
        Number of equal intervals; None, RISE's: one picture row's worth of pixels a step.
    baseline
        What a removed pixel becomes, in the normalised space: "zero" (RISE's), "blur", "mean" (the picture's own, by
        channel), "minimum" (the picture's own, of all channels), or a number.
    score
        The network's answer that is followed: a name, or a function; see `mint.scores.read_scores`.
    """

    direction = "lower"
    paths = curve.PATHS["deletion"]


@dataclass(frozen=True)
class Insertion(_Area):
    """Area under the target's answer while the pixels come, the highest-ranked first.

    Source and conventions: RISE, in the text of this module. Direction: higher is better. Range: [0, 1] with
    ``score="probability"``, unbounded with "logit", at most 0 with "log-probability".

    What it cannot tell: whether the answer rises because evidence has come or because the few pixels shown suggest a
    shape. Smooth maps do better, because they show connected regions.

    Parameters
    ----------
    steps, score
        As `Deletion`'s.
    baseline
        What a missing pixel is: "blur" (RISE's), or another of `Deletion`'s.
    """

    paths = curve.PATHS["insertion"]

    baseline: curve.Baseline | float = "blur"


MoRF = Deletion
"""Most relevant first: deletion by its other name, which LeRF and the symmetric relevance gain refer to.

Source: W. Samek, A. Binder, G. Montavon, S. Lapuschkin, K.-R. Mueller, "Evaluating the visualization of what a deep
neural network has learned", IEEE TNNLS 2017, as an area over the curve there.
"""


@dataclass(frozen=True)
class LeRF(_Area):
    """Area under the target's answer while pixels go, the least relevant first.

    Source: as `MoRF`; the order is MoRF's reversed, tied pixels too. Direction: higher is better. Range and parameters:
    `Deletion`'s. With one baseline value this is `Insertion`, read backwards: both have the same area.

    What it cannot tell: whether an answer that survives removal comes from the shape of what is left or from its
    content. It says most where removal is gentle (a blur, an imputation), and MoRF says least there (Bluecher et al.
    2024).
    """

    paths = curve.PATHS["LeRF"]


@dataclass(frozen=True)
class SRG(_Area):
    """Symmetric relevance gain: LeRF's area minus MoRF's.

    Source: S. Bluecher, J. Vielhaben, N. Strodthoff, "Decoupling Pixel Flipping and Occlusion Strategy for Consistent
    XAI Benchmarks", TMLR 2024: what the least-first curve gains over a random order, plus what the most-first curve
    does; the random order's area cancels. The area between perturbation curves (ABPC; I. Simic, V. Sabol, E. Veas
    2022) is the same quantity. Direction: higher is better. Range: [-1, 1] with ``score="probability"``; 0 on average
    for random orders, exactly minus itself for the inverted map. Parameters: `Deletion`'s.

    What it cannot tell: which of the two curves a gain comes from. Partly removed pictures are as unusual for the
    network here as in either curve, but its ranking of methods depends less on the baseline value.
    """

    curve_labels = curve.GAIN
    paths = curve.PATHS["LeRF - MoRF"]
