"""Section 8: what is shown of a solved surrogate.

The importances u = w * a (Eqs. 43-44), the coarse super-pixel that is chosen or the abstention, the fine set that is
chosen, the pictures of both, and a single map for the metrics that need one.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.fidelity import Fidelity, measure_fidelity
from mint.superpixels import SuperPixels
from mint.surrogate import Fit, Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scale = Literal["fine", "coarse", "both"]


@dataclass(frozen=True)
class Cost:
    """What an explanation took: pictures forward and backward through the network, and seconds of wall time.

    The one forward pass by which layers without a name are found is not counted.
    """

    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """MINT's explanation of one class in one image, with everything it was computed from.

    Attributes
    ----------
    target : int
        The class explained.
    answer : float
        g(X), the score of the unperturbed image.
    picture : ndarray
        (h, w, 3) uint8, the image that was explained, its range stretched to 0..255.
    superpixels : SuperPixels
        The nested partition, and the route by which it was found.
    saliency : Tensor
        (h, w) float64, M enlarged to the image.
    feature : Tensor
        (h, w) float64, the sum of the shallow layer's positive activations over its channels, enlarged to the image.
    states, answers, proximity : Tensor
        (K, q) bool, (K,) and (K,): the perturbed samples, the network's answers and the samples' weights.
    a_c, a_f : Tensor
        (p,) and (q,): the pooled features.
    fit : Fit
        How the surrogate was fitted.
    solution : Solution
        The surrogate's weights w_c and w_f, with the solver's residual and iterations.
    chosen_coarse : int or None
        The coarse super-pixel of the highest importance; None if MINT abstains, every importance being minimal.
    abstention : str or None
        Why MINT abstains, in a sentence; None if it does not.
    chosen_fine : tuple of int
        The fine super-pixels shown, by falling importance.
    cost : Cost
        What it took.
    parameters : Mapping
        The hyper-parameters of the :class:`~mint.method.MINT` that made it, the seed among them, by name.
    """

    target: int
    answer: float
    picture: NDArray[np.uint8]
    superpixels: SuperPixels
    saliency: Tensor
    feature: Tensor
    states: Tensor
    answers: Tensor
    proximity: Tensor
    a_c: Tensor
    a_f: Tensor
    fit: Fit
    solution: Solution
    chosen_coarse: int | None
    abstention: str | None
    chosen_fine: tuple[int, ...]
    cost: Cost
    parameters: Mapping[str, Any]

    @property
    def u_c(self) -> Tensor:
        """Importance of each coarse super-pixel, (p,) (Eq. 43)."""
        return self.solution.w_c * self.a_c

    @property
    def u_f(self) -> Tensor:
        """Importance of each fine super-pixel, (q,) (Eq. 44)."""
        return self.solution.w_f * self.a_f

    @cached_property
    def fidelity(self) -> Fidelity:
        """How well the surrogate follows the network, on the samples fitted and on samples held out."""
        return measure_fidelity(
            self.fit,
            self.solution,
            self.states,
            self.answers,
            self.proximity,
            self.superpixels.parent,
            self.a_c,
            self.a_f,
        )

    def importance_map(self, scale: Scale = "fine") -> Tensor:
        """Spread the importances over the pixels, constant on each super-pixel.

        Parameters
        ----------
        scale : {"fine", "coarse", "both"}
            u_f, u_c, or the sum of the two maps, each scaled to a largest absolute value of 1.

        Returns
        -------
        Tensor
            (h, w) float64.
        """
        return _SCALES[scale](self.u_c[self.superpixels.coarse], self.u_f[self.superpixels.fine])

    def saliency_map(self, scale: Scale = "fine") -> Tensor:
        """Return the importance map with its ties broken by the deep saliency M, for metrics that order pixels.

        M orders the pixels of a super-pixel, and super-pixels of equal importance, but never reorders unequal ones;
        see :func:`break_ties`.

        Returns
        -------
        Tensor
            (h, w) float32.
        """
        return break_ties(self.importance_map(scale), self.saliency)

    def coarse_picture(self) -> NDArray[np.uint8]:
        """Draw the chosen coarse super-pixel and leave the rest gray, as the paper does; all gray if MINT abstains.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.
        """
        if self.chosen_coarse is None:
            return np.full_like(self.picture, _GRAY)
        shown = (self.superpixels.coarse == self.chosen_coarse).numpy()
        return np.where(shown[..., None], self.picture, np.uint8(_GRAY))

    def fine_picture(self) -> NDArray[np.uint8]:
        """Draw the shallow feature inside the chosen fine super-pixels, in jet on dark blue, as the paper does.

        The colours span the feature between its 2nd and its 99th percentile in the picture: a stem's channel sum
        hardly varies on photographs, and from 0 to its maximum every super-pixel would be of one colour. The darkest
        colour used is lighter than the ground, so that a super-pixel of weak features is seen to be chosen.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.
        """
        shown = torch.isin(self.superpixels.fine, torch.tensor(self.chosen_fine, dtype=torch.int64))
        low, high = np.percentile(self.feature.numpy(), [2, 99])
        strength = (self.feature - low) / (high - low) if high > low else torch.ones_like(self.feature)
        strength = _DARKEST + (1 - _DARKEST) * strength.clamp(0, 1)
        return _jet(torch.where(shown, strength, 0.0).numpy())

    def plot(
        self, *, class_name: str | None = None, contours: bool = False, figure: "Figure | None" = None
    ) -> "Figure":
        """Draw input, coarse and fine explanation side by side; see :func:`~mint.panel.draw_panels`."""
        from mint.panel import draw_panels

        return draw_panels([self], [class_name], contours=contours, figure=figure)

    def _repr_png_(self) -> bytes | None:
        """Show the panel in a notebook; what is shown without matplotlib is the text."""
        from mint.panel import to_png

        return to_png(self) if importlib.util.find_spec("matplotlib") else None

    def to_dict(self) -> dict[str, Any]:
        """Turn this into plain numbers, strings, lists and dictionaries; see :func:`~mint.archive.to_dict`."""
        from mint.archive import to_dict

        return to_dict(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write this to ``PATH.npz`` and ``PATH.json``; see :func:`~mint.archive.save`."""
        from mint.archive import save

        save(self, path)

    @staticmethod
    def load(path: str | PathLike[str]) -> "Explanation":
        """Read an explanation that :meth:`save` wrote; see :func:`~mint.archive.load`."""
        from mint.archive import load

        return load(path)


