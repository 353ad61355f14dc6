import pytest
import torch
from examples import SmallCNN, smooth_images
from hypothesis import given
from hypothesis import strategies as st

from baselines import Occlusion
from mint.perturbation import masked_scores
from mint.windows import even_windows, mean_fall, window_states

NOTHING = torch.zeros(3, 1, 1)


def test_the_mean_falls_are_captums_occlusion(small_cnn: SmallCNN) -> None:
    image = smooth_images(1, (56, 56))[0]
    expected = Occlusion(window=32, stride=16)(small_cnn, image[None], torch.tensor([1]))[0]
    cells, states = window_states(even_windows(56, 13), even_windows(56, 13))
    whole = masked_scores(small_cnn, image, NOTHING, cells, torch.ones_like(states[:1]), 1)
    falls = whole - masked_scores(small_cnn, image, NOTHING, cells, states, 1)
    torch.testing.assert_close(mean_fall(cells, states, falls).float(), expected, atol=1e-6, rtol=0)


def test_the_mean_falls_of_four_quarters_are_those_on_paper() -> None:
    """The answer is a sum over the quarters; a window is as large as a quarter, and the next one half of it further."""
    weights = torch.tensor([[4.0, 1.0], [3.0, 2.0]], dtype=torch.float64)
    cells, states = window_states(even_windows(8, 3), even_windows(8, 3))
    each = weights.repeat_interleave(2, 0).repeat_interleave(2, 1).flatten() / 4  # what each of 4 x 4 cells adds
    found = mean_fall(cells, states, (~states).double() @ each)
    assert float(found[0, 0]) == 4  # of the window on the first quarter alone
    assert float(found[0, 2]) == (4 + 2.5) / 2  # of that one, and of the window on halves of two quarters
    assert float(found[2, 2]) == (4 + 2.5 + 3.5 + 2.5) / 4


@given(height=st.integers(1, 40), width=st.integers(1, 40), count=st.integers(1, 9))
def test_every_pixel_is_hidden_by_one_to_four_windows(height: int, width: int, count: int) -> None:
    cells, states = window_states(even_windows(height, count), even_windows(width, count))
    times = (~states).sum(dim=0)[cells]
    assert states.shape == (count**2, (count + 1) ** 2)
    assert 1 <= int(times.min()) <= int(times.max()) <= 4


@pytest.mark.parametrize("count", [1, 13])
def test_answers_that_never_fall_give_zero(count: int) -> None:
    cells, states = window_states(even_windows(20, count), even_windows(30, count))
    assert not mean_fall(cells, states, torch.zeros(count**2, dtype=torch.float64)).any()
