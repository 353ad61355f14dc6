"""Sobol attribution on functions whose indices are known on paper, and against the definition written out."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from baselines import SobolAttribution
from baselines.sobol import replicated_designs, total_indices
from mint.contract import InputError


def swaps(first: Tensor, second: Tensor) -> Tensor:
    """All rows of A with one number from B: (d, N, d)."""
    copies = first.repeat(first.shape[1], 1, 1)
    for i in range(first.shape[1]):
        copies[i, :, i] = second[:, i]
    return copies


def test_ishigami_s_total_indices() -> None:
    def ishigami(points: Tensor) -> Tensor:
        x = math.pi * (2 * points - 1)
        return x[..., 0].sin() + 7 * x[..., 1].sin() ** 2 + 0.1 * x[..., 2] ** 4 * x[..., 0].sin()

    first, second = replicated_designs(3, 2**13)
    found = total_indices(ishigami(first), ishigami(swaps(first, second)))
    torch.testing.assert_close(found, torch.tensor([0.5576, 0.4424, 0.2437]).double(), atol=5e-3, rtol=0)


class Product(nn.Module):
    """Sobol's g-function of the four quarters' brightness: prod (|4 x_i - 2| + a_i) / (1 + a_i)."""

    weights = (0.0, 1.0, 4.5, 9.0)

    def forward(self, images: Tensor) -> Tensor:
        quarters = nn.functional.adaptive_avg_pool2d(images, 2).mean(1).flatten(1)
        weights = torch.tensor(self.weights)
        value = (((4 * quarters - 2).abs() + weights) / (1 + weights)).prod(dim=1)
        return torch.stack([value, 0 * value], dim=1)


def test_a_product_s_total_indices_through_the_whole_method() -> None:
    parts = [1 / (3 * (1 + weight) ** 2) for weight in Product.weights]
    whole = math.prod(1 + part for part in parts)
    expected = [part * whole / (1 + part) / (whole - 1) for part in parts]
    found = SobolAttribution(cells=2, designs=2**11)(Product(), torch.ones(1, 1, 2, 2), torch.tensor([0]))
    torch.testing.assert_close(found.flatten(), torch.tensor(expected), atol=0.01, rtol=0)


def test_the_map_is_the_definition_s_enlarged_as_opencv_does(small_cnn: SmallCNN) -> None:
    image = smooth_images(1)[0]
    first, second = replicated_designs(9, 8)

    def ask(points: Tensor) -> Tensor:
        # Rows 0 to 13, 14 to 26 and 27 to 39 of 40 are in the three rows of cells; of 48 columns 16 each.
        rows = torch.tensor([0] * 14 + [1] * 13 + [2] * 13)
        cells = rows[:, None] * 3 + torch.arange(48) // 16
        with torch.no_grad():
            return small_cnn(image * points.float()[:, cells][:, None])[:, 4].double()

    indices = total_indices(ask(first), torch.stack([ask(each) for each in swaps(first, second)]))
    expected = cv2.resize(indices.view(3, 3).numpy().astype(np.float32), (48, 40), interpolation=cv2.INTER_CUBIC)
    found = SobolAttribution(cells=3, designs=8)(small_cnn, image[None], torch.tensor([4]))[0]
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.max())


def test_jansen_s_formula_by_hand() -> None:
    answers, swapped = torch.tensor([1.0, 3.0]).double(), torch.tensor([[1.0, 3.0], [2.0, 1.0]]).double()
    # The variance of 1 and 3 is 2; the squares of the differences are 0, 0 and 1, 4, whose means are 0 and 2.5.
    assert total_indices(answers, swapped).tolist() == [0, 0.625]


def test_it_asks_as_often_as_it_says() -> None:
    class Counting(Product):
        pictures = 0

        def forward(self, images: Tensor) -> Tensor:
            self.pictures += len(images)
            return super().forward(images)

    model = Counting()
    SobolAttribution(cells=3, designs=4)(model, torch.ones(1, 1, 6, 6), torch.tensor([0]))
    assert model.pictures == 4 * (9 + 1)


def test_a_gray_picture_gives_no_index(small_cnn: SmallCNN) -> None:
    found = SobolAttribution(cells=3, designs=4)(small_cnn, torch.zeros(1, 3, 20, 20), torch.tensor([0]))
    assert torch.equal(found, torch.zeros(1, 20, 20))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"designs": 24}, "designs is a power of two"),
        ({"designs": 1}, "designs is a whole number, 2 or more"),
        ({"cells": 0}, "cells is a whole number, 1 or more"),
        ({"cells": 103}, "cells is at most 102, not 103"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        SobolAttribution(**wrong)
