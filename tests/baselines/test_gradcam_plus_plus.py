"""Grad-CAM++ on a network known on paper, and by equation 19 as it is printed."""

import torch
from examples import SmallCNN, smooth_images
from small_readings import PICTURE, reading

from baselines import GradCAMPlusPlus
from baselines.layer_maps import enlarge, read_layer

TARGET = torch.tensor([1])


def test_the_map_is_known_on_paper() -> None:
    # Both channels sum to 4: gradients of 1 and 2 weigh 1 / 6 and 2 / 10.
    expected = (11 * PICTURE[0] + 16 * PICTURE[1]) / 30
    found = GradCAMPlusPlus("0")(reading(), PICTURE[None], TARGET)
    torch.testing.assert_close(found, expected[None])


def test_the_map_is_equation_19_in_double_precision(small_cnn: SmallCNN) -> None:
    images, targets = smooth_images(3), torch.tensor([0, 3, 4])
    activations, gradients = (each.double() for each in read_layer(small_cnn, "trunk", images, targets))
    assert float(gradients.abs().max()) < 0.01  # where a small number in the denominator would be seen
    sums = activations.sum((2, 3), keepdim=True)
    alphas = gradients**2 / (2 * gradients**2 + sums * gradients**3)
    weights = (alphas * gradients.relu()).sum((2, 3), keepdim=True)
    maps = (weights * activations).sum(1).relu()
    found = GradCAMPlusPlus("trunk")(small_cnn, images, targets)
    assert float(found.amin((1, 2)).max()) > 0
    torch.testing.assert_close(found, enlarge(maps, images.shape[2:]).float(), rtol=1e-4, atol=1e-7)


def test_the_sum_of_a_negative_channel_may_make_the_denominator_zero() -> None:
    # The channel sums to -2, and the gradient is 1 everywhere: the denominators are 0, and taken for 1.
    picture = torch.tensor([[[[1.0, -2.0], [-2.0, 1.0]]]])
    found = GradCAMPlusPlus("0")(reading(torch.ones(1, 2, 2)), picture, TARGET)
    assert torch.equal(found, 4 * picture[0].relu())


def test_where_no_gradient_is_positive_the_map_is_zero() -> None:
    found = GradCAMPlusPlus("0")(reading(-torch.ones(2, 2, 2)), PICTURE[None], TARGET)
    assert torch.equal(found, torch.zeros(1, 2, 2))
