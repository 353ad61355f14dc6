"""Section 8: what is shown of the importances u = w * a (Eqs. 43-44).

The coarse super-pixel that is chosen, or the reason why none is; the fine super-pixels that are chosen; the pictures of
both; and a single map for the metrics that need one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.parameters import require_number, require_word

Scale = Literal["fine", "coarse", "both"]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Display:
    """What is shown of an explanation. None of it changes the importances.

    Attributes
    ----------
    abstain_below : float
        Choose no coarse super-pixel if no importance reaches this share of |g(X)|.
    minimal_importance : float
        Choose none, too, if no importance reaches this value, in the score's units. Zero switches this rule off. It
        is needed where a class is absent and its probability is nearly zero: a tiny importance is then a large share
        of g(X). With 0.05, say, MINT chooses no region there, as in the paper's Fig. 8.
    coverage : float
        The chosen fine set holds this share of the positive importance.
    scale : {"fine", "coarse", "both"}
        Which importances make the single map (the paper defines none).
    """

    abstain_below: float = 0.05
    minimal_importance: float = 0.0
    coverage: float = 0.9
    scale: Scale = "fine"

    def __post_init__(self) -> None:
        require_number("abstain_below", self.abstain_below, 0)
        require_number("minimal_importance", self.minimal_importance, 0)
        require_number("coverage", self.coverage, 0, 1, beyond=True)
        require_word("scale", self.scale, get_args(Scale))

    def choose_coarse(self, u_c: Tensor, answer: float) -> tuple[int | None, str | None]:
        """Choose the coarse super-pixel of the highest importance, or none: MINT then abstains.

        Parameters
        ----------
        u_c : Tensor
            (p,), the importances.
        answer : float
            g(X), the score of the unperturbed image.

        Returns
        -------
        chosen : int or None
            The super-pixel.
        abstention : str or None
            Why there is none.
        """
        best = int(u_c.argmax())
        largest = float(u_c[best])
        if largest <= 0:
            return None, "no coarse super-pixel has a positive importance"
        found = f"the largest coarse importance, {largest:.2g}, is below"
        if largest < self.abstain_below * abs(answer):
            return None, f"{found} {self.abstain_below:g} of |g(X)| = {answer:.2g}"
        if largest < self.minimal_importance:
            return None, f"{found} the minimal importance {self.minimal_importance:g}"
        return best, None

    def choose_fine(self, u_f: Tensor) -> tuple[int, ...]:
        """Choose the smallest set of fine super-pixels that holds the share ``coverage`` of the positive importance."""
        positive = u_f.clamp(min=0)
        order = positive.argsort(descending=True, stable=True)
        held = positive[order].cumsum(0)
        count = int((held < self.coverage * held[-1] * (1 - 1e-12)).sum()) + 1
        return tuple(i for i in order[:count].tolist() if float(positive[i]) > 0)


def draw_coarse(picture: Picture, coarse: Tensor, chosen: int | None) -> Picture:
    """Keep a picture, (h, w, 3), inside the chosen coarse super-pixel; the rest, or all of it, becomes gray."""
    if chosen is None:
        return np.full_like(picture, _GRAY)
    shown = (coarse == chosen).numpy()
    return np.where(shown[..., None], picture, np.uint8(_GRAY))


def draw_fine(feature: Tensor, fine: Tensor, chosen: Sequence[int]) -> Picture:
    """Draw a feature, (h, w), inside the chosen fine super-pixels in the jet colours; the rest is dark blue.

    The colours span the feature between its 2nd and its 99th percentile in the picture: the channel sum of a first
    stage varies little on photographs, and from 0 to its maximum all super-pixels would have one colour. The darkest
    colour used is lighter than the ground, so that a super-pixel of weak features is seen to be chosen.
    """
    shown = torch.isin(fine, torch.tensor(chosen, dtype=torch.int64))
    low, high = np.percentile(feature.numpy(), [2, 99])
    strength = (feature - low) / (high - low) if high > low else torch.ones_like(feature)
    strength = _DARKEST + (1 - _DARKEST) * strength.clamp(0, 1)
    return _jet(torch.where(shown, strength, 0.0).numpy())


_GRAY = 128
_DARKEST = 0.15


def _jet(strength: NDArray[np.float64]) -> Picture:
    """Map [0, 1] to the jet colours, dark blue at 0."""
    centres = np.array([0.75, 0.5, 0.25])
    channels = np.clip(1.5 - np.abs(4 * (strength[..., None] - centres)), 0, 1)
    return np.asarray(np.rint(255 * channels), dtype=np.uint8)


def _unit(values: Tensor) -> Tensor:
    largest = values.abs().max()
    return values / largest if largest > 0 else values


SCALES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fine": lambda _coarse, fine: fine,
    "coarse": lambda coarse, _fine: coarse,
    "both": lambda coarse, fine: _unit(coarse) + _unit(fine),
}
"""How the maps of u_c and u_f, (h, w) each, make one map, by the name of the scale."""


def break_ties(importance: Tensor, saliency: Tensor) -> Tensor:
    """Order the pixels of equal importance by the deep saliency M.

    A float32 number has a next larger one; to go there is a step. All pixels are put in order, by importance and then
    by M. Each keeps its importance, raised by as few steps as are needed to lie above every pixel that comes before
    it. These steps are tiny: a map of 224 x 224 pixels changes by less than a hundredth, and an importance of zero
    stays below 1e-40.

    Parameters
    ----------
    importance : Tensor
        (h, w) float64, constant on super-pixels. Importances that differ by less than 1e-7 of the largest one count as
        equal: a solver's rounding differs with the number of threads, and must not change the order.
    saliency : Tensor
        (h, w) float64, M.

    Returns
    -------
    Tensor
        (h, w) float32. Two pixels have the same value only if they have both the same importance and the same M.
    """
    prior = saliency.numpy().ravel()
    levels, level = np.unique(importance.numpy().ravel(), return_inverse=True)
    group = np.cumsum(np.diff(levels, prepend=levels[0]) > 1e-7 * np.abs(levels).max())
    order = np.lexsort((prior, group[level]))
    place = group[level][order]
    apart = (np.diff(place, prepend=0) > 0) | (np.diff(prior[order], prepend=prior[order[0]]) != 0)
    rank = np.cumsum(apart)
    lowest = levels[np.searchsorted(group, place)].astype(np.float32)
    # The bits of a float32 number, read as an integer, count the steps from zero; negative numbers have the sign bit
    # set, and their other bits count the steps downwards.
    bits = lowest.view(np.int32).astype(np.int64)
    steps = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    steps = np.maximum.accumulate(steps - rank) + rank
    raised = np.where(steps < 0, -steps | 0x80000000, steps).astype(np.uint32).view(np.float32)
    broken = np.empty_like(raised)
    broken[order] = raised
    return torch.from_numpy(broken.reshape(importance.shape))
