"""A network of yours: how much of a picture is red, green or blue? See docs/yours.md."""

import torch
from torch import nn

from benchmarks.networks import Classifier, Preprocessing


def colours() -> Classifier:
    """Red, green or blue: the weights are set by hand, so we know what it looks at."""
    contrast = nn.Conv2d(3, 3, 1)
    smoothing = nn.Conv2d(3, 3, 3, stride=2, padding=1, bias=False)
    answer = nn.Linear(3, 3, bias=False)
    own = torch.eye(3)
    with torch.no_grad():
        contrast.weight.copy_((2 * own - 1)[:, :, None, None])  # a colour, less the other two
        contrast.bias.fill_(-1)  # gray counts for nothing
        smoothing.weight.copy_(own[:, :, None, None].expand(3, 3, 3, 3) / 9)
        answer.weight.copy_(16 * own)
    module = nn.Sequential(
        contrast, nn.ReLU(), smoothing, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), answer
    )
    preprocessing = Preprocessing(size=48, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return Classifier(module, preprocessing, ("red", "green", "blue"))
