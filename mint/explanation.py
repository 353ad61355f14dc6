"""MINT's explanation of one class in one image: the result, which can be looked at, drawn, saved and loaded."""

import dataclasses
import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint import archive
from mint.display import SCALES, Scale, break_ties, draw_coarse, draw_fine
from mint.fidelity import Fidelity, measure_fidelity
from mint.panel import Map, Row, draw_panels, to_png
from mint.parameters import require_word
from mint.problem import Samples, Solution
from mint.superpixels import SuperPixels, centres, shares
from mint.surrogate import Surrogate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    surrogate : Surrogate
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
        The hyper-parameters of the :class:`~mint.method.MINT` that made it, by name; those of its parts, such as
        ``parameters["shown"]``, are mappings in their turn.
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
    surrogate: Surrogate
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

    @property
    def samples(self) -> Samples:
        """The perturbed samples, as the surrogate takes them."""
        return Samples(self.states, self.answers, self.proximity, self.superpixels.parent, self.a_c, self.a_f)

    @cached_property
    def fidelity(self) -> Fidelity:
        """How well the surrogate follows the network, on the samples fitted and on samples held out."""
        return measure_fidelity(self.surrogate, self.solution, self.samples)

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

        Raises
        ------
        InputError
            If there is no such scale.
        """
        require_word("scale", scale, tuple(SCALES))
        return SCALES[scale](self.u_c[self.superpixels.coarse], self.u_f[self.superpixels.fine])

    def saliency_map(self, scale: Scale = "fine") -> Tensor:
        """Return the importance map with its ties broken by the deep saliency M, for metrics that order pixels.

        M orders the pixels of a super-pixel, and super-pixels of equal importance, but never reorders unequal ones;
        see :func:`~mint.display.break_ties`.

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
        return draw_coarse(self.picture, self.superpixels.coarse, self.chosen_coarse)

    def fine_picture(self) -> NDArray[np.uint8]:
        """Draw the shallow feature inside the chosen fine super-pixels, in jet on dark blue, as the paper does.

        See :func:`~mint.display.draw_fine`.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.
        """
        return draw_fine(self.feature, self.superpixels.fine, self.chosen_fine)

    def row(self, class_name: str | None = None) -> Row:
        """Return what a panel shows of this, for :func:`~mint.panel.draw_panels`, which draws several together."""
        return Row(
            name=f"class {self.target}" if class_name is None else class_name,
            score=f"g(X) = {self.answer:.3g} ({self.parameters.get('response', 'probability')})",
            picture=self.picture,
            coarse_picture=self.coarse_picture(),
            fine_picture=self.fine_picture(),
            importance=None if self.chosen_coarse is None else float(self.u_c[self.chosen_coarse]),
            abstention=self.abstention,
            chosen=len(self.chosen_fine),
            coarse=self.superpixels.coarse.numpy(),
            fine=self.superpixels.fine.numpy(),
            attributions=(Map("MINT", self.importance_map().numpy(), "importance: red for, blue against"),),
        )

    def plot(
        self, *, class_name: str | None = None, contours: bool = False, figure: "Figure | None" = None
    ) -> "Figure":
        """Draw the input, the coarse and the fine explanation, and the attribution side by side.

        Parameters
        ----------
        class_name : str, optional
            The name of the class, for the title; its number if None.
        contours : bool
            Draw the super-pixels over the input.
        figure : matplotlib.figure.Figure, optional
            The figure to draw in; it is cleared and its size is set. A new one, unknown to pyplot, if None.

        Raises
        ------
        InputError
            If matplotlib is not installed.
        """
        return draw_panels([self.row(class_name)], contours=contours, figure=figure)

    def _repr_png_(self) -> bytes | None:
        """Show the panel in a notebook; without matplotlib, the notebook shows the text."""
        return to_png(self.row()) if importlib.util.find_spec("matplotlib") else None

    def to_dict(self) -> dict[str, Any]:
        """Turn this into plain numbers, strings, lists and dictionaries.

        What has a value for each pixel or sample is left out; :meth:`save` keeps it.

        Returns
        -------
        dict
            ``coarse`` and ``fine`` hold a list for each property of the super-pixels: ``importance`` (Eqs. 43-44),
            ``weight``, ``representation``, ``share`` of the picture, ``centre`` ([x, y] in pixels, the mean of its
            pixels), and for fine ones the coarse ``parent``. A fidelity that is undefined is None; other numbers that
            JSON lacks are the strings "inf", "-inf" and "nan".
        """
        parts, solution = self.superpixels, self.solution
        fidelity = dataclasses.asdict(self.fidelity)
        found = {
            "target": self.target,
            "answer": self.answer,
            "size": self.picture.shape[:2],
            "samples": len(self.states),
            "chosen_coarse": self.chosen_coarse,
            "abstention": self.abstention,
            "chosen_fine": self.chosen_fine,
            "fidelity": {name: None if math.isnan(value) else value for name, value in fidelity.items()},
            "route": parts.route,
            "solution": {name: getattr(solution, name) for name in _SOLVED},
            "cost": dataclasses.asdict(self.cost),
            "surrogate": dataclasses.asdict(self.surrogate),
            "parameters": self.parameters,
            "coarse": _columns(self.u_c, solution.w_c, self.a_c, parts.coarse),
            "fine": _columns(self.u_f, solution.w_f, self.a_f, parts.fine) | {"parent": parts.parent.tolist()},
        }
        return {name: archive.plain(value) for name, value in found.items()}

    def save(self, path: str | PathLike[str]) -> None:
        """Write this to ``PATH.npz`` and ``PATH.json``; see :func:`~mint.archive.save`."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        tensors |= {name: getattr(self.superpixels, name) for name in _LABELS}
        tensors |= {name: getattr(self.solution, name) for name in _WEIGHTS}
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        archive.save(path, {"picture": self.picture, **arrays}, self.to_dict())

    @staticmethod
    def load(path: str | PathLike[str]) -> "Explanation":
        """Read an explanation that :meth:`save` wrote: it is equal to the one saved, bit for bit.

        Raises
        ------
        InputError
            If a file is missing, damaged, or not of an explanation, or the two do not belong together.
        """
        return archive.load(path, lambda arrays, record: _whole(_rebuild(arrays, record)))


_TENSORS = ("saliency", "feature", "states", "answers", "proximity", "a_c", "a_f")
_LABELS = ("coarse", "fine", "parent")
_WEIGHTS = ("w_c", "w_f")
_SOLVED = ("objective", "constraint_residual", "iterations", "certified")


def _rebuild(arrays: archive.Arrays, record: Mapping[str, Any]) -> Explanation:
    tensors = {name: torch.from_numpy(arrays[name]) for name in (*_TENSORS, *_LABELS, *_WEIGHTS)}
    return Explanation(
        target=record["target"],
        answer=record["answer"],
        picture=arrays["picture"],
        superpixels=SuperPixels(**{name: tensors[name] for name in _LABELS}, route=record["route"]),
        **{name: tensors[name] for name in _TENSORS},
        surrogate=Surrogate(**record["surrogate"]),
        solution=Solution(tensors["w_c"], tensors["w_f"], **record["solution"]),
        chosen_coarse=record["chosen_coarse"],
        abstention=record["abstention"],
        chosen_fine=record["chosen_fine"],
        cost=Cost(**record["cost"]),
        parameters=record["parameters"],
    )


def _whole(found: Explanation) -> Explanation:
    """Return an explanation whose parts fit together, or raise a ValueError, as of a damaged file."""
    parts, solution = found.superpixels, found.solution
    size, p, q, samples = found.picture.shape[:2], len(found.a_c), len(found.a_f), len(found.states)
    sizes = {"saliency": size, "feature": size, "states": (samples, q), "a_c": (p,), "a_f": (q,)}
    sizes |= {name: (samples,) for name in ("answers", "proximity")}
    tensors = [(name, getattr(found, name), wanted) for name, wanted in sizes.items()]
    tensors += [("w_c", solution.w_c, (p,)), ("w_f", solution.w_f, (q,))]
    for name, tensor, wanted in tensors:
        if tensor.shape != wanted or not (
            tensor.dtype == torch.bool if name == "states" else tensor.is_floating_point()
        ):
            raise ValueError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, where {wanted} is expected")
    for name, count in (("coarse", p), ("fine", q), ("parent", p)):
        labels = getattr(parts, name)
        sound = labels.dtype == torch.int64 and labels.shape == ((q,) if name == "parent" else size) and labels.numel()
        if not sound or int(labels.min()) < 0 or int(labels.max()) >= count:
            raise ValueError(f"{name} holds no numbers from 0 to {count - 1} in its shape")
    if found.picture.dtype != np.uint8 or found.picture.shape != (*size, 3):
        raise ValueError("the picture is no 8-bit RGB")
    chosen = (*found.chosen_fine, *(() if found.chosen_coarse is None else (found.chosen_coarse,)), found.target)
    counts = (*(q for _ in found.chosen_fine), *(() if found.chosen_coarse is None else (p,)), math.inf)
    for number, count in zip(chosen, counts, strict=True):
        if type(number) is not int or not 0 <= number < count:
            raise ValueError(f"the class or super-pixel {number!r} does not exist")
    numbers = {"answer": found.answer, "seconds": found.cost.seconds, "objective": solution.objective}
    numbers |= {"forwards": found.cost.forwards, "backwards": found.cost.backwards, "iterations": solution.iterations}
    for name, number in (numbers | {"constraint_residual": solution.constraint_residual}).items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{name} is no number: {number!r}")
    if not isinstance(found.parameters, Mapping) or not isinstance(found.abstention, str | None):
        raise ValueError("the parameters or the abstention are of another kind")
    if not ((found.proximity >= 0) & found.proximity.isfinite()).all():
        raise ValueError("proximity, the samples' weights, must be 0 or more")
    return found


def _columns(importance: Tensor, weight: Tensor, representation: Tensor, labels: Tensor) -> dict[str, Any]:
    return {
        "importance": importance.tolist(),
        "weight": weight.tolist(),
        "representation": representation.tolist(),
        "share": shares(labels).tolist(),
        "centre": centres(labels).tolist(),
    }
