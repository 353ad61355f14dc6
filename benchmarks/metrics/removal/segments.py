"""Super-pixels that a removal curve takes away whole.

Source: S. Bluecher, J. Vielhaben, N. Strodthoff, "Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI
Benchmarks", TMLR 2024, and the authors' ``pixel_flipping.py``: the map is averaged over SLIC super-pixels, which go in
the order of these means, and the network is asked at numbers of super-pixels that are spaced geometrically.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from skimage.segmentation import slic
from torch import Tensor

from benchmarks.metrics.metric import Context
from mint.parameters import require_count, require_number


@dataclass(frozen=True)
class Segments:
    """A cut of the picture, as the network sees it, into SLIC super-pixels.

    Parameters
    ----------
    number
        How many SLIC is asked for; it finds about as many.
    compactness
        SLIC's balance between colour and distance, in the normalised space; 1 is the authors' value.
    """

    number: int
    compactness: float = 1.0

    def __post_init__(self) -> None:
        require_count("number", self.number, 1)
        require_number("compactness", self.compactness, 0, beyond=True)

    def labels(self, context: Context) -> Tensor:
        """Return the super-pixel of each pixel, (pixels,) int64 from 0 without gaps; found once a case."""

        def cut() -> np.ndarray:
            picture = context.image.permute(1, 2, 0).cpu().double().numpy()
            # The picture is no RGB any more, so its colours are not converted.
            found = slic(picture, self.number, self.compactness, start_label=0, convert2lab=False, channel_axis=-1)
            return np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int64)

        return context.on_device(("segments", self), cut)

    def ranks(self, context: Context, values: Tensor) -> Tensor:
        """Give each pixel the place of its super-pixel: the higher, the higher the map's mean over it.

        ``values`` are maps, (maps, pixels); the answer is like them, with a number of its own for each super-pixel. Of
        super-pixels with one mean, the first counts as higher.
        """
        labels = self.labels(context)
        sizes = torch.bincount(labels)
        sums = torch.zeros(len(values), len(sizes), dtype=torch.float64, device=values.device)
        means = sums.index_add_(1, labels, values.double()) / sizes
        order = torch.argsort(means, dim=1, descending=True, stable=True)
        places = torch.arange(len(sizes), 0, -1, dtype=torch.float32, device=values.device)
        return torch.empty_like(means, dtype=torch.float32).scatter_(1, order, places.expand_as(order))[:, labels]


def geometrically(ranked: Tensor, count: int) -> Tensor:
    """Return how many pixels have moved at numbers of super-pixels that are spaced geometrically, from 1 to all.

    ``ranked`` are the values of `Segments.ranks` in the order in which they go, (maps, pixels). The answer is (maps,
    points) int64: 0, then what ``count`` numbers of super-pixels hold, each number once.
    """
    last = F.pad(ranked[:, 1:] != ranked[:, :-1], (0, 1), value=True)
    moved = F.pad(last.nonzero()[:, 1].view(len(ranked), -1) + 1, (1, 0))
    every = moved.shape[1] - 1
    steps = np.unique([0, *np.geomspace(1, every, count).astype(int), every])
    return moved[:, torch.from_numpy(steps).to(moved.device)]
