"""Extremal perturbation: the smooth region of a given area that keeps the logit highest while the rest is blurred.

Reference: R. Fong, M. Patrick, A. Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks",
ICCV 2019, and its code in TorchRay, whose steps are followed one by one. For each area a the mask m is found by ascent
of

    g(X blurred where m is low)  -  300 (1.0035^t)  mean over pixels of (sorted(m) - r_a)^2

where g is the target's logit, or another score, r_a is 0 in its first share 1 - a and then 1, and t counts the steps. A
mask is the smooth maximum of its parameters p_i, which lie on a grid, at u_i: at pixel u, with
k(z) = exp(-2 max(z - 1/2, 0)^2),

    m(u) = sum_i x_i exp(20 x_i) / sum_i exp(20 x_i),    x_i = k(|u - u_i| / sigma) p_i

The map is the sum of all areas' masks, smoothed by a Gaussian, as TorchRay's benchmark takes it for the pointing game.

One thing is not TorchRay's: which of two pixels with the same mask comes first in the sorted order. At the start very
many pixels tie, and their order acts on the whole ascent. TorchRay leaves it to rounding errors, which differ between
devices. Here values that agree to 1e-4 tie, and a fixed random order decides.

It costs ``steps`` times the number of areas forwards, and as many backwards: 3200 of each by default.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mint.contract import InputError, explaining
from mint.features import single
from mint.parameters import require_count, require_number, require_seed
from mint.perturbation import seeded
from mint.scores import NOT_FINITE, Score, read_logits, require_score, score_classes

REFERENCE_SIZE = 224  # pixels: the shorter side at which lengths are stated, TorchRay's

# TorchRay's, fixed there, too.
RATE, MOMENTUM = 0.01, 0.9
AREA_WEIGHT, AREA_GROWTH = 300.0, 1.0035
COLDNESS = 20.0
LEVELS = 8

TIE = 1e-4  # values of a mask that are nearer than this tie


@dataclass(frozen=True)
class ExtremalPerturbation:
    """Masks of several areas that preserve the target's score, summed.

    Every second step the blurred pictures are mirrored, as TorchRay does. Each picture is explained alone, with all its
    areas together, so there is no batch size that could act on the result.

    Parameters
    ----------
    areas
        Shares of the picture, with a margin of sigma on each side, that the masks cover. TorchRay's for VOC; for COCO
        it has .018, .025, .05 and .1.
    steps
        Of the ascent; TorchRay's 800. A step is one forward and one backward for each area.
    spacing, sigma, blur
        Of the parameters, the smooth maximum, and the strongest of the eight blurs that the mask chooses among. In
        pixels of a picture whose shorter side is 224, and scaled for others.
    smooth
        Standard deviation of the Gaussian that smooths the masks, as a share of the shorter side; 0 leaves them as they
        are.
    seed
        Seed of the order in which pixels with tied masks are taken; the same for each picture.
    score
        g: "logit", TorchRay's, "probability", "sigmoid", "log-probability", or a differentiable function; see
        `mint.scores.read_scores`.
    """

    areas: tuple[float, ...] = (0.025, 0.05, 0.1, 0.2)
    steps: int = 800
    spacing: float = 7.0
    sigma: float = 21.0
    blur: float = 20.0
    smooth: float = 0.09
    seed: int = 0
    score: Score = "logit"

    def __post_init__(self) -> None:
        if not isinstance(self.areas, tuple) or not self.areas:
            raise InputError(f"areas is a tuple of at least one share of the picture, not {self.areas!r}.")
        for area in self.areas:
            require_number("each of areas", area, 0, 1)
        require_count("steps", self.steps, 1)
        require_number("spacing", self.spacing, 1, REFERENCE_SIZE)
        require_number("sigma", self.sigma, 1, REFERENCE_SIZE)
        require_number("blur", self.blur, 0, REFERENCE_SIZE, beyond=True)
        require_number("smooth", self.smooth, 0, 1)
        require_seed("seed", self.seed)
        require_score("score", self.score)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps, from 0 to the number of areas."""
        with explaining(model, images, targets):
            maps = []
            for image, target in zip(images.detach(), targets.tolist(), strict=True):
                masks = self.masks(model, image, target)[0].sum(dim=0)
                maps.append(blurred(masks.double(), self.smooth * min(image.shape[1:])).float())
        return torch.stack(maps)

    def masks(self, model: nn.Module, image: Tensor, target: int) -> tuple[Tensor, Tensor]:
        """Find the masks of a (c, h, w) image.

        Returns
        -------
        Tensor, Tensor
            (areas, h, w) and (areas, H, W), with the margin that the areas count in; from 0 to 1.
        """
        height, width = image.shape[1:]
        scale = min(height, width) / REFERENCE_SIZE
        maker = MaskMaker((height, width), *(max(1, round(each * scale)) for each in (self.spacing, self.sigma)))
        pyramid = blur_levels(image, self.blur * scale)
        parameters = single(torch.ones(len(self.areas), *maker.grid, dtype=image.dtype, device=image.device))
        pixels = math.prod(maker.padded)
        lots = torch.randperm(pixels, generator=seeded(self.seed)).to(image.device)
        wanted = torch.ones(len(self.areas), pixels, dtype=parameters.dtype, device=image.device)
        for row, area in zip(wanted, self.areas, strict=True):
            row[: int(pixels * (1 - area))] = 0
        velocity = None
        for step in range(self.steps):
            parameters.requires_grad_()
            full = maker.make(parameters)
            mask = maker.crop(full)
            pictures = chosen_level(pyramid, mask).to(image.dtype)
            if step % 2 == 0:
                pictures = pictures.flip(3)
            rewards = score_classes(self.score, read_logits(model, pictures, target), target)[:, target]
            values = full.flatten(1)
            order = lots[(values.detach() / TIE).round()[:, lots].sort(dim=1, stable=True)[1]]
            misses = (values - torch.empty_like(wanted).scatter_(1, order, wanted)).square().mean(dim=1)
            energy = (rewards - AREA_WEIGHT * AREA_GROWTH**step * misses).sum()
            (slope,) = torch.autograd.grad(energy, parameters)
            velocity = slope if velocity is None else MOMENTUM * velocity + (1 - MOMENTUM) * slope
            parameters = (parameters.detach() + RATE * velocity).clamp(0, 1)
        if not torch.isfinite(rewards).all():
            raise InputError(NOT_FINITE)
        return mask.detach(), full.detach()


