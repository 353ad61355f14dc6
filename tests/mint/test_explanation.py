from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mint.explanation import Cost, Explanation, choose_coarse, choose_fine, tie_share
from mint.superpixels import SuperPixels
from mint.surrogate import Fit, Solution


def explanation_of(u_f: Tensor, fine: Tensor, saliency: Tensor) -> Explanation:
    count = len(u_f)
    parent = torch.arange(count) % 2
    relation = torch.nn.functional.one_hot(parent, 2).double()
    u_c = u_f @ relation
    chosen_coarse, abstention = choose_coarse(u_c, 1.0, 0.05)
    return Explanation(
        target=0,
        answer=1.0,
        picture=np.arange(fine.numel() * 3).reshape(*fine.shape, 3).astype(np.uint8) % 100,
        superpixels=SuperPixels(parent[fine], fine, parent, "grabcut"),
        saliency=saliency,
        feature=torch.arange(fine.numel()).reshape(fine.shape).double(),
        states=torch.ones(2, count, dtype=torch.bool),
        answers=torch.ones(2),
        proximity=torch.ones(2) / 2,
        a_c=torch.ones(2).double(),
        a_f=torch.ones(count).double(),
        solution=Solution(u_c, u_f, 0.0, 0.0, 1, True),
        chosen_coarse=chosen_coarse,
        abstention=abstention,
        chosen_fine=choose_fine(u_f, 0.9),
        cost=Cost(3, 1, 0.1),
        parameters={"seed": 0},
        fit=Fit(),
    )


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
    explanation = explanation_of(u_f, fine, saliency)
    importance, broken = explanation.importance_map(), explanation.saliency_map()
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
    broken = explanation_of(u_f, fine, saliency).saliency_map()
    assert tie_share(broken) == 0.0
    # These two super-pixels are one in all but name: M alone orders their pixels.
    assert (saliency[6:8].flatten().argsort() == broken[6:8].flatten().argsort()).all()


def test_an_explanation_of_nothing_stays_next_to_nothing() -> None:
    saliency = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).double()
    explanation = explanation_of(torch.zeros(1).double(), torch.zeros(64, 64, dtype=torch.int64), saliency)
    broken = explanation.saliency_map()
    assert tie_share(broken) == 0.0
    assert float(broken.max()) < 1e-40


def test_ties_are_reported_and_broken() -> None:
    fine = torch.arange(64).reshape(8, 8) // 16
    saliency = torch.randn(8, 8, generator=torch.Generator().manual_seed(0)).double()
    explanation = explanation_of(torch.tensor([0.4, 0.1, 0.0, 0.0]).double(), fine, saliency)
    assert tie_share(explanation.importance_map()) == 1.0
    assert tie_share(explanation.saliency_map()) == 0.0


def test_tie_share_counts_pixels() -> None:
    assert tie_share(torch.tensor([[1.0, 2.0], [2.0, 3.0]])) == 0.5


def test_scales_are_the_two_importances_and_their_normalised_sum() -> None:
    fine = torch.arange(64).reshape(8, 8) // 16
    explanation = explanation_of(torch.tensor([0.4, 0.1, 0.0, -0.2]).double(), fine, torch.zeros(8, 8).double())
    # Parents alternate: u_c = (0.4 + 0.0, 0.1 - 0.2).
    assert explanation.importance_map("fine")[::2, 0].tolist() == pytest.approx([0.4, 0.1, 0.0, -0.2])
    assert explanation.importance_map("coarse")[::2, 0].tolist() == pytest.approx([0.4, -0.1, 0.4, -0.1])
    assert explanation.importance_map("both")[::2, 0].tolist() == pytest.approx([2.0, 0.0, 1.0, -0.75])


def test_the_fine_set_is_the_smallest_that_holds_the_share() -> None:
    u_f = torch.tensor([0.5, -0.3, 0.3, 0.0, 0.15, 0.05])
    assert choose_fine(u_f, 0.8) == (0, 2)
    assert choose_fine(u_f, 0.9) == (0, 2, 4)
    assert choose_fine(u_f, 1.0) == (0, 2, 4, 5)
    assert choose_fine(-u_f.abs(), 0.9) == ()


def test_the_coarse_choice_abstains_below_its_share_of_the_score() -> None:
    assert choose_coarse(torch.tensor([0.1, 0.6]), 0.9, 0.05) == (1, None)
    chosen, why = choose_coarse(torch.tensor([0.01, 0.02]), 0.9, 0.05)
    assert chosen is None
    assert why == "the largest coarse importance, 0.02, is below 0.05 of |g(X)| = 0.9"
    assert choose_coarse(torch.tensor([0.0, -0.5]), 0.0, 0.05) == (
        None,
        "no coarse super-pixel has a positive importance",
    )


def test_the_coarse_choice_abstains_below_a_minimal_importance() -> None:
    # A class with a probability of 1e-6: the share of it is passed, the minimal importance is not.
    assert choose_coarse(torch.tensor([1e-5, 0.0]), 1e-6, 0.05) == (0, None)
    chosen, why = choose_coarse(torch.tensor([1e-5, 0.0]), 1e-6, 0.05, minimal_importance=0.05)
    assert chosen is None
    assert "minimal importance 0.05" in str(why)


def test_pictures_show_what_was_chosen() -> None:
    fine = torch.arange(64).reshape(8, 8) // 16
    explanation = explanation_of(torch.tensor([0.4, 0.0, 0.0, 0.0]).double(), fine, torch.zeros(8, 8).double())
    picture = explanation.fine_picture()
    dark_blue = (picture == [0, 0, 128]).all(axis=-1)
    assert dark_blue[2:].all()
    assert not dark_blue[:2].any()
    gray = (explanation.coarse_picture() == 128).all(axis=-1)
    assert gray[fine.numpy() % 2 == 1].all()
    assert not gray[fine.numpy() % 2 == 0].any()


def test_a_feature_that_hardly_varies_is_drawn_with_all_colours() -> None:
    fine = torch.arange(64).reshape(8, 8) // 16
    explanation = explanation_of(torch.tensor([0.4, 0.4, 0.4, 0.4]).double(), fine, torch.zeros(8, 8).double())
    nearly_flat = replace(explanation, feature=100 + explanation.feature / 1000)
    apart = nearly_flat.fine_picture().astype(int) - explanation.fine_picture()
    assert np.abs(apart).max() <= 1  # rounding
    flat = replace(explanation, feature=torch.ones(8, 8).double())
    assert (flat.fine_picture() == flat.fine_picture()[0, 0]).all()
