"""KernelSHAP against Shapley values known on paper, and Captum's own call."""

from typing import Any

import pytest
import torch
from captum.attr import KernelShap as CaptumKernelShap
from small_games import Game, network, patchwork
from torch import Tensor

from baselines import LIME, KernelSHAP
from mint.contract import InputError

TARGETS = torch.tensor([1])
KERNEL_SIZE = 4.0


def values_of(found: Tensor, game: Game) -> Tensor:
    """Read each super-pixel's value off a map."""
    return found[0].flatten()[game.places]


def play(value: Any, samples: int, image: Tensor | None = None) -> tuple[Tensor, Game]:
    image = patchwork() if image is None else image
    game = Game(image, KERNEL_SIZE, value)
    method = KernelSHAP(samples=samples, kernel_size=KERNEL_SIZE, score="logit", batch_size=64)
    return values_of(method(game, image[None], TARGETS), game), game


def test_in_a_sum_each_gets_its_own_share() -> None:
    shares = torch.tensor([3.0, -1.0, 0.5, 0.0])
    found, game = play(lambda present: 10 + present @ shares, samples=200)
    assert game.players == 4
    assert game.pictures == 200
    torch.testing.assert_close(found, shares, atol=1e-3, rtol=0)


@pytest.mark.parametrize("needed", [2, 3])
def test_in_a_product_those_that_are_needed_share_alike(needed: int) -> None:
    found, game = play(lambda present: present[:, :needed].prod(1), samples=2000)
    expected = torch.zeros(game.players)
    expected[:needed] = 1 / needed
    # Over seeds, such an estimate has no bias and a standard deviation of 0.02.
    torch.testing.assert_close(found, expected, atol=0.06, rtol=0)
    assert float(found.sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 5])
def test_the_map_is_captum_s(seed: int) -> None:
    model, images, targets = network(), torch.stack([patchwork(), patchwork().flip(1)]), torch.tensor([2, 0])
    method = KernelSHAP(samples=150, seed=seed)
    found = method(model, images, targets)
    for one, image, target in zip(found, images, targets.tolist(), strict=True):
        labels = torch.from_numpy(LIME(seed=seed).superpixels(image))
        captum = CaptumKernelShap(lambda batch, target=target: model(batch).softmax(1)[:, target])
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            expected = captum.attribute(image[None], feature_mask=labels[None, None], n_samples=150)[0, 0]
        torch.testing.assert_close(one, expected, atol=2e-5 * float(expected.abs().max()), rtol=0)


def test_the_seed_draws_other_samples() -> None:
    maps = [KernelSHAP(samples=60, seed=seed)(network(), patchwork()[None], TARGETS) for seed in (0, 1)]
    assert not torch.equal(*maps)


def test_a_single_super_pixel_gains_all() -> None:
    image = torch.full((3, 5, 5), 0.5)
    found, game = play(lambda present: 2 + 5 * present.sum(1), 50, image)
    assert game.players == 1
    assert found.tolist() == [5]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"samples": 1}, "samples is a whole number, 2 or more, not 1"),
        ({"kernel_size": 0.5}, "kernel_size is a number 1 or more, not 0.5"),
        ({"seed": -1}, "seed is a whole number"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        KernelSHAP(**wrong)
