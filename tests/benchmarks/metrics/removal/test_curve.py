"""Deletion, insertion, LeRF and their gain against curves known on paper, RISE's own loop, and their own invariants."""

from dataclasses import dataclass
from typing import Any

import contexts
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve, gaussian_filter
from torch import Tensor, nn

from benchmarks.metrics import ROAD, SRG, Context, Deletion, Gini, Insertion, LeRF, Metric, MoRF
from benchmarks.metrics.removal.areas import equal_steps
from benchmarks.metrics.removal.curve import RANKINGS, Imputation, Path, Removal, blurred
from benchmarks.metrics.removal.points import RemovalMetric, prepare
from mint.contract import InputError


class Sum(nn.Module):
    """Logit of class 1: the sum of the input. Counts the pictures it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        total = images.flatten(1).sum(1)
        return torch.stack([torch.zeros_like(total), total], dim=1)


class Switch(nn.Module):
    """Logit of class 1: 1 as long as one pixel is there, and 0 once it is not."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.row, self.column = row, column

    def forward(self, images: Tensor) -> Tensor:
        seen = (images[:, 0, self.row, self.column] != 0).float()
        return torch.stack([torch.zeros_like(seen), seen], dim=1)


def context_of(module: nn.Module, image: Tensor, batch_size: int | None = None) -> Context:
    return contexts.context_of(image, None, module.eval(), 1, batch_size)


def small_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)
        ).eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [1, 4, 8, 64, None])
def test_on_a_sum_of_equal_pixels_every_map_has_the_diagonal_as_its_curve(steps: int | None) -> None:
    context = context_of(Sum(), torch.ones(1, 8, 8))
    for metric in (Deletion(steps, score="logit"), Insertion(steps, baseline="zero", score="logit")):
        assert metric(context, noise(8, 8)).score == pytest.approx(64 / 2, abs=1e-9)


@pytest.mark.parametrize("steps", [2, 4, 8, 64, None])
def test_on_a_half_empty_picture_the_best_and_the_worst_map_score_a_quarter_and_three(steps: int | None) -> None:
    image = torch.zeros(1, 8, 8)
    image[:, 4:] = 1
    context = context_of(Sum(), image)
    deletion, insertion = Deletion(steps, score="logit"), Insertion(steps, "zero", "logit")
    best, worst = image[0], -image[0]
    assert deletion(context, best).score == pytest.approx(32 * 0.25, abs=1e-9)
    assert deletion(context, worst).score == pytest.approx(32 * 0.75, abs=1e-9)
    assert insertion(context, best).score == pytest.approx(32 * 0.75, abs=1e-9)
    assert insertion(context, worst).score == pytest.approx(32 * 0.25, abs=1e-9)


@pytest.mark.parametrize("rank", [0, 5, 6, 30, 63])
def test_a_pixel_that_decides_all_makes_a_step_where_it_is_ranked(rank: int) -> None:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(3))
    saliency = torch.empty(64)
    saliency[order] = torch.arange(64, 0, -1).float()
    row, column = divmod(int(order[rank]), 8)
    context = context_of(Switch(row, column), torch.ones(1, 8, 8))
    at = rank // 2 + 1  # 32 steps of two pixels: the step that takes it
    deletion = Deletion(32, score="logit")(context, saliency.view(8, 8))
    assert deletion.curve is not None
    np.testing.assert_array_equal(deletion.curve[1], np.arange(33) < at)
    assert deletion.score == pytest.approx((at - 0.5) / 32, abs=1e-12)
    insertion = Insertion(32, "zero", "logit")(context, saliency.view(8, 8))
    assert insertion.score == pytest.approx(1 - (at - 0.5) / 32, abs=1e-12)


def test_the_area_is_exact_where_the_steps_do_not_divide_the_picture() -> None:
    # 9 pixels in 2 steps: bounds 0, 4, 9. Sum: 9 -> 5 -> 0 at the fractions 0, 4/9, 1.
    context = context_of(Sum(), torch.ones(1, 3, 3))
    measurement = Deletion(2, score="logit")(context, noise(3, 3))
    assert measurement.curve is not None
    np.testing.assert_allclose(measurement.curve[0], [0, 4 / 9, 1])
    np.testing.assert_allclose(measurement.curve[1], [9, 5, 0])
    assert measurement.score == pytest.approx(4.5, abs=1e-12)


