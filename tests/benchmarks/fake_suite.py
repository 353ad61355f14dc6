"""A small world to run plans in: a network of three layers, drawn pictures, methods that write down each call.

Tests get it as the fixture ``fakes``; run as a script, ``fake_suite.py DIRECTORY``, it runs its plan into DIRECTORY,
slowly enough to be killed.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from baselines.controls import Averaged, Derived, Shuffled
from benchmarks.datasets import DATASETS, Case
from benchmarks.metrics import Deletion, Insertion, Pointing
from benchmarks.networks import NETWORKS
from benchmarks.plans import PLANS
from benchmarks.run.plan import Part, Plan
from mint.app.classifiers import Classifier, Preprocessing
from mint.app.weights import fit_state, read_state

SIZE = 16
CLASSES = ("red", "green", "blue")


def build(seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, len(CLASSES)),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


def network(weights: Path) -> Callable[..., Classifier]:
    """Give a network whose weights are in a file, as the suite's own networks are given."""
    if not weights.exists():
        save_file(build().state_dict(), weights)

    def tiny(weights_file: Path = weights) -> Classifier:
        module = build()
        fit_state(module, read_state(weights_file, "tiny"), "tiny", weights_file)
        return Classifier(module, Preprocessing(SIZE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), CLASSES, weights_file)

    return tiny


def case(number: int, series: int = 0) -> Case:
    """Two cases a picture; every third is difficult, and every fifth has no region."""
    generator = np.random.default_rng([number // 2, series])
    target = number % 3
    region = np.zeros((SIZE, SIZE), dtype=bool)
    region[2 + target : 8 + target, 3:9] = True
    return Case(
        f"{number:03d}.{CLASSES[target]}",
        f"picture-{number // 2}",
        target,
        CLASSES[target],
        generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        None if number % 5 == 4 else region,
        number % 3 == 0,
    )


class Pictures(Sequence[Case]):
    """As many cases as asked for; reading those of ``broken`` fails."""

    def __init__(self, count: int, broken: tuple[int, ...] = ()) -> None:
        self.count = count
        self.broken = broken

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if index in self.broken:
            raise OSError("picture-x.png cannot be decoded")
        return case(index)


@dataclass(frozen=True)
class Brightness:
    """The picture's own brightness, times ``gain``; writes a line a picture to ``log``."""

    log: str
    gain: float = 1.0
    pause: float = 0.0
    fails_on: int = -1
    answers_nan_on: int = -1
    batch_size: int | None = None
    seed: int = 0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        maps = images.mean(dim=1) * self.gain
        for image, target in zip(images, targets.tolist(), strict=True):
            if self.pause:
                time.sleep(self.pause)
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{self.gain} {target} {float(image.sum()):.6f}\n")
            if target == self.fails_on:
                raise RuntimeError("this method dislikes the target")
        return torch.where((targets == self.answers_nan_on)[:, None, None], torch.nan, maps)

    def pictures(self, model: nn.Module, image: Tensor, target: int) -> Mapping[str, np.ndarray]:
        return {"gray": np.full((SIZE, SIZE, 3), 90, dtype=np.uint8)}


def entries(directory: Path, count: int = 10, broken: tuple[int, ...] = ()) -> list[tuple[Any, str, Any]]:
    """List (table, name, value) for each of the suite's tables that this world adds to."""
    return [
        (NETWORKS, "tiny", network(directory / "tiny.safetensors")),
        (DATASETS, "noise", lambda network, options: Pictures(count, broken)),
        (PLANS, "fake", plan(directory / "calls.log")),
    ]


def plan(
    log: Path, *, timed: int = 0, controls: Mapping[str, Derived] = MappingProxyType({}), **parameters: Any
) -> Plan:
    bright = Brightness(str(log), **parameters)
    dark = Brightness(str(log), **{**parameters, "gain": -1.0})
    metrics = {"deletion": Deletion(steps=4), "insertion": Insertion(steps=4), "pointing": Pointing(tolerance=20.0)}
    part = Part("noise", ("tiny",), {"bright": bright, "dark": dark}, metrics, timed=timed, shown=2, controls=controls)
    return Plan("fake", "A plan for tests.", (part,))


if __name__ == "__main__":
    from benchmarks.__main__ import main

    torch.set_num_threads(1)
    where = Path(sys.argv[1])
    controls = {"shuffled": Shuffled(), "14x14": Averaged(14)}
    for table, name, value in entries(where, count=20):
        table[name] = value
    PLANS["fake"] = plan(where / "calls.log", controls=controls, pause=0.02)  # type: ignore[index]
    sys.exit(main(["run", "--plan", "fake", "--out", str(where / "results")]))