def break_ties(importance: Tensor, saliency: Tensor) -> Tensor:
    """Order the pixels of equal importance by the deep saliency M.

    Each pixel gets its importance, raised by as many float32 steps as it takes to lie above all pixels that come before
    it: a map of 224 x 224 pixels changes by less than a hundredth, and what is zero stays below 1e-40.

    Parameters
    ----------
    importance : Tensor
        (h, w) float64, constant on super-pixels. Importances that differ by less than 1e-7 of the largest count as
        equal: solvers round, and another number of threads must not make another order.
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
    # The bits of float32 numbers, read as integers, count them; below zero they count backwards.
    bits = lowest.view(np.int32).astype(np.int64)
    steps = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    steps = np.maximum.accumulate(steps - rank) + rank
    raised = np.where(steps < 0, -steps | 0x80000000, steps).astype(np.uint32).view(np.float32)
    broken = np.empty_like(raised)
    broken[order] = raised
    return torch.from_numpy(broken.reshape(importance.shape))


_GRAY = 128
_DARKEST = 0.15


def _unit(values: Tensor) -> Tensor:
    largest = values.abs().max()
    return values / largest if largest > 0 else values


_SCALES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fine": lambda _coarse, fine: fine,
    "coarse": lambda coarse, _fine: coarse,
    "both": lambda coarse, fine: _unit(coarse) + _unit(fine),
}


def _jet(strength: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map [0, 1] to the jet colours, dark blue at 0."""
    centres = np.array([0.75, 0.5, 0.25])
    channels = np.clip(1.5 - np.abs(4 * (strength[..., None] - centres)), 0, 1)
    return np.asarray(np.rint(255 * channels), dtype=np.uint8)


def choose_coarse(
    u_c: Tensor, answer: float, abstain_below: float, minimal_importance: float = 0.0
) -> tuple[int | None, str | None]:
    """Choose the coarse super-pixel of the highest importance, or none.

    MINT abstains, the class being absent, where no importance is positive, reaches ``abstain_below`` times |g(X)|,
    or reaches ``minimal_importance``.

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
    if largest < abstain_below * abs(answer):
        return None, f"{found} {abstain_below:g} of |g(X)| = {answer:.2g}"
    if largest < minimal_importance:
        return None, f"{found} the minimal importance {minimal_importance:g}"
    return best, None


def choose_fine(u_f: Tensor, coverage: float) -> tuple[int, ...]:
    """Choose the smallest set of fine super-pixels that holds a share of the positive importance."""
    positive = u_f.clamp(min=0)
    order = positive.argsort(descending=True, stable=True)
    held = positive[order].cumsum(0)
    count = int((held < coverage * held[-1] * (1 - 1e-12)).sum()) + 1
    return tuple(i for i in order[:count].tolist() if float(positive[i]) > 0)


def tie_share(saliency: Tensor) -> float:
    """Tell which share of a map's pixels have the same value as another pixel, in [0, 1].

    Metrics that order pixels depend on how these ties fall. MINT's importance maps, constant on super-pixels, are
    tied nearly everywhere before :meth:`Explanation.saliency_map` breaks the ties.
    """
    _, counts = torch.unique(saliency, return_counts=True)
    return float(counts[counts > 1].sum()) / saliency.numel()
