"""The pointing game and the grid pointing game at their thresholds, ties and gaps."""

import contexts
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.metrics import Context, GridPointing, GridShare, Metric, Pointing
from mint.contract import InputError


def context_of(region: np.ndarray | None, size: tuple[int, int]) -> Context:
    return contexts.context_of(size, region)


def pixels(size: tuple[int, int], *places: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


def peak(size: tuple[int, int], place: tuple[int, int]) -> Tensor:
    return torch.from_numpy(pixels(size, place)).float()


@pytest.mark.parametrize(
    ("size", "offset", "hit"),
    [
        (224, (0, 0), 1),
        (224, (14, 5), 1),  # 221 < 225
        (224, (9, 12), 0),  # exactly 15 pixels away: not strictly below
        (224, (0, 15), 0),
        (224, (0, 14), 1),
        (112, (7, 2), 1),  # 53 < 7.5^2 = 56.25
        (112, (0, 7), 1),
        (112, (6, 5), 0),  # 61
        (112, (0, 8), 0),
        (448, (29, 7), 1),  # 890 < 30^2
        (448, (18, 24), 0),  # exactly 30
    ],
)
def test_the_tolerance_is_strict_and_scales_with_the_picture(size: int, offset: tuple[int, int], hit: int) -> None:
    shape = (size, size)
    context = context_of(pixels(shape, (50, 60)), shape)
    assert Pointing()(context, peak(shape, (50 + offset[0], 60 + offset[1]))).score == hit


def torchray_hits(region: np.ndarray, point: tuple[int, int], tolerance: float) -> bool:
    """Whether the disc around the point meets the region: TorchRay's ``PointingGame.evaluate``."""
    rows, columns = np.indices(region.shape)
    accept = (rows - point[0]) ** 2 + (columns - point[1]) ** 2 < tolerance**2
    return bool((region & accept).any())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), tolerance=st.sampled_from([1, 15, 40]))
def test_hits_are_torchray_s(seed: int, tolerance: int) -> None:
    generator = np.random.default_rng(seed)
    region = generator.random((56, 56)) > 0.99
    region[generator.integers(56), generator.integers(56)] = True
    saliency = torch.from_numpy(generator.random((56, 56))).float()
    point = divmod(int(saliency.argmax()), 56)
    expected = torchray_hits(region, point, tolerance * 56 / 224)
    assert Pointing(tolerance)(context_of(region, (56, 56)), saliency).score == expected


def test_any_pixel_of_the_region_counts() -> None:
    region = pixels((224, 224), (0, 0), (100, 100), (223, 223))
    context = context_of(region, (224, 224))
    assert Pointing()(context, peak((224, 224), (110, 110))).score == 1
    assert Pointing()(context, peak((224, 224), (50, 50))).score == 0


def test_a_constant_map_points_at_the_corner_and_does_not_always_hit() -> None:
    constant = torch.ones(224, 224)
    far, near = pixels((224, 224), (100, 100)), pixels((224, 224), (3, 3))
    for metric in (Pointing(), GridPointing()):
        assert metric(context_of(far, (224, 224)), constant).score == 0
    assert Pointing()(context_of(near, (224, 224)), constant).score == 1


def test_of_tied_maxima_the_first_counts() -> None:
    saliency = peak((224, 224), (40, 40)) + peak((224, 224), (200, 200))
    region = pixels((224, 224), (200, 200))
    assert Pointing()(context_of(region, (224, 224)), saliency).score == 0
    assert GridPointing()(context_of(region, (224, 224)), saliency).score == 0


def test_grid_pointing_has_no_tolerance() -> None:
    region = np.zeros((224, 224), dtype=bool)
    region[:112, 112:] = True
    context = context_of(region, (224, 224))
    assert GridPointing()(context, peak((224, 224), (111, 112))).score == 1
    assert GridPointing()(context, peak((224, 224), (111, 111))).score == 0
    assert GridPointing()(context, peak((224, 224), (112, 112))).score == 0


@pytest.mark.parametrize("metric", [Pointing(), GridPointing(), GridShare()], ids=lambda metric: type(metric).__name__)
def test_a_region_may_be_read_only_or_a_mirrored_view(metric: Metric) -> None:
    region = pixels((8, 8), (3, 4))
    region.flags.writeable = False
    assert metric(context_of(region, (8, 8)), peak((8, 8), (3, 4))).score == 1
    assert metric(context_of(region[:, ::-1], (8, 8)), peak((8, 8), (3, 3))).score == 1


def test_a_tolerance_must_be_positive() -> None:
    with pytest.raises(InputError, match="tolerance is a number above 0, not 0"):
        Pointing(tolerance=0)


def test_a_context_computes_once() -> None:
    context = context_of(None, (2, 2))
    calls: list[str] = []
    for _ in range(3):
        assert context.once(("a", 1), lambda: calls.append("a") or 5) == 5  # type: ignore[func-returns-value]
    context.once(("a", 2), lambda: calls.append("b"))
    context.once(("a", 2), lambda: calls.append("b"))
    assert calls == ["a", "b"]
