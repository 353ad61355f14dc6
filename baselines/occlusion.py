"""Occlusion: how far the answer falls when a window of the picture is hidden.

Reference: M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
section 4.2. A pixel's value is the mean fall over the windows W that hold it:

    map(p) = mean over {W : p in W} of  g(X) - g(X with W hidden)

with g the target's softmax probability, or another score. Hidden pixels are 0 in the normalised space, which is gray.
The windows are placed as Captum places them: the first one lies in the top left corner, and the last ones are cut off
at the border, so that every pixel is hidden at least once. :class:`Occlusion` calls Captum's own;
:class:`EngineOcclusion` computes the same map by the suite's perturbation engine, so that the two can be compared in
speed.
"""

from dataclasses import dataclass
from functools import partial
from math import ceil
from numbers import Integral

import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor, nn

from baselines.asking import score_of
from mint.contract import InputError, explaining
from mint.parameters import require_batch_size
from mint.perturbation import masked_scores, pictures_at_once
from mint.scores import Score, require_score
from mint.windows import mean_fall, window_states

REFERENCE_SIZE = 224  # pixels: the picture size at which window and stride are stated


@dataclass(frozen=True)
class Occlusion:
    """Captum's Occlusion.

    Parameters
    ----------
    window, stride
        In pixels of a picture of 224 x 224. For other sizes they are scaled with the height and the width, and rounded,
        to 1 or more. Window 32 and stride 16 make 13 x 13 windows, at any size that they scale to without rounding.
    batch_size
        Captum's ``perturbations_per_eval``: perturbed pictures through the network at a time; 1 is Captum's
        default, None lets the perturbation engine choose. The maps do not depend on it.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    """

    window: int = 32
    stride: int = 16
    batch_size: int | None = None
    score: Score = "probability"

    def __post_init__(self) -> None:
        _check_windows(self.window, self.stride)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            maps = [self._explain(model, *pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Tensor:
        channels, *size = image.shape
        with torch.no_grad():
            falls: Tensor = CaptumOcclusion(score_of(model, target, self.score)).attribute(
                image.unsqueeze(0),
                sliding_window_shapes=(channels, *(scaled(self.window, length) for length in size)),
                strides=(channels, *(scaled(self.stride, length) for length in size)),
                perturbations_per_eval=pictures_at_once(self.batch_size, image),
            )
        # A window hides all channels: each holds the same map.
        return falls[0, 0].float()


class EngineOcclusion(Occlusion):
    """The map of `Occlusion`, from masks that the perturbation engine expands batch by batch.

    The bounds of all windows cut the picture into a grid of cells; a window is a state over these cells.

    Its parameters are those of :class:`Occlusion`.
    """

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Tensor:
        axes = (cut(length, scaled(self.window, length), scaled(self.stride, length)) for length in image.shape[1:])
        cells, hiding_one = window_states(*axes)
        states = torch.cat([torch.ones_like(hiding_one[:1]), hiding_one])
        ask = partial(masked_scores, model, image, torch.zeros_like(image), cells, states, target)
        answers = ask(score=self.score, batch_size=self.batch_size)
        return mean_fall(cells, hiding_one, answers[0] - answers[1:]).float().to(image.device)


def _check_windows(window: int, stride: int) -> None:
    whole = isinstance(window, Integral) and isinstance(stride, Integral)
    if not whole or not 1 <= stride <= window <= REFERENCE_SIZE:
        raise InputError(
            f"A window of {window} pixels at a stride of {stride} does not slide over a picture of "
            f"{REFERENCE_SIZE} without gaps; choose 1 <= stride <= window <= {REFERENCE_SIZE}."
        )


def scaled(pixels: int, length: int) -> int:
    """Scale a length stated at a picture size of 224 to ``length`` pixels, at least 1."""
    return max(1, round(pixels * length / REFERENCE_SIZE))


def cut(length: int, window: int, stride: int) -> tuple[Tensor, Tensor]:
    """Cut one axis of the picture at the bounds of the windows that slide over it.

    Returns
    -------
    cells
        (length,) int64: the cell that each pixel lies in.
    windows
        (windows, cells) bool: whether the cell lies in the window.
    """
    starts = torch.arange(ceil((length - window) / stride) + 1) * stride
    ends = (starts + window).clamp(max=length)
    bounds = torch.tensor(sorted({*starts.tolist(), *ends.tolist()}))  # the first is 0, the last the length
    cells = torch.bucketize(torch.arange(length), bounds, right=True) - 1
    firsts = bounds[:-1]
    return cells, (firsts >= starts[:, None]) & (firsts < ends[:, None])
