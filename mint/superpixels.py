"""Section 2: one picture, cut into coarse super-pixels and, inside each of them, fine ones.

Coarse: GrabCut, seeded by the class-discriminative saliency M, finds the foreground, one super-pixel; SLIC cuts the
background into a few more. Fine: Quickshift with LIME's parameters, intersected with the coarse partition. Several
classes can share one partition, in which each has a foreground.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
import skimage.measure
import skimage.segmentation
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.parameters import InputError, require_count, require_number, require_seed, require_word
from mint.picture import to_picture
from mint.quickshift import quickshift as find_quickshift
from mint.quickshift import require_quickshift

Route = Literal["grabcut", "threshold", "slic"]
FineCut = Literal["quickshift", "slic"]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Segmentation:
    """Every choice of Section 2 that the paper leaves open.

    Attributes
    ----------
    sure_foreground, probable_foreground, probable_background : float
        Thresholds on R = ReLU(M) / max ReLU(M), descending: above the first GrabCut takes a pixel as sure
        foreground, above the second as probable foreground, above the third as probable background, below it as
        sure background.
    grabcut_iterations, grabcut_seed : int
        GrabCut's number of iterations and the seed of OpenCV's generator.
    fallback_threshold : float
        Where GrabCut fails, the foreground is R above this.
    smallest_foreground, largest_foreground : float
        GrabCut has failed if its foreground covers less, or more, of the picture.
    background_segments : int
        Super-pixels that SLIC is asked for in the background.
    compactness : float
        SLIC's balance between colour and distance, for both scales.
    fine : {"quickshift", "slic"}
        What cuts the fine super-pixels; SLIC is asked for as many as Quickshift finds.
    kernel_size, max_dist, ratio, quickshift_seed : float, float, float, int
        Quickshift's parameters, LIME's values, and the seed of its tie-breaking.
    sliver : float
        Fine super-pixels that cover less of the picture are merged into a neighbour.
    """

    sure_foreground: float = 0.7
    probable_foreground: float = 0.3
    probable_background: float = 0.1
    grabcut_iterations: int = 5
    grabcut_seed: int = 0
    fallback_threshold: float = 0.3
    smallest_foreground: float = 0.01
    largest_foreground: float = 0.9
    background_segments: int = 5
    compactness: float = 10.0
    fine: FineCut = "quickshift"
    kernel_size: float = 4.0
    max_dist: float = 200.0
    ratio: float = 0.2
    quickshift_seed: int = 0
    sliver: float = 0.0005

    def __post_init__(self) -> None:
        for name in ("sure_foreground", "probable_foreground", "probable_background", "fallback_threshold"):
            require_number(name, getattr(self, name), 0, 1)
        if self.fallback_threshold == 1:
            raise InputError("fallback_threshold is below 1, as R is at most 1 and nothing would lie above it.")
        if not self.sure_foreground >= self.probable_foreground >= self.probable_background:
            raise InputError(
                "sure_foreground, probable_foreground and probable_background fall in this order, not "
                f"{self.sure_foreground}, {self.probable_foreground}, {self.probable_background}."
            )
        for name in ("smallest_foreground", "largest_foreground", "sliver"):
            require_number(name, getattr(self, name), 0, 1)
        for name in ("grabcut_iterations", "background_segments"):
            require_count(name, getattr(self, name), 1)
        require_number("compactness", self.compactness, 0, beyond=True)
        require_word("fine", self.fine, get_args(FineCut))
        require_quickshift(self.kernel_size, self.max_dist, self.ratio)
        require_seed("grabcut_seed", self.grabcut_seed, 31)
        require_seed("quickshift_seed", self.quickshift_seed, 31)


@dataclass(frozen=True, eq=False)
class SuperPixels:
    """A nested partition of a picture.

    Attributes
    ----------
    coarse : Tensor
        (h, w) int64, 0 to p - 1; 0 is the foreground, unless ``route`` is "slic". Where several classes share the
        partition, their foregrounds come first, in the classes' order. Where foregrounds overlap, a pixel belongs to
        the class whose M, divided by its maximum, is largest there. A class can lose its whole foreground in this way.
    fine : Tensor
        (h, w) int64, 0 to q - 1.
    parent : Tensor
        (q,) int64, the coarse super-pixel that each fine one lies in.
    route : {"grabcut", "threshold", "slic"}
        How the foreground was found: by GrabCut; or by a threshold, where GrabCut failed; or not at all ("slic"), where
        M has no positive value and SLIC alone made the coarse partition.
    """

    coarse: Tensor
    fine: Tensor
    parent: Tensor
    route: Route

    @property
    def relation(self) -> Tensor:
        """The matrix T of Eq. 14: (q, p) float64, one 1 in each row."""
        return torch.nn.functional.one_hot(self.parent, int(self.coarse.max()) + 1).double()


def segment(
    image: Tensor,
    saliencies: Tensor,
    options: Segmentation | None = None,
    device: torch.device | None = None,
) -> tuple[SuperPixels, ...]:
    """Cut an image into nested super-pixels.

    Parameters
    ----------
    image : Tensor
        (c, h, w), normalised; see :func:`to_picture`.
    saliencies : Tensor
        (classes, h, w), the map M of each class, at the image's size.
    options : Segmentation, optional
        The open choices; the defaults if None.
    device : torch.device, optional
        Where Quickshift computes; the image's device if None.

    Returns
    -------
    tuple of SuperPixels
        The partition, once for each class; they differ in their ``route`` alone.
    """
    options = options or Segmentation()
    picture = to_picture(image)
    coarse, routes = coarse_labels(picture, saliencies.detach().cpu().double().numpy(), options)
    fine = fine_labels(picture, coarse, options, device or image.device)
    parent = np.zeros(fine.max() + 1, dtype=np.int64)
    parent[fine.ravel()] = coarse.ravel()
    shared = torch.from_numpy(coarse), torch.from_numpy(fine), torch.from_numpy(parent)
    return tuple(SuperPixels(*shared, route) for route in routes)


def coarse_labels(
    picture: NDArray[np.uint8], saliencies: NDArray[np.float64], options: Segmentation
) -> tuple[Labels, tuple[Route, ...]]:
    """Cut a picture into the coarse super-pixels: the foreground of each class, then pieces of the background.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) uint8.
    saliencies : ndarray
        (classes, h, w), the prior M of each class.
    options : Segmentation
        The open choices.

    Returns
    -------
    labels : ndarray
        (h, w) int64, 0 to p - 1 without gaps. Where foregrounds overlap, a pixel belongs to the class with the stronger
        prior, after each prior was divided by its maximum.
    routes : tuple of {"grabcut", "threshold", "slic"}
        Which way was taken for each class.
    """
    positive = np.maximum(saliencies, 0.0)
    largest = positive.max(axis=(1, 2), keepdims=True)
    strengths = positive / np.where(largest > 0, largest, 1.0)
    found = [_foreground(picture, strength, options) for strength in strengths]
    foregrounds = np.stack([foreground for foreground, _ in found])
    owner = np.where(foregrounds, strengths, -1.0).argmax(axis=0)
    background: Mask = np.asarray(~foregrounds.any(axis=0))
    # Without any foreground SLIC is asked for one segment more, so that the number of super-pixels is the same.
    segments = options.background_segments + int(background.all())
    pieces = _cut(picture, background, segments, options.compactness)
    return _without_gaps(np.where(background, len(found) + pieces, owner)), tuple(route for _, route in found)


def _foreground(picture: NDArray[np.uint8], strength: NDArray[np.float64], options: Segmentation) -> tuple[Mask, Route]:
    """Find one class's foreground from its prior, scaled to [0, 1]; empty where the prior is zero throughout."""
    if strength.max() <= 0:
        return np.zeros(strength.shape, dtype=bool), "slic"
    foreground = _grabcut(picture, strength, options)
    if foreground.any() and options.smallest_foreground <= foreground.mean() <= options.largest_foreground:
        return foreground, "grabcut"
    return strength > options.fallback_threshold, "threshold"


