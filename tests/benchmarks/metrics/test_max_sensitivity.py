"""Max-sensitivity: Captum's numbers from seeds of our own, and values known on paper."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from captum.metrics import sensitivity_max
from contexts import context_of
from examples import SmallCNN
from torch import Tensor, nn

from baselines import METHODS, GradCAM
from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.metrics import Context, MaxSensitivity
from benchmarks.networks.network import load_network
from benchmarks.run.binding import bind
from mint import MINT, Segmentation
from mint.contract import InputError
from mint.superpixels import segment


@dataclass(frozen=True)
class Brightness:
    """The picture's mean over channels, times ``gain``, plus ``offset``."""

    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.mean(dim=1) * self.gain + self.offset


@pytest.fixture
def context(small_cnn: SmallCNN, images: Tensor) -> Context:
    return context_of(images[0], model=small_cnn, target=2)


def test_max_sensitivity_is_captum_s_with_its_own_perturbation(context: Context) -> None:
    def explain(pictures: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        return (Brightness()(nn.Identity(), pictures if isinstance(pictures, Tensor) else pictures[0], torch.zeros(1)),)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = sensitivity_max(explain, context.image[None], perturb_radius=0.05, n_perturb_samples=6)
    found = MaxSensitivity(radius=0.05, samples=6, seed=7).examine(context, Brightness()).score
    assert found == pytest.approx(float(expected), rel=1e-6)
    assert found > 0


def test_max_sensitivity_is_the_largest_change_over_the_map_s_size(context: Context) -> None:
    generator = torch.Generator().manual_seed(0)
    changes = torch.empty(4, *context.image.shape).uniform_(-0.02, 0.02, generator=generator)
    saliency = context.image.mean(0)
    expected = changes.mean(1).flatten(1).norm(dim=1).max() / saliency.norm()
    assert MaxSensitivity().examine(context, Brightness()).score == pytest.approx(float(expected), rel=1e-4)
    for gain in (-50, 1e-22, 1e-36, 1e30):
        found = MaxSensitivity().examine(context, Brightness(gain)).score
        assert found == pytest.approx(float(expected), rel=1e-4), gain


def test_a_map_of_something_else_is_not_sensitive_and_no_map_is_nothing(context: Context) -> None:
    assert MaxSensitivity().examine(context, METHODS["centre"]()).score == 0
    assert MaxSensitivity().examine(context, Brightness(gain=0, offset=1)).score == 0
    for nothing in (0, 1e-42):
        assert math.isnan(MaxSensitivity().examine(context, Brightness(gain=nothing)).score)


def test_a_method_that_needs_gradients_gets_them(context: Context) -> None:
    assert MaxSensitivity(samples=2).examine(context, GradCAM(deep_layer="trunk")).score > 0


def test_cases_are_passed_over_by_digest() -> None:
    metric = MaxSensitivity(samples=1, every=3)
    contexts = [context_of(torch.ones(3, 4, 4), model=nn.Identity(), target=target) for target in range(30)]
    found = [metric.examine(context, Brightness()).score for context in contexts]
    digests = [int(context.case.digest, 16) for context in contexts]
    assert [not math.isnan(score) for score in found] == [digest % 3 == 0 for digest in digests]
    assert 0 < sum(map(math.isnan, found)) < 30


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="radius is a number above 0, not 0"):
        MaxSensitivity(radius=0)
    with pytest.raises(InputError, match="samples is a whole number, 1 or more, not 0"):
        MaxSensitivity(samples=0)


def test_it_is_moving_super_pixels_that_make_mint_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_network("scenes-resnet")
    case = DATASETS["scenes"](network, DataOptions())[0]
    context = Context(network, case, network.tensor(case.image))
    mint = bind(MINT(samples=60, segmentation=Segmentation(kernel_size=2.0)), network)
    anew = MaxSensitivity().examine(context, mint).score
    kept: list[Any] = []

    def cut_once(*given: Any) -> Any:
        kept[:] = kept or [segment(*given)]
        return kept[0]

    monkeypatch.setattr("mint.method.segment", cut_once)
    assert MaxSensitivity().examine(context, mint).score < 0.05 < anew
