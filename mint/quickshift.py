"""Quickshift: cut a picture where the path from each pixel to denser and denser neighbours ends.

The labels equal those of scikit-image's ``skimage.segmentation.quickshift``, which runs on the host alone.
"""

import math
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
    radius = math.ceil(3 * kernel_size)
    scale = -0.5 / (kernel_size * kernel_size)
    points = torch.from_numpy(lab.transpose(2, 0, 1).copy()).to(device)
    neighbours = _windows(points, radius, torch.inf)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=device).square()
    height, width = noise.shape
    step = (CPU_STEP if points.device.type == "cpu" else GPU_STEP) // (len(offsets) ** 2 * width)
    blocks = [slice(*block) for block in pairwise([*range(0, height, max(step, 1)), height])]

    sums = []
    for rows in blocks:
        distances = _distances(points[:, rows], neighbours[..., rows, :], offsets)
        sums.append((distances * scale).exp_().sum((0, 1)))
    densities = torch.cat(sums) + torch.from_numpy(noise).to(device)
    _settle(densities, lab, noise, radius, scale)

    itself = torch.arange(height * width, device=device).view(height, width)
    others = _windows(densities, radius, -torch.inf)
    parents = []
    for rows in blocks:
        if len(blocks) > 1:  # otherwise they are still there
            distances = _distances(points[:, rows], neighbours[..., rows, :], offsets)
        not_denser = torch.empty_like(distances, dtype=torch.bool)
        torch.le(others[..., rows, :], densities[rows], out=not_denser)
        distances.masked_fill_(not_denser, torch.inf)
        # Of several equally near pixels, min returns the first, which is the one that scikit-image takes.
        nearest, index = distances.flatten(0, 1).min(0)
        down = index.div(len(offsets), rounding_mode="floor") - radius
        parent = itself[rows] + down * width + index % len(offsets) - radius
        parents.append(torch.where(nearest.isfinite() & (nearest.sqrt() <= max_dist), parent, itself[rows]))

    roots = torch.cat(parents).flatten()
    is_root = roots == itself.flatten()
    # Each pass doubles the distance that a pixel has gone towards its root.
    for _ in range(len(roots).bit_length()):
        roots = roots[roots]
    return (is_root.cumsum(0) - 1)[roots].view(height, width)


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
    # n additions and two exponentials, each wrong by at most one unit in the last place, for both densities.
    bound = 2 * ((2 * radius + 1) ** 2 + 4) * torch.finfo(torch.float64).eps
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
