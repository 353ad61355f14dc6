"""The controls show what they say, and nothing of the network."""

import hashlib

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from small_resnets import noise
from torch import nn

from baselines import METHODS, NULLS, Centre, Constant, Random, Sobel
from baselines.nulls import generator_for
from mint.contract import InputError


def network(channels: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_noise_depends_on_seed_picture_and_target_alone() -> None:
    images, targets = noise(2, 3, 16, 16), torch.tensor([0, 1])
    maps = Random()(network(), images, targets)
    assert maps.min() >= 0
    assert maps.max() < 1
    assert torch.equal(Random()(network(), images.flip(0), targets.flip(0)), maps.flip(0))
    assert torch.equal(Random()(network(), images.to(memory_format=torch.channels_last), targets), maps)
    same = images[:1].expand(2, -1, -1, -1)
    others = {
        "seed": Random(1)(network(), images[:1], targets[:1])[0],
        "picture": maps[1],
        "target": Random()(network(), same, targets)[1],
    }
    assert torch.equal(Random()(network(), same, targets)[0], maps[0])
    assert not any(torch.equal(other, maps[0]) for other in others.values())


def test_noise_is_seeded_by_the_picture_s_bytes() -> None:
    # Records hold scores of such maps: the generator must not change.
    image = torch.arange(24.0).view(3, 2, 4)
    expected = int.from_bytes(hashlib.sha256(b"5 2 " + image.numpy().tobytes()).digest()[:8], "little", signed=True)
    assert generator_for(5, image, 2).initial_seed() == expected % 2**64
    apart = torch.stack([image, image], dim=-1)[..., 0]
    narrow = image.view(3, 1, 8).transpose(1, 2)  # contiguous, though its last stride is not 1
    for same in (apart, narrow, image.clone().requires_grad_()):
        assert generator_for(5, same, 2).initial_seed() == expected % 2**64


@pytest.mark.parametrize("name", NULLS)
def test_pictures_may_be_bfloat16(name: str) -> None:
    maps = METHODS[name]()(network().bfloat16(), noise(2, 3, 12, 12).bfloat16(), torch.tensor([0, 1]))
    assert maps.dtype == torch.float32
    assert torch.isfinite(maps).all()


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (7, 12), (112, 112)])
def test_the_centre_is_exact_and_round(size: tuple[int, int]) -> None:
    saliency = Centre()(network(), noise(1, 3, *size), torch.tensor([0]))[0]
    peaks = np.argwhere(saliency.numpy() == saliency.max().item())
    np.testing.assert_allclose(peaks.mean(0), [(size[0] - 1) / 2, (size[1] - 1) / 2])
    assert len(peaks) == (2 - size[0] % 2) * (2 - size[1] % 2)
    for axes in ((0,), (1,)):
        torch.testing.assert_close(saliency.flip(axes), saliency)
    assert (saliency[size[0] // 2 :].diff(dim=0) < 0).all()
    assert (saliency > 0).all()


def test_the_centre_at_one_width_is_a_standard_deviation_away() -> None:
    saliency = Centre(width=0.25)(network(), noise(1, 3, 17, 17), torch.tensor([0]))[0]
    assert saliency[8, 8] == 1
    assert float(saliency[8, 12]) == pytest.approx(np.exp(-((4 / 4.25) ** 2) / 2))


@pytest.mark.parametrize("width", [0.0, -0.25, float("nan")])
def test_a_centre_without_width_is_refused(width: float) -> None:
    with pytest.raises(InputError, match=r"width is a number 0.001 or more"):
        Centre(width)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_edges_are_scipy_s_sobel(channels: int) -> None:
    images = noise(2, channels, 14, 11)
    found = Sobel()(network(channels), images, torch.tensor([0, 1]))
    weights = np.array([0.299, 0.587, 0.114]) if channels == 3 else np.full(channels, 1 / channels)
    for image, saliency in zip(images.double().numpy(), found, strict=True):
        luminance = np.tensordot(weights, image, 1)
        expected = np.hypot(*(sobel(luminance, axis, mode="nearest") for axis in (0, 1)))
        np.testing.assert_allclose(saliency, expected, atol=1e-5)


def test_a_flat_picture_has_no_edge() -> None:
    assert not Sobel()(network(), torch.full((1, 3, 8, 8), 0.3), torch.tensor([0])).any()


def test_a_constant_ties_everywhere() -> None:
    maps = Constant()(network(), noise(2, 3, 9, 7), torch.tensor([0, 1]))
    assert maps.shape == (2, 9, 7)
    assert maps.dtype == torch.float32
    assert len(maps.unique()) == 1


@pytest.mark.parametrize("name", NULLS)
def test_a_null_knows_nothing_of_the_network(name: str) -> None:
    images, targets = noise(2, 3, 12, 12), torch.tensor([0, 1])
    with torch.random.fork_rng(devices=[]):
        maps = [METHODS[name]()(network(), images, targets) for _ in range(2)]
    assert torch.equal(*maps)
