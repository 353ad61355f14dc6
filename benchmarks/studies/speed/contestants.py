"""The contestants of the speed study: MINT, OverlayMINT, the metrics that ask the network; Captum's methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import skimage.data
import skimage.transform
import torch
from captum.attr import KernelShap
from torch import Tensor, nn

from baselines import LIME, EngineOcclusion, Occlusion
from baselines.asking import score_of
from benchmarks.datasets import Case
from benchmarks.metrics import ROAD, SRG, Context, Deletion, Insertion, Metric
from benchmarks.metrics.removal.points import prepare
from benchmarks.networks.network import Network
from benchmarks.run.binding import bind
from benchmarks.run.timing import BATCH_SIZES, bare_forwards, fastest_batch
from benchmarks.studies.speed.rounds import BARE, Contestant
from mint import MINT, OverlayMINT
from mint.contract import Attributor, explaining
from mint.scores import read_answer

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
MAP, OCCLUSION = "a map from samples", "occlusion"  # what the suite and Captum both compute


@dataclass(frozen=True)
class Work:
    """How much is done for a picture."""

    samples: int  # of the methods that draw some
    steps: int | None = None  # of deletion and insertion; None: their default, as many as the picture has rows
    srg_steps: int = 56
    windows: tuple[int, int] = (32, 16)  # occlusion's window and stride
    percentiles: tuple[int, ...] = (10, 30, 50, 70, 90)  # ROAD's

    @property
    def hidden(self) -> int:
        """How many windows occlusion hides in a picture of 224 x 224, and the whole picture."""
        window, stride = self.windows
        return (-(-(224 - window) // stride) + 1) ** 2 + 1


WARM_UP = Work(samples=16, steps=4, srg_steps=4, windows=(112, 112), percentiles=(50,))
"""A little of everything, for the warm-up."""


@dataclass(frozen=True)
class Subject:
    """A network, the pictures that it is asked about, the classes that it predicts, and a map that is scored."""

    network: Network
    images: Tensor  # (n, 3, h, w)
    targets: Tensor  # (n,)
    saliency: Tensor  # (h, w): random

    def context(self) -> Context:
        """Make a case of the first picture: a new one each time, so that nothing is remembered between rounds."""
        case = Case("astronaut", "astronaut", int(self.targets[0]), "", np.empty(0), None, False)
        return Context(self.network, case, self.images[0])

    def score(self, *metrics: Metric) -> list[float]:
        """Score the map of the first picture, as a run does."""
        context = self.context()
        prepare(context, metrics, [self.saliency])
        return [metric(context, self.saliency).score for metric in metrics]


@dataclass(frozen=True)
class Tuning:
    """What is fastest: the bare forward passes' format, and in it the batch sizes of Captum's methods."""

    memory: torch.memory_format
    lime: int
    occlusion: int


def subject_of(network: Network, count: int) -> Subject:
    """Take a photograph as the network's input, shifted a little from one picture to the next."""
    size = network.input_size
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    picture = skimage.transform.resize(astronaut, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    pixels = np.rint(255 * picture).astype(np.uint8)
    images = torch.stack([network.tensor(np.roll(pixels, 7 * i, axis=1)) for i in range(count)])
    with torch.no_grad():
        targets = read_answer(network.module(images), count).argmax(dim=1)
    saliency = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    return Subject(network, images, targets, saliency.to(network.device))


def bare_block(subject: Subject, count: int) -> Contestant:
    """Tune the network's own forward passes; return at least ``count`` of them, in whole batches."""
    network, found = subject.network, {}
    for name, memory in FORMATS.items():
        network.module.to(memory_format=memory)  # type: ignore[call-overload]
        run = partial(bare_forwards, network.module, subject.images[:1].contiguous(memory_format=memory))
        largest = BATCH_SIZES[network.device.type][-1]
        found[name] = *fastest_batch(partial(run, largest), network.device), run
    name = min(found, key=lambda each: found[each][0])
    _, size, run = found[name]
    count = -(-count // size) * size
    return Contestant(BARE, run(count, size), count, f"{name}, batch {size}", memory=FORMATS[name])


def tune(subject: Subject, memory: torch.memory_format, work: Work) -> Tuning:
    """Find the batch sizes of Captum's methods, in the format in which bare forward passes are fastest."""
    device = subject.network.device
    subject.network.module.to(memory_format=memory)  # type: ignore[call-overload]
    samples = BATCH_SIZES[device.type][-1]
    # On a CPU, a seventh of the windows shows which batch size is the fastest.
    windows = (64, 40) if device.type == "cpu" else work.windows

    def size_of(make: type, *arguments: Any) -> int:
        return fastest_batch(lambda size: _call(subject, make(*arguments, batch_size=size), 1, memory), device)[1]

    return Tuning(memory, size_of(LIME, samples), size_of(Occlusion, *windows))


def own_methods(subject: Subject, work: Work, pictures: int = 1) -> list[Contestant]:
    """List MINT and OverlayMINT."""
    methods: dict[str, Attributor] = {each.__name__: each(samples=work.samples) for each in (MINT, OverlayMINT)}
    calls = {name: _call(subject, bind(method, subject.network), pictures) for name, method in methods.items()}
    return [Contestant(name, run, pictures * work.samples, "", MAP, pictures) for name, run in calls.items()]


def own_occlusion(subject: Subject, work: Work) -> Contestant:
    """Occlusion by this suite's engine."""
    return Contestant("occlusion", _call(subject, EngineOcclusion(*work.windows)), work.hidden, task=OCCLUSION)


def own_metrics(subject: Subject, work: Work) -> list[Contestant]:
    """List the metrics that ask the network: deletion with insertion, SRG, ROAD."""
    rows = subject.network.input_size
    steps, srg, percentiles = work.steps or rows, min(work.srg_steps, rows), len(work.percentiles)
    metrics: dict[str, tuple[str, int, Sequence[Metric]]] = {
        "deletion + insertion": (f"{steps} steps", 2 * steps, [Deletion(steps), Insertion(steps)]),
        "SRG": (f"{srg} steps", 2 * srg, [SRG(srg)]),
        "ROAD": (f"{percentiles} percentiles", 2 * percentiles, [ROAD(work.percentiles)]),
    }
    return [
        Contestant(name, partial(subject.score, *each), forwards, setting)
        for name, (setting, forwards, each) in metrics.items()
    ]


def own_contestants(subject: Subject, work: Work) -> list[Contestant]:
    """List all of the suite's own."""
    return [*own_methods(subject, work), *own_metrics(subject, work), own_occlusion(subject, work)]


def captum_methods(subject: Subject, work: Work, tuning: Tuning) -> list[Contestant]:
    """List Captum's methods, first tuned, then at their default of one perturbation at a time.

    KernelSHAP, whose loop is LIME's, has LIME's batch size. It and the defaults are slow: they are timed once.
    """
    methods: dict[str, tuple[Callable[..., Attributor], int, int, str]] = {
        "LIME": (partial(LIME, work.samples), work.samples, tuning.lime, MAP),
        "occlusion": (partial(Occlusion, *work.windows), work.hidden, tuning.occlusion, OCCLUSION),
        "KernelSHAP": (partial(partial, _kernel_shap, samples=work.samples), work.samples, tuning.lime, MAP),
    }
    tuned, default = [], []
    for name, (make, forwards, size, task) in methods.items():
        slow = name == "KernelSHAP"
        run = _call(subject, make(batch_size=size), 1, tuning.memory)
        tuned.append(
            Contestant(f"Captum's {name}, tuned", run, forwards, f"batch {size}", task, memory=tuning.memory, once=slow)
        )
        run = _call(subject, make(batch_size=1))
        default.append(Contestant(f"Captum's {name}, default", run, forwards, "batch 1", task, once=True))
    return tuned + default


def several_pictures(subject: Subject, work: Work, tuning: Tuning, pictures: int) -> list[Contestant]:
    """List what explains several pictures in one call; Captum's LIME, tuned, does so once."""
    run = _call(subject, LIME(work.samples, batch_size=tuning.lime), pictures, tuning.memory)
    forwards, setting = pictures * work.samples, f"batch {tuning.lime}"
    lime = Contestant("Captum's LIME, tuned", run, forwards, setting, MAP, pictures, tuning.memory, once=True)
    return [*own_methods(subject, work, pictures), lime]


def _call(
    subject: Subject, method: Attributor, pictures: int = 1, memory: torch.memory_format = torch.contiguous_format
) -> Any:
    images = subject.images[:pictures].contiguous(memory_format=memory)
    return partial(method, subject.network.module, images, subject.targets[:pictures])


def _kernel_shap(model: nn.Module, images: Tensor, targets: Tensor, *, samples: int, batch_size: int) -> Tensor:
    """Explain a picture by Captum's KernelSHAP, over LIME's super-pixels; a method as the suite calls them."""
    labels = torch.from_numpy(LIME().superpixels(images[0])).to(images.device)
    with explaining(model, images, targets), torch.random.fork_rng(devices=[]), torch.no_grad():
        values: Tensor = KernelShap(score_of(model, int(targets[0]), "probability")).attribute(
            images[:1],
            feature_mask=labels.view(1, 1, *labels.shape),
            n_samples=samples,
            perturbations_per_eval=batch_size,
        )
    return values[:, 0]
