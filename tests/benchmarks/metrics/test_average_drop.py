"""Average drop, increase in confidence, and ADCC with its parts: values known on paper."""

import math
from dataclasses import dataclass

import pytest
import torch
from contexts import Linear, context_of
from examples import SmallCNN
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines import METHODS, GradCAM
from benchmarks.metrics import ADCC, AverageDrop, Coherence, Complexity, Context, Increase
from mint.contract import InputError

# Scaled to [0, 1]: 0, 1/4, 1/2, 1. What is shown of three channels of ones is 3 (w2 / 4 + w3 / 2 + w4).
SALIENCY = torch.tensor([[-2.0, -1.0], [0.0, 2.0]])


def of_pixels(*weights: float) -> Context:
    """A white picture of 2 x 2 whose logit is the sum of the weights, three times."""
    pixels = torch.tensor(weights, dtype=torch.float32).view(1, 2, 2).expand(3, 2, 2)
    return context_of(torch.ones(3, 2, 2), model=Linear(pixels.clone()))


@pytest.mark.parametrize(
    ("weights", "drop", "increase"),
    [
        ((1.0, 1.0, 1.0, 1.0), 100 * (12 - 5.25) / 12, 0),
        ((-1.0, 1.0, 1.0, 1.0), 100 * (6 - 5.25) / 6, 0),
        ((-2.0, 1.0, 1.0, 1.0), 0, 100),
        ((1.0, 0.0, 0.0, 0.0), 100, 0),
        ((0.0, 0.0, 0.0, 1.0), 0, 0),  # all that counts is shown whole
        ((-3.0, 1.0, 1.0, 1.0), math.nan, math.nan),  # the answer is 0
    ],
)
def test_drop_and_increase_of_a_linear_network(weights: tuple[float, ...], drop: float, increase: float) -> None:
    context = of_pixels(*weights)
    for saliency in (SALIENCY, SALIENCY.double()):
        assert AverageDrop("logit")(context, saliency).score == pytest.approx(drop, nan_ok=True)
        assert Increase("logit")(context, saliency).score == pytest.approx(increase, nan_ok=True)


def test_by_default_it_is_the_probability() -> None:
    context = of_pixels(1, 1, 1, -1)
    whole, shown = (1 / (1 + math.exp(-logit)) for logit in (6, 3 * (0.25 + 0.5 - 1)))
    assert AverageDrop()(context, SALIENCY).score == pytest.approx(100 * (whole - shown) / whole, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100), offset=st.floats(-10, 10))
def test_scale_and_offset_of_the_map_do_not_count(seed: int, factor: float, offset: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.randn(2, 2, generator=generator)
    context = of_pixels(1, 2, 3, 4)
    for metric in (AverageDrop("logit"), Complexity()):
        expected = metric(context, saliency).score
        assert metric(context, factor * saliency + offset).score == pytest.approx(expected, rel=1e-2, abs=1e-3)
    # The picture's answer is the largest that there can be here.
    assert 0 <= AverageDrop("logit")(context, saliency).score <= 100
    assert Increase("logit")(context, saliency).score == 0


def test_a_constant_map_has_no_scale() -> None:
    context = of_pixels(1, 1, 1, 1)
    for metric in (AverageDrop(), Increase(), Complexity()):
        assert math.isnan(metric(context, torch.full((2, 2), 0.3)).score)


def test_the_picture_itself_is_asked_once() -> None:
    context = of_pixels(1, 1, 1, 1)
    for saliency in (SALIENCY, -SALIENCY):
        AverageDrop()(context, saliency)
        Increase()(context, saliency)
    assert context.network.module.pictures == 1 + 4


def test_complexity_is_the_mean_of_the_scaled_map() -> None:
    context = context_of((4, 5))
    single = torch.zeros(4, 5)
    single[1, 2] = 7
    assert Complexity()(context, single).score == pytest.approx(1 / 20)
    assert Complexity()(context, -single).score == pytest.approx(19 / 20)
    assert Complexity()(of_pixels(1, 1, 1, 1), SALIENCY).score == pytest.approx(1.75 / 4)


@dataclass(frozen=True)
class FirstChannel:
    """The picture's first channel, times ``gain``."""

    gain: float = 1.0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0] * self.gain


def test_coherence_and_adcc_on_paper() -> None:
    # The map is 0, 1, 2, 4 and shows 0, 1/4, 1/2, 1 of itself: 0, 1/4, 1, 4.
    image = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(3, 2, 2).clone()
    context = context_of(image, model=Linear(torch.ones(3, 2, 2)))
    one, other = torch.tensor([0.0, 1, 2, 4]) - 1.75, torch.tensor([0.0, 0.25, 1, 4]) - 1.3125
    coherent = (1 + float(one @ other / (one.norm() * other.norm()))) / 2
    assert Coherence().examine(context, FirstChannel()).score == pytest.approx(coherent)
    drop = (7 - 5.25) / 7
    expected = 3 / (1 / coherent + 1 / (1 - 1.75 / 4) + 1 / (1 - drop))
    assert ADCC("logit").examine(context, FirstChannel()).score == pytest.approx(expected)
    # The negated map shows 1, 3/4, 1/2, 0 of the picture: it is 0, -3/4, -1, 0 then.
    one, other = -one, torch.tensor([0.0, -0.75, -1, 0]) + 0.4375
    coherent = (1 + float(one @ other / (one.norm() * other.norm()))) / 2
    assert Coherence().examine(context, FirstChannel(gain=-1)).score == pytest.approx(coherent)


def test_a_map_that_does_not_see_the_picture_is_coherent(small_cnn: SmallCNN, images: Tensor) -> None:
    context = context_of(images[0], model=small_cnn, target=2)
    assert Coherence().examine(context, METHODS["centre"]()).score == pytest.approx(1)
    assert 0 < ADCC().examine(context, METHODS["centre"]()).score < 1
    assert 0 < ADCC().examine(context, GradCAM(deep_layer="trunk")).score < 1


def test_adcc_is_0_where_one_of_the_three_is_and_nothing_without_a_map() -> None:
    black_where_it_counts = torch.zeros(3, 2, 2)
    black_where_it_counts[:, 0, 0] = 1
    image = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(3, 2, 2) - 1
    context = context_of(image.clone(), model=Linear(-black_where_it_counts))
    assert AverageDrop("logit")(context, image[0]).score == 100
    assert ADCC("logit").examine(context, FirstChannel()).score == 0
    for metric in (Coherence(), ADCC()):
        assert math.isnan(metric.examine(context, FirstChannel(gain=0)).score)


def test_a_second_map_of_zeros_that_are_only_put_in_order_is_like_nothing() -> None:
    class Fading:
        def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
            return images[:, 0] * torch.where(images.amin((1, 2, 3)) < 0, 1.0, 1e-40)[:, None, None]

    image = torch.tensor([[-1.0, 1.0], [2.0, 4.0]]).expand(3, 2, 2)  # of which the map shows nothing below 0
    context = context_of(image.clone(), model=Linear(torch.ones(3, 2, 2)))
    for metric in (Coherence(), ADCC("logit")):
        assert math.isnan(metric.examine(context, Fading()).score)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="score is one of"):
        AverageDrop("loss")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="every is a whole number, 1 or more, not 0"):
        Coherence(every=0)
