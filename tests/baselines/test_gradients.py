"""The methods that need gradients only: known on paper, and equal to Captum's own."""

from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from small_resnets import Reusing, noise, seeded
from small_transformers import small_vit
from torch import Tensor, nn

from baselines import GradientSHAP, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from baselines.gradient_shap import draw
from mint.contract import InputError

METHODS = (Saliency(), InputXGradient(), IntegratedGradients(), SmoothGrad(), GradientSHAP())
IMAGES, TARGETS = noise(2, 3, 12, 10), torch.tensor([1, 3])


class Linear(nn.Module):
    """Class k's logit is the sum of w_k times the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(noise(4, 3, 12, 10, seed=5))

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("kchw,nchw->nk", self.weights, images)


def test_on_a_linear_network_every_map_is_known() -> None:
    weights = Linear().weights.detach()[TARGETS]
    products = (weights * IMAGES).sum(1)
    expected = {
        Saliency(): weights.abs().amax(1),
        Saliency(channels="sum"): weights.sum(1),
        SmoothGrad(): weights.abs().sum(1),
        InputXGradient(): products,
        InputXGradient(channels="max-abs"): (weights * IMAGES).abs().amax(1),
        IntegratedGradients(): products,
        IntegratedGradients(baseline=0.5): (weights * (IMAGES - 0.5)).sum(1),
        GradientSHAP(spread=0): products,
    }
    for method, maps in expected.items():
        torch.testing.assert_close(method(Linear(), IMAGES, TARGETS), maps, rtol=1e-4, atol=1e-5)


def test_integrated_gradients_of_squares_are_the_squares_and_complete() -> None:
    class Squares(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([images.square().sum((1, 2, 3)), images.pow(3).sum((1, 2, 3))], dim=1)

    found = IntegratedGradients(steps=2)(Squares(), IMAGES, torch.tensor([0, 1]))  # exact up to the third degree
    torch.testing.assert_close(found[0], IMAGES[0].square().sum(0))
    torch.testing.assert_close(found[1], IMAGES[1].pow(3).sum(0))


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_integrated_gradients_are_complete(score: Any) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(480, 5))
    found = IntegratedGradients(score=score, baseline=-0.2)(model, IMAGES, TARGETS).sum((1, 2))
    answers = [model(each) for each in (IMAGES, torch.full_like(IMAGES, -0.2))]
    answers = [each.softmax(1) if score == "probability" else each for each in answers]
    expected = (answers[0] - answers[1]).gather(1, TARGETS[:, None])[:, 0].detach()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_gradient_shap_is_complete_in_the_mean() -> None:
    model = Linear().requires_grad_(False)
    found = GradientSHAP(samples=400)(model, IMAGES, TARGETS).sum((1, 2))
    expected = model(IMAGES).gather(1, TARGETS[:, None])[:, 0]  # the baselines' mean answer is 0
    deviation = float(model.weights.flatten(1).norm(dim=1).max()) / 400**0.5
    torch.testing.assert_close(found, expected, rtol=0, atol=4 * deviation)


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_the_maps_are_captum_s(score: Any) -> None:
    model = seeded(Reusing)

    def answers(images: Tensor) -> Tensor:
        logits: Tensor = model(images)
        return logits.softmax(1) if score == "probability" else logits

    images = IMAGES.clone().requires_grad_()
    expected = {
        Saliency(score=score): captum.attr.Saliency(answers).attribute(images, TARGETS).amax(1),
        InputXGradient(score=score): captum.attr.InputXGradient(answers).attribute(images, TARGETS).sum(1),
        IntegratedGradients(score=score): captum.attr.IntegratedGradients(answers)
        .attribute(images, target=TARGETS)
        .sum(1),
    }
    for method, maps in expected.items():
        assert float(maps.detach().abs().max()) > 0
        torch.testing.assert_close(method(model, IMAGES, TARGETS), maps.detach(), rtol=1e-4, atol=1e-7)


def test_smoothgrad_is_captum_s_noise_tunnel() -> None:
    """Its noise comes from the global generator, drawn sample by sample where the batches have one."""
    model, image = seeded(Reusing), IMAGES[:1].clone().requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
        deviation = 0.2 * float(IMAGES[0].max() - IMAGES[0].min())
        gradients = tunnel.attribute(
            image, nt_samples=7, nt_samples_batch_size=1, stdevs=deviation, target=1, abs=False
        )
    found = SmoothGrad(samples=7, noise=0.2, seed=3)(model, IMAGES[:1], TARGETS[:1])
    torch.testing.assert_close(found, gradients.abs().sum(1).detach(), rtol=1e-4, atol=1e-7)


def test_gradient_shap_is_captum_s(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = [draw(generator, IMAGES[0].shape) for _ in range(6)]
    monkeypatch.setattr(np.random, "choice", lambda count, size: np.arange(size))
    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: np.array([float(share) for _, share in drawn]))
    model, image = seeded(Reusing), IMAGES[:1].clone().requires_grad_()
    expected = captum.attr.GradientShap(model).attribute(
        image, baselines=torch.stack([baseline for baseline, _ in drawn]), n_samples=6, stdevs=0.0, target=1
    )
    found = GradientSHAP(samples=6, seed=3)(model, IMAGES[:1], TARGETS[:1])
    torch.testing.assert_close(found, expected.sum(1).detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", [SmoothGrad, GradientSHAP])
def test_the_seed_draws_other_samples(method: Any) -> None:
    maps = [method(samples=3, seed=seed)(seeded(Reusing), IMAGES, TARGETS) for seed in (0, 1)]
    assert float((maps[0] - maps[1]).abs().max()) > 0.01 * float(maps[0].abs().max())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_they_need_no_gradient_around_them_and_work_on_transformers_and_in_half_precision(method: Any) -> None:
    with torch.no_grad():
        found = method(small_vit(), noise(2, 3, 32, 32), TARGETS)
    assert found.shape == (2, 32, 32)
    assert bool(found.isfinite().all() and found.any())
    half = method(seeded(Reusing).bfloat16(), IMAGES.bfloat16(), TARGETS)
    assert half.dtype == torch.float32
    whole = method(seeded(Reusing), IMAGES, TARGETS)
    correlation = torch.corrcoef(torch.stack([half.flatten(), whole.flatten()]))[0, 1]
    assert float(correlation) > 0.8


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_network_without_gradients_is_refused(method: Any) -> None:
    class Detached(Linear):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.detach())

    for model in (Detached(), Detached().requires_grad_(False)):
        with pytest.raises(InputError, match="no gradient leads from the network's answer to the picture"):
            method(model, IMAGES, TARGETS)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Saliency, {"channels": "max"}),
        (Saliency, {"score": "logits"}),
        (IntegratedGradients, {"steps": 0}),
        (IntegratedGradients, {"baseline": "black"}),
        (SmoothGrad, {"samples": 0}),
        (SmoothGrad, {"noise": -1}),
        (SmoothGrad, {"seed": -1}),
        (GradientSHAP, {"spread": -1}),
    ],
)
def test_parameters_out_of_range_are_refused(method: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        method(**options)
