"""The command line: ``python -m benchmarks list | run | status | report | compare | join | prune | study``."""

import argparse
import importlib
import json
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

from benchmarks.commandline import DEFAULT, directory_of, parser, planned
from benchmarks.results.provenance import device_name, foreign_package, git_state, hardware, now
from benchmarks.studies import STUDIES

if TYPE_CHECKING:
    from benchmarks.run.failure import Failure
    from benchmarks.run.journal import Journal, Scribe
    from benchmarks.run.loop import Results
    from benchmarks.run.plan import Options, Plan
    from benchmarks.run.store import Store

# The exit statuses of programs that SIGPIPE and SIGINT end, as shells give them.
UNREAD, INTERRUPTED = 141, 130

# Whatever imports torch is imported by the command that needs it: `report` works without.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its status: 0, 1 (cases failed, or scores differ), 2 (bad input), 130 or 141 (stopped)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(arguments)
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
        from benchmarks.results.records import RecordsError

        if isinstance(error, RecordsError):
            return _refuse(error)
        from mint.parameters import InputError, said, users_place

        if isinstance(error, InputError):
            return _refuse(error)
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
    from benchmarks.run.loop import check_plan

    for word in arguments:
        try:
            word.encode()
        except UnicodeEncodeError:
            return _refuse(f"{word!a} has bytes that are not UTF-8, which no report can hold; rename it.")
    # Ray's workers may have a device that this machine lacks.
    elsewhere = options.executor == "ray" and options.device != "auto"
    plans, how = planned(options, device=options.device if elsewhere else None)
    for name, why in {name: why for plan in plans for name, why in plan.left_out.items()}.items():
        print(f"left out: {name} {why}", file=sys.stderr)
    for plan in plans:  # before any of them leaves a folder
        check_plan(plan, how)
    complete = [_run_plan(plan, how, directory_of(options.out, plan.name, plans), options, arguments) for plan in plans]
    return 0 if all(complete) else 1


def _run_plan(
    plan: "Plan", how: "Options", directory: Path, options: argparse.Namespace, arguments: Sequence[str]
) -> bool:
    from benchmarks.report.report import glance
    from benchmarks.run import journal
    from benchmarks.run.loop import Results, as_records, run
    from benchmarks.run.setting import settings_of
    from benchmarks.run.store import Store, make_directory

    store = Store(directory / "cells")
    make_directory(store.directory)
    started, clock = now(), time.monotonic()
    scribe = journal.begin(directory, plan.name, arguments, len(settings_of(plan)), how.device, store)

    def show(found: Results) -> None:
        print(f"\n{glance(as_records(plan, how, found, {}))}", flush=True)

    several = len(settings_of(plan)) > 1
    # The first tables are there when the first network is done, and all of them together at the end.
    with closing(store):
        if options.executor == "local":
            print(f"computing on {device_name(how.device)} in {how.precision}", flush=True)
        if options.executor == "local" and (options.workers or 1) == 1:
            results = run(plan, how, store, show if several else lambda found: None, scribe.come_to, scribe.saw)
        else:
            results = _by_workers(plan, how, store, scribe, options, arguments)
    scribe.note(ended=True, failures=tuple(results.failures))
    _leave(plan, how, results, store, directory, arguments, started, round(time.monotonic() - clock, 1))
    return not results.failures and not results.missing


