"""Sobol attribution: the share of the answer's variance in which each part of the picture has a hand.

Reference: T. Fel, R. Cadene, M. Chalvidal, M. Cord, D. Vigouroux, T. Serre, "Look at the Variance! Efficient Black-box
Explanations with Sobol-based Sensitivity Analysis", NeurIPS 2021. The picture is cut into a grid of d cells. A mask is
a vector of d numbers from 0 to 1, one for each cell, and each pixel is multiplied by its cell's number; 0 is gray in
the normalised space. A cell's value in the map is its total Sobol index, by Jansen's estimator:

    S_i = sum over n of (g(A_n) - g(A_n with number i of B_n))^2  /  (2 N Var g(A))

with g the target's logit, or another score. The N rows of the designs A and B are the two halves of the first N points
of a Sobol sequence in 2 d dimensions, the origin left out; nothing is drawn by chance.

It costs N (d + 1) forwards and no backward. The authors count N (d + 2), because they ask about B, too, whose answers
Jansen's estimator never reads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.quasirandom import SobolEngine

from baselines.asking import drawn_scores
from mint.contract import InputError, explaining
from mint.parameters import require_batch_size, require_count
from mint.perturbation import channels_last
from mint.scores import Score, require_score


@dataclass(frozen=True)
class SobolAttribution:
    """The total Sobol indices of a grid of cells, enlarged to the picture by cubic interpolation, as the authors do.

    The indices say how much a cell matters, not in which direction: evidence against the target counts as evidence for
    it. So few points in so many dimensions estimate the indices' order better than their size. Where the answer does
    not vary beyond its rounding, the map is 0.

    Parameters
    ----------
    cells
        Cells along each side of the grid, so that d = cells^2. The authors' code has 8.
    designs
        N, a power of two. The authors' package Xplique has 32, their first code 64. The forwards are N (d + 1): 2080 by
        default; 400 for 7 cells and 8 designs.
    batch_size
        Masked pictures through the network at a time; None lets the perturbation engine choose. The maps do not
        depend on it.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`. The
        authors explain the logit.
    """

    cells: int = 8
    designs: int = 32
    batch_size: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_count("cells", self.cells, 1)
        require_count("designs", self.designs, 2)
        if self.designs & (self.designs - 1):
            raise InputError(f"designs is a power of two, which a Sobol sequence is balanced at, not {self.designs}.")
        if 2 * self.cells**2 > SobolEngine.MAXDIM:
            raise InputError(f"cells is at most {int((SobolEngine.MAXDIM // 2) ** 0.5)}, not {self.cells}.")
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps; the cells' indices are at least 0."""
        with explaining(model, images, targets):
            designs = replicated_designs(self.cells**2, self.designs)
            pairs = zip(images, targets.tolist(), strict=True)
            indices = torch.stack([self._explain(model, designs, *pair) for pair in pairs])
            grids = indices.view(-1, 1, self.cells, self.cells)
            maps = F.interpolate(grids, images.shape[-2:], mode="bicubic", align_corners=False)
        return maps[:, 0].to(images.device, torch.float32)

    def _explain(self, model: nn.Module, designs: tuple[Tensor, Tensor], image: Tensor, target: int) -> Tensor:
        first, second = (design.to(image) for design in designs)
        kept = channels_last(image)
        height, width = ((torch.arange(length) * self.cells // length) for length in image.shape[1:])
        labels = (height[:, None] * self.cells + width).flatten().repeat_interleave(len(image)).to(image.device)

        def draw(start: int, stop: int, batch: Tensor) -> None:
            rows = torch.arange(start, stop, device=image.device)
            masks = first[rows % self.designs]
            # Of the copies after the first N, each block of N takes one number from the second design.
            swapped = (rows // self.designs - 1).clamp(min=0)
            taken = second[rows % self.designs, swapped]
            here = torch.arange(len(rows), device=image.device)
            masks[here, swapped] = torch.where(rows < self.designs, masks[here, swapped], taken)
            torch.mul(masks.index_select(1, labels), kept, out=batch.view(len(batch), -1))

        count = self.designs * (self.cells**2 + 1)
        scores = drawn_scores(model, image, count, draw, target, self.score, self.batch_size)
        return total_indices(scores[: self.designs], scores[self.designs :].view(-1, self.designs))


def replicated_designs(dimensions: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the designs A and B, each (count, dimensions) float64: halves of the points of a Sobol sequence.

    The sequence's first point, the origin, is left out, as in Xplique.
    """
    engine = SobolEngine(2 * dimensions)  # type: ignore[no-untyped-call]
    engine.fast_forward(1)  # type: ignore[no-untyped-call]
    points: Tensor = engine.draw(count, dtype=torch.float64)
    return points[:, :dimensions], points[:, dimensions:]


# Answers that differ by less, relative to the largest, do not differ: float32 has about seven digits.
ROUNDING = 1e-6


def total_indices(answers: Tensor, swapped: Tensor) -> Tensor:
    """Estimate the total Sobol indices by Jansen's formula.

    Parameters
    ----------
    answers : Tensor
        (N,) float64: g(A).
    swapped : Tensor
        (d, N) float64: g(A with column i of B) in row i.

    Returns
    -------
    Tensor
        (d,) float64, at least 0; all 0 where the answers do not vary beyond float32's rounding.
    """
    variance = answers.var()
    if variance.sqrt() <= ROUNDING * answers.abs().max():
        return torch.zeros(len(swapped), dtype=torch.float64)
    return (answers - swapped).square().mean(dim=1) / (2 * variance)