class MaskMaker:
    """Make smooth masks for pictures of one size from parameters on a grid.

    Attributes
    ----------
    grid, padded : tuple of int
        Size of the parameters, and of a mask with its margin of sigma on each side.
    """

    def __init__(self, size: tuple[int, int], spacing: int, sigma: int) -> None:
        self._size, self._spacing, self._sigma = size, spacing, sigma
        self._padding = 1 + math.ceil(2 * sigma / spacing)
        radius = 1 + math.ceil(sigma / spacing)
        self._window = 2 * radius + 1
        self.grid = tuple(math.ceil(length / spacing) for length in size)
        self._places = tuple(length + 2 * self._padding - self._window + 1 for length in self.grid)
        self.padded = tuple((places - 1) * spacing + 1 for places in self._places)
        # From each of the spacing^2 pixels of a place to each of the window^2 parameters around it.
        inside = torch.arange(spacing)
        around = (torch.arange(self._window) - self._padding) * spacing + sigma
        offsets = (inside[:, None] - around).double()
        squares = offsets[:, None, :, None] ** 2 + offsets[None, :, None, :] ** 2
        distances = squares.sqrt().view(spacing**2, self._window**2) / sigma
        self._weights = torch.exp(-2 * (distances - 0.5).clamp(min=0) ** 2)

    def make(self, parameters: Tensor) -> Tensor:
        """Make (k, H, W) masks, with the margin, of (k, *grid) parameters."""
        count = len(parameters)
        around = F.unfold(parameters[:, None], self._window, padding=self._padding).transpose(1, 2).flatten(0, 1)
        values: Tensor = _SmoothMaximum.apply(around, self._weights.to(parameters))  # type: ignore[no-untyped-call]
        rows, columns = self._places
        tiles = values.view(count, rows, columns, self._spacing, self._spacing).transpose(2, 3)
        masks = tiles.reshape(count, rows * self._spacing, columns * self._spacing)
        return masks[:, : self.padded[0], : self.padded[1]].clamp(0, 1)

    def crop(self, masks: Tensor) -> Tensor:
        """Cut the margin off: (k, h, w)."""
        height, width = self._size
        return masks[:, self._sigma : self._sigma + height, self._sigma : self._sigma + width]


