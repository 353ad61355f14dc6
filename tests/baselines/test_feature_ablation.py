"""Feature ablation against leaving out each super-pixel by hand, and the perturbation engine."""

import pytest
import torch
from small_games import Game, network, patchwork
from torch import Tensor, nn

from baselines import LIME, FeatureAblation
from mint.contract import InputError
from mint.perturbation import masked_scores

TARGETS = torch.tensor([1])


def by_hand(model: nn.Module, image: Tensor, target: int) -> Tensor:
    labels = torch.from_numpy(LIME().superpixels(image))
    found = torch.zeros(labels.shape)
    with torch.no_grad():
        whole = model(image[None]).softmax(1)[0, target]
        for label in range(int(labels.max()) + 1):
            hidden = torch.where(labels == label, 0, image)
            found[labels == label] = whole - model(hidden[None]).softmax(1)[0, target]
    return found


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_super_pixel_s_value_is_the_fall_without_it(batch_size: int | None) -> None:
    model, images, targets = network(), torch.stack([patchwork(), patchwork().flip(1)]), torch.tensor([2, 0])
    found = FeatureAblation(batch_size=batch_size)(model, images, targets)
    for one, image, target in zip(found, images, targets.tolist(), strict=True):
        expected = by_hand(model, image, target)
        assert len(expected.unique()) > 3
        torch.testing.assert_close(one, expected, atol=1e-6, rtol=0)


def test_the_engine_gives_the_same_map() -> None:
    model, image = network(), patchwork()
    labels = torch.from_numpy(LIME().superpixels(image))
    alone = torch.eye(int(labels.max()) + 1, dtype=torch.bool)
    states = torch.cat([torch.ones_like(alone[:1]), ~alone])
    answers = masked_scores(model, image, torch.zeros(3, 1, 1), labels, states, 2)
    found = FeatureAblation()(model, image[None], torch.tensor([2]))[0]
    torch.testing.assert_close(found, (answers[0] - answers[1:]).float()[labels], atol=1e-6, rtol=0)


def test_it_asks_once_for_each_super_pixel_and_once_for_the_picture() -> None:
    image = patchwork()
    for kernel_size in (4.0, 5.0):
        game = Game(image, kernel_size, lambda present: present.sum(1))
        found = FeatureAblation(kernel_size=kernel_size, score="logit")(game, image[None], TARGETS)
        assert game.pictures == game.players + 1
        assert torch.equal(found, torch.ones(1, 32, 32))


def test_a_larger_kernel_makes_fewer_super_pixels() -> None:
    image = patchwork()
    players = [Game(image, kernel_size, lambda present: present.sum(1)).players for kernel_size in (4.0, 5.0)]
    assert players == [4, 3]


def test_parameters_without_a_meaning_are_refused() -> None:
    with pytest.raises(InputError, match="kernel_size is a number 1 or more, not 0"):
        FeatureAblation(kernel_size=0)
    with pytest.raises(InputError, match="score is one of"):
        FeatureAblation(score="answer")  # type: ignore[arg-type]
