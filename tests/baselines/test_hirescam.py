"""HiResCAM on a network known on paper, and beside Grad-CAM where both are the same."""

import torch
from examples import smooth_images
from small_readings import PICTURE, reading
from torch import nn

from baselines import GradCAM, HiResCAM


def test_the_map_is_known_on_paper_and_sums_to_the_logit_without_its_bias() -> None:
    network = reading()
    found = HiResCAM("0")(network, PICTURE[None], torch.tensor([1]))
    assert torch.equal(found, torch.tensor([[[-2.0, -2.0], [1.0, 0.0]]]))
    assert float(found.sum()) == float(network(PICTURE[None])[0, 1].detach()) - 7


def test_behind_a_mean_over_all_places_grad_cam_is_its_relu() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        network = nn.Sequential(*layers, nn.Linear(6, 4)).eval()
    images, targets = smooth_images(3), torch.tensor([0, 3, 2])
    found = HiResCAM("1")(network, images, targets)
    assert float(found.min()) < 0 < float(found.max())
    torch.testing.assert_close(found.relu(), GradCAM("1")(network, images, targets))
    torch.testing.assert_close(
        found.sum((1, 2)) + network[4].bias[targets].detach(),
        network(images).gather(1, targets[:, None])[:, 0].detach(),
    )
