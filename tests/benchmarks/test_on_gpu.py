"""On a GPU, where there is one, methods and metrics answer as on the CPU: nothing is edited in a copy by mistake."""

import numpy as np
import pytest
import torch
from quick_methods import quick
from torch import Tensor, nn

from baselines import METHODS, GradCAM
from benchmarks.datasets import Case
from benchmarks.metrics import METRICS, Context, MethodMetric
from benchmarks.networks.network import Network
from benchmarks.run.precision import computing_in
from benchmarks.run.timing import time_attributor
from mint.app.folding import fold_batch_norms
from mint.contract import attribute

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TARGETS = torch.tensor([1, 3])


def network() -> nn.Module:
    """Double precision inside, so that the devices round alike."""

    class Widened(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.double()) * 20  # type: ignore[no-any-return, no-untyped-call]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5))
    return Widened(*layers).double().eval().requires_grad_(False)


def images() -> Tensor:
    coarse = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, (32, 32), mode="bilinear")


@pytest.mark.parametrize("name", METHODS)
def test_maps_agree_and_stay_on_the_device(name: str) -> None:
    method = quick(name, deep_layer="0")
    expected = attribute(method, network(), images(), TARGETS)
    found = attribute(method, network().cuda(), images().cuda(), TARGETS.cuda())
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("name", METRICS)
def test_scores_agree(name: str) -> None:
    region = np.zeros((32, 32), dtype=bool)
    region[4:20, 10:30] = True
    case = Case("case-0", "case", 1, "one", np.zeros((32, 32, 3), np.uint8), region, False)
    saliency = torch.randn(32, 32, generator=torch.Generator().manual_seed(1))
    metric = METRICS[name]()
    measurements = []
    for device in ("cpu", "cuda"):
        lent = Network("resnet18", network().to(device), device=torch.device(device))
        context = Context(lent, case, images()[0].to(device))
        if isinstance(metric, MethodMetric):
            measurements.append(metric.examine(context, GradCAM(deep_layer="0")))
        else:
            measurements += [metric(context, saliency.to(where)) for where in {"cpu", device}]
    np.testing.assert_allclose([m.score for m in measurements], measurements[0].score, atol=1e-5)
    if measurements[0].curve is not None:
        assert np.ptp(measurements[0].curve[1]) > 0


def test_batch_norms_are_folded_as_on_the_cpu() -> None:
    """Or what a run leaves, whose driver has its networks on the CPU, would be of another network."""

    def convolutions() -> nn.Module:
        layers = [(nn.Conv2d(n, 64, 3), nn.BatchNorm2d(64).eval(), nn.ReLU()) for n in (3, 64, 64)]
        return nn.Sequential(
            *(each for layer in layers for each in layer), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ).eval()

    with computing_in("tf32"):
        assert fold_batch_norms(convolutions().cuda(), 32) == fold_batch_norms(convolutions(), 32) == 3


def test_timing_runs() -> None:
    lent = Network("resnet18", network().cuda(), device=torch.device("cuda"))
    timing = time_attributor(METHODS["occlusion-engine"](), lent, images().cuda(), TARGETS.cuda(), repeats=3)
    assert timing.median_ms > 0
    assert timing.repeats == 3
    assert timing.peak_memory_mb > 0
    assert timing.device == torch.cuda.get_device_name()
