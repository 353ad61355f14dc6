"""How much the engine costs beside bare forward passes and Captum: ``python -m benchmarks.studies.speed``.

ResNet-18 at 224 x 224, one picture, the same number of pictures through the network everywhere:

* bare forwards, in both memory formats and several batch sizes: the fastest is the unit;
* MINT, whole: super-pixels, samples, surrogate, map;
* deletion and insertion of one map;
* Captum's LIME, at its default (one perturbation an evaluation) and tuned: the fastest of the same formats and
  batch sizes.

Times on a shared machine wander, so the contestants run in turn, round after round, and each round gives a ratio to
its own bare forwards; the table shows the median ratio and its range.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
from benchmarks.networks.network import NETWORKS, Network, load_network
from benchmarks.results.provenance import git_state, now, versions
from benchmarks.run.methods import bind
from benchmarks.run.timing import device_name
from mint import MINT, InputError
from mint.contract import Attributor
from mint.perturbation import default_batch_size

BATCH_SIZES = (8, 16, 32, 100)
FORMATS: Mapping[str, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}
UNIT = "bare forwards, tuned"


def study(network: Network, samples: int, rounds: int) -> pd.DataFrame:
    """Time everything side by side.

    Parameters
    ----------
    network : Network
        The network, on the device to be measured.
    samples : int
        Pictures through the network for each contestant, give or take one.
    rounds : int
        How often everything is timed.

    Returns
    -------
    pandas.DataFrame
        One row for each contestant and round: contestant, setting, round, seconds, ratio (to the round's unit).
    """
    image, target = _picture(network)
    contestants, settings = _contestants(network, image, target, samples)
    rows = []
    with tqdm(total=rounds * len(contestants), desc="rounds", unit="run") as bar:
        for number in range(rounds):
            seconds = {}
            for name, run in contestants.items():
                bar.set_postfix_str(name)
                seconds[name] = _seconds(run, network.device)
                bar.update()
            rows += [
                {"contestant": name, "setting": settings[name], "round": number, "seconds": seconds[name]}
                | {"ratio": seconds[name] / seconds[UNIT]}
                for name in contestants
            ]
    return pd.DataFrame(rows)


def _picture(network: Network) -> tuple[Tensor, int]:
    size = network.entry.input_size
    photograph = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    picture = skimage.transform.resize(photograph, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    image = network.tensor(np.rint(255 * picture).astype(np.uint8))
    with torch.no_grad():
        return image, int(network.module(image[None]).argmax())


def _contestants(
    network: Network, image: Tensor, target: int, samples: int
) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Make what is timed; each tuned contestant is the fastest of one trial of every format and batch size."""
    module, device = network.module, network.device
    targets = torch.tensor([target], device=device)
    saliency = torch.rand(image.shape[1:], generator=torch.Generator().manual_seed(0)).to(device)

    def bare(memory: torch.memory_format, batch_size: int, count: int) -> Callable[[], object]:
        batch = image.expand(batch_size, *image.shape).contiguous(memory_format=memory)
        return lambda: _bare_forwards(module, batch, count)

    def lime(memory: torch.memory_format, batch_size: int, count: int) -> Callable[[], object]:
        picture = image[None].contiguous(memory_format=memory)
        return lambda: LIME(samples=count, batch_size=batch_size)(module, picture, targets)

    tuned_bare, bare_setting = _fastest(network, bare, samples)
    tuned_lime, lime_setting = _fastest(network, lime, samples)
    engine = f"channels-last, batch {default_batch_size(image)}"

    def explain(method: Attributor) -> Callable[[], object]:
        return lambda: method(module, image[None], targets)

    def curves() -> None:
        # Half the samples for each curve; a new context, so that nothing is remembered between rounds.
        context = Context(network, Case("astronaut", "astronaut", target, "", np.empty(0), None, False), image)
        for metric in (Deletion(steps=samples // 2), Insertion(steps=samples // 2)):
            metric(context, saliency)

    contestants: dict[str, Callable[[], object]] = {
        UNIT: tuned_bare,
        "MINT": explain(bind(MINT(samples=samples), network.entry)),
        "deletion + insertion": curves,
        "Captum's LIME, tuned": tuned_lime,
        "Captum's LIME, default": explain(LIME(samples=samples, batch_size=1)),
    }
    settings = {UNIT: bare_setting, "Captum's LIME, tuned": lime_setting, "Captum's LIME, default": "batch 1"}
    return contestants, {name: settings.get(name, engine) for name in contestants}


def _fastest(
    network: Network, make: Callable[[torch.memory_format, int, int], Callable[[], object]], samples: int
) -> tuple[Callable[[], object], str]:
    """Try every format and batch size on a quarter of the samples, after a first unmeasured run of each format."""
    found: list[tuple[float, str, Callable[[], object]]] = []
    trial = max(samples // 4, 1)
    for name, memory in FORMATS.items():
        _in_format(network.module, memory, make(memory, BATCH_SIZES[0], trial))()
        for batch_size in tqdm(BATCH_SIZES, desc=f"tuning, {name}", leave=False):
            seconds = _seconds(_in_format(network.module, memory, make(memory, batch_size, trial)), network.device)
            whole = _in_format(network.module, memory, make(memory, batch_size, samples))
            found.append((seconds, f"{name}, batch {batch_size}", whole))
    _, setting, fastest = min(found, key=lambda each: each[0])
    return fastest, setting


def _in_format(module: nn.Module, memory: torch.memory_format, run: Callable[[], object]) -> Callable[[], object]:
    def converted() -> None:
        _convert(module, memory)
        run()
        _convert(module, torch.channels_last)

    return converted


def _convert(module: nn.Module, memory: torch.memory_format) -> None:
    module.to(memory_format=memory)  # type: ignore[call-overload]


@torch.no_grad()
def _bare_forwards(module: nn.Module, batch: Tensor, samples: int) -> None:
    for start in range(0, samples, len(batch)):
        module(batch[: samples - start])


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def write(times: pd.DataFrame, directory: Path, network: Network, samples: int) -> str:
    """Write ``speed-DEVICE.csv`` with every round and ``speed-DEVICE.md`` with the table; return the table."""
    groups = times.groupby(["contestant", "setting"], sort=False)
    table = pd.DataFrame(
        {
            "median s": groups["seconds"].median().map("{:.2f}".format),
            "ratio to bare forwards": groups["ratio"].median().map("{:.2f}".format),
            "range": groups["ratio"].min().map("{:.2f}".format) + " to " + groups["ratio"].max().map("{:.2f}".format),
        }
    ).reset_index()
    text = (
        f"# What the engine costs: {network.entry.name}, {samples} pictures through the network\n\n"
        f"{device_name(network.device)}; torch {versions()['torch']}, captum {versions()['captum']}; "
        f"{times['round'].nunique()} rounds; {now()}; commit {git_state()['commit']}; weights "
        f"sha256 {network.weights_sha256[:12]}. Made by `python -m benchmarks.studies.speed`.\n\n"
        f"{table.to_markdown(index=False)}\n"
    )
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"speed-{network.device.type}"
    times.to_csv(directory / f"{stem}.csv", index=False, float_format="%.4f")
    (directory / f"{stem}.md").write_text(text, encoding="utf-8")
    return text


def _random_network(name: str, device: torch.device) -> Network:
    """Make a network without weights: speed does not need them, only numbers that are neither zero nor denormal."""
    entry = NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = entry.arrange(entry.build())
    module.eval().requires_grad_(False).to(device)
    return Network(entry, module, "random", device)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18", choices=sorted(NETWORKS))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the network's weights (default: random ones)")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("results") / "speed")
    options = parser.parse_args(arguments)
    try:
        if options.weights is None:
            network = _random_network(options.network, torch.device(options.device))
        else:
            network = load_network(options.network, weights=options.weights, device=options.device)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(write(study(network, options.samples, options.rounds), options.out, network, options.samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
