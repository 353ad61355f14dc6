"""LayerCAM on a network known on paper."""

import torch
from small_readings import PICTURE, reading

from baselines import LayerCAM


def test_the_map_is_known_on_paper() -> None:
    found = LayerCAM("0")(reading(), PICTURE[None], torch.tensor([1]))
    assert torch.equal(found, torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]))


def test_negative_activity_is_cut_off() -> None:
    found = LayerCAM("0")(reading(), -PICTURE[None], torch.tensor([1]))
    assert torch.equal(found, torch.zeros(1, 2, 2))
