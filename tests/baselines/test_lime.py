"""LIME against ``lime_image``'s regression written out, and on a network that is linear in its super-pixels."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from small_games import network
from torch import Tensor, nn

from baselines import LIME
from mint.contract import InputError


class Brightness(nn.Module):
    """Class 1's probability is linear in the input: its mean over the quarter rows x columns given."""

    def forward(self, images: Tensor) -> Tensor:
        share = images[:, :, :16, :16].mean((1, 2, 3)).clamp(1e-6, 1 - 1e-6)
        return torch.stack([1 - share, share], dim=1).log()


def patchwork() -> Tensor:
    """Four plain quarters, which Quickshift tells apart."""
    image = torch.full((3, 32, 32), 0.1)
    image[0, :16, :16], image[1, :16, 16:], image[2, 16:, :16] = 0.9, 0.8, 0.7
    return image


def test_super_pixels_follow_the_quarters() -> None:
    labels = LIME().superpixels(patchwork())
    assert labels.min() == 0
    assert set(labels.flat) == set(range(labels.max() + 1))
    for row in (slice(0, 16), slice(16, 32)):
        for column in (slice(0, 16), slice(16, 32)):
            inside = set(labels[row, column].flat)
            assert all((labels == label).sum() == (labels[row, column] == label).sum() for label in inside)


def test_only_the_evidence_of_a_linear_network_is_marked() -> None:
    lime = LIME(samples=400, alpha=1e-6)
    found = lime(Brightness(), patchwork()[None], torch.tensor([1]))[0]
    outside = torch.ones(32, 32, dtype=torch.bool)
    outside[:16, :16] = False
    torch.testing.assert_close(found[outside], torch.zeros(768), atol=1e-4, rtol=0)
    labels = torch.from_numpy(lime.superpixels(patchwork()))
    image = patchwork().mean(0)
    for label in set(labels[:16, :16].flatten().tolist()):
        here = labels == label
        expected = image[here].sum() / 256  # what hiding it takes from the mean of the quarter
        torch.testing.assert_close(found[here], expected.expand(int(here.sum())), atol=1e-4, rtol=0)


def lime_image(lime: LIME, model: nn.Module, image: Tensor, target: int) -> np.ndarray:
    """``lime_image.explain_instance`` with hide_color 0, from its pieces: states, cosine distances, Ridge."""
    labels = lime.superpixels(image)
    generator = torch.Generator().manual_seed(lime.seed)
    count = labels.max() + 1
    states = np.ones((lime.samples, count))
    for state in states[1:]:
        state[:] = torch.randint(0, 2, (1, count), generator=generator).numpy()
    masks = torch.from_numpy(states[:, labels]).float()[:, None]
    with torch.no_grad():
        answers = model(image * masks).softmax(1)[:, target].double().numpy()
    norms = np.sqrt(states.sum(1)) * np.sqrt(count)
    cosines = np.divide(states.sum(1), norms, out=np.zeros(len(states)), where=norms > 0)
    weights = np.sqrt(np.exp(-((1 - cosines) ** 2) / 0.25**2))
    ridge = Ridge(alpha=1, fit_intercept=True).fit(states, answers, sample_weight=weights)
    return np.asarray(ridge.coef_[labels])


@pytest.mark.parametrize("seed", [0, 5])
def test_the_map_is_lime_image_s(seed: int) -> None:
    model = network()
    image = patchwork() + 0.1 * torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(2))
    lime = LIME(samples=120, seed=seed)
    expected = lime_image(lime, model, image, target=2)
    assert np.ptp(expected) > 0
    found = lime(model, image[None], torch.tensor([2]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=1e-3)


def test_the_seed_draws_other_samples() -> None:
    images, targets = patchwork()[None], torch.tensor([1])
    maps = [LIME(samples=20, seed=seed)(Brightness(), images, targets) for seed in (0, 1)]
    assert not torch.equal(*maps)


def test_a_plain_picture_gives_a_plain_map() -> None:
    # All of it is as absent pixels are: no super-pixel has a weight.
    found = LIME(samples=10)(Brightness(), torch.zeros(1, 3, 16, 16), torch.tensor([0]))
    assert torch.equal(found, torch.zeros(1, 16, 16))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"samples": 1}, "samples is a whole number, 2 or more, not 1"),
        ({"kernel_width": 0}, "kernel_width is a number 0.001 or more, at most 1000, not 0"),
        ({"kernel_width": float("nan")}, "kernel_width is a number 0.001 or more, at most 1000, not nan"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        LIME(**wrong)
