"""TorchRay's pointing game, played by itself and by the profile."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

from benchmarks.metrics import PROFILES

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("seed", range(12))
def test_pointing(load: Callable[..., ModuleType], subject, seed: int) -> None:
    module = load("torchray.benchmark.pointing_game", "torchray", "torchray-pointing")
    generator = np.random.default_rng(seed)
    region = np.zeros(subject.fine.shape, dtype=bool)
    region[generator.integers(48), generator.integers(40)] = True
    found = []
    for saliency in (torch.from_numpy(generator.random(region.shape)).float(), subject.coarse.roll(seed * 41)):
        row, column = divmod(int(saliency.argmax()), region.shape[1])
        theirs = module.PointingGame(5, tolerance=15).evaluate(torch.from_numpy(region), (column, row))
        found.append(theirs)
        assert subject.ours(PROFILES["torchray-pointing"], saliency, region) == (theirs == 1)
    assert set(found) <= {-1, 1}
