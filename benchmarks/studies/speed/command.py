"""How fast the suite is beside bare forward passes and its peers: ``python -m benchmarks study speed``.

Every contestant's unit is the time that the network alone takes for as many pictures, in the memory format and the
batch size in which it is fastest. The contestants are MINT and OverlayMINT as a whole (super-pixels, samples, surrogate
and map); occlusion by this suite's engine; deletion with insertion, SRG and ROAD of one map; and Captum's LIME,
KernelSHAP and occlusion, tuned and at their default of one perturbation at a time. With ``--peers`` they are what the
suite and the tools that it mirrors both compute.

The study takes `MINUTES` at most, on any machine: each network has an equal share, and a contestant that would not end
in its share is left out, which the page says.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.arguments import positive
from benchmarks.networks.network import Network, load_network, network_of
from benchmarks.results.provenance import versions
from benchmarks.run.precision import computing_in
from benchmarks.studies.commandline import finish, made_by, study_parser, write_page
from benchmarks.studies.speed import contestants, peers
from benchmarks.studies.speed.precisions import compare_precisions
from benchmarks.studies.speed.rounds import BARE, Contestant, called, in_turn, left_out, summary, warm_up, with_ratios
from mint.app.classifiers import torchvision_classifier, torchvision_names, usable_device

PICTURES = {"cpu": (1,), "cuda": (1, 16)}
NETWORKS = {"cpu": ("resnet18",), "cuda": ("resnet50", "vgg16")}
SAMPLES = {"cpu": 300, "cuda": 1000}
MINUTES = {"cpu": 6, "cuda": 4}
BLOCKS = 10  # samples / BLOCKS bare forward passes stand between two contestants


def main(arguments: Sequence[str]) -> int:
    """Time everything from the command line; return the exit status."""
    parser = study_parser("speed", several=True)
    parser.add_argument("--samples", type=positive, metavar="K", help="perturbed samples (cpu: 300, cuda: 1000)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="how often each is timed (3)")
    parser.add_argument(
        "--pictures",
        type=positive,
        action="append",
        metavar="N",
        help="explained in one call; may repeat (cpu: 1, cuda: 1 and 16)",
    )
    parser.add_argument(
        "--minutes",
        type=positive,
        metavar="M",
        help="what would not end in time is left out, and named (cpu: 6, cuda: 4)",
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help=f"time torch-cam, Quantus and pytorch-grad-cam, too, in the environment that has them: {peers.COMMAND}",
    )
    options = parser.parse_args(arguments)
    return finish(_study, options, arguments)


def lineup(
    network: Network, samples: int, pictures: Sequence[int] = (1,), *, beside_peers: bool = False
) -> tuple[Contestant, list[Contestant]]:
    """Tune everything and warm it up; return a block of bare forward passes, and the contestants."""
    subject, work = contestants.subject_of(network, max(pictures)), contestants.Work(samples)
    bare = contestants.bare_block(subject, samples // BLOCKS)
    tuning = contestants.tune(subject, bare.memory, work)

    def everybody(work: contestants.Work) -> list[Contestant]:
        if beside_peers:
            return peers.beside_peers(subject, work, tuning)
        return [*contestants.own_contestants(subject, work), *contestants.captum_methods(subject, work, tuning)]

    warm_up(network, everybody(work), everybody(contestants.WARM_UP))
    several = [contestants.several_pictures(subject, work, tuning, count) for count in pictures if count > 1]
    alone = everybody(work) if 1 in pictures else []
    return bare, [*alone, *(each for group in several for each in group)]


def _load(name: str, options: argparse.Namespace, device: torch.device) -> Network:
    if options.weights is not None or name not in torchvision_names():
        return load_network(name, weights=options.weights, device=device)
    # Random weights need no download and are as fast as trained ones, as no answer is zero or denormal.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_of(torchvision_classifier(name, untrained=True), name, device)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    began = time.monotonic()
    device = usable_device(options.device)
    samples, minutes = options.samples or SAMPLES[device.type], options.minutes or MINUTES[device.type]
    names, pictures = options.network or NETWORKS[device.type], options.pictures or PICTURES[device.type]
    if options.peers:
        peers.load_peers()
        pictures = (1,)
    file = options.out / f"speed-{device.type}{'-peers' * options.peers}.md"
    tables: list[pd.DataFrame] = []
    precisions: list[pd.DataFrame] = []
    for number, name in enumerate(names, 1):
        load = partial(_load, name, options, device)
        until = began + 60 * minutes * number / len(names)
        rows: list[dict[str, Any]] = []
        with computing_in("tf32"):
            network = load()
            print(f"{network.name}: finding the fastest batch sizes, and warming up", file=sys.stderr, flush=True)
            bare, others = lineup(network, samples, pictures, beside_peers=options.peers)
            turns = sum(1 if each.once else options.rounds for each in others)
            with tqdm(total=turns, desc=network.name, unit="contestant") as bar:
                for row in in_turn(network, bare, others, options.rounds, until):
                    rows.append(row)
                    times = with_ratios(rows)
                    write_times([*tables, times.assign(network=network.name)], file.with_suffix(".csv"))
                    if row["contestant"] != BARE:
                        bar.update()
                        bar.write(_line(times.iloc[-1], options.peers), file=sys.stderr)
        tables.append(times.assign(network=network.name))
        # A CPU has no tf32, and few are faster in bfloat16.
        if device.type == "cuda" and not options.peers:
            precisions.append(compare_precisions(load, samples, until))
    parts = [
        f"{', '.join(names)}; {samples} samples; {options.rounds} rounds; products in tf32 on a GPU; "
        f"captum {versions()['captum']}; {made_by('speed', arguments, device)}",
        "A time is divided by that of as many bare forward passes just before and after it. A ratio is the median of "
        "these over the rounds; it differs from the ratio of two medians of seconds.",
    ]
    for name, times in zip(names, tables, strict=True):
        summed = summary(times)
        table = peers.table_of(summed) if options.peers else summed.drop(columns="task")
        parts += [f"**{name}**", table.to_markdown(index=False, floatfmt=".2f")]
        parts += [peers.faster(table)] if options.peers else []
        if missing := left_out(times):
            parts.append(f"Left out, as {minutes} minutes would have passed (--minutes sets how many): {missing}.")
    if precisions:
        precise = pd.concat(precisions).to_markdown(index=False, floatfmt=".3f")
        parts += ["## Precision", "MINT on one picture.", precise]
    return write_page("How fast the suite is", parts, file)


def write_times(tables: Sequence[pd.DataFrame], file: Path) -> None:
    """Write every time there is, so that a study that is stopped loses none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = ["network", *tables[0].columns.drop("network")]
    pd.concat(tables)[columns].to_csv(file, index=False, float_format="%.4f")


def _line(row: "pd.Series[Any]", with_task: bool) -> str:
    what = called(row, row["task"] * with_task)
    if pd.isna(row["seconds"]):
        return f"{what}: left out, as it would not end in time"
    return f"{what}: {row['seconds']:.2f} s, {row['ratio']:.2f} times its bare forward passes"