def _by_workers(
    plan: "Plan",
    how: "Options",
    store: "Store",
    scribe: "Scribe",
    options: argparse.Namespace,
    arguments: Sequence[str],
) -> "Results":
    """Let workers compute, then gather."""
    import torch

    from benchmarks.maker import MAKER
    from benchmarks.run.crew import compute
    from benchmarks.run.executors import EXECUTORS
    from benchmarks.run.loop import ready, run
    from benchmarks.run.units import Job

    threads = max(1, torch.get_num_threads() // (options.workers or 1)) if options.executor == "local" else None
    job = Job(MAKER, tuple(arguments), plan.name, str(store.directory.parent.resolve()), how.device, threads)

    with closing(EXECUTORS[options.executor](job, options.workers, options.address)) as pool, ready(plan, how):
        account = compute(pool, plan, how, store, scribe, verbose=options.verbose)
    results = run(plan, how, store, absent=account.absent)
    results.efficiency, results.asked = [*account.efficiency.values()], account.asked
    results.forwarded = account.forwarded
    store.written, store.reused = account.written, account.reused
    return results


def _leave(
    plan: "Plan",
    how: "Options",
    results: "Results",
    store: "Store",
    directory: Path,
    words: Sequence[str],
    started: str,
    seconds: float,
) -> None:
    """Store what a run found, report it, and say what is worth saying."""
    from benchmarks.report.report import make_report
    from benchmarks.report.verdict import efficiency
    from benchmarks.results import records
    from benchmarks.run.loop import as_records

    facts = {
        "command": shlex.join(["python", "-m", "benchmarks", *words]),
        "started": started,
        "seconds": seconds,
        "cells": {"computed": store.written, "reused": store.reused, "damaged": len(store.damaged)},
        "failures": [asdict(failure) for failure in results.failures],
        "left_out": dict(plan.left_out),
        "git": git_state(),
        "hardware": hardware(),
    }
    records.save(as_records(plan, how, results, facts), directory)
    print(f"\n{make_report(directory)}\n")
    for row in results.efficiency:
        print(efficiency(row))
    print(f"{store.written} cells computed, {store.reused} found; report: {directory / 'README.md'}")
    for path in store.damaged:
        print(f"computed again, as it could not be read: {path}")
    _print_failures(results.failures)


def _print_failures(failures: Sequence["Failure"]) -> None:
    """Print one line for what failed alike, with the first of the cases; provenance.json has them all."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for failure in failures:
        kind = (failure.network, failure.dataset, failure.method, failure.step, failure.control, failure.reason)
        alike.setdefault(kind, []).append(failure.case)
    for (*where, reason), cases in alike.items():
        named = ", ".join(cases[:5]) + (f" and {len(cases) - 5} more" if len(cases) > 5 else "")
        print(f"failed: {', '.join(filter(None, where))}: {named}: {reason}", file=sys.stderr)


def _status(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    import pandas as pd

    from benchmarks.run.standing import standings

    for directory in options.runs:
        journal, found, rate = standings(directory)
        lines = [
            {
                "data set": each.dataset,
                "network": each.network,
                "method": each.method,
                "maps": "{} of {}".format(*each.maps),
                "scores": "{} of {}".format(*each.scores),
                "failed": each.failed or "",
            }
            for each in found
        ]
        print(f"{directory}: plan {journal.plan}, {'ended' if journal.ended else 'not ended'}; begun {journal.started}")
        if lines:  # there are none before the first network is loaded
            print(pd.DataFrame(lines).to_string(index=False))
        left = f"{sum(each.left for each in found)} maps and scores are left"
        begun = f" of the {len(journal.settings)} of {journal.of} settings that are begun" * (not journal.ended)
        print(f"{left}{begun}, {len(journal.failures)} failed; {rate:.1f} cells in a second")
    return 0


def _prune(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.run.journal import read_journal
    from benchmarks.run.store import Store
    from mint.contract import InputError

    for directory in options.runs:
        try:
            journal = read_journal(directory)
            with closing(Store(directory / "cells")) as store:
                store.check_idle()  # before the gathering, which takes minutes
            asked: set[str] = set()
            for words in journal.commands:
                with closing(Store(directory / "cells", asked=asked)) as store:
                    _gathered(journal, directory, words, store)
            with closing(Store(directory / "cells")) as store:
                print(f"{directory}: {store.keep(asked)} cells removed, {len(asked)} wanted")
        except InputError as error:
            return _refuse(f"nothing was removed from {directory}: {error}")
        except BlockingIOError:
            return _refuse(f"a run into {directory} goes on; prune it when that has ended.")
    return 0


def _gathered(
    journal: "Journal", directory: Path, words: Sequence[str], store: "Store"
) -> "tuple[Plan, Options, Results]":
    """Collect what the store has of what a command asked for."""
    from benchmarks.run.failure import Absent
    from benchmarks.run.loop import run

    options = parser().parse_args(words)
    plans, how = planned(options, journal.device if options.device == "auto" else options.device)
    # A folder may have had runs of several plans.
    named = [each for name in (journal.plan, directory.resolve().name) for each in plans if each.name == name]
    plan = (named or plans)[0]
    absent = Absent(journal.failures, clocks=journal.clocks_by_place)
    return plan, how, run(plan, how, store, absent=absent)


def _report(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    if options.all:
        from benchmarks.report.leaderboard import make_leaderboard

        directory = options.out or Path("results")
        print(make_leaderboard(directory))
        print(f"report: {directory / 'index.html'}")
        return 0
    plans = tuple(dict.fromkeys(options.plan or DEFAULT))
    for plan in plans:
        directory = directory_of(options.out, plan, plans)
        if _goes_on(directory):
            _report_so_far(directory)
        else:
            _print_report(directory)
    return 0


def _print_report(directory: Path) -> None:
    from benchmarks.report.report import make_report

    print(make_report(directory))
    print(f"report: {directory / 'README.md'}")


def _goes_on(directory: Path) -> bool:
    """Tell whether a run into a folder has begun and not ended. It needs no torch."""
    from benchmarks.results.records import JOURNAL

    try:
        found = json.loads((directory / JOURNAL).read_text(encoding="utf-8"))
        return not found["ended"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _report_so_far(directory: Path) -> None:
    """Report what a run that goes on, or was stopped, has computed so far."""
    from benchmarks.run.journal import read_journal
    from benchmarks.run.store import Store
    from mint.parameters import InputError

    journal = read_journal(directory)
    words = journal.commands[-1]
    with closing(Store(directory / "cells")) as store:
        plan, how, results = _gathered(journal, directory, words, store)
        if not len(results.records):
            raise InputError(f"the run into {directory} has measured nothing yet; report it later.")
        _leave(plan, how, results, store, directory, words, journal.started, 0.0)


def _compare(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.report.agreement import compare

    text, same = compare(options.one, options.other, options.tolerance)
    print(text)
    return int(not same)


def _join(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    from benchmarks.results import records
    from benchmarks.results.join import join

    records.save(join(options.runs), options.out)
    _print_report(options.out)
    return 0


def _study(options: argparse.Namespace, _arguments: Sequence[str]) -> int:
    if options.name not in STUDIES:
        if options.name is not None:
            return _refuse(f"unknown study {options.name!r}; the studies are {', '.join(STUDIES)}.")
        print(f"usage: python -m benchmarks study NAME [options], with one of the names {', '.join(STUDIES)}")
        return 0
    return int(importlib.import_module(STUDIES[options.name]).main(options.rest))


COMMANDS = {
    "list": _list,
    "run": _run,
    "status": _status,
    "report": _report,
    "compare": _compare,
    "join": _join,
    "prune": _prune,
    "study": _study,
}

if __name__ == "__main__":
    sys.exit(main())
