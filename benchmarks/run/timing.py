"""What an explanation costs: milliseconds, pictures through the network, memory.

Each picture is explained alone, as by someone who waits for one explanation, after a first call that warms all up
but the memory of super-pixels: they are cut each time. Torch has its current number of threads. On a GPU the clock is a
pair of CUDA events, and every call is waited for: a host timer would only see the kernels being launched.

A row of timings belongs to the device it names, and compares with rows of the same device only.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from benchmarks.results.provenance import device_name
from mint.partitions import forget_cuts
from mint.scores import read_answer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmarks.networks.network import Network
    from mint.contract import Attributor

SAMPLING_INTERVAL = 0.001  # seconds between two looks at the resident set
BATCH_SIZES = {"cpu": (8, 16, 32), "cuda": (32, 64, 128, 256, 512)}  # pictures at a time: those tried
TRIES = {"cpu": 2, "cuda": 3}  # runs of each
SHORTEST_MEASUREMENT = 0.02  # seconds: faster calls are timed several at a time
Run = Callable[[], object]
"""What is timed."""


@dataclass(frozen=True)
class Timing:
    """The cost of one explanation by one method, on one network and device.

    ``peak_memory_mb`` is the memory taken on top of what was held before the call, in MiB: the largest over the
    pictures. On a GPU, exactly what torch's allocator handed out. On a CPU, the growth of the process's resident set,
    looked at every millisecond: it misses shorter peaks and memory that the process had already kept from earlier
    calls, and counts whatever else the process does; take it as an order of magnitude.
    """

    median_ms: float  # of the timed calls; milliseconds a picture
    iqr_ms: float  # their interquartile range
    repeats: int  # number of timed calls; on a CPU, of blocks of calls
    forwards: float  # pictures sent through the network for one explanation (mean over the pictures)
    backwards: float  # pictures whose answer was differentiated, likewise
    peak_memory_mb: float
    device: str


def time_attributor(
    attributor: Attributor, network: Network, images: Sequence[Tensor] | Tensor, targets: Tensor, *, repeats: int = 5
) -> Timing:
    """Measure what one explanation costs.

    Parameters
    ----------
    images, targets
        The pictures explained, one by one: each (c, h, w), normalised, and (n,) int64, on the network's device.
    repeats
        Timed calls altogether, going round the pictures, and at least one for each. On a CPU, fast calls are timed in
        so many blocks of calls.
    """
    turns = itertools.cycle(range(len(images)))

    def explain() -> None:
        forget_cuts()
        picture = next(turns)
        attributor(network.module, images[picture].unsqueeze(0), targets[picture : picture + 1])

    explain()
    peak, clock = (_cuda_peak, _cuda_clock) if network.device.type == "cuda" else (_resident_peak, _clock)
    with counting(network.module) as counts:
        memory = max(peak(explain, network.device) for _ in images)
    milliseconds = clock(explain, network.device, max(repeats, len(images)))
    lower, median, upper = np.percentile(milliseconds, [25, 50, 75]).tolist()
    return Timing(
        median_ms=median,
        iqr_ms=upper - lower,
        repeats=len(milliseconds),
        forwards=counts["forwards"] / len(images),
        backwards=counts["backwards"] / len(images),
        peak_memory_mb=memory,
        device=device_name(network.device),
    )


@contextmanager
def tidied() -> Iterator[None]:
    """Free what nothing refers to, and spare what is left from being looked through before each timed call.

    That is all modules with their functions, and takes a quarter of a second.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def counting(model: nn.Module) -> Iterator[dict[str, int]]:
    """Count the pictures that go through a network, and those of them whose answer is differentiated."""
    counts = {"forwards": 0, "backwards": 0}

    def differentiated(gradient: Tensor) -> None:
        counts["backwards"] += len(gradient)

    def answered(_model: nn.Module, images: tuple[Tensor, ...], answer: Any) -> None:
        logits = read_answer(answer, len(images[0]))
        counts["forwards"] += len(logits)
        if logits.requires_grad:
            logits.register_hook(differentiated)  # type: ignore[no-untyped-call]

    handle = model.register_forward_hook(answered)
    try:
        yield counts
    finally:
        handle.remove()


