"""Windows that are hidden one at a time, as occlusion hides them, and what the network's answers say of them.

The windows' bounds cut each axis of the picture into cells. An *axis* is a pair: the cell that each pixel lies in,
(length,) int64, and whether a window holds a cell, (windows, cells) bool.
"""

import torch
from torch import Tensor


def even_windows(length: int, count: int) -> tuple[Tensor, Tensor]:
    """Place so many windows along an axis: each is two cells long, and the next one a cell on."""
    cells = (torch.arange(length) * (count + 1) / length).long()
    near = torch.arange(count + 1) - torch.arange(count)[:, None]
    return cells, (near == 0) | (near == 1)


def window_states(rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Describe samples that hide one window each, row by row.

    Parameters
    ----------
    rows, columns : pair of Tensor
        The two axes of the picture.

    Returns
    -------
    cells : Tensor
        (h, w) int64: the cell of each pixel, row by row.
    states : Tensor
        (windows, cells) bool: the cells that each sample shows.
    """
    cells = rows[0][:, None] * columns[1].shape[1] + columns[0]
    hidden = rows[1][:, None, :, None] & columns[1][None, :, None, :]
    return cells, ~hidden.flatten(2).flatten(0, 1)


def mean_fall(cells: Tensor, states: Tensor, falls: Tensor) -> Tensor:
    """Average over the windows that hide a pixel, (h, w) float64, how far the answer fell for each, (windows,)."""
    hidden = (~states).double()
    return (falls @ hidden / hidden.sum(dim=0))[cells]
