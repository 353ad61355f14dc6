"""One network, one picture and its maps, put before this suite's profiles and before the tools that they mirror.

The tools live in an environment of their own (``tox run -e peers``), which sets REQUIRE_PEERS: there a missing tool
fails its tests. Elsewhere they are skipped.
"""

import importlib
import importlib.metadata
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
import torch
from contexts import context_of
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401  (before torchvision, which the tools import)
from benchmarks.metrics import PROFILES, Context, Metric

TARGET = 2
HEIGHT, WIDTH = 48, 40


@pytest.fixture
def load() -> Callable[..., ModuleType]:
    """Import a module of a tool, in the version that the profiles name; skip, or fail, where it is missing."""

    def import_module(module: str, distribution: str, profile: str) -> ModuleType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if os.environ.get("REQUIRE_PEERS"):
                found = importlib.import_module(module)
            else:
                found = pytest.importorskip(module, exc_type=ImportError)
        assert importlib.metadata.version(distribution) == PROFILES[profile].version, (
            f"{distribution} has moved on from the version that {profile} mirrors: read its source again."
        )
        return found

    return import_module


@dataclass(frozen=True)
class Subject:
    """What is measured: `fine` has no ties, `coarse` is made of plateaus of `plateau` pixels each."""

    network: nn.Module
    picture: Tensor
    fine: Tensor
    coarse: Tensor
    plateau: int = 2**11 // 16

    def ours(self, metric: Metric, saliency: Tensor, region: np.ndarray | None = None) -> float:
        return metric(self.context(region), saliency).score

    def curve(self, metric: Metric, saliency: Tensor) -> np.ndarray:
        found = metric(self.context(), saliency).curve
        assert found is not None
        return found[1]

    def context(self, region: np.ndarray | None = None) -> Context:
        return context_of(self.picture, region, self.network, TARGET)


@pytest.fixture
def subject(small_cnn: SmallCNN) -> Subject:
    picture, guide = smooth_images(2, size=(HEIGHT, WIDTH), seed=3)
    # A network that is sure of itself, so that curves have a shape.
    with torch.no_grad():
        logits = small_cnn(torch.stack([picture, torch.zeros_like(picture)]))
        small_cnn.head.weight *= 6 / (logits[0] - logits[1]).abs().max()
    # Ranks, as multiples of 2^-11 in [0, 1): one minus them is exact, and no two are equal.
    fine = guide[0].flatten().argsort().argsort().view(HEIGHT, WIDTH) / 2**11
    return Subject(network=small_cnn.requires_grad_(False), picture=picture, fine=fine, coarse=(fine * 16).floor() / 16)
