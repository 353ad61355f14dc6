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
from pathlib import Path

import numpy as np
import pandas as pd
import skimage.data
import skimage.transform
import torch
from torch import Tensor, nn
from tqdm import tqdm

import mint.app.torchvision_ops  # noqa: F401 - before torchvision
from baselines import LIME
from benchmarks.datasets import Case
from benchmarks.metrics import Context, Deletion, Insertion
from benchmarks.networks.network import Network, load_network, network_of
from benchmarks.results.provenance import versions
from benchmarks.run.binding import bind
from benchmarks.studies.commandline import finish, made_by, positive, study_parser, write_page
from mint import MINT
from mint.app.classifiers import torchvision_classifier, usable_device
from mint.contract import Attributor
from mint.perturbation import default_batch_size

BATCH_SIZES = (8, 16, 32, 100)
FORMATS: Mapping[str, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}
UNIT = "bare forwards, tuned"

Run = Callable[[], object]
"""What is timed."""


def study(network: Network, samples: int, rounds: int) -> pd.DataFrame:
    """Time everything side by side.

    Parameters
    ----------
    network : Network
        The network, on the device to be measured.
    samples : int
        How many pictures each contestant shows the network, give or take one.
    rounds : int
        How often everything is timed.

    Returns
    -------
    pandas.DataFrame
        One row for each contestant and round: contestant, setting, round, seconds, ratio (to the round's unit).
    """
    runs = _contestants(network, samples)
    rows = []
    with tqdm(total=rounds * len(runs), desc="rounds", unit="run") as bar:
        for number in range(rounds):
            unit = float("nan")
            for (name, setting), run in runs.items():
                bar.set_postfix_str(name)
                seconds = _seconds(run, network.device)
                unit = seconds if name == UNIT else unit
                rows.append(
                    {"contestant": name, "setting": setting, "round": number}
                    | {"seconds": seconds, "ratio": seconds / unit}
                )
                bar.update()
    return pd.DataFrame(rows)


def _picture(network: Network) -> tuple[Tensor, int]:
    size = network.input_size
    photograph = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    picture = skimage.transform.resize(photograph, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    image = network.tensor(np.rint(255 * picture).astype(np.uint8))
    with torch.no_grad():
        return image, int(network.module(image[None]).argmax())


def _contestants(network: Network, samples: int) -> dict[tuple[str, str], Run]:
    """Make what is timed, by name and setting, the unit first."""
    module, device = network.module, network.device
    image, target = _picture(network)
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
        (UNIT, bare_setting): tuned_bare,
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
    _wait(device)
    began = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def write(times: pd.DataFrame, directory: Path, network: Network, samples: int, made: str) -> str:
    """Write ``speed-DEVICE.csv`` with every round and ``speed-DEVICE.md`` with the table; return that page."""
    stem = f"speed-{network.device.type}"
    table = times.groupby(["contestant", "setting"], sort=False).agg(
        median=("seconds", "median"), ratio=("ratio", "median"), low=("ratio", "min"), high=("ratio", "max")
    )
    names = {"median": "median s", "ratio": "ratio to bare forwards", "low": "lowest", "high": "highest"}
    parts = [
        f"{samples} pictures through the network; {times['round'].nunique()} rounds; captum {versions()['captum']}; "
        f"weights sha256 {network.weights_sha256[:12]}; {made}",
        table.reset_index().rename(columns=names).to_markdown(index=False, floatfmt=".2f"),
    ]
    page = write_page(directory / f"{stem}.md", f"What the engine costs: {network.name}", parts)
    times.to_csv(directory / f"{stem}.csv", index=False, float_format="%.4f")
    return page


def _untrained(name: str, device: torch.device) -> Network:
    """Make a network with random weights: its speed is that of a trained one, as no answer is zero or denormal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_of(torchvision_classifier(name, untrained=True), name, device)


def main(arguments: Sequence[str]) -> int:
    """Time everything from the command line; return the exit status."""
    parser = study_parser("speed", network="resnet18")
    parser.add_argument("--samples", type=positive, default=400, metavar="K", help="pictures of a contestant (400)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="how often each is timed (5)")
    options = parser.parse_args(arguments)
    return finish(partial(_study, options, arguments))


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    device = usable_device(options.device)
    if options.weights is None:
        network = _untrained(options.network, device)
    else:
        network = load_network(options.network, weights=options.weights, device=device)
    times = study(network, options.samples, options.rounds)
    return write(times, options.out, network, options.samples, made_by("speed", arguments, device))
