"""OverlayMINT: MINT's ideas on several partitions at once. A variant of this project; it is in no paper.

It keeps this of MINT: fine super-pixels nested in coarse ones, a foreground found by the network's own gradient, one
backward pass, K forward passes of masked pictures, a proximity, and one surrogate fitted at both scales.

What it changes, and why:

* **Several partitions.** MINT cuts the picture once, and its fine map is constant on each piece. Where the cut is
  wrong, half of an object and the ground beside it share one number. Here the samples are divided among several
  partitions. The borders of all of them cut the picture into many small atoms, and every sample tells something about
  each atom.
* **Importance per pixel.** u_f is the importance of a whole super-pixel, so a large one of weak evidence can outrank a
  small one of strong evidence. But metrics remove pixels, and people look at pixels. Here the surrogate's unknown is a
  density over the pixels: d = v sum over all super-pixels r, coarse ones too, of w_r [pixel in r]. The factor v rises
  with the deep saliency M, so that pixels to which the gradient points need less evidence.
* **Ridge, not lasso.** Super-pixels that overlap share the evidence. Their columns are nearly equal, and an L1 penalty
  would pick one of them by chance. The penalty's strength is chosen by generalised cross-validation (Golub, Heath,
  Wahba 1979), so there is no alpha.
* **An intercept**, because the answer to an empty picture is not zero.
"""

import math
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import skimage.segmentation
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mint.ahead import work_ahead
from mint.contract import explaining
from mint.display import break_ties
from mint.features import read_features, represent, upsample
from mint.layers import NoGradientError, find_layers
from mint.method import WITHOUT_GRADIENT, class_saliency
from mint.parameters import InputError, require_batch_size, require_count, require_number, require_seed
from mint.perturbation import masked_scores
from mint.picture import to_picture
from mint.scores import Score, require_score
from mint.superpixels import Segmentation, segment

_Cut = tuple[Tensor, Tensor, list[Tensor]]  # M, (h, w) float64; the coarse partition; the fine ones


