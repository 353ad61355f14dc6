"""Quickshift: cut a picture where the path from each pixel to denser and denser neighbours ends.

The labels equal those of scikit-image's ``skimage.segmentation.quickshift``, which runs on the host alone, in one
thread.
"""

import math
from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np
import skimage.color
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.parameters import require_number

# How many numbers one step holds at once, which bounds the memory. A GPU is fastest with few large steps: this many
# float64 are 256 MB. On a CPU the numbers of a step should fit into a core's cache.
GPU_STEP = 2**25
CPU_STEP = 2**16
# On a CPU, parents are sought at most so many pixels away first, and farther away only for pixels without one there.
RINGS = (2, 5)
FAR = 1e6  # a colour that is nobody's neighbour; the exponential of its distance is 0


def quickshift(
    picture: NDArray[np.uint8] | Tensor,
    kernel_size: float,
    max_dist: float,
    ratio: float,
    seed: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Cut a picture by Quickshift, on any device, with the labels that scikit-image gives.

    Each pixel is a point of its colour (Lab, times ``ratio``) and its place. Its density is a sum of Gaussians over
    the pixels in a window around it. Its parent is the nearest denser pixel in that window. A pixel without a parent
    is a root, and all pixels that lead to one root make one segment. A little noise, drawn as scikit-image draws
    it, breaks ties between equal densities.

    Parameters
    ----------
    picture : ndarray or Tensor
        (h, w, 3) uint8, RGB.
    kernel_size : float
        Width of the Gaussian, at least 1; the window reaches ``ceil(3 * kernel_size)`` pixels to each side.
    max_dist : float
        A parent that is farther away than this is not taken.
    ratio : float
        How much colour counts against place.
    seed : int
        The seed of the noise.
    device : torch.device or str
        Where the densities and the parents are computed.

    Returns
    -------
    Tensor
        (h, w) int64 on ``device``, labels from 0 without gaps, in the order of the roots.

    Raises
    ------
    ValueError
        If ``kernel_size`` is below 1.

    References
    ----------
    A. Vedaldi and S. Soatto, "Quick shift and kernel methods for mode seeking", ECCV 2008.
    """
    if kernel_size < 1:
        raise ValueError(f"kernel_size must be at least 1, not {kernel_size}.")
    # The host converts the colours, because another device's powers and roots may differ in their last bit.
    lab = skimage.color.rgb2lab(np.asarray(torch.as_tensor(picture).cpu())) * ratio
    noise = np.random.default_rng(seed).normal(scale=0.00001, size=lab.shape[:2])
    radius = math.ceil(min(3 * kernel_size, max(noise.shape)))  # beyond the picture there is nothing
    scale = -0.5 / (kernel_size * kernel_size)

    def settle(densities: Tensor) -> Tensor:
        densities = densities + torch.from_numpy(noise).to(device)
        _settle(densities, lab, noise, radius, scale)
        return densities

    points = torch.from_numpy(lab.transpose(2, 0, 1).copy()).to(device)
    find = _parents_on_host if points.device.type == "cpu" else _parents_on_device
    parents, distances = find(points, radius, scale, settle)
    itself = torch.arange(parents.numel(), device=device)
    roots = torch.where(distances.flatten().sqrt() <= max_dist, parents.flatten(), itself)
    is_root = roots == itself
    # Each pass doubles the distance that a pixel has gone towards its root.
    for _ in range(len(roots).bit_length()):
        roots = roots[roots]
    return (is_root.cumsum(0) - 1)[roots].view(parents.shape)


def _parents_on_device(
    points: Tensor, radius: int, scale: float, settle: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Find each pixel's parent and its squared distance, infinite where there is none: few steps of many numbers each.

    Parameters
    ----------
    points : Tensor
        (3, h, w) float64, the colours.
    radius : int
        How far the window reaches.
    scale : float
        The factor of squared distances in the exponent.
    settle : callable
        It adds the noise to the densities, (h, w), and puts right what rounding could change.

    Returns
    -------
    parents, distances : Tensor
        (h, w) int64 and float64.
    """
    height, width = points.shape[1:]
    neighbours = _windows(points, radius, torch.inf)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=points.device).square()
    step = GPU_STEP // (len(offsets) ** 2 * width)
    blocks = [slice(*block) for block in pairwise([*range(0, height, max(step, 1)), height])]

    sums = []
    for rows in blocks:
        distances = _distances(points[:, rows], neighbours[..., rows, :], offsets)
        sums.append((distances * scale).exp_().sum((0, 1)))
    densities = settle(torch.cat(sums))

    itself = torch.arange(height * width, device=points.device).view(height, width)
    others = _windows(densities, radius, -torch.inf)
    found = []
    for rows in blocks:
        if len(blocks) > 1:  # otherwise they are still there
            distances = _distances(points[:, rows], neighbours[..., rows, :], offsets)
        not_denser = torch.empty_like(distances, dtype=torch.bool)
        torch.le(others[..., rows, :], densities[rows], out=not_denser)
        distances.masked_fill_(not_denser, torch.inf)
        # Of several equally near pixels, min returns the first, which is the one that scikit-image takes.
        nearest, index = distances.flatten(0, 1).min(0)
        down = index.div(len(offsets), rounding_mode="floor") - radius
        found.append((itself[rows] + down * width + index % len(offsets) - radius, nearest))
    parents, nearest = (torch.cat(each) for each in zip(*found, strict=True))
    return parents, nearest


