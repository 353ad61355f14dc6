"""MuFidelity and single deletion: values known on paper, SciPy's correlations, and what they do not change by."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from contexts import Linear, context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from torch import Tensor, nn

from benchmarks.metrics import Context, MuFidelity, SingleDeletion
from benchmarks.metrics.cells import cell_of
from benchmarks.metrics.correlation import pearson, spearman
from mint.contract import InputError

MEASURES = [MuFidelity(score="logit"), MuFidelity(score="logit", correlation="spearman"), SingleDeletion()]


def linear_context(height: int = 20, width: int = 24, seed: int = 0) -> Context:
    generator = torch.Generator().manual_seed(seed)
    image, weights = (torch.randn(3, height, width, generator=generator) for _ in range(2))
    return context_of(image, model=Linear(weights))


def contributions(context: Context) -> Tensor:
    return (context.image * context.network.module.weights.detach()).sum(0)


@pytest.mark.parametrize("metric", MEASURES, ids=repr)
def test_contributions_to_a_linear_network_predict_it(metric: Any) -> None:
    context = linear_context()
    own = contributions(context)
    assert metric(context, own).score == pytest.approx(1, abs=1e-6)
    assert metric(context, 30 * own).score == pytest.approx(1, abs=1e-6)
    assert metric(context, -own).score == pytest.approx(-1, abs=1e-6)
    # Negative contributions count: without them, the map predicts worse.
    assert metric(context, own.clamp(min=0)).score < 0.99


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(1e-3, 1e3))
def test_the_map_s_scale_does_not_count(seed: int, factor: float) -> None:
    context = linear_context(9, 12)
    saliency = torch.randn(9, 12, generator=torch.Generator().manual_seed(seed))
    for metric in MEASURES:
        found = metric(context, saliency).score
        assert -1 <= found <= 1
        assert metric(context, factor * saliency).score == pytest.approx(found, abs=1e-5)
        assert metric(context, -saliency).score == pytest.approx(-found, abs=1e-5)


def test_of_equal_cells_an_offset_does_not_count() -> None:
    context = linear_context(18, 27)
    saliency = torch.randn(18, 27, generator=torch.Generator().manual_seed(3))
    expected = MuFidelity()(context, saliency).score
    assert MuFidelity()(context, saliency + 5).score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
def test_mu_fidelity_subset_by_subset(correlation: Any) -> None:
    context = linear_context()
    saliency = torch.rand(20, 24, generator=torch.Generator().manual_seed(1))
    metric = MuFidelity(cells=5, share=0.3, samples=12, seed=7, correlation=correlation, baseline=0.5)
    chances = torch.rand(12, 25, generator=torch.Generator().manual_seed(7))
    predicted, falls = [], []
    for row in chances:
        gone = torch.zeros(25)
        gone[row.argsort() < 8] = 1  # .3 of 25 cells, rounded
        assert int(gone.sum()) == 8
        where = torch.zeros(20, 24, dtype=torch.bool)
        for y in range(20):
            for x in range(24):
                where[y, x] = bool(gone[int((y + 0.5) * 5 / 20) * 5 + int((x + 0.5) * 5 / 24)])
        changed = torch.where(where, 0.5, context.image)
        answers = context.network.module(torch.stack([context.image, changed]))[:, 0].detach()
        predicted.append(float(saliency[where].double().sum()))
        falls.append(float(answers[0] - answers[1]))
    expected = {"pearson": pearsonr, "spearman": spearmanr}[correlation](predicted, falls)[0]
    assert metric(context, saliency).score == pytest.approx(expected, abs=1e-4)


def test_single_deletion_on_paper() -> None:
    # Each pixel is a cell; the logit falls by its weight, three times.
    weights = torch.arange(16.0).view(4, 4)
    context = context_of(torch.ones(3, 4, 4), model=Linear(weights.expand(3, 4, 4).clone()))
    saliency = weights.clone()
    assert SingleDeletion()(context, saliency).score == pytest.approx(1)
    saliency[0, 0], saliency[3, 3] = 15, 0  # the two ends change places: 1 - 6 (2 15^2) / (16 (16^2 - 1))
    assert SingleDeletion()(context, saliency).score == pytest.approx(1 - 6 * 450 / 4080)
    assert SingleDeletion()(context, saliency.exp()).score == pytest.approx(1 - 6 * 450 / 4080)


def test_without_a_difference_there_is_no_correlation() -> None:
    context = linear_context(20, 24)
    stripes = torch.ones(20, 24)
    stripes[:, 1::2] = -1  # sums to 0 in cells of 6 x 5 pixels
    blind = context_of(context.image, model=Linear(torch.zeros(3, 20, 24)))
    for metric in MEASURES:
        assert math.isnan(metric(context, torch.full((20, 24), 0.7)).score)
        assert math.isnan(metric(context, torch.zeros(20, 24)).score)
        assert math.isnan(metric(blind, torch.randn(20, 24)).score)
    assert math.isnan(SingleDeletion()(context, stripes).score)


def test_rounding_makes_no_order() -> None:
    cells = torch.tensor([[0.1, 0.1, 0.3], [0.1, 0.1, 0.3]], dtype=torch.float64)
    # Twice the same sum, added in two orders.
    sums = torch.tensor([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 1.0, 2.0], dtype=torch.float64)
    falls = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    assert float(sums[0]) != float(sums[1])
    expected = spearmanr([0.6, 0.6, 1.0, 2.0], falls)[0]
    assert float(spearman(sums, falls, (1e-9, 0.0))) == pytest.approx(expected)
    assert math.isnan(float(spearman(cells[0, :2], falls[:2])))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=20))
def test_correlations_are_scipy_s(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, dtype=float).T
    for ours, theirs in ((pearson, pearsonr), (spearman, spearmanr)):
        found = float(ours(torch.tensor(one), torch.tensor(other)))
        if np.ptp(one) == 0 or np.ptp(other) == 0:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(theirs(one, other)[0], abs=1e-9)


@pytest.mark.parametrize("length", [4, 7, 24, 112, 224])
def test_cells_are_as_large_as_can_be(length: int) -> None:
    for cells in (2, 3, 4):
        sizes = torch.bincount(cell_of(length, cells))
        assert len(sizes) == cells
        assert sizes.max() - sizes.min() <= 1


def test_the_network_is_asked_once_for_all_maps() -> None:
    context = linear_context()
    for seed in range(3):
        for metric in MEASURES:
            metric(context, torch.rand(20, 24, generator=torch.Generator().manual_seed(seed)))
    assert context.network.module.pictures == 201 + 201 + 17


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="cells is a whole number, 2 or more, not 1"):
        SingleDeletion(cells=1)
    with pytest.raises(InputError, match="share is a number above 0, at most 1, not 0"):
        MuFidelity(share=0)
    with pytest.raises(InputError, match="correlation is one of 'pearson', 'spearman', not 'kendall'"):
        MuFidelity(correlation="kendall")  # type: ignore[arg-type]
    small = context_of(torch.ones(3, 3, 3), model=nn.Identity())
    with pytest.raises(InputError, match="4 x 4 cells is finer than the picture's 3 pixels"):
        SingleDeletion()(small, torch.rand(3, 3))
