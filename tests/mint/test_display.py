from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mint import Display, InputError
from mint.display import break_ties


def distinct(values: Tensor) -> bool:
    return len(values.unique()) == values.numel()


@given(
    values=st.lists(st.floats(-1, 1), min_size=1, max_size=8),
    near=st.lists(st.sampled_from([0.0, 1e-12, 1e-6, -1e-4]), min_size=8, max_size=8),
    levels=st.integers(1, 1000),
    seed=st.integers(0, 1000),
)
def test_breaking_ties_orders_by_importance_then_by_saliency(
    values: list[float], near: list[float], levels: int, seed: int
) -> None:
    u_f = torch.tensor([*values, *(values[0] + gap for gap in near)], dtype=torch.float64)
    fine = torch.arange(32 * 32).reshape(32, 32) % len(u_f)
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.randint(levels, (32, 32), generator=generator).double()
    importance = u_f[fine]
    broken = break_ties(importance, saliency)
    resolution = 1e-7 * importance.abs().max()
    order = broken.flatten().argsort(stable=True)
    assert (importance.flatten()[order].diff() >= -len(near) * resolution).all()
    for value in importance.unique():
        tied = importance == value
        _, rank = saliency[tied].unique(return_inverse=True)
        _, found = broken[tied].unique(return_inverse=True)
        assert (rank == found).all()
    assert ((broken - importance).abs() <= 1024 * 2.0**-22 * importance.abs() + len(near) * resolution + 1e-38).all()


def test_ties_are_broken_beside_a_gap_that_float32_cannot_hold() -> None:
    fine = torch.arange(64 * 64).reshape(64, 64) // 64
    saliency = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).double()
    u_f = torch.linspace(-0.2, 0.5, 64, dtype=torch.float64)
    u_f[7] = u_f[6] + 1e-12
    broken = break_ties(u_f[fine], saliency)
    assert distinct(broken)
    # These two super-pixels are one in all but name: M alone orders their pixels.
    assert (saliency[6:8].flatten().argsort() == broken[6:8].flatten().argsort()).all()


def test_an_explanation_of_nothing_stays_next_to_nothing() -> None:
    saliency = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).double()
    broken = break_ties(torch.zeros(64, 64).double(), saliency)
    assert distinct(broken)
    assert float(broken.max()) < 1e-40


def test_the_fine_set_is_the_smallest_that_holds_the_share() -> None:
    u_f = torch.tensor([0.5, -0.3, 0.3, 0.0, 0.15, 0.05])
    assert Display(coverage=0.8).choose_fine(u_f) == (0, 2)
    assert Display(coverage=0.9).choose_fine(u_f) == (0, 2, 4)
    assert Display(coverage=1.0).choose_fine(u_f) == (0, 2, 4, 5)
    assert Display().choose_fine(-u_f.abs()) == ()


def test_the_coarse_choice_abstains_below_its_share_of_the_score() -> None:
    assert Display().choose_coarse(torch.tensor([0.1, 0.6]), 0.9) == (1, None)
    chosen, why = Display(abstain_below=0.05).choose_coarse(torch.tensor([0.01, 0.02]), 0.9)
    assert chosen is None
    assert why == "the largest coarse importance, 0.02, is below 0.05 of |g(X)| = 0.9"
    assert Display().choose_coarse(torch.tensor([0.0, -0.5]), 0.0) == (
        None,
        "no coarse super-pixel has a positive importance",
    )


def test_the_coarse_choice_abstains_below_a_minimal_importance() -> None:
    # A class with a probability of 1e-6: the share of it is passed, the minimal importance is not.
    assert Display().choose_coarse(torch.tensor([1e-5, 0.0]), 1e-6) == (0, None)
    chosen, why = Display(minimal_importance=0.05).choose_coarse(torch.tensor([1e-5, 0.0]), 1e-6)
    assert chosen is None
    assert "minimal importance 0.05" in str(why)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scale": "x"}, "scale is one of 'fine', 'coarse', 'both', not 'x'"),
        ({"coverage": 0}, "coverage is a number above 0, at most 1, not 0"),
        ({"abstain_below": -1}, "abstain_below is a number 0 or more, not -1"),
        ({"minimal_importance": "much"}, "minimal_importance is a number 0 or more, not 'much'"),
    ],
)
def test_choices_are_checked_when_they_are_made(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Display(**change)
