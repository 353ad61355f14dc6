"""Where a map's mass, ranks and box lie, and how complex it is: values known on paper, and other people's formulas."""

import itertools
import math

import numpy as np
import pytest
import torch
from contexts import context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from skimage.measure import label, regionprops

from benchmarks.metrics import (
    EnergyPointing,
    Entropy,
    Gini,
    GridShare,
    Localisation,
    Metric,
    RelevanceMass,
    RelevanceRank,
)
from mint.contract import InputError

ON_REGIONS: list[Metric] = [EnergyPointing(), RelevanceMass(), RelevanceRank(), Localisation()]
ALL: list[Metric] = [*ON_REGIONS, Gini(), Entropy()]


def name(metric: Metric) -> str:
    return type(metric).__name__


def region_of(size: tuple[int, int], *places: tuple[int | slice, int | slice]) -> np.ndarray:
    region = np.zeros(size, dtype=bool)
    for place in places:
        region[place] = True
    return region


def test_mass_is_counted_on_the_mask_and_energy_in_its_box() -> None:
    region = region_of((4, 4), (0, 0), (1, 1))
    saliency = torch.zeros(4, 4)
    saliency[0, 0], saliency[0, 1], saliency[3, 3], saliency[1, 1] = 3, 2, 5, -9
    context = context_of((4, 4), region)
    assert RelevanceMass()(context, saliency).score == pytest.approx(3 / 10)
    assert GridShare()(context, saliency).score == pytest.approx(3 / 10)
    assert EnergyPointing()(context, saliency).score == pytest.approx(5 / 10)
    assert RelevanceMass()(context, torch.full((4, 4), 0.3)).score == pytest.approx(2 / 16)
    assert EnergyPointing()(context, torch.full((4, 4), 0.3)).score == pytest.approx(4 / 16)
    for nothing in (torch.zeros(4, 4), -torch.ones(4, 4)):
        assert math.isnan(RelevanceMass()(context, nothing).score)
        assert math.isnan(EnergyPointing()(context, nothing).score)


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


def test_localisation_at_its_thresholds() -> None:
    size = (20, 20)
    context = context_of(size, region_of(size, (slice(5, 15), slice(5, 15))))
    exact, half, less = (torch.zeros(size) for _ in range(3))
    exact[5:15, 5:15] = 1
    half[5:15, 5:10] = 1
    less[5:15, 5:9] = 1
    assert Localisation()(context, exact).score == 1
    assert Localisation()(context, half).score == 1  # exactly one half
    assert Localisation()(context, less).score == 0
    assert Localisation(overlap=0.4)(context, less).score == 1
    around = exact.clone()
    around[exact == 0] = 0.2  # not above 20 %
    assert Localisation()(context, around).score == 1
    assert Localisation()(context, around * 7).score == 1
    around[exact == 0] = 0.21
    assert Localisation()(context, around).score == 0
    assert Localisation(threshold=0.3)(context, around).score == 1


def test_the_largest_component_counts_not_the_highest() -> None:
    size = (20, 20)
    context = context_of(size, region_of(size, (slice(2, 8), slice(2, 8))))
    saliency = torch.zeros(size)
    saliency[2:8, 2:8] = 0.5
    saliency[15:18, 15:18] = 1
    assert Localisation()(context, saliency).score == 1
    saliency[10:18, 10:18] = 1
    assert Localisation()(context, saliency).score == 0


def test_pixels_that_meet_at_a_corner_are_connected() -> None:
    context = context_of((8, 8), region_of((8, 8), (slice(0, 6), slice(0, 6))))
    assert Localisation()(context, torch.nn.functional.pad(torch.eye(6), (0, 2, 0, 2))).score == 1


def test_a_constant_map_boxes_the_whole_picture() -> None:
    wide, narrow = (region_of((10, 10), (slice(None), slice(0, width))) for width in (5, 4))
    assert Localisation()(context_of((10, 10), wide), torch.ones(10, 10)).score == 1
    assert Localisation()(context_of((10, 10), narrow), torch.ones(10, 10)).score == 0
    for nothing in (torch.zeros(10, 10), -torch.ones(10, 10)):
        assert math.isnan(Localisation()(context_of((10, 10), wide), nothing).score)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), overlap=st.sampled_from([0.1, 0.3, 0.5]))
