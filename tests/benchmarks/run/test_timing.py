"""The timer counts pictures and memory rightly and leaves no trace; its clock is only held to what it cannot miss."""

import gc
import time
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines import Centre, DeepLIFT, EngineOcclusion, GradCAM, GuidedBackprop, Occlusion
from benchmarks.networks.network import Network
from benchmarks.run import timing
from benchmarks.run.timing import Timing, bare_seconds, device_name, fastest_batch, tidied, time_attributor
from mint import partitions
from mint.contract import Attributor

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 3])


def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network("resnet18", module.eval().requires_grad_(False))


@pytest.mark.parametrize(
    ("method", "forwards", "backwards"),
    [
        (GradCAM("0"), 1, 1),
        (Centre(), 1, 0),
        (EngineOcclusion(224, 224), 2, 0),
        (Occlusion(112, 56, batch_size=4), 1 + 9, 0),
        (EngineOcclusion(112, 56), 1 + 9, 0),
        # Those that copy the network: two forward passes check the copy, and are made through it after that.
        (DeepLIFT(), 2 + 2, 2),
        (GuidedBackprop(), 2 + 1, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pictures_are_counted_not_calls(method: Attributor, forwards: int, backwards: int) -> None:
    timing = time_attributor(method, network(), IMAGES, TARGETS, repeats=2)
    assert (timing.forwards, timing.backwards) == (forwards, backwards)
    assert timing.median_ms > 0
    assert timing.iqr_ms >= 0
    assert timing.repeats >= 1
    assert timing.device == device_name("cpu")


def test_every_timed_call_cuts_the_picture_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[int] = []

    @lru_cache
    def remembered(picture: int) -> None:
        cuts.append(picture)

    def cutting(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        remembered(0)
        time.sleep(timing.SHORTEST_MEASUREMENT)
        return images[:, 0]

    monkeypatch.setattr(partitions, "remembered_slic", remembered)
    time_attributor(cutting, network(), IMAGES, TARGETS, repeats=3)
    before = len(cuts)
    assert before >= 1 + 2 + 3
    timing.seconds_of(lambda: remembered(0), torch.device("cpu"))
    assert len(cuts) == before + 1


def test_no_hook_is_left_behind() -> None:
    lent = network()
    time_attributor(GradCAM("0"), lent, IMAGES, TARGETS, repeats=2)
    assert not lent.module._forward_hooks

    def fail(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        raise RuntimeError("no map")

    with pytest.raises(RuntimeError, match="no map"):
        time_attributor(fail, lent, IMAGES, TARGETS)
    assert not lent.module._forward_hooks


def test_the_clock_sees_the_whole_call_and_each_picture_alone() -> None:
    seen: list[tuple[int, int]] = []

    def sleepy(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        seen.append((len(images), int(targets[0])))
        time.sleep(0.03)
        return images[:, 0]

    timing = time_attributor(sleepy, network(), IMAGES, TARGETS, repeats=4)
    assert timing.median_ms >= 30
    assert timing.repeats >= 2
    assert {count for count, _ in seen} == {1}
    assert abs([target for _, target in seen].count(0) - len(seen) / 2) <= 0.5


def test_what_is_spared_from_the_collector_is_given_back() -> None:
    with tidied():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_memory_held_during_a_call_is_seen_and_not_what_was_held_before() -> None:
    held = torch.ones(20 * 2**20)  # 80 MiB

    def hungry(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        taken = torch.ones(10 * 2**20)  # 40 MiB
        time.sleep(0.02)
        return images[:, 0] * taken[0]

    timing = time_attributor(hungry, network(), IMAGES, TARGETS, repeats=2)
    assert 35 < timing.peak_memory_mb < 75
    assert held[0] == 1


def test_the_device_is_named_with_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert device_name("cpu").endswith(" (1 thread)")
        torch.set_num_threads(2)
        assert device_name("cpu").endswith(" (2 threads)")
    finally:
        torch.set_num_threads(before)
    assert len(device_name("cpu")) > len(" (1 thread)")


def test_the_fastest_batch_size_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = {8: 3.0, 16: 2.0, 32: 2.1, 64: 2.3, 128: 0.1}
    monkeypatch.setitem(timing.BATCH_SIZES, "cpu", tuple(cost))
    monkeypatch.setattr(timing, "seconds_of", lambda run, _device: run())
    assert fastest_batch(lambda size: lambda: cost[size], torch.device("cpu")) == (2.0, 16)

    def full(size: int) -> float:
        if size > 8:
            raise torch.OutOfMemoryError
        return cost[size]

    assert fastest_batch(lambda size: lambda: full(size), torch.device("cpu")) == (3.0, 8)


def test_bare_seconds_are_those_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleepy(_model: nn.Module, given: tuple[Tensor]) -> None:
        time.sleep(0.002 * len(given[0]))

    monkeypatch.setitem(timing.BATCH_SIZES, "cpu", (4, 8))
    lent = network()
    lent.module.register_forward_pre_hook(sleepy)
    assert 0.002 <= bare_seconds(lent) < 0.02


def test_bare_seconds_of_a_network_that_takes_no_batch_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timing.BATCH_SIZES, "cpu", (4, 8))
    for error in (torch.OutOfMemoryError, ValueError):

        def refuse(_model: nn.Module, _given: tuple[Tensor], error: type[Exception] = error) -> None:
            raise error

        lent = network()
        lent.module.register_forward_pre_hook(refuse)
        assert bare_seconds(lent) == 0.0


def test_on_a_gpu_every_call_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CUDA path, on a stand-in for ``torch.cuda`` that writes down what it is asked."""
    log: list[str] = []

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            log.append("record")

        def synchronize(self) -> None:
            log.append("wait")

        def elapsed_time(self, _end: "Event") -> float:
            return 7.0

    class Device:
        def __init__(self, _device: object) -> None: ...

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    stand_ins: dict[str, Any] = {
        "Event": Event,
        "device": Device,
        "synchronize": lambda *_: log.append("synchronize"),
        "reset_peak_memory_stats": lambda _device: log.append("reset"),
        "memory_allocated": lambda _device: 3 * 2**20,
        "max_memory_allocated": lambda _device: 8 * 2**20,
        "get_device_name": lambda _device: "Fast GPU",
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    module = network().module
    on_gpu = Network("resnet18", module, device=torch.device("cuda"))

    def method(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        log.append("explain")
        return images[:, 0]

    timing = time_attributor(method, on_gpu, IMAGES, TARGETS, repeats=3)
    assert timing == Timing(7.0, 0.0, 3, 0.0, 0.0, 5.0, "Fast GPU")
    memory = ["synchronize", "reset", "explain", "synchronize"]
    clock = ["synchronize", "record", "explain", "record", "wait"]
    assert log == ["explain", *memory * 2, *clock * 3]
