"""All committed results, made anew by one command: ``python -m benchmarks study results``.

Each folder of results is made by a command of its own, in a process of its own: one that fails or is killed costs the
others nothing. What a folder's command took is kept in ``durations.csv`` beside the folders. The same command again
passes over what is complete and was made by the same command and the same code; a run that was stopped finds its cells.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pandas as pd
from tqdm import tqdm

from benchmarks.arguments import Parser, add_device, add_weights, positive
from benchmarks.registry import look_up
from benchmarks.results.provenance import device_name, git_state, same_code, versions
from benchmarks.studies import SUMMARIES
from benchmarks.studies.commandline import finish
from mint.app.classifiers import usable_device
from mint.contract import InputError


@dataclass(frozen=True)
class Item:
    """A folder of results, and what makes it."""

    folder: str
    words: tuple[str, ...]  # the command, after `python -m benchmarks`
    minutes: float  # that it takes two cores
    networks: tuple[str, ...] = ()  # those whose weights --weights gives
    data: bool = False  # it needs --data
    on_cpu: int | None = None  # cases at most where there is no GPU; None: as many as on one
    limited: bool = True  # it knows --limit


def _plan(name: str, minutes: float, networks: tuple[str, ...] = (), on_cpu: int | None = None) -> Item:
    """Make the item of a plan; one that asks networks of ImageNet needs its pictures."""
    return Item(name, ("run", "--plan", name), minutes, networks, data=bool(networks), on_cpu=on_cpu)


_TWO = ("coins", "antithetic + intercept")
ITEMS: tuple[Item, ...] = (
    _plan("quick", 5),
    Item("protocols", ("study", "protocols"), 2),
    Item("speed", ("study", "speed"), 4, limited=False),
    Item("figures", ("study", "figures"), 5, limited=False),
    _plan("variants", 22),
    _plan("held-out", 70),
    _plan("checks", 10),
    # Apart, so that the scenes' are made where there are no photographs.
    Item("canvases", ("run", "--plan", "canvases", "--datasets", "scenes"), 6),
    Item("budget", ("study", "budget"), 20, on_cpu=8),
    Item("forwards", ("study", "forwards", "--samplings", *_TWO), 15, on_cpu=12),
    _plan("photos", 45),
    _plan("trust", 11),
    _plan("ablations", 28),
    _plan("published-rise-small", 40, ("resnet50",)),
    Item(
        "forwards-imagenet",
        ("study", "forwards", "--network", "resnet18", "--samplings", *_TWO),
        60,
        ("resnet18",),
        data=True,
        on_cpu=3,
    ),
    Item("canvases-imagenet", ("run", "--plan", "canvases", "--datasets", "imagenet"), 25, ("resnet18",), data=True),
    _plan("variants-imagenet", 75, ("resnet18", "resnet50"), on_cpu=16),
    _plan("imagenet-small", 280, ("resnet18", "resnet50")),
    _plan("ablations-imagenet", 130, ("resnet18",)),
)
"""Every folder under ``results/``, the quick ones first.

