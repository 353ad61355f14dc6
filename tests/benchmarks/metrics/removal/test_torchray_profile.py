"""TorchRay plays the pointing game at the photograph's own size, where a case has its region there."""

import dataclasses

import numpy as np
import pytest
import torch
from contexts import context_of

from benchmarks.metrics import PROFILES, Context, Pointing

PLAYED = PROFILES["torchray-pointing"]


def _context(original: np.ndarray | None) -> Context:
    """A picture of 16 x 20 pixels, whose region is out of reach of a maximum at the top left."""
    region = np.zeros((16, 20), bool)
    region[15, 19] = True
    context = context_of((16, 20), region)
    return dataclasses.replace(context, case=dataclasses.replace(context.case, original=original))


@pytest.mark.parametrize(("column", "hits"), [(19, True), (20, False)])
def test_fifteen_pixels_are_those_of_the_photograph(column: int, hits: bool) -> None:
    original = np.zeros((64, 80), bool)
    original[5, column] = True
    saliency = torch.zeros(16, 20)
    saliency[1, 1] = 1  # enlarged four times, the first of the tied maxima is at (5, 5)
    assert PLAYED(_context(original), saliency).score == hits


def test_an_original_of_the_picture_s_size_may_still_be_another_region() -> None:
    original = np.zeros((16, 20), bool)
    original[0, 0] = True  # as where a photograph of this size is enlarged, and its middle is cut out
    context, saliency = _context(original), torch.zeros(16, 20)
    assert Pointing()(context, saliency).score == 0
    assert PLAYED(context, saliency).score == 1


def test_without_one_the_picture_is_taken_as_it_is() -> None:
    saliency = torch.zeros(16, 20)
    saliency[3, 11] = 1
    assert PLAYED(_context(None), saliency).score == 1  # 8^2 + 12^2 < 15^2
    assert not dataclasses.replace(PLAYED, tolerance=14)(_context(None), saliency).score
    everywhere = dataclasses.replace(PLAYED, enlarged=False)(_context(np.zeros((64, 80), bool)), saliency)
    assert everywhere.score == 1
