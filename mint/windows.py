"""Square windows that are hidden one at a time, as occlusion hides them, and what the network's answers say of them."""

import torch
from torch import Tensor

from mint.partitions import grid


def window_states(height: int, width: int, count: int) -> tuple[Tensor, Tensor]:
    """Describe samples that hide one window each: each window is two cells wide and high, and the next one cell on.

    Parameters
    ----------
    height, width : int
        The picture's size in pixels.
    count : int
        The windows along a side, 1 or more; there is one more cell.

    Returns
    -------
    cells : Tensor
        (h, w) int64: the cell of each pixel, row by row.
    states : Tensor
        (count * count, (count + 1) ** 2) bool: the cells that each sample shows.
    """
    cells = grid(height, width, count + 1)
    near = torch.arange(count + 1) - torch.arange(count)[:, None]
    inside = (near == 0) | (near == 1)  # (windows, cells) along one side
    hidden = inside[:, None, :, None] & inside[None, :, None, :]
    return cells, ~hidden.reshape(count**2, -1)


def mean_fall(cells: Tensor, states: Tensor, falls: Tensor) -> Tensor:
    """Average over the windows that hide a pixel, (h, w) float64, how far the answer fell for each, (windows,)."""
    hidden = (~states).double()
    return (falls @ hidden / hidden.sum(dim=0))[cells]
