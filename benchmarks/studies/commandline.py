"""What the studies share on the command line and on paper: options, how a study ends, and how its page begins."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.arguments import Parser, add_device, positive
from benchmarks.report.page import Block, conclusions, write_markdown
from benchmarks.results.provenance import device_name, git_state, now, versions
from benchmarks.run.store import make_directory
from benchmarks.studies import SUMMARIES
from mint.contract import InputError


def study_parser(name: str, *, network: str | None = None, several: bool = False) -> argparse.ArgumentParser:
    """Make a study's parser with the options of every study: ``--network --weights --device --out``.

    ``network`` is the one that is asked if none is named. If ``several``, the option may repeat, and gives a list.
    """
    parser = Parser(prog=f"python -m benchmarks study {name}", description=f"{SUMMARIES[name]}.", allow_abbrev=False)
    action = "append" if several else "store"
    help_text = f"the network that is asked{'; may repeat' * several}{f' ({network})' if network else ''}"
    parser.add_argument("--network", action=action, default=network, metavar="NAME", help=help_text)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the network's weights, in place of its own")
    add_device(parser)
    out = Path("results") / name
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="where it writes (%(default)s)")
    return parser


def add_cases(parser: argparse.ArgumentParser, limit: int) -> None:
    """Add the options of a study that explains a data set's cases: ``--data --limit``."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of a data set that is not shipped")
    parser.add_argument("--limit", type=positive, default=limit, metavar="N", help="at most N cases (%(default)s)")


def finish(study: Callable[..., str], options: argparse.Namespace, *more: Any) -> int:
    """Run a study and print what it returns; bad input is one sentence on stderr. Return the exit status.

    That something can be written to its ``--out`` is found before anything is computed.
    """
    try:
        make_directory(options.out)
        print(study(options, *more))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def made_by(name: str, arguments: Sequence[str], device: torch.device | str) -> str:
    """Say on what, with what, when and by which command a page was made."""
    command = shlex.join(["python", "-m", "benchmarks", "study", name, *arguments])
    where = f"{device_name(device)}; torch {versions()['torch']}; {now()}; commit {git_state()['commit']}"
    return f"{where}. Made by `{command}`."


def write_page(title: str, blocks: Sequence[Block], file: Path) -> str:
    """Write a study's page as Markdown, and return it: what a person concluded comes first."""
    found = conclusions(file.parent)
    return write_markdown(title, [*([f"## {found.title}", *found.blocks] if found else []), *blocks], file)
