"""RISE: the mean of many random soft masks, each weighted by the score of the picture that it lets through.

Reference: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018, equation 6. With N masks M_k, which let a pixel through with probability p on average:

    map = 1 / (p N)  sum over k of  g(X * M_k) M_k

with g the target's softmax probability, or another score. A hidden pixel is 0 in the normalised space, which is gray.
A mask is a grid of s x s cells, each 1 with probability p and else 0. The grid is enlarged bilinearly to (s + 1) / s of
the picture's size, and the picture's size is cut out of it at a random place.

It costs N forwards and no backward.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from baselines.asking import drawn_scores
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count, require_number, require_seed
from mint.perturbation import seeded
from mint.scores import Score, require_score


@dataclass(frozen=True)
class RISE:
    """RISE's map.

    The defaults are the paper's and TorchRay's: 7 x 7 cells, of which one half lets the picture through. The authors'
    notebook, which prints other scores than the paper, has ``samples=6000, cells=8, keep=0.1``.

    Parameters
    ----------
    samples
        N, the number of masks and of forwards. The paper has 4000 for VGG16 and 8000 for ResNet50, TorchRay 8000.
    cells
        s, the number of cells along each side of the grid.
    keep
        p, the probability that a cell lets the picture through.
    batch_size
        Masked pictures through the network at a time; None lets the perturbation engine choose. The maps do not
        depend on it.
    seed
        Seed of the masks, which are the same for each picture, and on each device.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    """

    samples: int = 4000
    cells: int = 7
    keep: float = 0.5
    batch_size: int | None = None
    seed: int = 0
    score: Score = "probability"

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 1)
        require_count("cells", self.cells, 1)
        require_number("keep", self.keep, 0, 1, beyond=True)
        require_seed("seed", self.seed)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps, at least 0 where the score is."""
        with explaining(model, images, targets):
            height, width = images.shape[-2:]
            masks = Masks.draw(self.samples, self.cells, self.keep, (height, width), self.seed)
            maps = [self._explain(model, masks, *pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _explain(self, model: nn.Module, masks: "Masks", image: Tensor, target: int) -> Tensor:
        pixels = image.permute(1, 2, 0)
        lent = masks.to(image)

        def draw(start: int, stop: int, batch: Tensor) -> None:
            torch.mul(lent.expand(start, stop).unsqueeze(-1), pixels, out=batch)

        scores = drawn_scores(model, image, self.samples, draw, target, self.score, self.batch_size)
        return (masks.weighted_sum(scores) / (self.samples * self.keep)).to(image.device, torch.float32)


@dataclass(frozen=True, eq=False)
class Masks:
    """Soft masks as what they are made of; a few at a time are expanded to pixels.

    Attributes
    ----------
    grids
        (N, s, s), 0 or 1.
    tops, lefts
        (N,) int64, where the picture's size is cut out of the enlarged grid, in pixels.
    rows, columns
        (places, s, h) and (places, s, w): how much of each cell lies in each pixel of a mask that is cut out at each
        place, along one axis.
    """

    grids: Tensor
    tops: Tensor
    lefts: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def draw(cls, count: int, cells: int, keep: float, size: tuple[int, int], seed: int) -> "Masks":
        """Draw masks for pictures of one size, on the CPU, in double precision."""
        generator = seeded(seed)
        grids = (torch.rand(count, cells, cells, generator=generator) < keep).double()
        places = [torch.randint(ceil(length / cells), (count,), generator=generator) for length in size]
        return cls(grids, *places, *(_pieces(cells, length) for length in size))

    def to(self, image: Tensor) -> "Masks":
        """Return the masks on an image's device, in its dtype."""
        parts = self.grids.to(image), self.tops.to(image.device), self.lefts.to(image.device)
        return Masks(*parts, self.rows.to(image), self.columns.to(image))

    def expand(self, start: int, stop: int) -> Tensor:
        """Expand masks ``start`` to ``stop``: (stop - start, h, w), from 0 to 1."""
        rows, columns = self.rows[self.tops[start:stop]], self.columns[self.lefts[start:stop]]
        return rows.transpose(1, 2) @ (self.grids[start:stop] @ columns)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Sum all masks, each times its weight, (N,): (h, w).

        No mask is expanded: first the grids are summed that are cut out at the same place.
        """
        shape = len(self.rows), len(self.columns), *self.grids.shape[1:]
        sums = torch.zeros(shape, dtype=self.grids.dtype, device=self.grids.device)
        sums.index_put_((self.tops, self.lefts), weights[:, None, None] * self.grids, accumulate=True)
        return torch.einsum("tih,tiw->hw", self.rows, torch.einsum("tlij,ljw->tiw", sums, self.columns))


def _pieces(cells: int, length: int) -> Tensor:
    """Enlarge a row of cells bilinearly, and cut ``length`` pixels out of it at each place: (places, cells, length).

    As RISE's code, beyond the outermost cells' centres the row goes on as its mirror image.
    """
    places = ceil(length / cells)
    enlarged = (cells + 1) * places
    centres = (torch.arange(enlarged, dtype=torch.float64) + 0.5) * cells / enlarged - 0.5
    last = cells - 1
    mirrored = (last - (last - centres.abs()).abs()).clamp(0, last)
    shares = (1 - (mirrored - torch.arange(cells, dtype=torch.float64)[:, None]).abs()).clamp(min=0)
    return shares.unfold(1, length, 1)[:, :places].transpose(0, 1).contiguous()
