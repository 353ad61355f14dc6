"""RISE against the authors' code written out, and on a network that looks at one corner."""

from typing import Any

import numpy as np
import pytest
import torch
from examples import SmallCNN, smooth_images
from skimage.transform import resize
from torch import Tensor, nn

from baselines import RISE
from baselines.rise import Masks
from mint.contract import InputError


def original_mask(grid: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """One mask of ``generate_masks`` in RISE's explanations.py, of a grid and a place that are drawn already."""
    cells = len(grid)
    cell_size = np.ceil(np.array(size) / cells)
    up_size = (cells + 1) * cell_size
    enlarged = resize(grid, up_size, order=1, mode="reflect", anti_aliasing=False)
    return np.asarray(enlarged[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize(("cells", "size"), [(7, (224, 224)), (8, (60, 45)), (7, (37, 64)), (2, (5, 9)), (7, (4, 8))])
def test_the_masks_are_the_original_s(cells: int, size: tuple[int, int]) -> None:
    masks = Masks.draw(30, cells, 0.3, size, seed=4)
    found = masks.expand(10, 14)
    for i in range(10, 14):
        expected = original_mask(masks.grids[i].numpy(), int(masks.tops[i]), int(masks.lefts[i]), size)
        np.testing.assert_allclose(found[i - 10], expected, atol=1e-12)


def test_cells_and_places_are_drawn_as_the_paper_says() -> None:
    masks = Masks.draw(4000, 7, 0.1, (56, 70), seed=0)
    assert masks.grids.mean() == pytest.approx(0.1, abs=0.005)
    assert masks.tops.unique().tolist() == list(range(8))  # all places inside a cell of 8 x 10 pixels
    assert masks.lefts.unique().tolist() == list(range(10))


def test_one_cell_hides_or_shows_the_whole_picture() -> None:
    masks = Masks.draw(20, 1, 0.5, (6, 8), seed=0)
    assert masks.expand(0, 20).flatten(1).unique(dim=1).shape == (20, 1)


@pytest.mark.parametrize("keep", [0.5, 0.1])
def test_the_map_is_the_original_s_formula(small_cnn: SmallCNN, keep: float) -> None:
    image = smooth_images(1)[0]
    masks = Masks.draw(90, 7, keep, (40, 48), seed=3)
    expected = torch.zeros(40, 48, dtype=torch.float64)
    with torch.no_grad():
        for mask in masks.expand(0, 90):
            expected += small_cnn(image[None] * mask.float()).softmax(1)[0, 3] * mask / 90 / keep
    found = RISE(samples=90, keep=keep, seed=3)(small_cnn, image[None], torch.tensor([3]))[0]
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=0)


def test_the_corner_that_the_network_sees_is_marked() -> None:
    class Corner(nn.Module):
        """Class 1's logit is the mean of the top left quarter."""

        def forward(self, images: Tensor) -> Tensor:
            seen = images[:, :, :16, :16].mean((1, 2, 3))
            return torch.stack([-seen, seen], dim=1)

    found = RISE(samples=500)(Corner(), torch.ones(1, 3, 32, 32), torch.tensor([1]))[0]
    row, column = divmod(int(found.argmax()), 32)
    assert row < 16 > column
    assert found[:16, :16].mean() > found[16:, 16:].mean()


def test_the_masks_are_the_seed_s_and_the_same_for_each_picture(small_cnn: SmallCNN) -> None:
    image = smooth_images(1)
    twice = RISE(samples=20)(small_cnn, image.repeat(2, 1, 1, 1), torch.tensor([2, 2]))
    assert torch.equal(twice[0], twice[1])
    assert not torch.equal(RISE(samples=20, seed=1)(small_cnn, image, torch.tensor([2]))[0], twice[0])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"samples": 0}, "samples is a whole number, 1 or more"),
        ({"cells": 0}, "cells is a whole number, 1 or more"),
        ({"keep": 0.0}, "keep is a number above 0, at most 1"),
        ({"seed": -1}, "seed is a whole number"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        RISE(**wrong)