The metric profiles are in two of them: the plan ``trust`` scores by all of them, and ``protocols`` sets them side by
side. Two things are not made here: the times beside other tools in ``speed``, as those need an environment of their
own (``study speed --peers``), and those of a machine of the other kind, CPU or GPU.
"""

DURATIONS = "durations.csv"
SHOWN = ("python", "-m", "benchmarks")
PROGRAM = (sys.executable, *SHOWN[1:])
PATIENCE = 10
"""How many seconds a command that is interrupted has for ending by itself."""


@dataclass(frozen=True)
class Duration:
    """A row of ``durations.csv``: what one folder took."""

    folder: str
    command: str
    seconds: float  # of all tries since it was last complete
    cases: str  # explained, over all data sets; empty if the command has no such number
    commit: str  # of the code; with " and changes" if that differed from it
    machine: str
    state: str  # complete, failed or unfinished


def read_durations(file: Path) -> dict[str, Duration]:
    """Read ``durations.csv``, by folder; without the file there are none.

    Raises
    ------
    InputError
        If the file is not one that `write_durations` wrote.
    """
    if not file.is_file():
        return {}
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False).astype({"seconds": float})
        found = [Duration(**row) for row in rows.to_dict("records")]  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{file} cannot be read; delete it, and every folder is made again.") from None
    return {each.folder: each for each in found}


def write_durations(durations: Iterable[Duration], file: Path) -> None:
    """Write ``durations.csv``, all or nothing."""
    new = file.with_suffix(".new")
    rows = pd.DataFrame([*durations]).sort_values("folder")
    rows.to_csv(new, index=False, float_format="%.0f", lineterminator="\n")
    new.replace(file)


def words_of(item: Item, options: argparse.Namespace, device: str) -> list[str]:
    """Write out an item's command, after ``python -m benchmarks``; the device is "cpu", "cuda", ..."""
    most = [options.limit, item.on_cpu if device == "cpu" else None]
    limit = min(filter(None, most), default=None) if item.limited else None
    words = [*item.words, *(["--limit", str(limit)] if limit else [])]
    if item.data:
        words += ["--data", str(options.data)]
    for name, file in options.weights:
        if name in item.networks:
            # A study asks one network, so that it takes the file alone.
            words += ["--weights", f"{name}={file}" if item.words[0] == "run" else str(file)]
    if options.precision and item.words[0] == "run" and item.networks:
        words += ["--precision", options.precision]
    if options.workers and item.words[0] == "run":
        words += ["--workers", str(options.workers)]
    return [*words, "--device", device, "--out", str(options.out / item.folder)]


def run_item(words: Sequence[str], log: Path) -> int:
    """Run a command to its end, what it prints going to a file; return its exit status.

    If this is interrupted, so is the command.
    """
    quiet = {**os.environ, "TQDM_MININTERVAL": "10"}  # progress bars fill the file otherwise
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=quiet
        )
        try:
            return process.wait()
        except BaseException:
            # Ctrl-C in a terminal has reached the command as well, which ends its own workers.
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise


def why(status: int, log: Path) -> str:
    """Say in a sentence why a command failed: the signal that ended it, or the last line that it printed."""
    if status < 0:
        return f"signal {-status} ({signal.Signals(-status).name}) ended it; the rest is in {log}"
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"exit status {status}: {last} (the rest is in {log})"


def cases_of(folder: Path, words: Sequence[str]) -> str:
    """Tell how many cases a folder's results are of: its records know, or the command says so."""
    provenance = folder / "provenance.json"
    if provenance.is_file():
        settings = json.loads(provenance.read_text(encoding="utf-8"))["inputs"]["settings"]
        return str(sum({each["dataset"]: each["cases"]["all"] for each in settings}.values()))
    return words[words.index("--limit") + 1] if "--limit" in words else ""


def make(row: Duration, minutes: float, out: Path, kept: dict[str, Duration], bar: "tqdm[NoReturn]") -> str:
    """Run the command of a row; return why it failed, in a sentence, or "".

    At its end, or when it is interrupted, the row is kept among those of the other folders and in the file, and the bar
    moves by the ``minutes`` that the command was expected to take.
    """
    words, log, began = shlex.split(row.command)[len(SHOWN) :], out / f"{row.folder}.log", time.monotonic()
    bar.set_description(row.folder)
    tqdm.write(f"{row.folder}, about {minutes:g} min on two cores; follow it in {log}: {row.command}", sys.stderr)
    made = row
    try:
        status = run_item(words, log)
        cases = "" if status else cases_of(out / row.folder, words)
        made = replace(row, state="failed" if status else "complete", cases=cases)
    finally:
        kept[row.folder] = replace(made, seconds=row.seconds + time.monotonic() - began)
        write_durations(kept.values(), out / DURATIONS)
        bar.update(minutes)
    return why(status, log) if status else ""


