"""How fast the suite is beside bare forward passes and Captum: ``python -m benchmarks study speed``.

Every contestant's unit is the time that the network alone takes for as many pictures, in the memory format and the
batch size in which it is fastest. The contestants:

* MINT and OverlayMINT as a whole: super-pixels, samples, surrogate and map; occlusion on this suite's engine;
* deletion with insertion, SRG and ROAD, of one map;
* Captum's LIME, at its default (one perturbation at a time) and tuned: the fastest of the same formats and batch sizes.

Times on a shared machine vary. So the contestants run in turn, round after round, and each time is divided by that of
the bare forward passes of the same round. The table shows the median ratio and its range. A second table says what
each precision gains, and what it changes in MINT's map and in the map's scores.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import scipy.stats
import skimage.data
import skimage.transform
import torch
from torch import Tensor, nn
from tqdm import tqdm

from baselines import LIME, Occlusion
from benchmarks.datasets import Case
from benchmarks.metrics import ROAD, SRG, Context, Deletion, Insertion, Metric
from benchmarks.networks.network import Network, load_network, network_of
from benchmarks.report.page import write_markdown
from benchmarks.results.provenance import versions
from benchmarks.run.binding import bind
from benchmarks.run.precision import Precision, computing_in, lower
from benchmarks.run.timing import counting
from benchmarks.studies.commandline import finish, made_by, positive, study_parser
from mint import MINT, OverlayMINT
from mint.app.classifiers import torchvision_classifier, torchvision_names, usable_device
from mint.contract import Attributor

BATCH_SIZES = {"cpu": (8, 16, 32, 100), "cuda": (32, 64, 128, 256, 512)}
PICTURES = {"cpu": (1,), "cuda": (1, 16)}
NETWORKS = {"cpu": ("resnet18",), "cuda": ("resnet50", "vgg16")}
FORMATS: Mapping[str, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}
TRIES = 3
Run = Callable[[], object]
"""What is timed."""


def study(network: Network, samples: int, rounds: int, pictures: Sequence[int] = (1,)) -> pd.DataFrame:
    """Time everything side by side; methods that perturb do so ``samples`` times for each picture.

    Returns a row for each contestant and round, with the columns network, contestant, setting, pictures, forwards,
    round, seconds, and ratio: the seconds over those of as many bare forward passes.
    """
    images = photographs(network, max(pictures))
    bare, bare_setting = _fastest(network, partial(_bare_forwards, network.module, images[0]))
    count = max(samples, 1)
    runs: dict[tuple[str, str, int], Run] = {("bare forwards, tuned", bare_setting, 1): partial(bare, count)}
    runs |= {
        (name, setting, n): run for n in pictures for name, setting, run in _contestants(network, images[:n], samples)
    }
    forwards = {}
    for contestant, run in runs.items():
        with counting(network.module) as counts:  # and a first run that is not timed
            run()
        forwards[contestant] = counts["forwards"]
    rows = []
    for number in tqdm(range(rounds), desc=network.name, unit="round"):
        seconds = {contestant: _seconds(run, network.device) for contestant, run in runs.items()}
        unit = next(iter(seconds.values())) / count
        for contestant, taken in seconds.items():
            ratio = taken / (unit * forwards[contestant])
            rows.append((network.name, *contestant, forwards[contestant], number, taken, ratio))
    columns = ["network", "contestant", "setting", "pictures", "forwards", "round", "seconds", "ratio"]
    return pd.DataFrame(rows, columns=columns)


def photographs(network: Network, count: int) -> Tensor:
    """Make a network's input of a photograph, shifted a little from one picture to the next: (count, 3, h, w)."""
    size = network.input_size
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    picture = skimage.transform.resize(astronaut, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    pixels = np.rint(255 * picture).astype(np.uint8)
    return torch.stack([network.tensor(np.roll(pixels, 7 * i, axis=1)) for i in range(count)])


def _contestants(network: Network, images: Tensor, samples: int) -> Iterator[tuple[str, str, Run]]:
    module = network.module
    with torch.no_grad():
        targets = module(images).argmax(dim=1)
    methods: Mapping[str, Attributor] = {
        "MINT": MINT(samples=samples),
        "OverlayMINT": OverlayMINT(samples=samples),
        "occlusion": Occlusion(),
    }
    for name, method in methods.items():
        yield name, "", partial(bind(method, network), module, images, targets)

    def lime(memory: torch.memory_format, batch_size: int, count: int) -> Run:
        return partial(
            LIME(samples=count, batch_size=batch_size), module, images.contiguous(memory_format=memory), targets
        )

    tuned, setting = _fastest(network, lime)
    yield "Captum's LIME, tuned", setting, partial(tuned, samples)
    if len(images) > 1:
        return
    yield "Captum's LIME, default", "batch 1", partial(LIME(samples=samples, batch_size=1), module, images, targets)
    saliency = torch.rand(images.shape[2:], generator=torch.Generator().manual_seed(0)).to(network.device)

    def score(*metrics: Metric) -> None:
        # A new context, so that nothing is remembered between rounds.
        context = context_of(network, images[0], int(targets[0]))
        for metric in metrics:
            metric(context, saliency)

    yield "deletion + insertion", "", partial(score, Deletion(), Insertion())
    yield "SRG", "", partial(score, SRG())
    yield "ROAD", "", partial(score, ROAD(percentiles=(10, 30, 50, 70, 90)))


def context_of(network: Network, image: Tensor, target: int) -> Context:
    """Make a case of one picture for the metrics of removal."""
    return Context(network, Case("astronaut", "astronaut", target, "", np.empty(0), None, False), image)


def _fastest(
    network: Network, make: Callable[[torch.memory_format, int, int], Run]
) -> tuple[Callable[[int], object], str]:
    """Try every format and batch size, each after a run that warms it up; the best of a few tries counts.

    Returns a function of the number of pictures, and what was the fastest.
    """
    found: list[tuple[float, Callable[[int], object], str]] = []
    module, sizes = network.module, BATCH_SIZES[network.device.type]
    for name, memory in FORMATS.items():
        for size in tqdm(sizes, desc=f"tuning, {name}", leave=False):
            trial = partial(_in_format, module, memory, make(memory, size, max(size, sizes[-1])))
            try:
                trial()
                seconds = min(_seconds(trial, network.device) for _ in range(TRIES))
            except torch.OutOfMemoryError:
                break

            def run(count: int, memory: torch.memory_format = memory, size: int = size) -> None:
                _in_format(module, memory, make(memory, size, count))

            found.append((seconds, run, f"{name}, batch {size}"))
    return min(found, key=lambda each: each[0])[1:]


def _in_format(module: nn.Module, memory: torch.memory_format, run: Run) -> None:
    module.to(memory_format=memory)  # type: ignore[call-overload]
    run()
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _bare_forwards(module: nn.Module, image: Tensor, memory: torch.memory_format, batch_size: int, count: int) -> Run:
    batch = image.expand(batch_size, *image.shape).contiguous(memory_format=memory)

    @torch.inference_mode()
    def run() -> None:
        for start in range(0, count, batch_size):
            module(batch[: count - start])

    return run


def _seconds(run: Run, device: torch.device) -> float:
    # Reading a number back waits for the device.
    read_back = torch.zeros(1, device=device).item
    read_back()
    began = time.perf_counter()
    run()
    read_back()
    return time.perf_counter() - began


def compare_precisions(load: Callable[[], Network], samples: int) -> pd.DataFrame:
    """Explain a picture by MINT in every precision; ``load`` makes the network anew.

    Returns a row for each: network, precision, seconds, how many times as fast as in float32, Spearman's rank
    correlation of the map with that of float32, and by how much the map's insertion and deletion differ from it.
    """
    rows: list[dict[str, object]] = []
    first: dict[str, float] = {}
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
    for precision in precisions:
        with computing_in(precision):
            network = load()
            lower(network.module, precision)
            image = photographs(network, 1)
            with torch.no_grad():
                target = network.module(image).argmax(dim=1)
            explain = partial(bind(MINT(samples=samples), network), network.module, image, target)
            saliency = explain()[0]
            seconds = min(_seconds(explain, network.device) for _ in range(TRIES))
            context = context_of(network, image[0], int(target))
            metrics = {"insertion": Insertion(), "deletion": Deletion()}
            scores = {name: metric(context, saliency).score for name, metric in metrics.items()}
        ranked = saliency.cpu().numpy().ravel()
        if not rows:
            exact, first = ranked, {"seconds": seconds, **scores}
        rows.append(
            {
                "network": network.name,
                "precision": precision,
                "seconds": seconds,
                "times as fast": first["seconds"] / seconds,
                "rank correlation": float(scipy.stats.spearmanr(ranked, exact).statistic),
                **{f"{name}, difference": value - first[name] for name, value in scores.items()},
            }
        )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str]) -> int:
    """Time everything from the command line; return the exit status."""
    parser = study_parser("speed", several=True)
    parser.add_argument("--samples", type=positive, metavar="K", help="perturbed samples (cpu: 400, cuda: 1000)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="how often each is timed (3)")
    parser.add_argument("--pictures", type=positive, action="append", help="explained in one call; may repeat")
    options = parser.parse_args(arguments)
    return finish(partial(_study, options, arguments), options.out)


def _load(name: str, options: argparse.Namespace, device: torch.device) -> Network:
    if options.weights is not None or name not in torchvision_names():
        return load_network(name, weights=options.weights, device=device)
    # Random weights need no download and are as fast as trained ones, as no answer is zero or denormal.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_of(torchvision_classifier(name, untrained=True), name, device)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    device = usable_device(options.device)
    samples = options.samples or (1000 if device.type == "cuda" else 400)
    names, pictures = options.network or NETWORKS[device.type], options.pictures or PICTURES[device.type]
    tables, precisions = [], []
    for name in names:
        load = partial(_load, name, options, device)
        with computing_in("tf32"):
            tables.append(study(load(), samples, options.rounds, pictures))
        precisions.append(compare_precisions(load, samples))
    times = pd.concat(tables)
    by = ["network", "contestant", "setting", "pictures", "forwards"]
    table = times.groupby(by, sort=False).agg(
        **{"median s": ("seconds", "median"), "ratio to bare forwards": ("ratio", "median")},
        lowest=("ratio", "min"),
        highest=("ratio", "max"),
    )
    parts = [
        f"{samples} samples; {options.rounds} rounds; products in tf32 on a GPU; captum {versions()['captum']}; "
        f"{made_by('speed', arguments, device)}",
        table.reset_index().to_markdown(index=False, floatfmt=".2f"),
    ]
    precise = pd.concat(precisions).to_markdown(index=False, floatfmt=".3f")
    file = options.out / f"speed-{device.type}.md"
    page = write_markdown("How fast the suite is", {"": parts, "Precision": ["MINT on one picture.", precise]}, file)
    times.to_csv(file.with_suffix(".csv"), index=False, float_format="%.4f")
    return page