def _parents_on_host(
    points: Tensor, radius: int, scale: float, settle: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Find what `_parents_on_device` finds, with a third of the arithmetic, in steps that a core's cache holds.

    Of two pixels, each adds the same term to the other's density, so that it is computed once. Nearly all pixels have
    their parent close by, so that few have to look through the whole window.
    """
    height, width = points.shape[1:]
    # One long row, in which a shift moves every pixel alike: what leaves a row of the picture arrives at FAR.
    row = width + radius
    flat = torch.nn.functional.pad(points, (0, radius), value=FAR).flatten(1)
    densities = settle(_densities(flat * math.sqrt(-scale), row, radius, scale).view(height, row)[:, :width])

    margins = (0, radius, radius, radius + 1)
    flat = torch.nn.functional.pad(points, margins, value=FAR).flatten(1)
    density = torch.nn.functional.pad(densities, margins, value=-torch.inf).flatten()
    pixels = (torch.arange(radius, radius + height)[:, None] * row + torch.arange(width)).flatten()
    parents, nearest = pixels.clone(), torch.full(pixels.shape, torch.inf, dtype=torch.float64)
    down, across = (each.flatten() for each in torch.meshgrid(*[torch.arange(-radius, radius + 1)] * 2, indexing="ij"))
    squares = down.square() + across.square()
    left = torch.arange(len(pixels))
    for inner, outer in pairwise([0, *(reach for reach in RINGS if reach < radius), 2 * radius]):
        ring = (squares > inner * inner) & (squares <= outer * outer)
        shifts, rows, columns = down[ring] * row + across[ring], down[ring].double(), across[ring].double()
        # An equally near pixel in this ring may come before the one that was found.
        left = left[nearest[left] > inner * inner]
        for part in torch.split(left, max(CPU_STEP // len(shifts), 1)):
            here = pixels[part, None]
            there = here + shifts
            distances = (flat[0, here] - flat[0, there]).square_()
            for colour in flat[1:]:
                distances += (colour[here] - colour[there]).square_()
            distances += rows.square()
            distances += columns.square()
            distances.masked_fill_(density[there] <= density[here], torch.inf)
            best, index = distances.min(1)
            found, before = there.gather(1, index[:, None])[:, 0], nearest[part]
            better = (best < before) | ((best == before) & best.isfinite() & (found < parents[part]))
            nearest[part] = torch.where(better, best, before)
            parents[part] = torch.where(better, found, parents[part])
    parents = (parents.div(row, rounding_mode="floor") - radius) * width + parents % row
    return parents.view(height, width), nearest.view(height, width)


def _densities(points: Tensor, row: int, radius: int, scale: float) -> Tensor:
    """Sum the Gaussians in each pixel's window; ``points``, (3, n), are scaled so that the exponent is minus d."""
    sums = torch.ones(points.shape[1], dtype=points.dtype)  # the pixel itself
    exponents, differences = torch.empty_like(sums), torch.empty_like(sums)
    for down in range(radius + 1):
        for across in range(-radius if down else 1, radius + 1):
            count = len(sums) - (down * row + across)
            if count <= 0:
                continue
            exponent, difference = exponents[:count], differences[:count]
            exponent.fill_(scale * (down * down + across * across))
            for colour in points:
                torch.sub(colour[:count], colour[-count:], out=difference)
                exponent.addcmul_(difference, difference, value=-1)
            exponent.exp_()
            sums[:count] += exponent
            sums[-count:] += exponent
    return sums


def _windows(values: Tensor, radius: int, outside: float) -> Tensor:
    """View (..., h, w) as (..., down, across, h, w): the value that lies so far down and across from each pixel."""
    height, width = values.shape[-2:]
    padded = torch.nn.functional.pad(values, (radius,) * 4, value=outside)
    return padded.unfold(-2, height, 1).unfold(-2, width, 1)


def _distances(points: Tensor, neighbours: Tensor, offsets: Tensor) -> Tensor:
    """Compute the squared distances to all neighbours, (down, across, h, w), in scikit-image's order of additions."""
    # Left to choose, torch lays results out in the order of the windows' memory, which makes every later step slow.
    distances = torch.empty(neighbours.shape[1:], dtype=points.dtype, device=points.device)
    squares = torch.empty_like(distances)
    torch.sub(points[0], neighbours[0], out=distances).square_()
    for point, neighbour in zip(points[1:], neighbours[1:], strict=True):
        distances += torch.sub(point, neighbour, out=squares).square_()
    distances += offsets[:, None, None, None]
    distances += offsets[:, None, None]
    return distances


def _settle(densities: Tensor, lab: NDArray[np.float64], noise: NDArray[np.float64], radius: int, scale: float) -> None:
    """Recompute, in place, the densities that are so close to another one that rounding decides which is larger.

    Devices round exponentials and sums differently. Two densities can change places only if they differ by less than
    the bound on both errors. These few are computed on the host just as scikit-image does, with the C library's
    exponential and in its order of additions.
    """
    ordered, order = densities.flatten().sort()
    # For both densities, n additions and two exponentials, each wrong by at most one unit in the last place, and their
    # exponents x, whose errors weigh x exp(-x).
    bound = 2 * ((2 * radius + 1) ** 2 + 40) * torch.finfo(torch.float64).eps
    close = ordered.diff() <= bound * ordered[1:]
    pad = torch.nn.functional.pad
    for pixel in order[pad(close, (1, 0)) | pad(close, (0, 1))].tolist():
        y, x = divmod(pixel, noise.shape[1])
        top, left = max(y - radius, 0), max(x - radius, 0)
        window = lab[top : y + radius + 1, left : x + radius + 1]
        squares = [(lab[y, x, channel] - window[..., channel]) ** 2 for channel in range(window.shape[-1])]
        rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
        distances = sum(squares[1:], squares[0]) + (rows + top - y) ** 2.0 + (columns + left - x) ** 2.0
        terms = map(math.exp, (distances * scale).ravel().tolist())
        *_, densities[y, x] = accumulate(terms, initial=float(noise[y, x]))


def require_quickshift(kernel_size: object, max_dist: object, ratio: object) -> None:
    """Refuse parameters that Quickshift cannot take, by an InputError."""
    require_number("kernel_size", kernel_size, 1)
    require_number("max_dist", max_dist, 0, beyond=True)
    require_number("ratio", ratio, 0, 1)
