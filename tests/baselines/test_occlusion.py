"""Captum's occlusion, the engine's, and the definition agree."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_resnets import noise
from torch import Tensor, nn

from baselines import EngineOcclusion, Occlusion
from baselines.occlusion import cut, scaled
from mint.contract import InputError


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 5)
        ).eval()


# A map is a difference of probabilities below one, each rounded to their own precision however small the difference.
ROUNDING = 4 * torch.finfo(torch.float32).eps


def by_definition(model: nn.Module, image: Tensor, target: int, window: int, stride: int) -> Tensor:
    """The mean fall over the windows that hold a pixel, one picture at a time."""
    height, width = image.shape[1:]
    heights, widths = ((scaled(window, length), scaled(stride, length)) for length in (height, width))
    total = torch.zeros(height, width, dtype=torch.float64)
    count = torch.zeros_like(total)
    with torch.no_grad():
        clean = model(image[None]).softmax(1)[0, target]
        for top in range(0, max(height - heights[0] + heights[1], 1), heights[1]):
            for left in range(0, max(width - widths[0] + widths[1], 1), widths[1]):
                place = (..., slice(top, top + heights[0]), slice(left, left + widths[0]))
                hidden = image.clone()
                hidden[place] = 0
                total[place] += clean - model(hidden[None]).softmax(1)[0, target]
                count[place] += 1
    return (total / count).float()


@pytest.mark.parametrize("size", [(112, 112), (224, 224), (113, 75), (57, 130), (16, 16), (9, 5)])
def test_engine_captum_and_definition_give_one_map(size: tuple[int, int]) -> None:
    model, images, targets = network(), noise(2, 3, *size), torch.tensor([1, 4])
    captum = Occlusion()(model, images, targets)
    engine = EngineOcclusion()(model, images, targets)
    torch.testing.assert_close(engine, captum, atol=ROUNDING, rtol=0)
    definition = by_definition(model, images[1], 4, 32, 16)
    torch.testing.assert_close(engine[1], definition, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("window", "stride"), [(32, 32), (50, 20), (224, 224), (224, 100), (3, 1)])
def test_other_windows_too(window: int, stride: int) -> None:
    model, images, targets = network(), noise(1, 3, 40, 33), torch.tensor([2])
    engine = EngineOcclusion(window, stride)(model, images, targets)
    definition = by_definition(model, images[0], 2, window, stride)
    torch.testing.assert_close(engine[0], definition, atol=1e-6, rtol=1e-4)


def test_a_pixel_s_value_is_known_on_paper() -> None:
    class Corner(nn.Module):
        """Class 0 has probability .9 while the corner pixel is there, else .1."""

        def forward(self, images: Tensor) -> Tensor:
            seen = torch.where(images[:, 0, 0, 0] != 0, 0.9, 0.1)
            return torch.stack([seen, 1 - seen], dim=1).log()

    expected = torch.zeros(224, 224)
    for rows in (slice(0, 16), slice(16, 32)):
        for columns in (slice(0, 16), slice(16, 32)):
            windows = (1 if rows.start == 0 else 2) * (1 if columns.start == 0 else 2)
            expected[rows, columns] = 0.8 / windows
    images, targets = torch.ones(1, 3, 224, 224), torch.tensor([0])
    for method in (Occlusion(batch_size=64), EngineOcclusion(batch_size=64)):
        torch.testing.assert_close(method(Corner(), images, targets)[0], expected, atol=1e-6, rtol=0)


@settings(max_examples=80, deadline=None)
@given(length=st.integers(1, 300), window=st.integers(1, 300), data=st.data())
def test_the_windows_cover_every_pixel(length: int, window: int, data: st.DataObject) -> None:
    window = min(window, length)
    stride = data.draw(st.integers(1, window))
    cells, windows = cut(length, window, stride)
    assert cells.tolist() == sorted(cells.tolist())
    assert set(cells.tolist()) == set(range(windows.shape[1]))
    pixels = windows[:, cells]
    starts = [i * stride for i in range(len(windows))]
    expected = torch.tensor([[start <= p < start + window for p in range(length)] for start in starts])
    assert torch.equal(pixels, expected)
    assert expected.any(0).all()
    assert starts[-1] < length


def test_thirteen_windows_a_side_at_both_sizes() -> None:
    for size in (112, 224):
        assert len(cut(size, scaled(32, size), scaled(16, size))[1]) == 13


@pytest.mark.parametrize("method", [Occlusion, EngineOcclusion])
def test_windows_that_leave_gaps_are_refused(method: type) -> None:
    for window, stride in ((16, 17), (16, 0), (225, 16)):
        with pytest.raises(InputError, match="without gaps; choose 1 <= stride <= window <= 224"):
            method(window, stride)
