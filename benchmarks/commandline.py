"""What the command line takes, and what a run that it asks for is."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.arguments import Parser, add_device, add_weights, named_path, names, positive
from benchmarks.run.executors import EXECUTORS
from benchmarks.studies import STUDIES

if TYPE_CHECKING:
    from benchmarks.run.plan import Options, Plan

DEFAULT = ("quick",)  # the plan of `run` and `report`

# Whatever imports torch is imported by the command that needs it: `report` works without.


def planned(options: argparse.Namespace, device: str | None = None) -> "tuple[tuple[Plan, ...], Options]":
    """Find out which plans the command `run` asks for, and how to run them; nothing is computed.

    ``options`` are what `parser` made of the command line. A ``device`` takes the place of the command line's, and is
    not looked for on this machine.

    Raises
    ------
    InputError
        If there is nothing of a given name, or the device cannot be used.
    """
    from benchmarks.registry import KINDS, METHOD, PLAN, SCORE, find, look_up, name_of
    from benchmarks.run.cases import without_folder
    from benchmarks.run.folders import add_maps
    from benchmarks.run.plan import Options, controls_of, select
    from mint.app.classifiers import read_classes, usable_device
    from mint.parameters import InputError
    from mint.scores import SCORES

    if options.address is not None and options.executor != "ray":
        raise InputError(f"--address {options.address} is for --executor ray; give that, too.")
    first, last = options.cases or (1, None)
    limit = min(filter(None, (options.limit and first - 1 + options.limit, last)), default=None)
    only = {KINDS[word]: chosen for word in CHOICES if (chosen := getattr(options, f"{word}s"))}
    more = {KINDS[word]: getattr(options, word) for word in CHOICES}
    more[METHOD] = [*options.method, *(name for name, _ in options.maps)]
    # Every name is looked up before anything is computed.
    found = [add_maps(find(PLAN, name), options.maps) for name in dict.fromkeys(options.plan or DEFAULT)]
    controls = None if options.controls is None else controls_of(options.controls)
    plans = [
        select(plan, only=only, more=more, limit=limit, controls=controls, against=options.against) for plan in found
    ]
    called = [plan.name for plan in plans]
    if twins := {name for name in called if called.count(name) > 1}:
        raise InputError(f"two plans are called {twins.pop()!r} and would write to one folder; rename one.")
    networks = {name_of(name): None for plan in plans for part in plan.parts for name in part.networks}
    for option in ("weights", "classes"):
        for name, _ in getattr(options, option):
            look_up(f"network in --{option},", name, networks)
    score = options.score if options.score in {None, *SCORES} else find(SCORE, options.score)
    how = Options(
        data=options.data,
        weights=dict(options.weights),
        classes={name: read_classes(file) for name, file in options.classes},
        score=score,
        device=device or str(usable_device(options.device)),
        precision=options.precision,
        batch_size=options.batch_size,
        seed=options.seed,
        skipped=first - 1,
        without_data=without_folder({part.dataset for plan in plans for part in plan.parts}),
    )
    return tuple(plans), how


def directory_of(out: Path | None, plan: str, plans: Sequence[object]) -> Path:
    """Return the folder of a plan's results."""
    if out is None:
        return Path("results") / plan
    return out if len(plans) == 1 else out / plan


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 19 or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _distance(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return found


def _span(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 17-110: the first case is 1")
    return int(first), int(last)


# What `run` chooses among besides plans: the word of its options, and what it is.
CHOICES = {
    "network": "a network: a registered one, any torchvision classifier, or a function of yours that returns one",
    "dataset": "a data set: a registered one, or a function of yours that gives cases",
    "method": "a method: a registered one, @GROUP for all of a group, or a class, an instance or a function of yours",
    "metric": "a metric: a registered one, or a class or an instance of yours",
}

MAPS = """add maps that another tool wrote, as the method NAME; may repeat. A case's file (.npy, .npz or grey .png) is
called CASE, PICTURE.CLASS (the class's number or name), or PICTURE, where that has one case: see docs/yours.md"""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    whole = Parser(
        prog="python -m benchmarks",
        description="Measure attribution methods for convolutional networks.",
        epilog="A NAME is a registered name (see `list`), FILE.py:NAME or module:NAME.",
    )
    commands = whole.add_subparsers(dest="command", required=True)
    plans: dict[str, Any] = {"type": names, "action": "extend", "metavar": "NAME"}
    commands.add_parser("list", help="what there is: plans, networks, data sets, methods, metrics")

    run = commands.add_parser(
        "run", help="run plans; what was computed before is reused", epilog=whole.epilog, allow_abbrev=False
    )
    run.add_argument("--plan", help="plans to run (default: quick); may repeat", **plans)
    for word, what in CHOICES.items():
        run.add_argument(
            f"--{word}", type=names, action="extend", default=[], metavar="NAME", help=f"add {what}; may repeat"
        )
        run.add_argument(f"--{word}s", type=names, metavar="A,B", help=f"only these {word}s, or others than the plan's")
    run.add_argument(
        "--against", type=names, default=(), metavar="A,B", help="compare the method of --method with these alone"
    )
    run.add_argument("--maps", action="append", default=[], type=named_path, metavar="NAME=FOLDER", help=MAPS)
    run.add_argument("--limit", type=positive, metavar="N", help="at most N cases of each data set")
    run.add_argument(
        "--cases", type=_span, metavar="A-B", help="only the A-th to B-th case of each data set, for runs side by side"
    )
    run.add_argument("--data", type=Path, metavar="DIR", help="folder of a data set that is not shipped (imagenet)")
    add_weights(run)
    run.add_argument(
        "--classes",
        action="append",
        default=[],
        type=named_path,
        metavar="NETWORK=FILE",
        help="the names of a network's classes, one in each line or JSON, for weights with a head of another size; may "
        "repeat",
    )
    run.add_argument(
        "--score",
        metavar="NAME",
        help="what every method and metric reads of the answers, in place of its own: probability, logit, "
        "log-probability, sigmoid (for networks of one output), or a function of yours",
    )
    run.add_argument(
        "--controls",
        type=names,
        metavar="A,B",
        help="these controls made from each method's maps, or `all` or `none`, in place of the plan's",
    )
    add_device(run)
    run.add_argument("--precision", default="float32", help="float32 (default), tf32 or bfloat16: how networks compute")
    run.add_argument("--batch-size", type=positive, metavar="N", help="pictures through a network at a time")
    run.add_argument("--seed", type=_seed, metavar="N", help="seed of all methods and data sets (default: their own)")
    run.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: results/PLAN)")
    run.add_argument(
        "--executor", choices=tuple(EXECUTORS), default="local", help="who computes: this machine, or Ray's workers"
    )
    run.add_argument("--workers", type=positive, metavar="N", help="how many compute side by side (local: 1; ray: all)")
    run.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster, or auto (default: one is started here)")
    run.add_argument("--verbose", action="store_true", help="print a line for everything that a worker has done")

    report = commands.add_parser("report", help="make tables and plots again from stored records")
    report.add_argument("--plan", help="(default: quick)", **plans)
    report.add_argument("--out", type=Path, metavar="DIR", help="where the results are (default: results/PLAN)")
    report.add_argument(
        "--all", action="store_true", help="compare all results in one page, DIR/index.html (default: results)"
    )

    status = commands.add_parser("status", help="say where the run into a folder stands, while it goes on or after it")
    status.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="the folder of its results")

    compare = commands.add_parser("compare", help="say how far the scores of two runs are apart: are they the same?")
    compare.add_argument("one", type=Path, metavar="DIR", help="the folder of a run's results")
    compare.add_argument("other", type=Path, metavar="OTHER", help="that of another run, perhaps of fewer cases")
    compare.add_argument(
        "--tolerance",
        type=_distance,
        default=1e-4,
        metavar="X",
        help="the largest difference that is let pass (%(default)s); beyond it, the exit status is 1",
    )

    prune = commands.add_parser("prune", help="remove the cells that no run into a folder asks for any more")
    prune.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="the folder of its results")

    join = commands.add_parser("join", help="join runs of one plan: of other networks, or of other --cases")
    join.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="their results")
    join.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the joined results go")

    study = commands.add_parser("study", help="answer a question about MINT that no plan answers", add_help=False)
    study.add_argument("-h", "--help", action="store_true", help="list the studies")
    study.add_argument("name", nargs="?", metavar="NAME", help=", ".join(STUDIES))
    study.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="the study's own options: NAME --help")
    commands.metavar = " | ".join(commands.choices)
    return whole