def rise_scores(module: nn.Module, start: Tensor, finish: Tensor, saliency: Tensor, step: int) -> np.ndarray:
    """RISE's ``CausalMetric.single_run``: change ``step`` pixels at a time and ask again."""
    start, finish = start.clone().flatten(1), finish.flatten(1)
    order = np.argsort(-saliency.flatten().numpy(), kind="stable")
    shape = (1, -1, *saliency.shape)
    scores = []
    for i in range((len(order) + step - 1) // step + 1):
        with torch.no_grad():
            scores.append(float(module(start.view(shape)).softmax(1)[0, 1]))
        coordinates = order[step * i : step * (i + 1)]
        start[:, coordinates] = finish[:, coordinates]
    return np.array(scores)


def test_the_defaults_are_rise() -> None:
    module, image, saliency = small_network(), noise(3, 12, 12), noise(12, 12, seed=1)
    context = context_of(module, image)
    runs: list[tuple[Metric, Tensor, Tensor]] = [
        (Deletion(), image, torch.zeros_like(image)),
        (Insertion(), blurred(image), image),
    ]
    for metric, start, finish in runs:
        scores = rise_scores(module, start, finish, saliency, step=12)
        measurement = metric(context, saliency)
        assert measurement.curve is not None
        np.testing.assert_allclose(measurement.curve[1], scores, atol=1e-6)
        rise_auc = (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)
        assert measurement.score == pytest.approx(rise_auc, abs=1e-6)


def test_the_blur_is_rise() -> None:
    image = noise(3, 20, 17)
    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    kernel = gaussian_filter(impulse, 5)
    expected = [convolve(plane.double().numpy(), kernel, mode="constant") for plane in image]
    np.testing.assert_allclose(blurred(image), np.stack(expected), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.sampled_from([1, 2, 4, 9, 36]))
def test_insertion_is_the_deletion_of_the_inverted_map_read_backwards(seed: int, steps: int) -> None:
    context = context_of(small_network(), noise(3, 6, 6, seed=seed))
    saliency = torch.randperm(36, generator=torch.Generator().manual_seed(seed)).float().view(6, 6)
    forth = Insertion(steps, "zero")(context, saliency)
    back = Deletion(steps, "zero")(context, -saliency)
    assert forth.curve is not None
    assert back.curve is not None
    np.testing.assert_allclose(forth.curve[1], back.curve[1][::-1], atol=1e-6)
    assert forth.score == pytest.approx(back.score, abs=1e-6)


@given(pixels=st.integers(1, 400), data=st.data())
def test_steps_are_of_equal_size(pixels: int, data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, pixels))
    counts = equal_steps(pixels, steps)
    sizes = np.diff(counts)
    assert len(sizes) == steps
    assert sizes.max() - sizes.min() <= 1
    assert (counts[0], counts[-1]) == (0, pixels)


def test_ties_go_as_the_ranking_says() -> None:
    plateaus = torch.tensor([1.0, 2.0, 2.0, 1.0])
    expected = {
        "by index": ([1, 2, 0, 3], [0, 3, 1, 2]),
        "by index, mirrored": ([1, 2, 0, 3], [3, 0, 2, 1]),
        "by index, last first": ([2, 1, 3, 0], [3, 0, 2, 1]),
    }
    found = {name: tuple(rank[end](plateaus).tolist() for end in ("most", "least")) for name, rank in RANKINGS.items()}
    assert found == expected


@given(values=st.lists(st.integers(-3, 3), min_size=1, max_size=30), name=st.sampled_from(list(RANKINGS)))
def test_a_ranking_is_sorted_and_complete(values: list[int], name: str) -> None:
    flat = torch.tensor(values).float()
    for end, sign in (("most", -1), ("least", 1)):
        order = RANKINGS[name][end](flat)
        assert sorted(order.tolist()) == list(range(len(values)))
        assert (np.diff(sign * flat[order].numpy()) >= 0).all()


def test_the_ends_of_the_curves_are_asked_for_once_a_case() -> None:
    module = Sum()
    context = context_of(module, torch.ones(3, 8, 8))
    for seed in range(3):
        Deletion()(context, noise(8, 8, seed=seed))
        Insertion()(context, noise(8, 8, seed=seed))
    ends, between, methods = 3, 2 * 7, 3  # clean, zero and blurred; two curves of seven inner points
    assert module.pictures == ends + between * methods


