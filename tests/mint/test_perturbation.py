import pytest
import torch
from examples import SmallCNN, smooth_images
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mint.contract import InputError
from mint.perturbation import baseline_image, blurred, draw_states, masked_scores
from mint.scores import Score

LABELS = torch.arange(40 * 48).reshape(40, 48) % 7


def naive_scores(model: nn.Module, image: Tensor, fill: Tensor, states: Tensor, target: int) -> Tensor:
    answers = []
    for state in states:
        masked = torch.where(state[LABELS], image, fill)
        with torch.no_grad():
            answers.append(model(masked[None]).softmax(dim=1)[0, target])
    return torch.stack(answers).double()


def test_scores_are_those_of_pictures_masked_one_by_one(small_cnn: SmallCNN, images: Tensor) -> None:
    states = torch.rand(20, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    fill = smooth_images(1, seed=9)[0]
    found = masked_scores(small_cnn, images[0], fill, LABELS, states, 2)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, naive_scores(small_cnn, images[0], fill, states, 2), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_copy_has_the_values_of_the_image_and_of_the_fill_to_the_last_bit(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    image, fill = (torch.randn(2, 3, 40, 48, generator=generator) * 10.0 ** torch.arange(-30, 18)).to(dtype)
    states = torch.rand(20, 7, generator=generator) < 0.5
    model, seen = Recorder(), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    masked_scores(model, image, fill, LABELS, states, 0, batch_size=8)
    assert torch.equal(torch.cat(seen), torch.where(states[:, LABELS].unsqueeze(1), image, fill))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20, 64, None])
def test_the_batch_size_does_not_matter(small_cnn: SmallCNN, images: Tensor, batch_size: int | None) -> None:
    states = torch.rand(20, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    fill = torch.zeros(3, 1, 1)
    found = masked_scores(small_cnn, images[0], fill, LABELS, states, 2, batch_size=batch_size)
    torch.testing.assert_close(found, naive_scores(small_cnn, images[0], fill, states, 2), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("score", "function"),
    [
        ("logit", lambda logits: logits),
        ("log-probability", lambda logits: logits.log_softmax(dim=1)),
        ("probability", lambda logits: logits.softmax(dim=1)),
    ],
)
def test_the_score_is_the_one_asked_for(small_cnn: SmallCNN, images: Tensor, score: str, function: object) -> None:
    states = torch.ones(1, 7, dtype=torch.bool)
    found = masked_scores(small_cnn, images[1], torch.zeros(3, 1, 1), LABELS, states, 4, score=score)
    with torch.no_grad():
        expected = function(small_cnn(images[1:2]))[:, 4]
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-7)


class Recorder(nn.Module):
    """Remembers what it is asked, and runs out of memory above a batch size."""

    def __init__(self, largest: int = 10**9) -> None:
        super().__init__()
        self.batches: list[tuple[int, bool]] = []
        self.largest = largest

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append((len(images), images.is_contiguous(memory_format=torch.channels_last)))
        if len(images) > self.largest:
            raise torch.OutOfMemoryError("out of memory")
        return torch.stack([images.sum(dim=(1, 2, 3)), torch.zeros(len(images))], dim=1)


def test_never_more_pictures_than_a_batch_and_always_channels_last() -> None:
    model = Recorder()
    masked_scores(model, smooth_images(1)[0], torch.zeros(3, 1, 1), LABELS, torch.ones(50, 7).bool(), 0, batch_size=8)
    assert [size for size, _ in model.batches] == [8] * 6 + [2]
    assert all(channels_last for _, channels_last in model.batches)


def test_a_batch_that_does_not_fit_the_memory_is_halved() -> None:
    states = torch.rand(30, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    image, fill = smooth_images(1)[0], torch.zeros(3, 1, 1)
    tight, roomy = Recorder(largest=5), Recorder()
    found = masked_scores(tight, image, fill, LABELS, states, 0, score="logit", batch_size=16)
    expected = masked_scores(roomy, image, fill, LABELS, states, 0, score="logit", batch_size=16)
    torch.testing.assert_close(found, expected)
    assert max(size for size, _ in tight.batches[2:]) == 4


def test_what_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        masked_scores(
            Recorder(largest=0), smooth_images(1)[0], torch.zeros(3, 1, 1), LABELS, torch.ones(2, 7).bool(), 0
        )


class Answering(nn.Module):
    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor) -> Tensor:
        return self.answer.expand(len(images), *self.answer.shape[1:])


@pytest.mark.parametrize(
    ("answer", "target", "sentence"),
    [
        (torch.tensor([[0.0, float("nan")]]), 0, "NaN or infinite"),
        (torch.zeros(1, 3), 3, "target 3 lies outside the network's 3 classes, 0 to 2"),
        (torch.zeros(1, 3, 2, 2), 0, r"\(n, classes\) logits"),
    ],
)
def test_answers_that_cannot_be_used_are_refused(answer: Tensor, target: int, sentence: str) -> None:
    model, image = Answering(answer), smooth_images(1)[0]
    with pytest.raises(InputError, match=sentence):
        masked_scores(model, image, torch.zeros(3, 1, 1), LABELS, torch.ones(2, 7).bool(), target)


