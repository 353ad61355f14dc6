"""The command line: ``python -m benchmarks list | run | report | join | study``."""

import argparse
import importlib
import os
import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results.provenance import device_name, foreign_package, git_state, hardware, now
from benchmarks.studies import STUDIES

if TYPE_CHECKING:
    from benchmarks.run.failure import Failure
    from benchmarks.run.plan import Options, Plan

# The exit statuses of programs that SIGPIPE and SIGINT end, as shells give them.
UNREAD, INTERRUPTED = 141, 130
DEFAULT = ("quick",)  # the plan of `run` and `report`

# Whatever imports torch is imported by the command that needs it: `report` works without.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 if cases failed, 2 for bad input, 130 or 141 if it was stopped."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    problem = foreign_package()
    if problem:
        return _refuse(problem)
    try:
        with _warning():
            status = int(COMMANDS[options.command](options, arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()  # the reader has gone (`| head`)
        return UNREAD
    except OSError as error:  # a full disk, a folder that vanished
        place = f": {error.filename}" if error.filename else ""
        _let_go_of_stdout()
        return _refuse(
            f"{error.strerror or error}{place}; what was stored is kept, and the same command goes on from it."
        )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        from mint.parameters import said, users_place

        if not users_place(error):
            raise
        return _refuse(f"{said(error)}.")
    return status


def _let_go_of_stdout() -> None:
    """Give what is left in the buffer somewhere to go when the interpreter ends, if it cannot be printed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warning() -> Iterator[None]:
    """Say warnings that are for users without the place in the code."""

    def show(message: Warning | str, kind: type[Warning], *place: Any) -> None:
        if issubclass(kind, UserWarning):
            print(f"warning: {message}", file=sys.stderr)
        else:
            usual(message, kind, *place)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        usual = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _refuse(sentence: object) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("no name is given; `python -m benchmarks list` has them")
    return names


def _named_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH")
    return name, Path(path)


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 19 or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure attribution methods for convolutional networks.",
        epilog="A NAME is a registered name (see `list`), FILE.py:NAME or module:NAME.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="list | run | report | join | study")
    commands.add_parser("list", help="what there is: plans, networks, data sets, methods, metrics")

    run = commands.add_parser(
        "run", help="run plans; what was computed before is reused", epilog=parser.epilog, allow_abbrev=False
    )
    _add_plans(run, "plans to run (default: quick); may repeat")
    for word, what in CHOICES.items():
        run.add_argument(
            f"--{word}", type=_names, action="extend", default=[], metavar="NAME", help=f"add {what}; may repeat"
        )
        run.add_argument(
            f"--{word}s", type=_names, metavar="A,B", help=f"only these {word}s, or others than the plan's"
        )
    run.add_argument(
        "--against", type=_names, default=(), metavar="A,B", help="compare the method of --method with these alone"
    )
    run.add_argument("--maps", action="append", default=[], type=_named_path, metavar="NAME=FOLDER", help=MAPS)
    run.add_argument("--limit", type=_positive, metavar="N", help="at most N cases of each data set")
    run.add_argument(
        "--cases", type=_span, metavar="A-B", help="only the A-th to B-th case of each data set, for runs side by side"
    )
    run.add_argument("--data", type=Path, metavar="DIR", help="folder of a data set that is not shipped (imagenet)")
    run.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_named_path,
        metavar="NETWORK=FILE",
        help="a network's weights from a file; may repeat",
    )
    run.add_argument(
        "--classes",
        action="append",
        default=[],
        type=_named_path,
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
        type=_names,
        metavar="A,B",
        help="these controls made from each method's maps, or `all` or `none`, in place of the plan's",
    )
    run.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; auto (default): cuda if there is one")
    run.add_argument("--precision", default="float32", help="float32 (default), tf32 or bfloat16: how networks compute")
    run.add_argument("--batch-size", type=_positive, metavar="N", help="pictures through a network at a time")
    run.add_argument("--seed", type=_seed, metavar="N", help="seed of all methods and data sets (default: their own)")
    run.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: results/PLAN)")

    report = commands.add_parser("report", help="make tables and plots again from stored records")
    _add_plans(report, "(default: quick)")
    report.add_argument("--out", type=Path, metavar="DIR", help="where the results are (default: results/PLAN)")
    report.add_argument(
        "--all",
        action="store_true",
        help="compare all results in one page, DIR/index.html (default: results)",
    )

    join = commands.add_parser("join", help="join runs of one plan: of other networks, or of other --cases")
    join.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="their results")
    join.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the joined results go")

    study = commands.add_parser("study", help="answer a question about MINT that no plan answers", add_help=False)
    study.add_argument("-h", "--help", action="store_true", help="list the studies")
    study.add_argument("name", nargs="?", metavar="NAME", help=", ".join(STUDIES))
    study.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="the study's own options: NAME --help")
    return parser


def _add_plans(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--plan", type=_names, action="extend", metavar="NAME", help=text)


def _directory(out: Path | None, plan: str, plans: Sequence[object]) -> Path:
    if out is None:
        return Path("results") / plan
    return out if len(plans) == 1 else out / plan


def _list(_options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.registry import KINDS, described

    for kind in KINDS.values():
        print(f"{kind.word}s")
        lines = described(kind)
        width = max(map(len, lines))
        for name, line in lines.items():
            print(f"  {name:{width}}  {line}")
    print("Every other classifier of torchvision is a network by its name, and FILE.py:NAME is of any kind.")
    return 0


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from benchmarks.registry import KINDS, PLAN, SCORE, find, look_up, name_of
    from benchmarks.run.folders import add_maps
    from benchmarks.run.plan import Options, controls_of, select
    from mint.app.classifiers import read_classes, usable_device
    from mint.contract import InputError
    from mint.scores import SCORES

    first, last = options.cases or (1, None)
    try:
        limit = min(filter(None, (options.limit, last)), default=None)
        only = {KINDS[word]: names for word in CHOICES if (names := getattr(options, f"{word}s"))}
        options.method += [name for name, _ in options.maps]
        more = {KINDS[word]: getattr(options, word) for word in CHOICES}
        # Every name is looked up before anything is computed.
        found = [add_maps(find(PLAN, name), options.maps) for name in dict.fromkeys(options.plan or DEFAULT)]
        controls = None if options.controls is None else controls_of(options.controls)
        plans = [
            select(plan, only=only, more=more, limit=limit, controls=controls, against=options.against)
            for plan in found
        ]
        for name, why in {name: why for plan in plans for name, why in plan.left_out.items()}.items():
            print(f"left out: {name} {why}", file=sys.stderr)
        called = [plan.name for plan in plans]
        if twins := {name for name in called if called.count(name) > 1}:
            raise InputError(f"two plans are called {twins.pop()!r} and would write to one folder; rename one.")
        networks = {name_of(name): None for plan in plans for part in plan.parts for name in part.networks}
        for option in ("weights", "classes"):
            for name, _ in getattr(options, option):
                look_up(f"network in --{option},", name, networks)
        score = options.score if options.score in {None, *SCORES} else find(SCORE, options.score)
        device = usable_device(options.device)
        how = Options(
            data=options.data,
            weights=dict(options.weights),
            classes={name: read_classes(file) for name, file in options.classes},
            score=score,
            device=str(device),
            precision=options.precision,
            batch_size=options.batch_size,
            seed=options.seed,
            skipped=first - 1,
        )
        print(f"computing on {device_name(device)} in {how.precision}", flush=True)
        command = shlex.join(["python", "-m", "benchmarks", *arguments])
        complete = [_run_plan(plan, how, _directory(options.out, plan.name, plans), command) for plan in plans]
    except InputError as error:
        return _refuse(error)
    return 0 if all(complete) else 1


def _run_plan(plan: "Plan", options: "Options", directory: Path, command: str) -> bool:
    from benchmarks.report.report import glance, make_report
    from benchmarks.report.verdict import efficiency
    from benchmarks.results import records
    from benchmarks.run.loop import Results, as_records, run
    from benchmarks.run.store import Store, make_directory

    store = Store(directory / "cells")
    make_directory(store.directory)
    started, clock = now(), time.monotonic()

    def show(found: Results) -> None:
        print(f"\n{glance(as_records(plan, options, found, {}))}", flush=True)

    several = sum(len(part.networks) for part in plan.parts) > 1
    # The first tables are there when the first network is done, and all of them together at the end.
    with closing(store):
        results = run(plan, options, store, *[show] * several)
    facts = {
        "command": command,
        "started": started,
        "seconds": round(time.monotonic() - clock, 1),
        "cells": {"computed": store.written, "reused": store.reused, "damaged": len(store.damaged)},
        "failures": [asdict(failure) for failure in results.failures],
        "left_out": dict(plan.left_out),
        "git": git_state(),
        "hardware": hardware(),
    }
    records.save(as_records(plan, options, results, facts), directory)
    print(f"\n{make_report(directory)}\n")
    for row in results.efficiency:
        print(efficiency(row))
    print(f"{store.written} cells computed, {store.reused} found; report: {directory / 'README.md'}")
    for path in store.damaged:
        print(f"computed again, as it could not be read: {path}")
    _print_failures(results.failures)
    return not results.failures


def _print_failures(failures: Sequence["Failure"]) -> None:
    """Print one line for what failed alike, with the first of the cases; provenance.json has them all."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for failure in failures:
        kind = (failure.network, failure.dataset, failure.method, failure.step, failure.reason)
        alike.setdefault(kind, []).append(failure.case)
    for (*where, reason), cases in alike.items():
        named = ", ".join(cases[:5]) + (f" and {len(cases) - 5} more" if len(cases) > 5 else "")
        print(f"failed: {', '.join(filter(None, where))}: {named}: {reason}", file=sys.stderr)


def _report(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.report.leaderboard import make_leaderboard
    from benchmarks.report.report import make_report
    from benchmarks.results.records import RecordsError

    if options.all:
        directory = options.out or Path("results")
        try:
            print(make_leaderboard(directory))
        except RecordsError as error:
            return _refuse(error)
        print(f"report: {directory / 'index.html'}")
        return 0
    plans = options.plan or DEFAULT
    for plan in plans:
        directory = _directory(options.out, plan, plans)
        try:
            print(make_report(directory))
        except RecordsError as error:
            return _refuse(error)
        print(f"report: {directory / 'README.md'}")
    return 0


def _join(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.report.report import make_report
    from benchmarks.results import records
    from benchmarks.results.join import join

    try:
        records.save(join(options.runs), options.out)
    except records.RecordsError as error:
        return _refuse(error)
    print(make_report(options.out))
    print(f"report: {options.out / 'README.md'}")
    return 0


def _study(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    if options.name not in STUDIES:
        if options.name is not None:
            return _refuse(f"unknown study {options.name!r}; the studies are {', '.join(STUDIES)}.")
        print(f"usage: python -m benchmarks study NAME [options], with one of the names {', '.join(STUDIES)}")
        return 0
    return int(importlib.import_module(STUDIES[options.name]).main(options.rest))


COMMANDS = {"list": _list, "run": _run, "report": _report, "join": _join, "study": _study}

if __name__ == "__main__":
    sys.exit(main())
