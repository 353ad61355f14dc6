"""Quantus's pixel flipping and pointing game, computed by itself and by the profiles.

Pixel flipping ranks the values of all channels by numpy's default sort, which leaves the order of tied ones open: it
depends on numpy's version and on the processor. Where pixels tie, their channels tie, too, so that a step may take a
plateau's pixels in one channel and leave them in another; a stable sort takes a plateau channel by channel. The profile
takes whole pixels, the first one first. So on a map with ties the curves agree where a point of the curve takes whole
plateaus, and everywhere once Quantus is given the profile's order.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from benchmarks.metrics import PROFILES, RemovalProfile

TARGET, WIDTH = 2, 40

pytestmark = pytest.mark.filterwarnings("ignore")  # numpy.trapz is deprecated, and gone from numpy 2.4


@pytest.fixture
def quantus(load: Callable[..., ModuleType]) -> ModuleType:
    return load("quantus", "quantus", "quantus-pixel-flipping")


def arguments(subject: Any, saliency: Tensor, region: np.ndarray | None = None) -> dict[str, Any]:
    return {
        "model": subject.network,
        "x_batch": subject.picture[None].numpy(),
        "y_batch": np.array([TARGET]),
        "a_batch": saliency[None, None].numpy(),
        "s_batch": None if region is None else region[None, None],
        "device": "cpu",
    }


def test_pixel_flipping(quantus: ModuleType, subject) -> None:
    flip = quantus.PixelFlipping(features_in_step=3 * WIDTH, return_auc_per_sample=True, disable_warnings=True)
    (theirs,) = flip(**arguments(subject, subject.fine))
    assert subject.ours(PROFILES["quantus-pixel-flipping"], subject.fine) == pytest.approx(theirs, abs=1e-4)


def whole_pixels_by_index(values: np.ndarray, axis: int) -> np.ndarray:
    """Sort a batch of one, (1, 3 * pixels); of tied values those of the first pixel go first, in all channels."""
    assert (len(values), axis) == (1, 1)
    pixels = np.arange(values.size) % (values.size // 3)
    return np.lexsort((pixels, values[0]))[None]


def test_tied_pixels_go_by_index_once_their_order_is_the_profile_s(
    quantus: ModuleType, subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip = quantus.PixelFlipping(features_in_step=3 * WIDTH, return_auc_per_sample=True, disable_warnings=True)
    with monkeypatch.context() as patched:
        patched.setattr(np, "argsort", whole_pixels_by_index)
        (theirs,) = flip(**arguments(subject, subject.coarse))
    assert subject.ours(PROFILES["quantus-pixel-flipping"], subject.coarse) == pytest.approx(theirs, abs=1e-4)


def test_whole_plateaus_are_the_same_however_numpy_sorts(quantus: ModuleType, subject) -> None:
    flip = quantus.PixelFlipping(features_in_step=3 * WIDTH, disable_warnings=True)
    (theirs,) = flip(**arguments(subject, subject.coarse))
    ours = subject.curve(PROFILES["quantus-pixel-flipping"], subject.coarse)
    whole = WIDTH * np.arange(1, len(ours) + 1) % subject.plateau == 0
    assert 2 < whole.sum() < len(ours)
    np.testing.assert_allclose(ours[whole], np.array(theirs)[whole], atol=1e-4)


def test_steps_of_less_than_a_pixel_differ_in_the_channels_of_one_pixel_alone(quantus: ModuleType, subject) -> None:
    # Steps of a row of features, a third of a row of pixels: the whole pixels among their points are ours, and the
    # area, in steps of length 1, is three times as large.
    flip = quantus.PixelFlipping(features_in_step=WIDTH, disable_warnings=True)
    (theirs,) = flip(**arguments(subject, subject.fine))
    ours = subject.curve(PROFILES["quantus-pixel-flipping"], subject.fine)
    np.testing.assert_allclose(ours, theirs[2::3], atol=1e-4)
    assert np.trapezoid(theirs) / np.trapezoid(ours) == pytest.approx(3, rel=0.05)


def test_a_step_that_does_not_divide_the_pixels_is_refused_there_and_served_here(quantus: ModuleType, subject) -> None:
    flip = quantus.PixelFlipping(features_in_step=3 * 56, disable_warnings=True)
    with pytest.raises(AssertionError, match="features_in_step"):
        flip(**arguments(subject, subject.fine))
    profile = replace(PROFILES["quantus-pixel-flipping"], points="20 intervals, sizes rounded up")
    assert isinstance(profile, RemovalProfile)
    assert math.isfinite(subject.ours(profile, subject.fine))


@pytest.mark.parametrize("seed", range(6))
def test_pointing(quantus: ModuleType, subject, seed: int) -> None:
    generator = np.random.default_rng(seed)
    region = generator.random(subject.fine.shape) < 0.3
    flat = subject.coarse * 0 + 1
    flat[0, 0] = 0  # Quantus refuses a map that is 1 everywhere
    for saliency in (subject.fine.roll(seed * 97), subject.coarse.roll(seed), flat):
        game = quantus.PointingGame(disable_warnings=True)
        (theirs,) = game(**arguments(subject, saliency, region))
        assert subject.ours(PROFILES["quantus-pointing"], saliency, region) == float(theirs)


def test_an_empty_region_is_a_hit_there_and_undefined_here(quantus: ModuleType, subject) -> None:
    empty = np.zeros(subject.fine.shape, dtype=bool)
    game = quantus.PointingGame(disable_warnings=True)
    batch = arguments(subject, subject.fine, empty)
    theirs = game.evaluate_batch(a_batch=batch["a_batch"], s_batch=batch["s_batch"])
    assert theirs.tolist() == [True]
    assert math.isnan(subject.ours(PROFILES["quantus-pointing"], subject.fine, empty))


def test_road_on_three_channels_raises_there_and_scores_here(quantus: ModuleType, subject) -> None:
    road = quantus.ROAD(percentages=[50], disable_warnings=True)
    with pytest.raises(IndexError):
        road(**arguments(subject, subject.fine))
    assert math.isfinite(subject.ours(PROFILES["gradcam-road"], subject.fine))