@dataclass(frozen=True)
class OverlayMINT:
    """Explain a class by a density of importance over the pixels, fitted on several partitions at once.

    It costs what :class:`~mint.method.MINT` costs: one forward and backward pass, and ``samples`` forwards.

    Attributes
    ----------
    samples : int
        K, the number of perturbed samples, the unperturbed image included.
    deep_layer : str or None
        Name of the module whose gradient and activation make M; None finds it by one more forward pass, as MINT does.
    segmentation : Segmentation
        MINT's choices of Section 2, for the coarse and the first fine partition.
    slic_segments : tuple of int
        The further partitions: how many segments SLIC is asked for in each.
    score : {"probability", "logit", "log-probability", "sigmoid"} or callable
        The score that is explained; see :class:`~mint.method.MINT`'s ``response``.
    gate : float
        The value of v where M is not positive; where M is largest, v is this plus 1. A smaller gate trusts M more.
    proximity : float
        Eq. 8's kernel width: a sample without the share f of the pixels weighs exp(-f / proximity).
    seed : int
        Seed of the states' generator.
    batch_size : int or None
        Perturbed samples in one forward pass, found if None. It never changes a result.
    """

    samples: int = 5000
    deep_layer: str | None = None
    segmentation: Segmentation = field(default_factory=Segmentation)
    slic_segments: tuple[int, ...] = (60, 90, 120)
    score: Score = "probability"
    gate: float = 0.5
    proximity: float = 0.73
    seed: int = 0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 2)
        if not isinstance(self.segmentation, Segmentation):
            raise InputError(f"segmentation is a Segmentation, not {self.segmentation!r}.")
        if not isinstance(self.slic_segments, tuple):
            raise InputError(f"slic_segments is a tuple of whole numbers, not {self.slic_segments!r}.")
        for count in self.slic_segments:
            require_count("each of slic_segments", count, 1)
        if not isinstance(self.deep_layer, str | None):
            raise InputError(f"deep_layer is the name of a module, or None, not {self.deep_layer!r}.")
        require_score("score", self.score)
        require_seed("seed", self.seed)
        require_number("gate", self.gate, 0, 1e6)
        require_number("proximity", self.proximity, 1e-6, 1e12)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Compute one map per image, (n, h, w) float32: importance per pixel, ties broken by M."""
        with explaining(model, images, targets):
            layer = self._layer(model, images[0])
            pairs = list(zip(images, targets.tolist(), strict=True))
            with closing(work_ahead(pairs, partial(_read, model, layer), self._cut, images.device)) as cuts:
                maps = [self._fit(model, *pair, cut) for pair, cut in zip(pairs, cuts, strict=True)]
        return torch.stack(maps).to(images.device)

    def _layer(self, model: nn.Module, image: Tensor) -> str | None:
        """Name the deep layer; None, with a warning, where no gradient leads to any."""
        if self.deep_layer is not None:
            return self.deep_layer
        try:
            return find_layers(model, image)[1]
        except NoGradientError as error:
            warnings.warn(f"{error} {WITHOUT_GRADIENT}", stacklevel=3)
            return None

    def _cut(self, pair: tuple[Tensor, int], planes: Tensor) -> _Cut:
        """Cut a picture on the host: M, the coarse partition, and the fine ones."""
        *channels, saliency = planes.double().cpu()
        image = torch.stack(channels)
        superpixels = segment(image, saliency[None], self.segmentation, pair[0].device)[0]
        picture = to_picture(image)
        return saliency, superpixels.coarse, [superpixels.fine, *(self._slic(picture, n) for n in self.slic_segments)]

    def _fit(self, model: nn.Module, image: Tensor, target: int, cut: _Cut) -> Tensor:
        saliency, coarse, partitions = cut
        atoms = overlay(partitions)
        count = int(atoms.max()) + 1
        states = draw_dealt_states(self.samples, [_owner(atoms, each) for each in partitions], self.seed)
        absent = torch.zeros_like(image)
        ask = partial(masked_scores, model, image, absent, atoms, states, target)
        answers = ask(score=self.score, batch_size=self.batch_size)
        area = torch.bincount(atoms.flatten(), minlength=count).double() / atoms.numel()
        weights = torch.exp((states.double() @ area - 1) / self.proximity)

        regions = [_owner(atoms, each) for each in (*partitions, coarse)]
        amplitude = self.gate + represent(_strength(saliency), atoms, count, "raw")
        profile = amplitude[:, None] * torch.cat([_one_hot(owner) for owner in regions], dim=1)
        density = profile @ ridge(states.double() @ (area[:, None] * profile), answers, weights)
        return break_ties(density[atoms], saliency)

    def _slic(self, picture: NDArray[np.uint8], segments: int) -> Tensor:
        labels = skimage.segmentation.slic(
            picture,
            n_segments=segments,
            compactness=self.segmentation.compactness,
            start_label=0,
            channel_axis=-1,
        )
        return torch.from_numpy(np.unique(labels, return_inverse=True)[1].reshape(labels.shape))


def _read(model: nn.Module, layer: str | None, pair: tuple[Tensor, int]) -> Tensor:
    """Ask the network for M, and put it beneath the image, (c + 1, h, w), so that both go to the host in one copy."""
    image, target = pair
    if layer is None:
        deep = torch.zeros((1, 1), dtype=image.dtype, device=image.device)
    else:
        deep = class_saliency(read_features(model, image, target, layer))
    return torch.cat([image.detach(), upsample(deep, (image.shape[-2], image.shape[-1]))[None]])


def overlay(partitions: Sequence[Tensor]) -> Tensor:
    """Cut a picture along the borders of all partitions, (h, w) int64 each: atoms, (h, w) int64, without gaps."""
    atoms = partitions[0]
    for partition in partitions[1:]:
        crossed = atoms * (int(partition.max()) + 1) + partition
        atoms = torch.unique(crossed, return_inverse=True)[1]
    return atoms


def _owner(atoms: Tensor, partition: Tensor) -> Tensor:
    """Tell which super-pixel of a coarser partition each atom lies in, (atoms,) int64."""
    owner = torch.zeros(int(atoms.max()) + 1, dtype=torch.int64)
    owner[atoms.flatten()] = partition.flatten()
    return owner


def _one_hot(owner: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(owner, int(owner.max()) + 1).double()


def _strength(saliency: Tensor) -> Tensor:
    """Scale the positive part of M to a maximum of 1, (h, w)."""
    positive = saliency.clamp(min=0)
    return positive / positive.max() if positive.max() > 0 else positive


def draw_dealt_states(samples: int, owners: Sequence[Tensor], seed: int) -> Tensor:
    """Draw coins for the super-pixels of one partition after the other, in turn.

    Parameters
    ----------
    samples : int
        K; sample 0 is the unperturbed image.
    owners : sequence of Tensor
        For each partition, (atoms,) int64: the super-pixel that each atom lies in.
    seed : int
        Seed of the generator.

    Returns
    -------
    Tensor
        (K, atoms) bool.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = [int(owner.max()) + 1 for owner in owners]
    # One draw gives the same numbers as a draw for each sample, in turn.
    dealt = [counts[k % len(owners)] for k in range(samples)]
    coins = torch.rand(sum(dealt), generator=generator) < 0.5
    first = torch.tensor([0, *dealt[:-1]]).cumsum(0)
    states = torch.empty((samples, len(owners[0])), dtype=torch.bool)
    for i, owner in enumerate(owners):
        states[i :: len(owners)] = coins[first[i :: len(owners), None] + owner]
    states[0] = True
    return states


def ridge(inputs: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
    """Fit a weighted ridge regression with an intercept, its penalty chosen by generalised cross-validation.

    Parameters
    ----------
    inputs : Tensor
        (K, n) float64.
    answers, weights : Tensor
        (K,) float64; the weights are positive.

    Returns
    -------
    Tensor
        (n,) float64, the coefficients without the intercept.
    """
    weights = weights / weights.sum()
    root = weights.sqrt()
    centred = root[:, None] * (inputs - weights @ inputs)
    target = root * (answers - weights @ answers)
    # The Gram matrix holds all that is needed, and costs far less than the singular values of the samples.
    curvature, vectors = torch.linalg.eigh(centred.T @ centred)
    curvature = curvature.clamp(min=0)
    pull = vectors.T @ (centred.T @ target)
    penalties = float(curvature.sum()) / min(inputs.shape) * torch.logspace(-3, 2, 21, dtype=torch.float64)[:, None]
    if not float(penalties[0]):
        return torch.zeros(inputs.shape[1], dtype=torch.float64)
    # One row for each penalty: coefficients along the vectors, the residual, and the freedom that it leaves.
    fitted = pull / (curvature + penalties)
    residual = target @ target - (fitted * (2 * pull - curvature * fitted)).sum(dim=1)
    # The intercept is one more coefficient.
    freedom = 1 - ((curvature / (curvature + penalties)).sum(dim=1) + 1) / len(answers)
    score = torch.where(freedom > 0, residual / freedom.square(), torch.inf)
    best = int(score.argmin())
    if not math.isfinite(float(score[best])):
        return torch.zeros(inputs.shape[1], dtype=torch.float64)
    coefficients: Tensor = vectors @ fitted[best]
    return coefficients
