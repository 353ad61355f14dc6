"""How often each metric makes a GPU wait for the host, counted on any device; and that common maps cost no more."""

from typing import Any

import numpy as np
import pytest
import torch
from contexts import context_of
from examples import smooth_images
from synchronisations import counted
from torch import Tensor, nn

from benchmarks.metrics import METRICS, PROFILES, Context, MethodMetric, RemovalProfile
from benchmarks.metrics.removal.points import prepare

CURVES = ("deletion", "insertion", "morf", "lerf", "srg")
# At most: one says which points are not known, one brings the answers.
LIMITS = {
    **dict.fromkeys(CURVES, 2),
    **{name: 2 for name, profile in PROFILES.items() if isinstance(profile, RemovalProfile)},
    # Besides, it asks a few times whether the imputation's equations are solved.
    "road": 5,
    "gradcam-road": 5,
    "localisation": 2,
    # Once a case, the network's answers are checked on the host.
    "infidelity": 3,
    "mu-fidelity": 3,
    "single-deletion": 2,
    # The map is checked and scaled first, and each of two answers is read.
    "average-drop": 4,
    "increase": 4,
    # One of their own; each explanation is checked, which costs two.
    "max-sensitivity": 7,
    "kept-sensitivity": 9,
    "kept-predictions": 2,
    "coherence": 8,
    "adcc": 17,
    "randomisation": 9,
    "randomisation-ssim": 9,
    # It looks for ties on the host, and measures two to four maps.
    "tie-range": 11,
}
KNOWN = {"localisation": 2, "tie-range": 3, "average-drop": 3, "increase": 3}


def free_network() -> nn.Module:
    """Costs nothing: linear in the means of the channels."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)).eval()


def brightness(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.square().mean(dim=1)


def a_context() -> Context:
    region = np.zeros((20, 24), dtype=bool)
    region[4:12, 6:20] = True
    return context_of(smooth_images(1, size=(20, 24))[0], region, free_network(), 1)


def measure(name: str, context: Context, saliency: Tensor) -> int:
    metric: Any = METRICS[name]()
    with counted() as count:
        if isinstance(metric, MethodMetric):
            metric.examine(context, brightness)
        else:
            metric(context, saliency)
    return count()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_waits_for_the_device_at_most_so_often(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.metrics.removal.imputation.MASKS_AT_ONCE", {})  # as elsewhere than on a CPU
    context, generator = a_context(), torch.Generator().manual_seed(0)
    first, second = (torch.randn(20, 24, generator=generator) for _ in range(2))
    assert measure(name, context, first) <= LIMITS.get(name, 1)
    # What it needs of the case is there, and so are its points.
    if not isinstance(METRICS[name](), MethodMetric):
        assert measure(name, context, first) <= KNOWN.get(name, 1)
        assert measure(name, context, second) <= LIMITS.get(name, 1)


def test_many_maps_are_prepared_with_as_few_waits_as_one() -> None:
    metrics = [METRICS[name]() for name in (*CURVES, "rise-insertion", "pnpxai-abpc")]
    generator = torch.Generator().manual_seed(0)
    with counted() as count:
        prepare(a_context(), metrics, [torch.randn(20, 24, generator=generator) for _ in range(9)])
    assert count() == 2


def test_what_waits_is_counted() -> None:
    values = torch.arange(6.0)
    ways = [
        lambda: values.sum().item(),
        lambda: float(values[0]),
        lambda: bool(values[0] > 0),
        lambda: values.cpu().numpy().tolist(),
        lambda: values[values > 2],
        lambda: (values > 2).nonzero(),
        lambda: values.tolist(),
        lambda: values[values.argmax()],
    ]
    for way in ways:
        with counted() as count:
            way()
        assert count() == 1
    with counted() as count:
        float(torch.ones(3).sum())  # never was on a device
        values.sort().values.cumsum(0)[values.long()].take(values.argmax())
    assert count() == 0
