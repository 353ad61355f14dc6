"""PartitionSHAP on games whose Owen values are known on paper, and against the package ``shap``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from baselines import PartitionSHAP
from mint.contract import InputError


class Game(nn.Module):
    """Class 0's logit is the worth of the pixels that are there; it counts the pictures."""

    def __init__(self, worth: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.worth, self.pictures = worth, 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        value = self.worth(images[:, 0])
        return torch.stack([value, 0 * value], dim=1)


def play(worth: Callable[[Tensor], Tensor], size: tuple[int, int], max_evals: int = 10_000, **others: Any) -> Tensor:
    method = PartitionSHAP(max_evals=max_evals, score="logit", **others)
    return method(Game(worth), torch.ones(1, 1, *size), torch.tensor([0]))[0]


def test_in_an_additive_game_each_pixel_gets_its_own() -> None:
    worths = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    found = play(lambda there: (there * worths).sum((1, 2)), (3, 5))
    torch.testing.assert_close(found, worths, atol=1e-5, rtol=0)


def test_two_players_share_evenly_what_both_are_needed_for() -> None:
    found = play(lambda there: 6 * there[:, 0, 0] * there[:, 0, 1] + there[:, 0, 0], (1, 2))
    assert found.tolist() == [[4, 3]]


def test_three_needed_players_in_two_rows_get_owen_s_values_not_shapley_s() -> None:
    # Each row gets a half; the lower row's two players share theirs. Shapley's values are 1/3 each.
    found = play(lambda there: there[:, 0, 0] * there[:, 1, 0] * there[:, 1, 1], (2, 2))
    assert found.tolist() == [[0.5, 0], [0.25, 0.25]]


def test_the_longer_side_is_halved_first() -> None:
    # Of 2 x 3 pixels the last column stands alone: its pixel gets a half, and the partner in the other half, too.
    found = play(lambda there: there[:, 0, 0] * there[:, 1, 2], (2, 3))
    assert found.tolist() == [[0.5, 0, 0], [0, 0, 0.5]]


def test_without_forwards_left_a_rectangle_is_shared_evenly() -> None:
    def worth(there: Tensor) -> Tensor:
        return there[:, 0, 0] * 8

    assert play(worth, (4, 4), max_evals=3).tolist() == [[0.5] * 4] * 4
    assert play(worth, (4, 4), max_evals=4).tolist() == [[1] * 4] * 2 + [[0] * 4] * 2


@pytest.mark.parametrize("max_evals", [2, 5, 40, 41])
def test_the_sum_is_what_the_picture_adds_and_the_budget_is_kept(max_evals: int) -> None:
    game = Game(lambda there: there.sum((1, 2)).sqrt() * there[:, 3, 4] + there[:, 0, 0])
    method = PartitionSHAP(max_evals=max_evals, together=7, score="logit")
    found = method(game, torch.ones(1, 1, 6, 7), torch.tensor([0]))
    assert float(found.sum()) == pytest.approx(42**0.5 + 1, abs=1e-5)
    assert game.pictures == max_evals - max_evals % 2


def test_where_most_is_to_be_shared_is_looked_at_closest() -> None:
    found = play(lambda there: there[:, 9, 13], (16, 16), max_evals=600)
    assert divmod(int(found.argmax()), 16) == (9, 13)
    assert float(found[9, 13]) == pytest.approx(1, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("max_evals", [pytest.param(20, marks=pytest.mark.slow), 100])
def test_the_map_is_shap_s(small_cnn: SmallCNN, max_evals: int) -> None:
    shap = pytest.importorskip("shap")
    image = smooth_images(1, size=(16, 20))[0]
    with torch.no_grad():
        small_cnn.head.weight.mul_(50)  # answers that vary, so that no terms tie
    pixels = image.permute(1, 2, 0).numpy()

    def ask(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return small_cnn(torch.tensor(pictures).float().permute(0, 3, 1, 2)).softmax(1)[:, [2]].numpy()

    state = np.random.get_state()  # noqa: NPY002 - shap draws from it
    explainer = shap.PartitionExplainer(ask, shap.maskers.Image(np.zeros_like(pixels)))
    theirs = explainer(pixels[None], max_evals=max_evals, batch_size=10, silent=True).values[0, ..., 0].sum(2)
    np.random.set_state(state)  # noqa: NPY002
    ours = PartitionSHAP(max_evals=max_evals, together=10)
    found = ours(small_cnn, image[None], torch.tensor([2]))[0]
    np.testing.assert_allclose(found, theirs, atol=1e-5 * np.abs(theirs).max())
    assert not np.allclose(replace(ours, max_evals=max_evals // 2)(small_cnn, image[None], torch.tensor([2]))[0], found)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"max_evals": 1}, "max_evals is a whole number, 2 or more, not 1"),
        ({"together": 1}, "together is a whole number, 2 or more, not 1"),
    ],
)
def test_parameters_without_a_meaning_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        PartitionSHAP(**wrong)
