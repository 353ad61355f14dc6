"""Sensitivity where the prediction stays: which copies count, counted by hand."""

import math
from dataclasses import dataclass

import pytest
import torch
from contexts import context_of
from examples import SmallCNN
from torch import Tensor, nn

from benchmarks.metrics import Context, KeptPredictions, KeptSensitivity, MaxSensitivity
from benchmarks.metrics.max_sensitivity import changed_copies


class Brighter(nn.Module):
    """Class 0 where the first pixel is above a threshold, else class 1."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, 0, 0, 0], torch.full((len(images),), self.threshold)], dim=1)


@dataclass(frozen=True)
class Answering:
    """The picture's mean over channels where the first pixel is above 0, and ten times as much elsewhere."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.mean(dim=1) * torch.where(images[:, :1, 0, :1] > 0, 1.0, 10.0)


def at_the_border(threshold: float = 0.0) -> Context:
    image = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(1))
    image[0, 0, 0] = 0.001
    return context_of(image, model=Brighter(threshold))


def test_copies_of_another_class_do_not_count() -> None:
    context = at_the_border()
    copies = changed_copies(context, 0.02, 8, 0)
    kept = copies[:, 0, 0, 0] > 0
    assert 2 <= int(kept.sum()) <= 6
    own = context.image.mean(0)
    expected = max(float((copy.mean(0) - own).norm() / own.norm()) for copy in copies[kept])
    assert KeptSensitivity(samples=8).examine(context, Answering()).score == pytest.approx(expected, rel=1e-5)
    assert MaxSensitivity(samples=8).examine(context, Answering()).score > 5
    share = KeptPredictions(samples=8)(context, torch.zeros(5, 6)).score
    assert share == int(kept.sum()) / 8


def test_where_none_is_left_it_does_not_apply_and_where_all_are_it_is_max_sensitivity() -> None:
    context = at_the_border()
    context.image[0, 0, 0] = 0.019  # only the largest change takes it away
    assert KeptPredictions()(context, torch.zeros(5, 6)).score == 1
    assert KeptSensitivity().examine(context, Answering()) == MaxSensitivity().examine(context, Answering())
    alone = next(seed for seed in range(50) if changed_copies(at_the_border(), 0.02, 1, seed)[0, 0, 0, 0] < 0)
    assert math.isnan(KeptSensitivity(samples=1, seed=alone).examine(at_the_border(), Answering()).score)
    assert KeptPredictions(samples=1, seed=alone)(at_the_border(), torch.zeros(5, 6)).score == 0


def test_it_is_the_predicted_class_that_stays_not_the_target(small_cnn: SmallCNN, images: Tensor) -> None:
    for target in range(5):
        context = context_of(images[0], model=small_cnn, target=target)
        assert KeptPredictions()(context, torch.zeros(40, 48)).score == 1


def test_cases_are_passed_over_as_by_max_sensitivity() -> None:
    context = at_the_border()
    every = int(context.case.digest, 16) % 1000 + 1001  # which does not divide the digest
    assert math.isnan(MaxSensitivity(every=every).examine(context, Answering()).score)
    assert math.isnan(KeptSensitivity(every=every).examine(context, Answering()).score)
