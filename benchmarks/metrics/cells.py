"""How well a map's sums over cells of a grid go with what removing the cells does: muFidelity and single deletion.

Row i of a picture of h rows belongs to row floor((i + 1/2) c / h) of c rows of cells, as when a grid is enlarged to its
nearest neighbours, and columns likewise; so cells differ by a row or a column where they do not divide the picture.
The network is asked once a case, for all maps.
"""

from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from benchmarks.metrics.correlation import CORRELATIONS, Correlation
from benchmarks.metrics.metric import Context, DeviceMetric, sized
from benchmarks.metrics.removal.curve import Baseline, check_removal, fill_of
from mint.contract import InputError
from mint.parameters import require_count, require_number, require_seed, require_word
from mint.perturbation import masked_scores, seeded
from mint.scores import Score

SAME_SUM = 1e-9
"""Sums of a map that differ by less than this share of the map's size are the same, added in another order."""
SAME_ANSWER = 1e-5
"""Answers that differ by less than this share of the highest are the same, computed in float32."""


def cell_of(length: int, cells: int) -> Tensor:
    """Return the cell of each row or column, (length,) int64; InputError if there are fewer than cells."""
    if cells > length:
        raise InputError(f"a grid of {cells} x {cells} cells is finer than the picture's {length} pixels; use fewer.")
    return ((torch.arange(length) + 0.5) * cells / length).long()


class _OfCells(DeviceMetric):
    """A correlation, over removals of cells, of the map's sum over the removed cells with the fall of the answer."""

    cells: int
    correlation: Correlation
    baseline: Baseline | float
    score: Score

    def _removals(self) -> Tensor:
        """Choose which cells each removal takes, (removals, cells x cells) bool."""
        raise NotImplementedError

    def score_map(self, context: Context, saliency: Tensor) -> Tensor:
        """Correlate what the map predicts with what the network answered; NaN where one of the two is constant."""
        removed, down, across, falls, same = context.once(("cells", self), lambda: self._ask(context))
        values = sized(saliency).double()
        predicted = removed @ (down @ values @ across.T).flatten()
        found = CORRELATIONS[self.correlation](predicted, falls, (SAME_SUM * values.abs().sum(), same))
        # Where cells are of different sizes, a constant map would tell how large they are.
        return torch.where(values.max() == values.min(), torch.nan, found)

    def _ask(self, context: Context) -> tuple[Any, ...]:
        image, removed = context.image, self._removals()
        rows, columns = (cell_of(length, self.cells) for length in image.shape[-2:])
        answers = masked_scores(
            context.network.module,
            image,
            fill_of(image, self.baseline),
            rows.unsqueeze(1) * self.cells + columns,
            torch.cat([torch.ones_like(removed[:1]), ~removed]),
            context.case.target,
            score=self.score,
            batch_size=context.batch_size,
        )
        members = (torch.nn.functional.one_hot(each, self.cells).T for each in (rows, columns))
        on_device = (each.to(image.device).double() for each in (removed, *members, answers[0] - answers[1:]))
        return *on_device, SAME_ANSWER * float(answers.abs().max())


@dataclass(frozen=True)
class MuFidelity(_OfCells):
    """Correlation, over random subsets of cells, of the map's sum over a subset with the answer's fall without it.

        corr over subsets S of  (sum over S of s,  f(x) - f(x without S))

    Source: U. Bhatt, A. Weller, J. M. F. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
    2020, definition 3 (faithfulness correlation), with Pearson's correlation and subsets of one size, as there; on a
    grid of 9 x 9 cells, of which a fifth is set to 0, 200 times, and of the network's logit, as Xplique's
    ``MuFidelity`` does. Xplique removes each cell with this chance, so that sizes vary; takes Spearman's correlation;
    and scores 0 where there is none. Direction: higher is better. Range: [-1, 1]; NaN for a constant map, for one whose
    sums over the subsets are all equal, and where the answer is the same without any of them.

    Negative values count as they are: they predict that the answer rises. The score does not change when a map is
    multiplied by a positive number. Adding a constant changes it where cells are of different sizes alone.

    What it cannot tell: how a map ranks the pixels within a cell. It asks for additive contributions, which maps that
    only rank pixels do not promise; an answer that hardly moves gives a correlation as well. It depends on the grid, on
    the size of the subsets, and on what removed pixels become.

    Parameters
    ----------
    cells
        How many cells the grid is high and wide.
    share
        Which share of the cells a subset has, rounded, at least one.
    samples, seed
        How many subsets, each with equal chances, and their seed. Each costs a forward pass a case, whatever the number
        of methods.
    correlation
        "pearson" or "spearman".
    baseline
        What removed pixels become, as for `Deletion`.
    score
        The network's answer that is followed.
    """

    cells: int = 9
    share: float = 0.2
    samples: int = 200
    correlation: Correlation = "pearson"
    baseline: Baseline | float = "zero"
    score: Score = "logit"
    seed: int = 0

    def __post_init__(self) -> None:
        require_count("cells", self.cells, 2)
        require_number("share", self.share, 0, 1, beyond=True)
        require_count("samples", self.samples, 3)
        require_word("correlation", self.correlation, get_args(Correlation))
        require_seed("seed", self.seed)
        check_removal(self.baseline, self.score)

    def _removals(self) -> Tensor:
        order = torch.rand(self.samples, self.cells**2, generator=seeded(self.seed)).argsort(1)
        return order < max(1, round(self.share * self.cells**2))


@dataclass(frozen=True)
class SingleDeletion(_OfCells):
    """Rank correlation, over the cells of a 4 x 4 grid, of the map's sum over a cell with the answer's fall without it.

        Spearman's correlation over cells C of  (sum over C of s,  f(x) - f(x without C))

    Source: R. Hesse, S. Schaub-Meyer, S. Roth, "Benchmarking the Attribution Quality of Vision Models", NeurIPS 2024,
    the single deletion score (IDSDS) and the authors' ``single_deletion.py``: each cell alone becomes 0 in the
    normalised space, and the answer is the logit. Direction: higher is better. Range: [-1, 1]; NaN for a constant map,
    for one whose sums are all equal, and where the answer never changes. Sixteen values are few: without any relation,
    one case scores beyond .5 in size in one of twenty.

    Negative values count as they are, as in the source. The score does not change when a map is multiplied by a
    positive number.

    What it cannot tell: what the authors fine-tune the network for. In their protocol it has seen pictures without a
    cell in training, so that a picture with a grey cell is nothing new to it ("in-domain"). Here the network is as it
    comes: an answer may fall because the picture is unusual, and numbers do not compare with the paper's. Nor does it
    tell anything of the pixels within a cell, or of cells that matter together only.

    Parameters
    ----------
    cells
        How many cells the grid is high and wide. Each costs a forward pass a case, whatever the number of methods.
    baseline
        What removed pixels become, as for `Deletion`.
    score
        The network's answer that is followed.
    """

    correlation = "spearman"

    cells: int = 4
    baseline: Baseline | float = "zero"
    score: Score = "logit"

    def __post_init__(self) -> None:
        require_count("cells", self.cells, 2)
        check_removal(self.baseline, self.score)

    def _removals(self) -> Tensor:
        return torch.eye(self.cells**2, dtype=torch.bool)
