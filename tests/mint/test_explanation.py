from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mint import Display, Explanation, InputError, Surrogate
from mint.explanation import Cost
from mint.problem import Solution
from mint.superpixels import SuperPixels


def explanation_of(u_f: Tensor, fine: Tensor, saliency: Tensor) -> Explanation:
    count = len(u_f)
    parent = torch.arange(count) % 2
    relation = torch.nn.functional.one_hot(parent, 2).double()
    u_c = u_f @ relation
    chosen_coarse, abstention = Display().choose_coarse(u_c, 1.0)
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
        chosen_fine=Display().choose_fine(u_f),
        cost=Cost(3, 1, 0.1),
        parameters={"seed": 0},
        surrogate=Surrogate(),
    )


def test_scales_are_the_two_importances_and_their_normalised_sum() -> None:
    fine = torch.arange(64).reshape(8, 8) // 16
    explanation = explanation_of(torch.tensor([0.4, 0.1, 0.0, -0.2]).double(), fine, torch.zeros(8, 8).double())
    # Parents alternate: u_c = (0.4 + 0.0, 0.1 - 0.2).
    assert explanation.importance_map("fine")[::2, 0].tolist() == pytest.approx([0.4, 0.1, 0.0, -0.2])
    assert explanation.importance_map("coarse")[::2, 0].tolist() == pytest.approx([0.4, -0.1, 0.4, -0.1])
    assert explanation.importance_map("both")[::2, 0].tolist() == pytest.approx([2.0, 0.0, 1.0, -0.75])


def test_a_scale_that_does_not_exist_is_refused() -> None:
    explanation = explanation_of(torch.ones(1).double(), torch.zeros(2, 2).long(), torch.zeros(2, 2).double())
    for call in (explanation.importance_map, explanation.saliency_map):
        with pytest.raises(InputError, match="scale is one of 'fine', 'coarse', 'both', not 'medium'"):
            call("medium")


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
