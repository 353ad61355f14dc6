"""Where a map's mass, ranks and box lie: values known on paper."""

import itertools
import math

import numpy as np
import pytest
import torch
from contexts import Linear, context_of, region_of
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.metrics import (
    AverageDrop,
    EnergyPointing,
    Entropy,
    Gini,
    GridPointing,
    GridShare,
    Infidelity,
    Localisation,
    Metric,
    MuFidelity,
    Pointing,
    RelevanceMass,
    RelevanceRank,
    SingleDeletion,
)
from mint.display import break_ties

ON_REGIONS: list[Metric] = [
    *(EnergyPointing(), RelevanceMass(), RelevanceRank(), Localisation()),
    *(Pointing(), GridPointing(), GridShare()),
]
ALL: list[Metric] = [*ON_REGIONS, Gini(), Entropy()]


def name(metric: Metric) -> str:
    return type(metric).__name__


def test_mass_is_counted_on_the_mask_and_energy_in_its_box() -> None:
    region = region_of((4, 4), (0, 0), (1, 1))
    saliency = torch.zeros(4, 4)
    saliency[0, 0], saliency[0, 1], saliency[3, 3], saliency[1, 1] = 3, 2, 5, -9
    context = context_of((4, 4), region)
    assert RelevanceMass()(context, saliency).score == pytest.approx(3 / 10)
    assert GridShare()(context, saliency).score == pytest.approx(3 / 10)
    assert GridShare()(context, saliency * 1e-30).score == pytest.approx(3 / 10)
    assert EnergyPointing()(context, saliency).score == pytest.approx(5 / 10)
    assert RelevanceMass()(context, torch.full((4, 4), 0.3)).score == pytest.approx(2 / 16)
    assert EnergyPointing()(context, torch.full((4, 4), 0.3)).score == pytest.approx(4 / 16)
    for nothing in (torch.zeros(4, 4), -torch.ones(4, 4)):
        assert math.isnan(RelevanceMass()(context, nothing).score)
        assert math.isnan(EnergyPointing()(context, nothing).score)


@pytest.mark.parametrize(
    "metric",
    [
        *(RelevanceMass(), EnergyPointing(), GridShare(), Localisation(), Gini(), Entropy(), AverageDrop()),
        *(MuFidelity(cells=3), SingleDeletion(), Infidelity(score="logit")),
    ],
    ids=name,
)
def test_zeros_that_are_only_put_in_order_have_no_size(metric: Metric) -> None:
    ordered = break_ties(torch.zeros(4, 4, dtype=torch.float64), torch.arange(16.0, dtype=torch.float64).view(4, 4))
    assert ordered.unique().numel() == 16
    weights = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    context = context_of(torch.ones(3, 4, 4), region_of((4, 4), (0, 0)), Linear(weights))
    nothing = metric(context, torch.zeros(4, 4)).score
    assert math.isnan(nothing) or isinstance(metric, Infidelity)
    assert metric(context, ordered).score == pytest.approx(nothing, rel=0, abs=0, nan_ok=True)


def test_the_box_holds_all_parts_of_a_region() -> None:
    region = region_of((6, 6), (1, 1), (4, 3))
    saliency = torch.zeros(6, 6)
    saliency[4, 1] = saliency[5, 1] = 1
    assert EnergyPointing()(context_of((6, 6), region), saliency).score == pytest.approx(1 / 2)


def test_rank_accuracy_of_distinct_values() -> None:
    region = region_of((2, 4), (0, slice(0, 3)))
    context = context_of((2, 4), region)
    assert RelevanceRank()(context, torch.tensor([[9.0, 8, 7, 6], [5, 4, 3, 2]])).score == 1
    assert RelevanceRank()(context, torch.tensor([[9.0, 1, 7, 6], [8, 4, 3, 2]])).score == pytest.approx(2 / 3)
    assert RelevanceRank()(context, torch.tensor([[-9.0, -8, -7, 6], [5, 4, 3, 2]])).score == 0


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    inside=st.lists(st.booleans(), min_size=6, max_size=6).filter(any),
)
def test_ties_count_by_their_mean_over_all_orders(values: list[int], inside: list[bool]) -> None:
    places = sum(inside)
    shares = []
    for order in itertools.permutations(range(6)):
        ranked = sorted(order, key=lambda pixel: -values[pixel])
        shares.append(sum(inside[pixel] for pixel in ranked[:places]) / places)
    context = context_of((2, 3), np.array(inside).reshape(2, 3))
    saliency = torch.tensor(values).float().view(2, 3)
    assert RelevanceRank()(context, saliency).score == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("metric", ALL, ids=name)
def test_scale_does_not_matter(metric: Metric) -> None:
    saliency = torch.randn(8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    context = context_of((8, 9), region_of((8, 9), (slice(2, 6), slice(1, 5))))
    assert metric(context, saliency * 1024).score == pytest.approx(metric(context, saliency).score, abs=1e-12)


@pytest.mark.parametrize("metric", ON_REGIONS, ids=name)
@pytest.mark.parametrize("region", [None, np.zeros((8, 8), dtype=bool)], ids=["none", "empty"])
def test_without_a_region_nothing_is_measured(metric: Metric, region: np.ndarray | None) -> None:
    assert math.isnan(metric(context_of((8, 8), region), torch.rand(8, 8) + 1).score)
