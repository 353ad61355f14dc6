"""The model-randomisation check: similarities known on paper, and the network handed back bit for bit."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from contexts import context_of
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from baselines import METHODS
from benchmarks.metrics import Context, MethodMetric, Randomisation
from benchmarks.metrics.randomisation import similarity, stages_of
from mint.contract import InputError, explaining, read_scores

LAYERS = ["stem.0", "stem.1", "trunk.1", "trunk.4", "head"]


@dataclass(frozen=True)
class ByStage:
    """Answers with a map made of the picture's brightness and how many of the network's layers are random."""

    make: Callable[[Tensor, int], Tensor]
    trained: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)
    calls: list[int] = field(default_factory=list, compare=False, repr=False)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if not self.trained:
            self.trained.update(state)
        random = sum(not torch.equal(state[f"{layer}.weight"], self.trained[f"{layer}.weight"]) for layer in LAYERS)
        self.calls.append(random)
        return self.make(images.mean(dim=1), random)


@dataclass(frozen=True)
class Gradient:
    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with explaining(model, images, targets), torch.enable_grad():
            inputs = images.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(read_scores(model, inputs, targets, "logit").sum(), inputs)
        return gradient.abs().sum(dim=1)


@pytest.fixture
def context(small_cnn: SmallCNN) -> Context:
    # A batch norm that was trained: one whose weights are all 1 stays as it is, for they have no spread to draw from.
    with torch.no_grad():
        small_cnn.get_parameter("stem.1.weight").copy_(torch.linspace(0.8, 1.2, 8))
    return context_of(smooth_images(1)[0], model=small_cnn, target=2)


def test_stages_go_down_from_the_logits_to_the_whole_network(small_cnn: SmallCNN) -> None:
    assert stages_of(small_cnn, 5) == [LAYERS[count:][::-1] for count in (4, 3, 2, 1, 0)]
    assert stages_of(small_cnn, 99) == stages_of(small_cnn, 5)
    assert stages_of(small_cnn, 1) == [["head"]]
    assert stages_of(small_cnn, 3) == [["head"], ["head", "trunk.4", "trunk.1"], LAYERS[::-1]]
    assert stages_of(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), 5) == [["1"]]


def test_a_map_that_does_not_look_at_the_network_is_found_out(context: Context) -> None:
    for name in ("sobel", "centre", "random"):
        for metric in (Randomisation(), Randomisation("ssim"), Randomisation(absolute=True)):
            assert metric.examine(context, METHODS[name]()).score == pytest.approx(1)


def test_each_stage_randomises_more_and_counts_alike(context: Context) -> None:
    method = ByStage(lambda bright, random: bright if random < 3 else -bright)
    found = Randomisation().examine(context, method)
    assert method.calls == [0, 1, 2, 3, 4, 5]
    assert found.score == pytest.approx((1 + 1 - 1 - 1 - 1) / 5)
    assert found.curve is not None
    np.testing.assert_allclose(found.curve[0], [0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(found.curve[1], [1, 1, -1, -1, -1])
    assert Randomisation(absolute=True).examine(context, method).score == pytest.approx(1)
    assert len(method.calls) == 6  # the maps are shared


def test_a_gradient_changes_with_the_network(context: Context) -> None:
    rank, structure = (Randomisation(kind).examine(context, Gradient()).score for kind in ("rank-correlation", "ssim"))
    assert -1 <= rank < 0.9
    assert -1 <= structure < 0.9


def test_constant_maps_are_like_nothing(context: Context) -> None:
    for metric in (Randomisation(), Randomisation("ssim")):
        always = ByStage(lambda bright, random: torch.ones_like(bright))
        before = ByStage(lambda bright, random: bright * random)
        after = ByStage(lambda bright, random: bright * (random == 0))
        at_last = ByStage(lambda bright, random: bright * (random < 5))
        for method in (always, before, after):
            assert math.isnan(metric.examine(context_like(context), method).score)
        found = metric.examine(context_like(context), at_last)
        assert found.score == pytest.approx(1)
        assert found.curve is None


def context_like(context: Context) -> Context:
    return context_of(context.image, model=context.network.module, target=2)


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_the_network_is_handed_back_bit_for_bit_also_after_an_error(context: Context) -> None:
    model = context.network.module
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = -0.0
    before, modes = bits(model), [module.training for module in model.modules()]
    Randomisation().examine(context, Gradient())
    assert bits(model) == before

    def fail(bright: Tensor, random: int) -> Tensor:
        if random == 3:
            raise RuntimeError("out of luck")
        return bright

    with pytest.raises(RuntimeError, match="out of luck"):
        Randomisation().examine(context, ByStage(fail))
    assert bits(model) == before
    assert [module.training for module in model.modules()] == modes


def test_seeds_decide(context: Context) -> None:
    first = Randomisation(seed=1).examine(context_like(context), Gradient()).score
    assert Randomisation(seed=1).examine(context_like(context), Gradient()).score == first
    assert Randomisation(seed=2).examine(context_like(context), Gradient()).score != first


def test_rank_correlation_of_distinct_values_is_pearson_s_of_ranks() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 9, 7))
    ranks = [each.ravel().argsort().argsort() for each in (one, other)]
    assert similarity("rank-correlation", one, other) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert similarity("rank-correlation", one, np.exp(one)) == pytest.approx(1)
    assert math.isnan(similarity("rank-correlation", one, np.ones((9, 7))))


def test_structural_similarity_does_not_mind_scale_and_offset() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 20, 24))
    assert similarity("ssim", one, 3 * one - 5) == pytest.approx(1)
    assert similarity("ssim", one, other) == pytest.approx(similarity("ssim", other * 8, one + 1))
    assert abs(similarity("ssim", one, other)) < 0.5
    assert math.isnan(similarity("ssim", np.zeros((20, 24)), one))
    assert math.isnan(similarity("ssim", 1e-40 * one, one)), "zeros that are only put in order"


def test_what_cannot_be_measured_is_said() -> None:
    picture = torch.randn(3, 10, 300, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(InputError, match=r"needs 11 pixels each way, and a map has \(10, 300\)"):
        Randomisation("ssim").examine(context_of(picture, model=network), METHODS["sobel"]())
    with pytest.raises(InputError, match="no layer with parameters"):
        Randomisation().examine(context_of(picture, model=network[:2]), METHODS["sobel"]())
    assert math.isfinite(similarity("ssim", *np.random.default_rng(0).standard_normal((2, 11, 300))))


def test_cases_are_passed_over(context: Context) -> None:
    every = int(context.case.digest, 16) % 1000 + 2
    assert int(context.case.digest, 16) % every  # it does not divide the digest
    method = ByStage(lambda bright, random: bright)
    assert math.isnan(Randomisation(every=every).examine(context, method).score)
    assert method.calls == []


def test_it_is_a_metric_of_methods_and_refuses_bad_parameters() -> None:
    assert isinstance(Randomisation(), MethodMetric)
    with pytest.raises(InputError, match=r"similarity is one of .*, not 'cosine'"):
        Randomisation("cosine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="stages is a whole number, 1 or more, not 0"):
        Randomisation(stages=0)