def test_points_that_are_known_are_not_asked_for_again() -> None:
    module = Sum()
    context, saliency = context_of(module, noise(3, 8, 8)), noise(8, 8, seed=1)

    def pictures_for(metric: Metric) -> int:
        before = module.pictures
        metric(context, saliency)
        return module.pictures - before

    assert pictures_for(Deletion()) == 7 + 2  # inner points, clean and zero
    assert pictures_for(Deletion(score="logit")) == 0
    assert pictures_for(MoRF(score="log-probability")) == 0
    assert pictures_for(Deletion(steps=4)) == 0
    assert pictures_for(Deletion(steps=16)) == 8
    assert pictures_for(Insertion(baseline="zero")) == 7
    assert pictures_for(LeRF()) == 0
    assert pictures_for(SRG()) == 0
    assert pictures_for(Insertion()) == 7 + 1
    module.pictures = 0
    LeRF()(context, saliency + 1)  # the same ranking
    assert module.pictures == 0
    LeRF()(context, -saliency)
    assert module.pictures == 0
    one, other = saliency.flatten().argsort()[[30, 31]]
    nearly = saliency.clone()
    nearly.view(-1)[one] = saliency.view(-1)[other]  # a tie inside a step, which no point splits
    SRG()(context, nearly)
    assert module.pictures == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.sampled_from([1, 2, 4, 9, 36]), levels=st.sampled_from([2, 5, 1000]))
def test_lerf_is_insertion_read_backwards_also_with_ties(seed: int, steps: int, levels: int) -> None:
    context = context_of(small_network(), noise(3, 6, 6, seed=seed))
    saliency = torch.randint(levels, (6, 6), generator=torch.Generator().manual_seed(seed)).float()
    lerf, insertion = LeRF(steps)(context, saliency), Insertion(steps, "zero")(context, saliency)
    assert lerf.curve is not None
    assert insertion.curve is not None
    np.testing.assert_array_equal(lerf.curve[1], insertion.curve[1][::-1])
    assert lerf.score == pytest.approx(insertion.score, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.sampled_from([1, 4, 36]))
def test_the_gain_is_the_difference_of_both_areas_and_odd_in_the_map(seed: int, steps: int) -> None:
    context = context_of(small_network(), noise(3, 6, 6, seed=seed))
    saliency = torch.randperm(36, generator=torch.Generator().manual_seed(seed)).float().view(6, 6)
    gain = SRG(steps)(context, saliency).score
    assert gain == pytest.approx(LeRF(steps)(context, saliency).score - MoRF(steps)(context, saliency).score, abs=1e-12)
    assert gain == pytest.approx(-SRG(steps)(context, -saliency).score, abs=1e-12)


@pytest.mark.parametrize("steps", [2, 4, 8, None])
def test_on_a_half_empty_picture_the_gain_is_half_of_what_there_is(steps: int | None) -> None:
    image = torch.zeros(1, 8, 8)
    image[:, 4:] = 1
    context = context_of(Sum(), image)
    assert SRG(steps, score="logit")(context, image[0]).score == pytest.approx(32 * 0.5, abs=1e-9)
    assert SRG(steps, score="logit")(context, -image[0]).score == pytest.approx(-32 * 0.5, abs=1e-9)


@dataclass(frozen=True)
class Counted(RemovalMetric):
    """The answers at some points, when so many pixels are shown."""

    counts: tuple[int, ...]
    action: Any
    removed: Any = "zero"
    score: Any = "probability"

    @property
    def removal(self) -> Removal:
        def points(ranked: Tensor, _width: int) -> list[int]:
            return [count if self.action == "insert" else ranked.shape[1] - count for count in self.counts]

        return Removal((Path(1, self.action, "most"),), points, self.removed, self.score, "mean of the points")


def answers(context: Context, saliency: Tensor, *settings: Any) -> list[float]:
    curve = Counted(*settings)(context, saliency).curve
    assert curve is not None
    return curve[1].tolist()


def test_points_asked_for_together_and_apart_are_the_same() -> None:
    alone, together = (context_of(small_network(), noise(3, 12, 12)) for _ in range(2))
    saliency = noise(12, 12, seed=2)
    counts = [0, 144, 7, 3, 100, 7]
    for removed in ("zero", "minimum", 0.5, Imputation(0.1, seed=3)):
        found = answers(together, saliency, tuple(counts), "remove", removed)
        expected = [answers(alone, saliency, (count,), "remove", removed)[0] for count in counts]
        assert found == pytest.approx(expected, abs=1e-6)
        assert len(set(found)) == 5


def test_the_shown_pixels_are_those_that_were_asked_for() -> None:
    image = 2.0 ** torch.arange(6).view(1, 2, 3)  # the sum of a picture says which pixels are there
    order = torch.tensor([4, 0, 5, 1, 3, 2])
    for ranking in (order, order.flip(0)):
        saliency = torch.empty(6)
        saliency[ranking] = torch.arange(6, 0, -1).float()
        context = context_of(Sum(), image)
        for action, part in (("insert", lambda k, r=ranking: r[:k]), ("remove", lambda k, r=ranking: r[len(r) - k :])):
            found = answers(context, saliency.view(2, 3), tuple(range(7)), action, "zero", "logit")
            assert found == [float(image.flatten()[part(k)].sum()) for k in range(7)]