def seconds_of(run: Run, device: torch.device) -> float:
    """Run something once, every picture being new, and wait for the device: the seconds it took."""
    forget_cuts()
    read_back = torch.zeros(1, device=device).item  # reading a number back waits for the device
    read_back()
    began = time.perf_counter()
    run()
    read_back()
    return time.perf_counter() - began


def fastest_batch(make: Callable[[int], Run], device: torch.device) -> tuple[float, int]:
    """Find the batch size in which a piece of work is done fastest: its seconds, and the size.

    ``make`` returns the work, done in batches of a size. Of a few tries, the first of which warms up, the fastest
    counts. Sizes grow until one is a tenth slower than the best, or the memory of a GPU is full.
    """
    best, best_size = math.inf, BATCH_SIZES[device.type][0]
    for size in BATCH_SIZES[device.type]:
        run = make(size)
        try:
            seconds = min(seconds_of(run, device) for _ in range(TRIES[device.type]))
        except torch.OutOfMemoryError:
            break
        if seconds < best:
            best, best_size = seconds, size
        elif seconds > 1.1 * best:
            break
    return best, best_size


def bare_forwards(module: nn.Module, image: Tensor, count: int, batch_size: int) -> Run:
    """Send one picture, (1, c, h, w), through a network ``count`` times, so many at a time, in its memory format."""
    channels_last = image.is_contiguous(memory_format=torch.channels_last)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    batch = image.expand(batch_size, *image.shape[1:]).contiguous(memory_format=memory)

    @torch.inference_mode()
    def run() -> None:
        for start in range(0, count, batch_size):
            module(batch[: count - start])

    return run


def bare_seconds(network: Network, sizes: Sequence[tuple[int, int]] = ()) -> float:
    """Measure how long a network alone takes for a picture: seconds, in batches of the size that is fastest.

    Of the pictures' ``sizes`` (height, width), one of the middle area is taken; by default the network's input size.
    0 if the network cannot take a batch of them, as what it failed at is told where it was needed.
    """
    count = BATCH_SIZES[network.device.type][-1]
    ordered = sorted(sizes or [(network.input_size, network.input_size)], key=math.prod)
    height, width = ordered[len(ordered) // 2]
    image = torch.zeros(1, 3, height, width, device=network.device)
    image = image.contiguous(memory_format=torch.channels_last)
    try:
        seconds = fastest_batch(partial(bare_forwards, network.module, image, count), network.device)[0]
        return seconds / count if math.isfinite(seconds) else 0.0
    except Exception:  # whatever a network of a user raises: it would cost a whole run its report
        return 0.0


def _clock(explain: Callable[[], None], _device: torch.device, repeats: int) -> list[float]:
    milliseconds: list[float] = []
    calls = 1
    while len(milliseconds) < repeats:
        began = time.perf_counter()
        for _ in range(calls):
            explain()
        seconds = time.perf_counter() - began
        if seconds < SHORTEST_MEASUREMENT and not milliseconds:
            calls *= 2
        else:
            milliseconds.append(seconds / calls * 1e3)
    return milliseconds


def _cuda_clock(explain: Callable[[], None], device: torch.device, repeats: int) -> list[float]:
    milliseconds = []
    with torch.cuda.device(device):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        for _ in range(repeats):
            torch.cuda.synchronize()  # what is still queued is not this call's
            start.record()
            explain()
            end.record()
            end.synchronize()
            milliseconds.append(start.elapsed_time(end))
    return milliseconds


def _cuda_peak(explain: Callable[[], None], device: torch.device) -> float:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_allocated(device)
    explain()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - held) / 2**20


def _resident_peak(explain: Callable[[], None], _device: torch.device) -> float:
    process = psutil.Process()
    gc.collect()
    # Freed memory goes back to the system where the C library can do that, so that taking it again shows as growth.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
    sizes = [process.memory_info().rss]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLING_INTERVAL):
            sizes.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        explain()
        sizes.append(process.memory_info().rss)
    finally:
        done.set()
        watcher.join()
    return (max(sizes) - sizes[0]) / 2**20