def test_a_batch_size_of_zero_is_refused(small_cnn: SmallCNN) -> None:
    with pytest.raises(InputError, match="batch_size is a whole number, 1 or more, not 0"):
        masked_scores(
            small_cnn, smooth_images(1)[0], torch.zeros(3, 1, 1), LABELS, torch.ones(2, 7).bool(), 0, batch_size=0
        )


PARENT = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])


@given(
    samples=st.integers(2, 60),
    sampling=st.sampled_from(["coins", "uniform-cardinality", "antithetic", "hierarchical"]),
    seed=st.integers(0, 2**31),
)
def test_states_are_reproducible_and_begin_with_the_image(samples: int, sampling: str, seed: int) -> None:
    states = draw_states(samples, PARENT, sampling, seed)
    assert states.shape == (samples, 10)
    assert states.dtype == torch.bool
    assert states[0].all()
    assert torch.equal(states, draw_states(samples, PARENT, sampling, seed))


def test_coins_are_fair_and_independent() -> None:
    states = draw_states(20_001, PARENT, "coins", 1)[1:].double()
    assert float((states.mean(dim=0) - 0.5).abs().max()) < 5 * 0.5 / 20_000**0.5
    correlation = torch.corrcoef(states.T) - torch.eye(10)
    assert float(correlation.abs().max()) < 5 / 20_000**0.5


def test_uniform_cardinality_makes_every_count_equally_likely() -> None:
    counts = draw_states(22_001, PARENT, "uniform-cardinality", 1)[1:].sum(dim=1)
    shares = torch.bincount(counts, minlength=11) / 22_000
    assert float((shares - 1 / 11).abs().max()) < 5 * (1 / 11 / 22_000) ** 0.5


@pytest.mark.parametrize("samples", [2, 9, 10])
def test_antithetic_states_come_in_complementary_pairs(samples: int) -> None:
    states = draw_states(samples, PARENT, "antithetic", 1)
    for first in range(1, samples - 1, 2):
        assert torch.equal(states[first], ~states[first + 1])


def test_hierarchical_states_vary_the_coarse_fractions_more() -> None:
    def coarse_variance(sampling: str) -> float:
        return float(draw_states(5_000, PARENT, sampling, 1)[1:, 5:].double().mean(dim=1).var())

    # Of five fine super-pixels: 1/20 for coins; 1/12 + 1/30 for coins at a uniform rate.
    assert coarse_variance("coins") == pytest.approx(1 / 20, rel=0.1)
    assert coarse_variance("hierarchical") == pytest.approx(1 / 12 + 1 / 30, rel=0.1)


def test_one_sample_is_not_enough() -> None:
    with pytest.raises(InputError, match="samples is a whole number, 2 or more"):
        draw_states(1, PARENT)


def test_several_targets_are_scored_in_the_same_forward_passes(small_cnn: SmallCNN, images: Tensor) -> None:
    states = torch.rand(9, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    fill = torch.zeros(3, 1, 1)
    together = masked_scores(small_cnn, images[0], fill, LABELS, states, [2, 0, 2])
    assert together.shape == (9, 3)
    for column, target in zip(together.T, [2, 0, 2], strict=True):
        torch.testing.assert_close(column, masked_scores(small_cnn, images[0], fill, LABELS, states, target))


def test_a_picture_can_be_replaced_by_a_number_its_blur_or_its_super_pixels_means() -> None:
    image = smooth_images(1)[0]
    assert (baseline_image(image, LABELS, 0.25) == 0.25).all()
    assert torch.equal(baseline_image(image, LABELS, "blur"), blurred(image))
    means = baseline_image(image, LABELS, "super-pixel mean")
    for j in range(7):
        inside = torch.eq(LABELS, j)
        expected = image[:, inside].mean(dim=1, keepdim=True).expand(3, int(inside.sum()))
        torch.testing.assert_close(means[:, inside], expected)


def test_another_fill_is_refused() -> None:
    with pytest.raises(InputError, match="fill is a number or one of 'mean', 'blur', 'super-pixel mean', not 'noise'"):
        baseline_image(smooth_images(1)[0], LABELS, "noise")


def test_several_scores_are_read_off_the_same_forward_passes(small_cnn: SmallCNN, images: Tensor) -> None:
    states = torch.rand(9, 7, generator=torch.Generator().manual_seed(5)) < 0.5
    fill = torch.zeros(3, 1, 1)
    scores: list[Score] = ["log-probability", "probability", "logit"]
    one = masked_scores(small_cnn, images[0], fill, LABELS, states, 2, score=scores)
    several = masked_scores(small_cnn, images[0], fill, LABELS, states, [4, 2], score=scores)
    assert one.shape == (9, 3)
    assert several.shape == (9, 2, 3)
    for index, score in enumerate(scores):
        alone = masked_scores(small_cnn, images[0], fill, LABELS, states, 2, score=score)
        assert torch.equal(one[:, index], alone)
        assert torch.equal(several[:, 1, index], alone)
