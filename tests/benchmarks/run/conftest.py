from pathlib import Path

import pytest
from torch import Tensor

from benchmarks.networks.network import Network
from benchmarks.run.timing import Timing, device_name


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time by a clock that takes no time."""

    def time_attributor(attributor: object, network: Network, images: Tensor, targets: Tensor) -> Timing:
        return Timing(12.5, 0.5, 5, float(len(images)), 1.0, 2.0, device_name(network.device))

    monkeypatch.setattr("benchmarks.run.cells.time_attributor", time_attributor)
