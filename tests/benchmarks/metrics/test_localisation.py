"""Whether the box of a map meets the target's: values known on paper, and scikit-image's regions."""

import math

import numpy as np
import pytest
import torch
from contexts import context_of, region_of
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label, regionprops

from benchmarks.metrics import Localisation
from mint.contract import InputError


def test_localisation_at_its_thresholds() -> None:
    size = (20, 20)
    context = context_of(size, region_of(size, (slice(5, 15), slice(5, 15))))
    exact, half, less = (torch.zeros(size) for _ in range(3))
    exact[5:15, 5:15] = 1
    half[5:15, 5:10] = 1
    less[5:15, 5:9] = 1
    assert Localisation()(context, exact).score == 1
    assert Localisation()(context, half).score == 1  # exactly one half
    assert Localisation()(context, less).score == 0
    assert Localisation(overlap=0.4)(context, less).score == 1
    around = exact.clone()
    around[exact == 0] = 0.2  # not above 20 %
    assert Localisation()(context, around).score == 1
    assert Localisation()(context, around * 7).score == 1
    around[exact == 0] = 0.21
    assert Localisation()(context, around).score == 0
    assert Localisation(threshold=0.3)(context, around).score == 1


def test_the_largest_component_counts_not_the_highest() -> None:
    size = (20, 20)
    context = context_of(size, region_of(size, (slice(2, 8), slice(2, 8))))
    saliency = torch.zeros(size)
    saliency[2:8, 2:8] = 0.5
    saliency[15:18, 15:18] = 1
    assert Localisation()(context, saliency).score == 1
    saliency[10:18, 10:18] = 1
    assert Localisation()(context, saliency).score == 0


def test_pixels_that_meet_at_a_corner_are_connected() -> None:
    context = context_of((8, 8), region_of((8, 8), (slice(0, 6), slice(0, 6))))
    assert Localisation()(context, torch.nn.functional.pad(torch.eye(6), (0, 2, 0, 2))).score == 1


def test_a_constant_map_boxes_the_whole_picture() -> None:
    wide, narrow = (region_of((10, 10), (slice(None), slice(0, width))) for width in (5, 4))
    assert Localisation()(context_of((10, 10), wide), torch.ones(10, 10)).score == 1
    assert Localisation()(context_of((10, 10), narrow), torch.ones(10, 10)).score == 0
    for nothing in (torch.zeros(10, 10), -torch.ones(10, 10)):
        assert math.isnan(Localisation()(context_of((10, 10), wide), nothing).score)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), overlap=st.sampled_from([0.1, 0.3, 0.5]))
def test_localisation_is_scikit_image_s(seed: int, overlap: float) -> None:
    generator = np.random.default_rng(seed)
    saliency = generator.random((12, 15)) ** 3
    top, left = generator.integers(0, 6, 2)
    region = region_of((12, 15), (slice(top, top + 6), slice(left, left + 7)))
    labels = label(saliency > 0.2 * saliency.max(), connectivity=2)  # type: ignore[no-untyped-call]
    properties = regionprops(labels)  # type: ignore[no-untyped-call]
    rows, columns, bottom, right = max(properties, key=lambda found: found.area).bbox
    boxed = np.zeros_like(region)
    boxed[rows:bottom, columns:right] = True
    expected = (boxed & region).sum() / (boxed | region).sum() >= overlap
    found = Localisation(overlap=overlap)(context_of((12, 15), region), torch.from_numpy(saliency)).score
    assert found == expected


def test_bad_parameters_of_localisation_are_refused() -> None:
    with pytest.raises(InputError, match="below 1, not 1"):
        Localisation(threshold=1)
    with pytest.raises(InputError, match="overlap is a number above 0, at most 1, not 0"):
        Localisation(overlap=0)
