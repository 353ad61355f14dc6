"""torch-cam's deletion and insertion, computed by itself and by the profile."""

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import pytest
import torch

from benchmarks.metrics import PROFILES

TARGET = 2


@pytest.mark.parametrize("ties", [False, True])
def test_deletion_and_insertion(load: Callable[..., ModuleType], subject, ties: bool) -> None:
    metrics = load("torchcam.metrics", "torchcam", "torchcam-deletion")
    saliency = subject.coarse if ties else subject.fine

    class Extractor(SimpleNamespace):
        """Answers with the map, as an extractor of class activation maps would."""

        model = subject.network
        _hooks_off = staticmethod(nullcontext)

        def __call__(self, *_args: object, **_kwargs: object) -> list[torch.Tensor]:
            return [saliency[None]]

        def fuse_cams(self, cams: list[torch.Tensor]) -> torch.Tensor:
            return cams[0]

    metric = metrics.DeletionInsertionMetric(Extractor())
    metric.update(subject.picture[None], TARGET)
    theirs = metric.summary()
    assert subject.ours(PROFILES["torchcam-deletion"], saliency) == pytest.approx(theirs["deletion_auc"], abs=1e-4)
    assert subject.ours(PROFILES["torchcam-insertion"], saliency) == pytest.approx(theirs["insertion_auc"], abs=1e-4)
    assert abs(theirs["deletion_auc"] - theirs["insertion_auc"]) > 0.1