def main(arguments: Sequence[str]) -> int:
    """Make the results from the command line; return 0, 1 if a folder failed, 2 for bad input."""
    parser = Parser(
        prog="python -m benchmarks study results",
        description=f"{SUMMARIES['results']}. The folders: {', '.join(item.folder for item in ITEMS)}.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--only", type=lambda text: text.split(","), action="extend", metavar="A,B", help="these folders; may repeat"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="ImageNet's pictures, for the folders that need them")
    add_weights(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N cases, for a trial")
    add_device(parser)
    parser.add_argument(
        "--precision", metavar="NAME", help="how ImageNet's networks compute: float32 (default), tf32 or bfloat16"
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that compute a plan side by side")
    parser.add_argument("--anyhow", action="store_true", help="also if the checkout differs from its commit")
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="DIR", help="where the folders are (%(default)s)"
    )
    options = parser.parse_args(arguments)
    failed: list[str] = []
    return finish(_study, options, failed) or int(bool(failed))


def _commit(anyhow: bool) -> str:
    """Return the commit that the code is of, or refuse if it is of none."""
    state = git_state()
    if state["dirty"] is False:
        return str(state["commit"])
    if not anyhow:
        raise InputError(
            "the checkout differs from its commit, so that nobody could make these results again; commit first, or add "
            "--anyhow."
            if state["dirty"]
            else "git does not know this checkout's commit; use a clone, or add --anyhow."
        )
    return f"{state['commit']} and changes"


def _study(options: argparse.Namespace, failed: list[str]) -> str:
    table = {item.folder: item for item in ITEMS}
    chosen = [look_up("folder of results", name, table) for name in dict.fromkeys(options.only or table)]
    for name, _ in options.weights:
        look_up("network in --weights", name, {network: None for item in ITEMS for network in item.networks})
    commit, kept = _commit(options.anyhow), read_durations(options.out / DURATIONS)
    to_do, said = _sort(chosen, options, kept, commit)
    layout = "{desc}{percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left"
    total = sum(table[name].minutes for name in to_do)
    with tqdm(total=total, bar_format=layout, smoothing=0, disable=None) as bar:
        for name, row in to_do.items():
            if not options.anyhow and not same_code(commit):
                raise InputError(f"the code was changed while it ran; what was made before {name} is of {commit[:8]}.")
            reason = make(row, table[name].minutes, options.out, kept, bar)
            failed += [name] if reason else []
            made = kept[name]
            said.append(f"{name}: {made.state} in {made.seconds / 60:.1f} min" + (f": {reason}" if reason else ""))
    if any(options.out.glob("*/records.parquet")):
        log = options.out / "report.log"
        if status := run_item(["report", "--all", "--out", str(options.out)], log):
            failed.append("report")
            said.append(f"the page of all results: {why(status, log)}")
    return "\n".join([*said, *_to_read_again(options.out, to_do)])


def _sort(
    chosen: Sequence[Item], options: argparse.Namespace, kept: Mapping[str, Duration], commit: str
) -> tuple[dict[str, Duration], list[str]]:
    """Give the rows of what is to be made, and a sentence for each item that is not."""
    device = usable_device(options.device)
    machine = f"{device_name(device)}; torch {versions()['torch']}"
    to_do, said = {}, []
    for item in chosen:
        command = shlex.join([*SHOWN, *words_of(item, options, str(device))])
        before = kept.get(item.folder)
        if before and (before.command != command or not same_code(before.commit)):
            before = None
        if item.data and options.data is None:
            said.append(f"{item.folder}: left out, as it needs ImageNet's pictures (--data DIR)")
        elif before and before.state == "complete" and (options.out / item.folder).is_dir():
            said.append(f"{item.folder}: found, of commit {before.commit[:8]}, whose code is the same")
        else:
            seconds = before.seconds if before and before.state != "complete" else 0.0
            to_do[item.folder] = Duration(item.folder, command, seconds, "", commit, machine, "unfinished")
    return to_do, said


def _to_read_again(out: Path, made: Iterable[str]) -> list[str]:
    """Name what people wrote about the numbers that were there before."""
    written = [str(file) for name in made if (file := out / name / "conclusions.md").is_file()]
    return [f"written by people about the numbers before, to be read again: {', '.join(written)}"] if written else []