class _SmoothMaximum(torch.autograd.Function):
    """From (n, i) parameters and (u, i) weights to (n, u): sum_i x exp(20 x) / sum_i exp(20 x), x = weight * parameter.

    The (n, u, i) products of a picture are far larger than a processor's cache. They are made again for the gradient, a
    few rows at a time, instead of being kept.
    """

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, weights: Tensor) -> Tensor:
        values = parameters.new_empty(len(parameters), len(weights))
        for rows in _rows(parameters, weights):
            products = parameters[rows, None] * weights
            shares = (COLDNESS * products).exp_()
            values[rows] = (products * shares).sum(dim=2) / shares.sum(dim=2)
        ctx.save_for_backward(parameters, weights, values)
        return values

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        parameters, weights, values = ctx.saved_tensors
        found = torch.empty_like(parameters)
        for rows in _rows(parameters, weights):
            products = parameters[rows, None] * weights
            shares = (COLDNESS * products).exp_()
            outer = slopes[0][rows] / shares.sum(dim=2)
            # d value / d x_i = exp(20 x_i) (1 + 20 (x_i - value)) / sum exp(20 x)
            inner = shares.mul_(products.sub_(values[rows, :, None]).mul_(COLDNESS).add_(1))
            found[rows] = torch.einsum("nu,nui,ui->ni", outer, inner, weights)
        return found, None


def _rows(parameters: Tensor, weights: Tensor) -> list[slice]:
    most = 2**18 if parameters.device.type == "cpu" else 2**28
    size = max(1, most // weights.numel())
    return [slice(start, start + size) for start in range(0, len(parameters), size)]


def blur_levels(image: Tensor, strongest: float) -> Tensor:
    """Blur a (c, h, w) image at eight levels, from ``strongest`` to not at all: (8, c, h, w)."""
    deviations = [strongest * (1 - level / (LEVELS - 1)) for level in range(LEVELS)]
    return torch.stack([blurred(image.double(), each) for each in deviations]).to(image.dtype)


def blurred(planes: Tensor, deviation: float) -> Tensor:
    """Blur (..., h, w) planes by a Gaussian that is cut off at four deviations, with zeros beyond the border."""
    if deviation <= 0:
        return planes
    reach = math.ceil(4 * deviation)
    total = torch.exp(-((torch.arange(-reach, reach + 1, dtype=torch.float64) / deviation) ** 2) / 2).sum()
    rows, columns = (_mixing(length, deviation, reach).to(planes) / total.to(planes) for length in planes.shape[-2:])
    return rows @ planes @ columns


def _mixing(length: int, deviation: float, reach: int) -> Tensor:
    pixels = torch.arange(length, dtype=torch.float64)
    apart = (pixels[:, None] - pixels).abs()
    return torch.where(apart <= reach, torch.exp(-((apart / deviation) ** 2) / 2), 0)


def chosen_level(pyramid: Tensor, masks: Tensor) -> Tensor:
    """Let (k, h, w) masks choose a level of the pyramid at each pixel, between two of them in part: (k, c, h, w)."""
    levels = masks[:, None, None] * (LEVELS - 1)
    below = levels.detach().floor()
    share = (levels - below)[:, 0]
    index = below.long().clamp(0, LEVELS - 1).expand(-1, -1, *pyramid.shape[1:])
    every = pyramid.expand(len(masks), *pyramid.shape)
    lower = every.gather(1, index)[:, 0]
    upper = every.gather(1, (index + 1).clamp(max=LEVELS - 1))[:, 0]
    return (1 - share) * lower + share * upper
