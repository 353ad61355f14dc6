"""Ties: shares and bounds known on paper, and what is refused."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from contexts import context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from benchmarks.metrics import Context, Deletion, GridPointing, GridShare, Insertion, Localisation, Metric, Pointing
from benchmarks.metrics.ties import TieBound, TiedPixels, TieRange
from benchmarks.networks.network import load_network
from benchmarks.run.identity import code_digest
from mint.contract import InputError

few_values = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(-2, 2)
)


@dataclass(frozen=True)
class PlaceOf(Metric):
    """The place of one pixel in the ranking, ties by index; NaN where told to. Counts its calls."""

    average = "classes"
    subsets = ("all", "difficult")

    pixel: int
    applies: bool = True
    calls: list[int] = field(default_factory=list, compare=False)

    def score_map(self, context: Context, saliency: Tensor) -> float:
        self.calls.append(1)
        order = torch.argsort(saliency.flatten(), descending=True, stable=True)
        return float((order == self.pixel).nonzero()) if self.applies else float("nan")


@pytest.mark.parametrize(
    ("saliency", "share"),
    [([[1, 2], [3, 4]], 0), ([[1, 1], [3, 4]], 0.5), ([[1, 1], [1, 4]], 0.75), ([[0, -0.0], [5, 5]], 1), ([[7]], 0)],
)
def test_the_share_of_tied_pixels_is_counted(saliency: list[list[float]], share: float) -> None:
    values = torch.tensor(saliency, dtype=torch.float32)
    assert TiedPixels()(context_of(tuple(values.shape)), values).score == share


@settings(deadline=None, max_examples=50)
@given(few_values)
def test_a_pixel_is_tied_if_another_has_its_value(values: np.ndarray) -> None:
    flat = values.ravel()
    expected = np.mean([(flat == each).sum() > 1 for each in flat])
    assert TiedPixels()(context_of(values.shape), torch.from_numpy(values)).score == pytest.approx(expected)


@settings(deadline=None, max_examples=50)
@given(few_values, st.data())
def test_without_random_orders_the_bounds_are_those_of_the_two_scanning_orders(
    values: np.ndarray, data: st.DataObject
) -> None:
    pixel = data.draw(st.integers(0, values.size - 1))
    flat = values.ravel()
    above = int((flat > flat[pixel]).sum())
    before = int((flat[:pixel] == flat[pixel]).sum())
    after = int((flat[pixel + 1 :] == flat[pixel]).sum())
    found = TieRange(PlaceOf(pixel), samples=0).bounds(context_of(values.shape), torch.from_numpy(values))
    assert found == (above + min(before, after), above + max(before, after))


def test_random_orders_lie_within_what_is_possible_and_widen_the_bounds() -> None:
    constant, context = torch.zeros(5, 5), context_of((5, 5))
    middle = PlaceOf(12)
    assert TieRange(middle, samples=0).bounds(context, constant) == (12, 12)
    low, high = TieRange(middle, samples=40).bounds(context, constant)
    assert 0 <= low < 6
    assert 18 < high <= 24
    found = [TieRange(middle, samples=2, seed=seed).bounds(context, constant) for seed in range(3)]
    assert len(set(found)) > 1
    assert [TieRange(middle, seed=seed).bounds(context_of((5, 5)), constant) for seed in range(3)] == found


def test_a_map_without_ties_costs_no_further_order() -> None:
    metric = PlaceOf(3)
    assert TieRange(metric, samples=9)(context_of((3, 4)), torch.arange(12.0).view(3, 4)).score == 0
    assert len(metric.calls) == 2


def test_both_ends_and_the_range_share_their_orders_and_the_ends_are_the_metric_s_own() -> None:
    metric = PlaceOf(0)
    ties = TieRange(metric, samples=3)
    context, constant = context_of((4, 4)), torch.zeros(4, 4)
    low, high = (TieBound(ties, end)(context, constant).score for end in ("low", "high"))
    assert (low, high) == (0, 15)
    assert ties(context, constant).score == 15
    assert len(metric.calls) == 1 + 5
    bound = TieBound(ties)
    assert (bound.direction, bound.average, bound.subsets) == ("higher", "classes", ("all", "difficult"))
    assert ties.direction == "lower"


def test_where_the_metric_does_not_apply_neither_do_its_bounds() -> None:
    ties = TieRange(PlaceOf(0, applies=False))
    context = context_of((2, 2))
    assert np.isnan(ties(context, torch.zeros(2, 2)).score)
    assert np.isnan(TieBound(ties, "high")(context, torch.zeros(2, 2)).score)


@pytest.mark.parametrize(
    ("tied", "bounds"),
    [
        ([(0, 0)], (1, 1)),
        ([(5, 5)], (0, 0)),
        ([(0, 0), (5, 5)], (0, 1)),
        ([(5, 5), (5, 6)], (0, 0)),
        ([(1, 1), (0, 1)], (1, 1)),
        ([(5, 5), (1, 1), (7, 7)], (0, 1)),  # neither the first nor the last is the hit
    ],
)
def test_the_pointing_game_s_bounds_are_whether_all_and_whether_any_of_the_tied_maxima_hit(
    tied: list[tuple[int, int]], bounds: tuple[float, float]
) -> None:
    region = np.zeros((8, 8), dtype=bool)
    region[:2, :2] = True
    saliency = torch.zeros(8, 8)
    for place in tied:
        saliency[place] = 3
    for metric in (GridPointing(), Pointing(tolerance=1.0)):
        ties = TieRange(metric)
        assert ties.bounds(context_of((8, 8), region), saliency) == bounds


def test_a_constant_map_may_hit_or_miss_and_nothing_hits_an_empty_mask() -> None:
    """The peers count the first as a hit, and the second as well (their defect 1)."""
    region = np.zeros((8, 8), dtype=bool)
    ties = TieRange(Pointing())
    assert np.isnan(ties(context_of((8, 8), region), torch.zeros(8, 8)).score)
    region[3, 3] = True
    assert ties(context_of((8, 8), region), torch.zeros(8, 8)).score == 1


def test_a_metric_that_looks_at_more_than_the_order_is_refused() -> None:
    region = np.zeros((4, 4), dtype=bool)
    region[0] = True
    saliency = torch.arange(16.0).view(4, 4) - 1
    with pytest.raises(InputError, match="depends on more of a map than its order"):
        TieRange(GridShare())(context_of((4, 4), region), saliency)


@pytest.mark.parametrize("wrong", [{"samples": -1}, {"samples": 0.5}])
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TieRange(Pointing(), **wrong)
    with pytest.raises(InputError):
        TieBound(TieRange(), "middle")  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", [Deletion(steps=4), Insertion(steps=4)])
def test_removal_curves_have_their_own_score_among_the_bounds(world: ModuleType, metric: Deletion | Insertion) -> None:
    network = load_network("tiny")
    case = world.case(0)
    context = Context(network, case, network.tensor(case.image))
    plateaus = torch.zeros(16, 16)
    plateaus[4:9, 3:12] = 1
    own = metric(context, plateaus).score
    low, high = TieRange(metric).bounds(context, plateaus)
    assert low <= own <= high
    assert high - low > 1e-5
    # What ties is the picture's own order, so turning it by half a turn reverses the scan.
    reverse = metric(context, torch.from_numpy(_ranks(plateaus.numpy(), last_first=True))).score
    assert low <= reverse <= high
    alone = TieRange(metric, samples=0).bounds(context, plateaus)
    assert alone == pytest.approx((min(own, reverse), max(own, reverse)), abs=1e-6)


def _ranks(values: np.ndarray, *, last_first: bool) -> np.ndarray:
    """Rank by a sort of pairs, an independent way: (value, place) ascending."""
    order = sorted(range(values.size), key=lambda i: (values.flat[i], i if last_first else -i))
    ranks = np.empty(values.size, dtype=np.float32)
    ranks[order] = np.arange(values.size)
    return ranks.reshape(values.shape)


def test_the_code_of_the_metric_within_is_part_of_the_identity() -> None:
    """A key that ignores part of what determines a result is the peers' defect 8."""
    assert code_digest(TieRange(Localisation())) != code_digest(TieRange(Insertion()))
    assert code_digest(TieBound(TieRange(Localisation()))) == code_digest(TieRange(Localisation()))
    assert repr(TieRange(Insertion(steps=4))) != repr(TieRange(Insertion(steps=5)))
