"""Several partitions of one picture, and what they are cut into together."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import skimage.segmentation
import torch
from numpy.typing import NDArray
from torch import Tensor

from mint.perturbation import seeded
from mint.superpixels import remembered_grabcut, remembered_quickshift


def slic(picture: NDArray[np.uint8], segments: int, compactness: float) -> Tensor:
    """Cut a picture, (h, w, 3), by SLIC, into as many segments as asked for or fewer: (h, w) int64 without gaps.

    The last few pictures' cuts are kept, for the next method that cuts alike.
    """
    return torch.from_numpy(remembered_slic(picture.tobytes(), picture.shape, segments, compactness).astype(np.int64))


@lru_cache(maxsize=48)
def remembered_slic(pixels: bytes, shape: tuple[int, ...], segments: int, compactness: float) -> NDArray[np.int32]:
    """Cut a picture, given as its bytes and shape, as `slic` does; the labels are shared, and not to be changed."""
    labels = skimage.segmentation.slic(
        np.frombuffer(pixels, np.uint8).reshape(shape),
        n_segments=segments,
        compactness=compactness,
        start_label=0,
        channel_axis=-1,
    )
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def forget_cuts() -> None:
    """Drop what is remembered of the last pictures' cuts: for who times a method on a picture as if it were new."""
    for each in (remembered_slic, remembered_grabcut, remembered_quickshift):
        each.cache_clear()


def shifted_grids(height: int, width: int, cells: int) -> list[Tensor]:
    """Cut a picture by a grid, and by three grids that are shifted by half a cell.

    Parameters
    ----------
    height, width : int
        The picture's size in pixels.
    cells : int
        The cells along a side. A shifted grid has one more, of which the first and the last are halves.

    Returns
    -------
    list of Tensor
        Four partitions, (h, w) int64 each, without gaps: not shifted, to the right, downwards, and both.
    """

    def lines(size: int, shift: float) -> Tensor:
        return (torch.arange(size) * cells / size + shift).long()

    shifts = [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]
    grids = [lines(height, down)[:, None] * (cells + 1) + lines(width, right) for down, right in shifts]
    return [torch.unique(each, return_inverse=True)[1] for each in grids]


def overlay(partitions: Sequence[Tensor]) -> Tensor:
    """Cut a picture along the borders of all partitions, (h, w) int64 each: atoms, (h, w) int64, without gaps."""
    atoms = partitions[0]
    for partition in partitions[1:]:
        crossed = atoms * (int(partition.max()) + 1) + partition
        atoms = torch.unique(crossed, return_inverse=True)[1]
    return atoms


def owner_of(atoms: Tensor, partition: Tensor) -> Tensor:
    """Tell which super-pixel of a coarser partition each atom lies in, (atoms,) int64."""
    owner = torch.zeros(int(atoms.max()) + 1, dtype=torch.int64)
    owner[atoms.flatten()] = partition.flatten()
    return owner


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
    generator = seeded(seed)
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
