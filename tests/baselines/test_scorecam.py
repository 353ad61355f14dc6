"""Score-CAM on a network known on paper, by its algorithm written out, and what it costs."""

from math import exp
from typing import Any

import pytest
import torch
from examples import SmallCNN, smooth_images
from small_readings import GRADIENT, PICTURE, reading
from torch import Tensor, nn

from baselines import ScoreCAM
from baselines.layer_maps import read_activations
from mint.contract import InputError

TARGET = torch.tensor([1])


def test_the_map_is_known_on_paper() -> None:
    # The masks are [[1/2, 1], [0, 1/2]] and [[1, 0], [1/3, 0]]; the masked pictures' logits are 7 - 3 and 7 - 5/3.
    share = exp(-3) / (exp(-3) + exp(-5 / 3))
    expected = share * PICTURE[0] + (1 - share) * PICTURE[1]
    found = ScoreCAM("0")(reading(), PICTURE[None], TARGET)
    torch.testing.assert_close(found, expected[None])


def test_another_score_weighs_otherwise() -> None:
    shares = torch.tensor([-3, -5 / 3]).sigmoid().softmax(0)  # of two logits, both with a bias of 7
    found = ScoreCAM("0", score="probability")(reading(), PICTURE[None], TARGET)
    torch.testing.assert_close(found, (shares[:, None, None] * PICTURE).sum(0)[None])


def test_channels_without_contrast_are_left_out() -> None:
    flat = torch.full((1, 2, 2), 5.0)
    flat[0, 0, 0] += 1e-6  # by rounding
    network = reading(torch.cat([GRADIENT, torch.full((1, 2, 2), 100.0)]))
    found = ScoreCAM("0")(network, torch.cat([PICTURE, flat])[None], TARGET)
    assert float(found.max()) <= 3
    black = ScoreCAM("0")(reading(), torch.ones(1, 2, 2, 2), TARGET)
    assert torch.equal(black, torch.zeros(1, 2, 2))


def test_the_channels_of_the_largest_variance_are_asked_about() -> None:
    # Their variances are 2/3 and 2.
    found = ScoreCAM("0", channels=1)(reading(), PICTURE[None], TARGET)
    assert torch.equal(found, PICTURE[None, 1])
    every = ScoreCAM("0")(reading(), PICTURE[None], TARGET)
    assert torch.equal(ScoreCAM("0", channels=2)(reading(), PICTURE[None], TARGET), every)


def by_algorithm(network: nn.Module, layer: str, image: Tensor, target: int) -> Tensor:
    """Algorithm 1, one channel at a time."""
    activations = read_activations(network, layer, image[None], torch.tensor([target]))
    enlarged = nn.functional.interpolate(activations, image.shape[1:], mode="bilinear", align_corners=False)[0]
    scores, channels = [], []
    with torch.no_grad():
        nothing = network(torch.zeros_like(image)[None])[0, target]
        for channel, mask in zip(activations[0], enlarged, strict=True):
            if mask.max() > mask.min():
                scaled = (mask - mask.min()) / (mask.max() - mask.min())
                scores.append(network((image * scaled)[None])[0, target] - nothing)
                channels.append(channel)
    weighted = (torch.stack(scores).softmax(0)[:, None, None] * torch.stack(channels)).sum(0).relu()
    return nn.functional.interpolate(weighted[None, None], image.shape[1:], mode="bilinear")[0, 0]


def test_the_map_is_the_algorithm_s(small_cnn: SmallCNN) -> None:
    with torch.no_grad():
        small_cnn.head.weight *= 100  # so that the weights differ
    images, targets = smooth_images(2), torch.tensor([0, 3])
    found = ScoreCAM("trunk", batch_size=3)(small_cnn, images, targets)
    for one, image, target in zip(found, images, targets.tolist(), strict=True):
        expected = by_algorithm(small_cnn, "trunk", image, target)
        torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize(("channels", "asked"), [(None, 6), (4, 4), (1, 1), (50, 6)])
def test_it_asks_once_for_each_channel_and_once_for_the_layer(channels: int | None, asked: int) -> None:
    pictures: list[int] = []
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)).eval()
    network.register_forward_pre_hook(lambda _module, inputs: pictures.append(len(inputs[0])))
    ScoreCAM("0", channels=channels)(network, smooth_images(1), TARGET)
    assert sum(pictures) == 1 + asked


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"channels": 0}, "channels is a whole number, 1 or more, not 0"),
        ({"score": "answer"}, "score is one of"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ScoreCAM(**wrong)