def _grabcut(picture: NDArray[np.uint8], strength: NDArray[np.float64], options: Segmentation) -> Mask:
    """Run GrabCut; an empty foreground where it cannot run."""
    seeds = np.full(strength.shape, cv2.GC_BGD, dtype=np.uint8)
    seeds[strength > options.probable_background] = cv2.GC_PR_BGD
    seeds[strength > options.probable_foreground] = cv2.GC_PR_FGD
    seeds[strength > options.sure_foreground] = cv2.GC_FGD
    key = picture.tobytes(), seeds.tobytes(), strength.shape, options.grabcut_iterations, options.grabcut_seed
    return remembered_grabcut(*key).copy()


@lru_cache(maxsize=16)
def remembered_grabcut(pixels: bytes, marks: bytes, shape: tuple[int, ...], iterations: int, seed: int) -> Mask:
    """Run GrabCut, for methods that cut each of a few pictures in turn; what is returned is not to be changed."""
    picture = np.frombuffer(pixels, np.uint8).reshape(*shape, 3)
    seeds = np.frombuffer(marks, np.uint8).reshape(shape).copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(seed)
    try:
        cv2.grabCut(picture, seeds, (0, 0, 1, 1), *models, iterations, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # the seeds hold no background at all; the caller falls back, and records it
        return np.zeros(shape, dtype=bool)
    return np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _cut(picture: NDArray[np.uint8], region: Mask, segments: int, compactness: float) -> Labels:
    """Cut a region by SLIC: labels from 1 inside it; what they are outside does not matter."""
    if not region.any():
        return np.zeros(region.shape, dtype=np.int64)
    labels: Labels = skimage.segmentation.slic(
        picture, n_segments=segments, compactness=compactness, mask=region, start_label=1, channel_axis=-1
    )
    labels[region & (labels == 0)] = labels.max() + 1
    return labels


def fine_labels(
    picture: NDArray[np.uint8], coarse: Labels, options: Segmentation, device: torch.device | str = "cpu"
) -> Labels:
    """Cut a picture into connected fine super-pixels, each inside one coarse super-pixel.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) uint8.
    coarse : ndarray
        (h, w) int64, the coarse labels.
    options : Segmentation
        The open choices.
    device : torch.device or str
        Where Quickshift computes. The labels do not depend on it.

    Returns
    -------
    ndarray
        (h, w) int64, 0 to q - 1 without gaps.
    """
    crossed = _without_gaps(_FINE_CUTS[options.fine](picture, options, device) * (coarse.max() + 1) + coarse)
    pieces = skimage.measure.label(crossed, background=-1, connectivity=1) - 1  # type: ignore[no-untyped-call]
    return _without_gaps(_merge_slivers(pieces.astype(np.int64), coarse, options.sliver * coarse.size))


def _quickshift(picture: NDArray[np.uint8], options: Segmentation, device: torch.device | str) -> Labels:
    return quickshift(picture, options.kernel_size, options.max_dist, options.ratio, options.quickshift_seed, device)


def _slic_of_same_count(picture: NDArray[np.uint8], options: Segmentation, device: torch.device | str) -> Labels:
    segments = int(_quickshift(picture, options, device).max()) + 1
    return _cut(picture, np.ones(picture.shape[:2], dtype=bool), segments, options.compactness)


_FINE_CUTS: dict[str, Callable[[NDArray[np.uint8], Segmentation, torch.device | str], Labels]] = {
    "quickshift": _quickshift,
    "slic": _slic_of_same_count,
}


def quickshift(
    picture: NDArray[np.uint8],
    kernel_size: float,
    max_dist: float,
    ratio: float,
    seed: int,
    device: torch.device | str = "cpu",
) -> Labels:
    """Cut an (h, w, 3) uint8 picture by Quickshift, as MINT and LIME do: (h, w) int64 labels from 0, without gaps.

    The last few pictures' labels are kept, for the next method that cuts the same picture alike.
    """
    key = picture.tobytes(), picture.shape, kernel_size, max_dist, ratio, seed, str(device)
    return remembered_quickshift(*key).copy()


@lru_cache(maxsize=16)
def remembered_quickshift(
    pixels: bytes, shape: tuple[int, ...], kernel_size: float, max_dist: float, ratio: float, seed: int, device: str
) -> Labels:
    """Run Quickshift, for methods that cut each of a few pictures in turn; what is returned is not to be changed."""
    picture = np.frombuffer(pixels, np.uint8).reshape(shape)
    return find_quickshift(picture.copy(), kernel_size, max_dist, ratio, seed, device).cpu().numpy()


def _merge_slivers(fine: Labels, coarse: Labels, smallest: float) -> Labels:
    """Merge each piece below ``smallest`` pixels into a neighbour inside the same coarse super-pixel.

    It is the neighbour with which it shares the longest border. The smallest piece is merged first. A piece without a
    neighbour there is merged into the largest piece of its coarse super-pixel. A piece that is a whole coarse
    super-pixel stays as it is.
    """
    count = int(fine.max()) + 1
    sizes = np.bincount(fine.ravel(), minlength=count)
    parent = np.zeros(count, dtype=np.int64)
    parent[fine.ravel()] = coarse.ravel()
    borders = _border_lengths(fine, parent)
    merged_into = np.arange(count)
    for piece in sorted(np.flatnonzero(sizes < smallest).tolist(), key=lambda i: (sizes[i], i)):
        # It may have grown by what was merged into it before.
        if sizes[piece] >= smallest:
            continue
        siblings = np.flatnonzero((parent == parent[piece]) & (merged_into == np.arange(count)))
        siblings = siblings[siblings != piece]
        if len(siblings) == 0:
            continue
        neighbours = borders[piece]
        largest = int(siblings[sizes[siblings].argmax()])
        host = max(neighbours, key=lambda j: (neighbours[j], -j)) if neighbours else largest
        merged_into[piece] = host
        sizes[host] += sizes[piece]
        for other, length in borders.pop(piece).items():
            del borders[other][piece]
            if other != host:
                borders[host][other] = borders[host].get(other, 0) + length
                borders[other][host] = borders[other].get(host, 0) + length
    while not np.array_equal(merged_into, merged_into[merged_into]):
        merged_into = merged_into[merged_into]
    return merged_into[fine]


def _border_lengths(fine: Labels, parent: Labels) -> dict[int, dict[int, int]]:
    """Count the pixel edges that each piece shares with each neighbour inside the same coarse super-pixel."""
    pairs = np.concatenate(
        [
            np.stack([fine[:, :-1].ravel(), fine[:, 1:].ravel()]),
            np.stack([fine[:-1].ravel(), fine[1:].ravel()]),
        ],
        axis=1,
    )
    pairs = pairs[:, (pairs[0] != pairs[1]) & (parent[pairs[0]] == parent[pairs[1]])]
    borders: dict[int, dict[int, int]] = {piece: {} for piece in range(len(parent))}
    edges, lengths = np.unique(np.sort(pairs, axis=0), axis=1, return_counts=True)
    for (one, other), length in zip(edges.T.tolist(), lengths.tolist(), strict=True):
        borders[one][other] = borders[other][one] = length
    return borders


def _without_gaps(labels: Labels) -> Labels:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def shares(labels: Tensor) -> Tensor:
    """Find the share of the picture that each label has.

    Parameters
    ----------
    labels : Tensor
        (h, w) int64, 0 to s - 1, none of them missing.

    Returns
    -------
    Tensor
        (s,) float32, summing to 1.
    """
    return torch.bincount(labels.flatten()) / labels.numel()


def centres(labels: Tensor) -> Tensor:
    """Find the mean position of each label's pixels.

    Parameters
    ----------
    labels : Tensor
        (h, w) int64, 0 to s - 1, none of them missing.

    Returns
    -------
    Tensor
        (s, 2) float64, x and y in pixels from the top left pixel.
    """
    flat = labels.flatten()
    y, x = (axis.flatten().double() for axis in torch.meshgrid(*map(torch.arange, labels.shape), indexing="ij"))
    sizes = torch.bincount(flat)
    return torch.stack([torch.bincount(flat, weights=axis) / sizes for axis in (x, y)], dim=1)
