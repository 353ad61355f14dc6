"""The command line: ``python -m benchmarks list | run | report | join | figures``."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.results.provenance import foreign_package, git_state, hardware, now

if TYPE_CHECKING:
    from benchmarks.run.loop import Failure, Options
    from benchmarks.run.plan import Plan

# The exit status of a program that SIGPIPE ends, as shells give it.
UNREAD = 141

# Whatever imports torch is imported by the command that needs it: `report` works without.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 if cases failed, 2 for bad input, 141 if nobody reads the output."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    problem = foreign_package()
    if problem:
        return _refuse(problem)
    try:
        status = int(COMMANDS[options.command](options, arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`| head`): what is left in the buffer has nowhere to go when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    return status


def _refuse(sentence: object) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("no name is given; `python -m benchmarks list` has them")
    return names


def _weights(text: str) -> tuple[str, Path]:
    network, equals, file = text.partition("=")
    if not (network and equals and file):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NETWORK=FILE")
    return network, Path(file)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _span(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 17-110: the first case is 1")
    return int(first), int(last)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure attribution methods for convolutional networks."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="list | run | report | join | figures")
    commands.add_parser("list", help="what there is: plans, networks, datasets, methods, metrics")

    run = commands.add_parser("run", help="run plans; what was computed before is reused")
    run.add_argument("--plan", type=_names, default=("quick",), metavar="A,B", help="plans to run (default: quick)")
    run.add_argument("--networks", type=_names, metavar="A,B", help="only these networks, or others than the plan's")
    run.add_argument("--methods", type=_names, metavar="A,B", help="only these methods, or others than the plan's")
    run.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="FILE.py:NAME",
        help="add a method of yours, a class or an instance in a file; may repeat",
    )
    run.add_argument("--metrics", type=_names, metavar="A,B", help="only these metrics, or others than the plan's")
    run.add_argument("--limit", type=_positive, metavar="N", help="at most N cases of each dataset")
    run.add_argument(
        "--cases", type=_span, metavar="A-B", help="only the A-th to B-th case of each dataset, for runs side by side"
    )
    run.add_argument("--data", type=Path, metavar="DIR", help="folder of a dataset that is not shipped (imagenet)")
    run.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_weights,
        metavar="NETWORK=FILE",
        help="a network's weights from a file; may repeat",
    )
    run.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    run.add_argument("--batch-size", type=_positive, metavar="N", help="pictures through a network at a time")
    run.add_argument("--seed", type=int, metavar="N", help="seed of all methods and datasets (default: their own)")
    run.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: results/PLAN)")

    report = commands.add_parser("report", help="make tables and plots again from stored records")
    report.add_argument("--plan", type=_names, default=("quick",), metavar="A,B", help="(default: quick)")
    report.add_argument("--out", type=Path, metavar="DIR", help="where the results are (default: results/PLAN)")

    join = commands.add_parser("join", help="join runs of one plan: of other networks, or of other --cases")
    join.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="their results")
    join.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the joined results go")

    figures = commands.add_parser("figures", help="draw the figures of MINT's paper")
    chosen = figures.add_mutually_exclusive_group()
    chosen.add_argument("--from", dest="sources", type=_names, metavar="A,B", help="(default: scenes,photos)")
    chosen.add_argument("--pictures", type=Path, nargs="+", metavar="FILE", help="pictures of yours, with --network")
    figures.add_argument("--network", metavar="NAME", help="the network that is asked about --pictures")
    figures.add_argument("--weights", type=Path, metavar="FILE", help="that network's weights from a file")
    figures.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    figures.add_argument(
        "--samples", type=_positive, metavar="N", help="how often MINT and LIME ask (default: by source)"
    )
    figures.add_argument("--seed", type=int, default=0, metavar="N", help="seed of MINT and LIME (default: 0)")
    figures.add_argument(
        "--out", type=Path, default=Path("results/figures"), metavar="DIR", help="(default: %(default)s)"
    )
    return parser


def _directory(out: Path | None, plan: str, plans: Sequence[str]) -> Path:
    if out is None:
        return Path("results") / plan
    return out if len(plans) == 1 else out / plan


def _list(_options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.datasets import DATASETS
    from benchmarks.metrics import METRICS
    from benchmarks.networks.network import NETWORKS
    from benchmarks.plans import PLANS
    from benchmarks.run.methods import registered

    tables: dict[str, dict[str, str]] = {
        "plans": {name: plan.summary for name, plan in PLANS.items()},
        "networks": {
            name: f"{entry.input_size} x {entry.input_size}, layers {entry.shallow_layer} and {entry.deep_layer}"
            for name, entry in NETWORKS.items()
        },
        "datasets": {name: _first_line(dataset) for name, dataset in DATASETS.items()},
        "methods": {name: _first_line(method) for name, method in registered().items()},
        "metrics": {name: _about(metric()) for name, metric in METRICS.items()},
    }
    for title, lines in tables.items():
        print(title)
        width = max(map(len, lines))
        for name, line in lines.items():
            print(f"  {name:{width}}  {line}")
    return 0


def _about(metric: object) -> str:
    return str(getattr(metric, "summary", _first_line(metric)))


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from benchmarks.plans import PLANS, select
    from benchmarks.registry import look_up
    from benchmarks.run.loop import Options
    from benchmarks.run.methods import from_file
    from mint.contract import InputError

    try:
        first, last = options.cases or (1, None)
        limit = min(filter(None, (options.limit, last)), default=None)
        extra = [from_file(spec) for spec in options.method]
        # Every name is looked up before anything is computed.
        plans = [
            select(
                look_up("plan", name, PLANS),
                networks=options.networks,
                methods=options.methods,
                metrics=options.metrics,
                extra=extra,
                limit=limit,
            )
            for name in options.plan
        ]
        networks = {name: None for plan in plans for part in plan.parts for name in part.networks}
        for name, _ in options.weights:
            look_up("network in --weights,", name, networks)
        how = Options(
            options.data,
            dict(options.weights),
            options.device,
            options.batch_size,
            options.seed,
            skipped=first - 1,
        )
        command = shlex.join(["python", "-m", "benchmarks", *arguments])
        complete = [_run_plan(plan, how, _directory(options.out, plan.name, options.plan), command) for plan in plans]
    except InputError as error:
        return _refuse(error)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0 if all(complete) else 1


def _run_plan(plan: "Plan", options: "Options", directory: Path, command: str) -> bool:
    from benchmarks.report.report import make_report
    from benchmarks.results import records
    from benchmarks.run.loop import as_records, run
    from benchmarks.run.store import Store

    store = Store(directory / "cells")
    store.prepare()
    started, clock = now(), time.monotonic()
    results = run(plan, options, store)
    facts = {
        "command": command,
        "started": started,
        "seconds": round(time.monotonic() - clock, 1),
        "cells": {"computed": store.written, "reused": store.reused, "damaged": len(store.damaged)},
        "failures": [asdict(failure) for failure in results.failures],
        "git": git_state(),
        "hardware": hardware(),
    }
    records.save(as_records(plan, options, results, facts), directory)
    print(f"\n{make_report(directory)}")
    print("± is half of the 95 % interval's width, * the best of a column.")
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
    from benchmarks.report.report import make_report
    from benchmarks.results.records import RecordsError

    for plan in options.plan:
        directory = _directory(options.out, plan, options.plan)
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


def _figures(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from benchmarks.studies.paper_figures.folder import make_figures
    from benchmarks.studies.paper_figures.sources import SOURCES, find, own_pictures
    from mint.contract import InputError

    try:
        if options.pictures and not options.network:
            raise InputError("--pictures needs to know which network to ask: add --network NAME.")
        if not options.pictures and (options.network or options.weights):
            raise InputError(
                "--network and --weights are for --pictures; scenes and photos have networks of their own."
            )
        if options.pictures:
            sources = [own_pictures(options.pictures, options.network, options.weights, options.device)]
        else:
            sources = [find(name, options.device) for name in options.sources or SOURCES]
        files = make_figures(
            sources,
            options.out,
            shlex.join(["python", "-m", "benchmarks", *arguments]),
            samples=options.samples,
            seed=options.seed,
            findings=not (options.samples or options.seed),
        )
    except InputError as error:
        return _refuse(error)
    print(f"{len(files)} figures: {options.out / 'README.md'}")
    return 0


COMMANDS = {"list": _list, "run": _run, "report": _report, "join": _join, "figures": _figures}

if __name__ == "__main__":
    sys.exit(main())