def test_localisation_is_scikit_image_s(seed: int, overlap: float) -> None:
    generator = np.random.default_rng(seed)
    saliency = generator.random((12, 15)) ** 3
    top, left = generator.integers(0, 6, 2)
    region = region_of((12, 15), (slice(top, top + 6), slice(left, left + 7)))
    labels = label(saliency > 0.2 * saliency.max(), connectivity=2)  # type: ignore[no-untyped-call]
    properties = regionprops(labels)  # type: ignore[no-untyped-call]
    rows, columns, bottom, right = max(properties, key=lambda found: found.area).bbox
    boxed = np.zeros_like(region)
    boxed[rows:bottom, columns:right] = True
    expected = (boxed & region).sum() / (boxed | region).sum() >= overlap
    found = Localisation(overlap=overlap)(context_of((12, 15), region), torch.from_numpy(saliency)).score
    assert found == expected


def test_complexity_of_the_simplest_and_of_constant_maps() -> None:
    context = context_of((10, 10))
    constant, single = torch.full((10, 10), -0.7), torch.zeros(10, 10)
    single[3, 4] = -2
    assert Gini()(context, constant).score == pytest.approx(0, abs=1e-12)
    assert Gini()(context, single).score == pytest.approx(1 - 1 / 100)
    assert Entropy()(context, constant).score == pytest.approx(math.log(100))
    assert Entropy()(context, single).score == 0
    quarter = torch.zeros(10, 10)
    quarter[:5, :5] = 1
    assert Gini()(context, quarter).score == pytest.approx(3 / 4)
    assert Entropy()(context, quarter).score == pytest.approx(math.log(25))
    for metric in (Gini(), Entropy()):
        assert math.isnan(metric(context, torch.zeros(10, 10)).score)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_complexity_by_other_formulas(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((5, 7)).round(1)
    values[0, 0] = 3
    sizes = np.abs(values).ravel()
    differences = np.abs(sizes[:, None] - sizes).mean()
    context, saliency = context_of((5, 7)), torch.from_numpy(values)
    # The Gini index is half the mean difference of two values, relative to their mean.
    assert Gini()(context, saliency).score == pytest.approx(differences / (2 * sizes.mean()))
    assert Entropy()(context, saliency).score == pytest.approx(entropy(sizes))


@pytest.mark.parametrize("metric", ALL, ids=name)
def test_scale_does_not_matter(metric: Metric) -> None:
    saliency = torch.randn(8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    context = context_of((8, 9), region_of((8, 9), (slice(2, 6), slice(1, 5))))
    assert metric(context, saliency * 1024).score == pytest.approx(metric(context, saliency).score, abs=1e-12)


@pytest.mark.parametrize("metric", ON_REGIONS, ids=name)
@pytest.mark.parametrize("region", [None, np.zeros((8, 8), dtype=bool)], ids=["none", "empty"])
def test_without_a_region_nothing_is_measured(metric: Metric, region: np.ndarray | None) -> None:
    assert math.isnan(metric(context_of((8, 8), region), torch.rand(8, 8) + 1).score)


@pytest.mark.parametrize("metric", ALL, ids=name)
def test_maps_that_are_no_maps_are_refused(metric: Metric) -> None:
    context = context_of((8, 8), np.ones((8, 8), dtype=bool))
    with pytest.raises(InputError, match=r"shape \(7, 8\)"):
        metric(context, torch.zeros(7, 8))
    with pytest.raises(InputError, match="holds NaN"):
        metric(context, torch.full((8, 8), torch.nan))


def test_bad_parameters_of_localisation_are_refused() -> None:
    with pytest.raises(InputError, match="below 1, not 1"):
        Localisation(threshold=1)
    with pytest.raises(InputError, match="overlap is a number above 0, at most 1, not 0"):
        Localisation(overlap=0)
