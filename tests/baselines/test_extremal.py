"""Extremal perturbation: its parts by definition, the area that it reaches, and a planted patch.

Its steps are compared with TorchRay's in tests/peers.
"""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from examples import SmallCNN, smooth_images
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from baselines import ExtremalPerturbation
from baselines.extremal import MaskMaker, blurred, chosen_level
from mint.contract import InputError


class Patch(nn.Module):
    """Class 1's logit is how well the texture in one patch is kept, up to 30."""

    def __init__(self, image: Tensor, place: tuple[slice, slice]) -> None:
        super().__init__()
        self.pattern, self.place = image[(slice(None), *place)], place
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)

        def kept(pictures: Tensor) -> Tensor:
            return (pictures[(..., *self.place)] * self.pattern).sum((1, 2, 3)) / self.pattern.square().sum()

        # Every second step the picture is mirrored.
        seen = 30 * torch.maximum(kept(images), kept(images.flip(3)))
        return torch.stack([-seen, seen], dim=1)


PLACE = (slice(18, 28), slice(6, 16))
QUICK = ExtremalPerturbation(areas=(0.05, 0.1), steps=250)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(3, 40, 36, generator=torch.Generator().manual_seed(0))


def test_a_mask_is_the_smooth_maximum_of_its_parameters() -> None:
    spacing, sigma = 3, 7
    maker = MaskMaker((20, 16), spacing, sigma)
    parameters = torch.rand(2, *maker.grid, generator=torch.Generator().manual_seed(1)).double()
    full = maker.make(parameters)
    assert full.shape[1:] == maker.padded
    assert maker.crop(full).shape == (2, 20, 16)
    for row, column in ((0, 0), (9, 4), (13, 15), (19, 11)):
        # All parameters in the window around the pixel's place on the grid, 0 beyond the grid.
        products = []
        for i in range((row + sigma) // spacing - 6, (row + sigma) // spacing + 1):
            for j in range((column + sigma) // spacing - 6, (column + sigma) // spacing + 1):
                inside = 0 <= i < maker.grid[0] and 0 <= j < maker.grid[1]
                distance = math.hypot(row - spacing * i, column - spacing * j) / sigma
                kernel = math.exp(-2 * max(distance - 0.5, 0) ** 2)
                products.append(kernel * float(parameters[1, i, j]) if inside else 0)
        shares = [math.exp(20 * product) for product in products]
        expected = sum(product * share for product, share in zip(products, shares, strict=True)) / sum(shares)
        assert float(maker.crop(full)[1, row, column]) == pytest.approx(expected, abs=0.02)


def test_the_masks_gradient_is_that_of_differences() -> None:
    maker = MaskMaker((8, 6), 2, 4)
    parameters = (0.1 + 0.8 * torch.rand(1, *maker.grid, generator=torch.Generator().manual_seed(0))).double()
    assert torch.autograd.gradcheck(maker.make, parameters.requires_grad_())


def test_a_blur_is_a_gaussian_with_zeros_beyond_the_border(image: Tensor) -> None:
    expected = gaussian_filter(image[0].double().numpy(), 2.5, mode="constant", truncate=4)
    torch.testing.assert_close(blurred(image[0].double(), 2.5), torch.from_numpy(expected), atol=1e-12, rtol=0)
    assert torch.equal(blurred(image, 0), image)


def test_a_mask_chooses_between_the_levels() -> None:
    pyramid = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 2, 2)
    masks = torch.tensor([[[0.0, 1.0], [0.5, 0.1]]])
    expected = (7 * masks)[:, None].expand(1, 3, 2, 2)
    torch.testing.assert_close(chosen_level(pyramid, masks), expected)


def test_the_planted_patch_is_found_and_the_areas_are_reached(image: Tensor) -> None:
    model = Patch(image, PLACE)
    method = replace(QUICK, steps=800)
    masks, full = method.masks(model, image, 1)
    assert model.pictures == 1600
    for mask, area in zip(full, method.areas, strict=True):
        assert float(mask.mean()) == pytest.approx(area, abs=0.02)
    inside = torch.zeros(40, 36, dtype=torch.bool)
    inside[PLACE] = True
    # The mirrored patch is seen as well, so the mask may choose either side.
    inside |= inside.flip(1)
    for mask in masks:
        assert mask[inside].mean() > 3 * mask[~inside].mean()
    saliency = blurred(masks.sum(0), 0.09 * 36)
    assert inside.flatten()[saliency.argmax()]
    assert 0 <= float(saliency.min()) < float(saliency.max()) <= 2


def test_rounding_does_not_choose_the_masks(small_cnn: SmallCNN) -> None:
    picture = smooth_images(1)[0]
    method = replace(QUICK, steps=60)
    masks = method.masks(small_cnn, picture, 2)[0]
    exact = method.masks(copy.deepcopy(small_cnn).double(), picture.double(), 2)[0]
    torch.testing.assert_close(masks.double(), exact, atol=0.02, rtol=0)
    assert not torch.allclose(replace(method, seed=1).masks(small_cnn, picture, 2)[0], masks, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_has_its_masks_made_in_single(small_cnn: SmallCNN, dtype: torch.dtype) -> None:
    picture = smooth_images(1)[0]
    method = replace(QUICK, steps=20)
    masks = method.masks(small_cnn, picture, 2)[0]
    found = method.masks(copy.deepcopy(small_cnn).to(dtype), picture.to(dtype), 2)[0]
    torch.testing.assert_close(found, masks, atol=0.02, rtol=0)


def test_lengths_are_scaled_by_the_shorter_side(monkeypatch: pytest.MonkeyPatch, small_cnn: SmallCNN) -> None:
    made = []
    init = MaskMaker.__init__

    def noted(self: MaskMaker, *args: Any) -> None:
        made.append(args)
        init(self, *args)

    monkeypatch.setattr(MaskMaker, "__init__", noted)
    for size in ((64, 80), (224, 230)):
        replace(QUICK, areas=(0.1,), steps=1)(small_cnn, torch.zeros(1, 3, *size), torch.tensor([0]))
    assert made == [((64, 80), 2, 6), ((224, 230), 7, 21)]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"areas": ()}, "areas is a tuple of at least one share"),
        ({"areas": [0.1]}, "areas is a tuple of at least one share"),
        ({"areas": (0.1, 1.5)}, "each of areas is a number 0 or more, at most 1, not 1.5"),
        ({"steps": 0}, "steps is a whole number, 1 or more"),
        ({"blur": 0}, "blur is a number above 0"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ExtremalPerturbation(**wrong)
