"""Inpainting: what OpenCV paints where pixels are removed.

Source: A. Telea, "An image inpainting technique based on the fast marching method", Journal of Graphics Tools 2004:
from its border inwards, a hole is filled with weighted means of what is known nearby.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.metric import Context


def paint_anew(context: Context, left: Tensor, radius: float) -> Tensor:
    """Paint what is removed from the case's picture, on the CPU.

    Parameters
    ----------
    context : Context
    left : Tensor
        (k, h, w) bool: the pixels that each copy keeps. A copy that keeps none is zero in the normalised space, as
        there is nothing to paint from.
    radius : float
        How far OpenCV looks for what is known, in pixels.

    Returns
    -------
    Tensor
        (k, c, h, w) float32, normalised, on the network's device.
    """
    copies = torch.zeros(len(left), *context.image.shape, device=context.image.device)
    for copy, kept in zip(copies, left.cpu().numpy(), strict=True):
        if kept.any():
            hole = (~kept).astype(np.uint8)
            painted = cv2.inpaint(np.ascontiguousarray(context.case.image), hole, radius, cv2.INPAINT_TELEA)
            copy.copy_(context.network.tensor(painted))
    return copies
