"""Xplique's deletion and insertion, computed by itself and by the profiles."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

from benchmarks.metrics import PROFILES

TARGET = 2

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(("name", "profile"), [("Deletion", "xplique-deletion"), ("Insertion", "xplique-insertion")])
def test_causal_fidelity(load: Callable[..., ModuleType], subject, name: str, profile: str) -> None:
    module = load("xplique.metrics", "xplique", profile)

    def network(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return subject.network(torch.tensor(np.asarray(images)).permute(0, 3, 1, 2)).numpy()

    picture = subject.picture.permute(1, 2, 0)[None].numpy()
    metric = getattr(module, name)(network, picture, np.eye(5, dtype=np.float32)[[TARGET]])
    theirs = metric.evaluate(subject.fine[None].numpy())
    assert subject.ours(PROFILES[profile], subject.fine) == pytest.approx(theirs, abs=1e-4)
