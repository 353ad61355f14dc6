"""A small world in a file of its own, for runs by several processes: each loads it by ``long_suite.py:NAME``.

What a test wants of it comes by environment variables, which worker processes have, too. ``CALLS`` is a file that gets
a line for every map, with the id of the process; ``PAUSE`` is how many seconds a map takes; from the
``FULL_AFTER``-th cell of a process on, none can be written.
"""

import errno
import inspect
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from fake_suite import CLASSES, SIZE, build, case  # it lies beside this file
from torch import Tensor, nn

from baselines.controls import Averaged, OtherClass, Shuffled
from benchmarks.datasets import Case
from benchmarks.metrics import Deletion, Insertion, Pointing
from benchmarks.run.plan import Part, Plan
from benchmarks.run.store import Entry, Store
from mint.app.classifiers import Classifier, Preprocessing


def tiny(seed: int = 0) -> Classifier:
    """A network of three layers."""
    return Classifier(build(seed), Preprocessing(SIZE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), CLASSES)


def other() -> Classifier:
    """The same with other weights."""
    return tiny(1)


class Pictures(Sequence[Case]):
    """Sixty cases, of which number 6 cannot be read if they are ``broken``."""

    passed_over: ClassVar[Mapping[str, int]] = {"thumbs.db": 2}

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: Any) -> Any:
        if self.broken and index == 5:
            raise OSError("picture-x.png cannot be decoded")
        return case(index, int(self.broken))


def noise(network: object, options: object) -> Pictures:
    """Pictures of noise."""
    return Pictures()


def broken(network: object, options: object) -> Pictures:
    """Pictures of noise, one of which cannot be read."""
    return Pictures(broken=True)


def _note(name: str, targets: Tensor) -> None:
    for _ in targets:
        time.sleep(float(os.environ.get("PAUSE", "0")))
    if "CALLS" in os.environ:
        with open(os.environ["CALLS"], "a", encoding="utf-8") as log:
            log.write(f"{name} {os.getpid()}\n" * len(targets))


@dataclass(frozen=True)
class Bright:
    """The picture's own brightness, times ``gain``."""

    gain: float = 1.0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        _note(f"bright {self.gain}", targets)
        return images.mean(dim=1) * self.gain

    def pictures(self, model: nn.Module, image: Tensor, target: int) -> Mapping[str, np.ndarray]:
        return {"gray": np.full((SIZE, SIZE, 3), 90, dtype=np.uint8)}


@dataclass(frozen=True)
class Asking:
    """Brightness weighed by the answer to the darkened picture, which the network is asked twice."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        _note("asking", targets)
        with torch.no_grad():
            model(images / 2)
            answers = model(images / 2)
        return images.mean(dim=1) * answers.gather(1, targets[:, None])[:, :, None]


@dataclass(frozen=True)
class Failing:
    """Raises on the class green."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        if (targets == 1).any():
            raise RuntimeError("this method dislikes green")
        return images.mean(dim=1)


@dataclass(frozen=True)
class FailingWhenTimed:
    """Raises when it is timed."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        if any(frame.function == "time_attributor" for frame in inspect.stack(0)):
            raise RuntimeError("this method dislikes a clock")
        return images.mean(dim=1)


@dataclass(frozen=True)
class Crashing:
    """Ends its process."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGSEGV)
        return images.mean(dim=1)


@dataclass(frozen=True)
class FailingControl:
    """A control that raises on the class blue."""

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    def __call__(self, method: Any, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        if (targets == 2).any():
            raise RuntimeError("this control dislikes blue")
        return -maps


if "FULL_AFTER" in os.environ:
    WRITE = Store.write

    def write_if_there_is_room(store: Store, entries: Sequence[Entry]) -> None:
        if store.written >= int(os.environ["FULL_AFTER"]):
            raise OSError(errno.ENOSPC, "No space left on device", str(store.directory))
        WRITE(store, entries)

    Store.write = write_if_there_is_room  # type: ignore[method-assign]

NETWORK, NOISE, BROKEN, OTHER = (f"{__file__}:{name}" for name in ("tiny", "noise", "broken", "other"))
METRICS = {"deletion": Deletion(steps=4), "insertion": Insertion(steps=4), "pointing": Pointing(tolerance=20.0)}
CONTROLS = {"shuffled": Shuffled(), "other-class": OtherClass(), "14x14": Averaged(14)}
METHODS = {"bright": Bright(), "asking": Asking()}

plain = Plan("plain", "One setting.", (Part(NOISE, (NETWORK,), METHODS, METRICS, shown=2),))
FAULTY = {"bright": Bright(), "failing": Failing(), "timed": FailingWhenTimed()}
SMALL = {"deletion": Deletion(steps=4)}
full = Plan(
    "full",
    "Three settings, with all that a part may ask for; in the last of them, everything may fail.",
    (
        Part(NOISE, (NETWORK,), METHODS, METRICS, timed=2, shown=2, remembering=True, controls=CONTROLS, controlled=6),
        Part(NOISE, (OTHER,), {"bright": Bright()}, SMALL, limit=7),
        Part(BROKEN, (NETWORK,), FAULTY, SMALL, limit=12, timed=2, controls={"control": FailingControl()}),
    ),
)
crashing = Plan(
    "crashing",
    "A method that ends its process.",
    (Part(NOISE, (NETWORK,), {"bright": Bright(), "crashing": Crashing()}, METRICS, timed=3),),
)
