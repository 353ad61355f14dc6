"""PnPXAI's MoRF, LeRF and the area between them, computed by itself and by the profiles."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from benchmarks.metrics import PROFILES

TARGET = 2

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("name", "profile"), [("MoRF", "pnpxai-morf"), ("LeRF", "pnpxai-lerf"), ("AbPC", "pnpxai-abpc")]
)
def test_pixel_flipping(load: Callable[..., ModuleType], subject, name: str, profile: str, ties: bool) -> None:
    module = load("pnpxai.evaluator.metrics.pixel_flipping", "pnpxai", profile)
    saliency = subject.coarse if ties else subject.fine
    metric = getattr(module, name)(subject.network)
    theirs = float(metric.evaluate(subject.picture[None], torch.tensor([TARGET]), saliency[None]))
    assert subject.ours(PROFILES[profile], saliency) == pytest.approx(theirs, abs=1e-4)
