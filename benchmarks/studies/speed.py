"""How much the engine costs beside bare forward passes and Captum: ``python -m benchmarks study speed``.

Everything is timed on one picture, at the network's input size, and each contestant shows the network equally many
pictures:

* bare forward passes, in both memory formats and several batch sizes: the fastest of them is the unit;
* MINT as a whole: super-pixels, samples, surrogate and map;
* deletion and insertion of one map;
* Captum's LIME, at its default (one perturbation at a time) and tuned: the fastest of the same formats and batch sizes.

Times on a shared machine vary. So the contestants run in turn, round after round, and each time is divided by that of
the bare forward passes of the same round. The table shows the median ratio and its range.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import skimage.data
import skimage.transform
import torch
from torch import Tensor, nn
from tqdm import tqdm

from baselines import LIME
from benchmarks.datasets import Case
from benchmarks.metrics import Context, Deletion, Insertion
from benchmarks.networks.network import Network, load_network, network_of
from benchmarks.report.page import write_markdown
from benchmarks.results.provenance import versions
from benchmarks.run.binding import bind
from benchmarks.studies.commandline import finish, made_by, positive, study_parser
from mint import MINT
from mint.app.classifiers import torchvision_classifier, torchvision_names, usable_device
from mint.contract import Attributor
from mint.perturbation import default_batch_size

BATCH_SIZES = (8, 16, 32, 100)
FORMATS: Mapping[str, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}
Run = Callable[[], object]
"""What is timed."""


def study(network: Network, samples: int, rounds: int) -> pd.DataFrame:
    """Time everything side by side; ``samples`` is how many pictures each shows the network, give or take one.

    Returns a row for each contestant and round: contestant, setting, round, seconds, ratio (to the round's unit).
    """
    runs = _contestants(network, samples)
    rows = []
    for number in tqdm(range(rounds), unit="round"):
        seconds = {contestant: _seconds(run, network.device) for contestant, run in runs.items()}
        unit = next(iter(seconds.values()))
        rows += [(*contestant, number, taken, taken / unit) for contestant, taken in seconds.items()]
    return pd.DataFrame(rows, columns=["contestant", "setting", "round", "seconds", "ratio"])


def _contestants(network: Network, samples: int) -> dict[tuple[str, str], Run]:
    """Make what is timed, by name and setting; the first is the unit."""
    module, device, size = network.module, network.device, network.input_size
    photograph = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    picture = skimage.transform.resize(photograph, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    image = network.tensor(np.rint(255 * picture).astype(np.uint8))
    with torch.no_grad():
        target = int(module(image[None]).argmax())
    targets = torch.tensor([target], device=device)
    saliency = torch.rand(image.shape[1:], generator=torch.Generator().manual_seed(0)).to(device)

    def bare(memory: torch.memory_format, batch_size: int, count: int) -> Run:
        batch = image.expand(batch_size, *image.shape).contiguous(memory_format=memory)
        return partial(_bare_forwards, module, batch, count)

    def lime(memory: torch.memory_format, batch_size: int, count: int) -> Run:
        picture = image[None].contiguous(memory_format=memory)
        return partial(LIME(samples=count, batch_size=batch_size), module, picture, targets)

    def explain(method: Attributor) -> Run:
        return partial(method, module, image[None], targets)

    def curves() -> None:
        # Half the samples for each curve; a new context, so that nothing is remembered between rounds.
        context = Context(network, Case("astronaut", "astronaut", target, "", np.empty(0), None, False), image)
        for metric in (Deletion(steps=samples // 2), Insertion(steps=samples // 2)):
            metric(context, saliency)

    tuned_bare, bare_setting = _fastest(network, bare, samples)
    tuned_lime, lime_setting = _fastest(network, lime, samples)
    engine = f"channels-last, batch {default_batch_size(image)}"
    return {
        ("bare forwards, tuned", bare_setting): tuned_bare,
        ("MINT", engine): explain(bind(MINT(samples=samples), network)),
        ("deletion + insertion", engine): curves,
        ("Captum's LIME, tuned", lime_setting): tuned_lime,
        ("Captum's LIME, default", "batch 1"): explain(LIME(samples=samples, batch_size=1)),
    }


def _fastest(network: Network, make: Callable[[torch.memory_format, int, int], Run], samples: int) -> tuple[Run, str]:
    """Try every format and batch size on a quarter of the samples, after a first unmeasured run of each format."""
    found: list[tuple[float, Run, str]] = []
    trial = max(samples // 4, 1)
    for name, memory in FORMATS.items():
        _in_format(network.module, memory, make(memory, BATCH_SIZES[0], trial))
        for batch_size in tqdm(BATCH_SIZES, desc=f"tuning, {name}", leave=False):
            run = partial(_in_format, network.module, memory)
            seconds = _seconds(partial(run, make(memory, batch_size, trial)), network.device)
            found.append((seconds, partial(run, make(memory, batch_size, samples)), f"{name}, batch {batch_size}"))
    return min(found, key=lambda each: each[0])[1:]


def _in_format(module: nn.Module, memory: torch.memory_format, run: Run) -> None:
    module.to(memory_format=memory)  # type: ignore[call-overload]
    run()
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def _bare_forwards(module: nn.Module, batch: Tensor, samples: int) -> None:
    for start in range(0, samples, len(batch)):
        module(batch[: samples - start])


def _seconds(run: Run, device: torch.device) -> float:
    # Reading a number back waits for the device.
    read_back = torch.zeros(1, device=device).item
    read_back()
    began = time.perf_counter()
    run()
    read_back()
    return time.perf_counter() - began


def main(arguments: Sequence[str]) -> int:
    """Time everything from the command line; return the exit status."""
    parser = study_parser("speed", network="resnet18")
    parser.add_argument("--samples", type=positive, default=400, metavar="K", help="pictures of a contestant (400)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="how often each is timed (5)")
    options = parser.parse_args(arguments)
    return finish(partial(_study, options, arguments))


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    device = usable_device(options.device)
    if options.weights is None and options.network in torchvision_names():
        # Random weights need no download and are as fast as trained ones, as no answer is zero or denormal.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = network_of(torchvision_classifier(options.network, untrained=True), options.network, device)
    else:
        network = load_network(options.network, weights=options.weights, device=device)
    times = study(network, options.samples, options.rounds)
    table = times.groupby(["contestant", "setting"], sort=False).agg(
        **{"median s": ("seconds", "median"), "ratio to bare forwards": ("ratio", "median")},
        lowest=("ratio", "min"),
        highest=("ratio", "max"),
    )
    parts = [
        f"{options.samples} pictures through the network; {options.rounds} rounds; captum {versions()['captum']}; "
        f"weights sha256 {network.weights_sha256[:12]}; {made_by('speed', arguments, device)}",
        table.reset_index().to_markdown(index=False, floatfmt=".2f"),
    ]
    file = options.out / f"speed-{device.type}.md"
    page = write_markdown(f"What the engine costs: {network.name}", {"": parts}, file)
    times.to_csv(file.with_suffix(".csv"), index=False, float_format="%.4f")
    return page