def test_a_picture_without_pixels_is_imputed_by_zero() -> None:
    context, saliency = context_of(small_network(), noise(3, 6, 6)), noise(6, 6)
    _, nothing = answers(context, saliency, (3, 0), "remove", Imputation())
    (zero,) = answers(context, saliency, (0,), "remove", "zero")
    assert nothing == pytest.approx(zero, abs=1e-6)


def test_maps_share_batches_and_their_metrics_find_the_answers() -> None:
    metrics: list[Metric] = [Deletion(), Insertion(), SRG(), ROAD(percentiles=(20, 70)), Deletion(4, "blur", "logit")]
    maps = [noise(8, 8, seed=seed) for seed in range(5)]
    module, batches = small_network(), []
    module.register_forward_pre_hook(lambda _module, inputs: batches.append(len(inputs[0])))
    context, alone = (context_of(module, noise(3, 8, 8, seed=9), 16) for _ in range(2))
    expected = [metric(alone, saliency) for metric in metrics for saliency in maps]
    pictures, batches[:] = sum(batches), []
    prepare(context, [*metrics, Gini()], [*maps, torch.full((8, 8), torch.nan)])
    assert sum(batches) == pictures
    # One for each of the three kinds of removal is not full, and one picture is asked about alone.
    assert sum(size < 16 for size in batches) <= 4
    batches.clear()
    found = [metric(context, saliency) for metric in metrics for saliency in maps]
    assert batches == []
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
        np.testing.assert_allclose(one.curve, other.curve, atol=1e-6)  # type: ignore[arg-type]


def test_what_a_network_raises_is_not_swallowed() -> None:
    class Breaks(Sum):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 1:
                raise ArithmeticError("half-way")
            return super().forward(images)

    with pytest.raises(ArithmeticError, match="half-way"):
        Deletion()(context_of(Breaks(), noise(3, 8, 8)), noise(8, 8))


def test_the_curve_follows_pictures_of_any_memory_layout() -> None:
    saliency, image = noise(8, 8), noise(3, 8, 8, seed=1)
    expected = Deletion()(context_of(small_network(), image), saliency).score
    strided = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for same in (strided, image.clone().requires_grad_()):
        assert Deletion()(context_of(small_network(), same), saliency).score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("baseline", "end"), [("zero", 0.0), ("mean", 4.0), ("minimum", 0.0), (0.5, 8.0), (-1.0, -16.0)]
)
def test_what_removed_pixels_become(baseline: str | float, end: float) -> None:
    image = torch.zeros(1, 4, 4)
    image[0, 0] = 1
    measurement = Deletion(4, baseline, "logit")(context_of(Sum(), image), noise(4, 4))  # type: ignore[arg-type]
    assert measurement.curve is not None
    assert measurement.curve[1][-1] == pytest.approx(end)


def test_the_scores_are_those_of_the_target() -> None:
    module, image = small_network(), noise(3, 8, 8)
    context = context_of(module, image)
    logits = module(image[None])[0].detach()
    expected = {
        "logit": logits[1],
        "probability": logits.softmax(0)[1],
        "log-probability": logits.log_softmax(0)[1],
    }
    for score, value in expected.items():
        curve = Deletion(4, score=score)(context, noise(8, 8)).curve  # type: ignore[arg-type]
        assert curve is not None
        assert curve[1][0] == pytest.approx(float(value), abs=1e-6)


def test_maps_that_cannot_be_ranked_are_refused() -> None:
    metric = Deletion()
    context = context_of(Sum(), torch.ones(3, 8, 8))
    for value in (float("nan"), float("inf")):
        broken = torch.zeros(8, 8)
        broken[2, 3] = value
        with pytest.raises(InputError, match="case-0 holds NaN or infinite"):
            metric(context, broken)
    with pytest.raises(InputError, match=r"shape \(1, 8, 8\); it must be \(8, 8\)"):
        metric(context, torch.zeros(1, 8, 8))


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="steps is a whole number, 1 or more, not 0"):
        Deletion(steps=0)
    with pytest.raises(InputError, match="one of 'zero', 'blur', 'mean', 'minimum', not 'black'"):
        Insertion(baseline="black")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"score is one of .*'logit'.*, not 'softmax'"):
        Deletion(score="softmax")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="65 steps are more than the picture's 64 pixels"):
        Deletion(steps=65)(context_of(Sum(), torch.ones(3, 8, 8)), torch.zeros(8, 8))
