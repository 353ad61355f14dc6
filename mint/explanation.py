"""Section 8: what is shown of a solved surrogate.

The importances u = w * a (Eqs. 43-44), the coarse super-pixel that is chosen or the abstention, the fine set that is
chosen, the pictures of both, and a single map for the metrics that need one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.superpixels import SuperPixels, to_picture
from mint.surrogate import Solution

Scale = Literal["fine", "coarse", "both"]


@dataclass(frozen=True)
class Explanation:
    """MINT's explanation of one class in one image, with everything it was computed from.

    Attributes
    ----------
    target : int
        The class explained.
    answer : float
        g(X), the score of the unperturbed image.
    superpixels : SuperPixels
        The nested partition.
    saliency : Tensor
        (h, w) float64, M enlarged to the image.
    feature : Tensor
        (h, w) float64, the shallow layer's channel sum enlarged to the image.
    states, answers, proximity : Tensor
        (K, q) bool, (K,) and (K,): the perturbed samples, the network's answers and the samples' weights.
    a_c, a_f : Tensor
        (p,) and (q,): the pooled features.
    solution : Solution
        The surrogate's weights w_c and w_f.
    chosen_coarse : int or None
        The coarse super-pixel of the highest importance; None if MINT abstains, every importance being minimal.
    chosen_fine : tuple of int
        The fine super-pixels shown, by falling importance.
    """

    target: int
    answer: float
    superpixels: SuperPixels
    saliency: Tensor
    feature: Tensor
    states: Tensor
    answers: Tensor
    proximity: Tensor
    a_c: Tensor
    a_f: Tensor
    solution: Solution
    chosen_coarse: int | None
    chosen_fine: tuple[int, ...]

    @property
    def u_c(self) -> Tensor:
        """Importance of each coarse super-pixel, (p,) (Eq. 43)."""
        return self.solution.w_c * self.a_c

    @property
    def u_f(self) -> Tensor:
        """Importance of each fine super-pixel, (q,) (Eq. 44)."""
        return self.solution.w_f * self.a_f

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

        M enters scaled to at most half of the smallest gap between two importances, so that it orders the pixels
        of a super-pixel, and super-pixels of equal importance, but never reorders unequal ones.

        Returns
        -------
        Tensor
            (h, w) float32.
        """
        importance = self.importance_map(scale)
        levels = torch.unique(importance)
        spread = self.saliency.max() - self.saliency.min()
        if spread <= 0:
            return importance.float()
        gap = float(levels.diff().min()) if len(levels) > 1 else max(abs(float(levels[0])), 1.0)
        return (importance + 0.49 * gap * (self.saliency - self.saliency.min()) / spread).float()

    def coarse_picture(self, image: Tensor) -> NDArray[np.uint8]:
        """Draw the chosen coarse super-pixel and leave the rest gray, as the paper does; all gray if MINT abstains.

        Parameters
        ----------
        image : Tensor
            (c, h, w), the normalised image that was explained.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.
        """
        if self.chosen_coarse is None:
            shown = torch.zeros_like(self.superpixels.coarse, dtype=torch.bool)
        else:
            shown = self.superpixels.coarse == self.chosen_coarse
        picture = to_picture(image)
        picture[~shown.numpy()] = _GRAY
        return picture

    def fine_picture(self) -> NDArray[np.uint8]:
        """Draw the shallow feature inside the chosen fine super-pixels, in jet on dark blue, as the paper does.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.
        """
        shown = torch.isin(self.superpixels.fine, torch.tensor(self.chosen_fine, dtype=torch.int64))
        strength = self.feature / self.feature.max() if self.feature.max() > 0 else torch.zeros_like(self.feature)
        return _jet(torch.where(shown, strength.clamp(0, 1), 0.0).numpy())


_GRAY = 128


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


def choose_coarse(u_c: Tensor, answer: float, abstain_below: float, minimal_importance: float = 0.0) -> int | None:
    """Choose the coarse super-pixel of the highest importance, or none.

    MINT abstains, the class being absent, where no importance is positive, reaches ``abstain_below`` times |g(X)|,
    or reaches ``minimal_importance``.
    """
    best = int(u_c.argmax())
    largest = float(u_c[best])
    chosen = largest > 0 and largest >= abstain_below * abs(answer) and largest >= minimal_importance
    return best if chosen else None


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
