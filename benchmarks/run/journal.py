"""What a folder of results says of its run while it goes on: ``run.json``."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.results.provenance import now
from benchmarks.results.records import JOURNAL
from benchmarks.run.failure import Failure
from benchmarks.run.loop import Results
from benchmarks.run.setting import Setting
from benchmarks.run.store import Store, slug_of_host
from mint.contract import InputError


@dataclass(frozen=True)
class Expected:
    """What a run wants of a setting."""

    dataset: str
    network: str
    first: int  # number of the first case
    end: int  # and of the one after the last
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    controls: tuple[tuple[str, str], ...] = ()  # method and control of the maps that are made from a method's own
    controlled: int = 0  # of how many cases
    controlling: tuple[str, ...] = ()  # the metrics of those


@dataclass(frozen=True)
class Journal:
    """One run, and the commands of all runs into the same folder."""

    plan: str
    started: str
    # The words of every command that was run into this folder, the last at the end.
    commands: tuple[tuple[str, ...], ...]
    ended: bool = False
    settings: tuple[Expected, ...] = ()  # those that the run has come to
    of: int = 0  # how many it has
    failures: tuple[Failure, ...] = ()
    # Data set, network, and what timings were taken on, in all runs: the device, and torch's number of threads.
    clocks: tuple[tuple[str, str, str, int], ...] = ()
    device: str = "cpu"  # that it was asked to compute on
    cells_before: int = 0  # how many cells there were when it started

    @property
    def clocks_by_place(self) -> dict[tuple[str, str], list[tuple[str, int]]]:
        """What timings were taken on, by data set and network."""
        places = dict.fromkeys(each[:2] for each in self.clocks)
        return {place: [each[2:] for each in self.clocks if each[:2] == place] for place in places}


def read_journal(directory: Path) -> Journal:
    """Read a folder's journal.

    Raises
    ------
    InputError
        If it has none, or not one that can be read.
    """
    path = directory / JOURNAL
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not found["commands"]:  # what no command asks for is pruned
            raise ValueError("it names no command")
        datetime.fromisoformat(found["started"])  # a ValueError if it is no date
        return Journal(
            **{
                **found,
                "commands": tuple(map(tuple, found["commands"])),
                "settings": tuple(_expected(each) for each in found["settings"]),
                "failures": tuple(Failure(**each) for each in found["failures"]),
                "clocks": tuple(map(tuple, found["clocks"])),
            }
        )
    except FileNotFoundError:
        raise InputError(f"there is no {path}; give the folder of a run that was begun (--out DIR).") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} cannot be read ({error}); the command of the run writes it anew.") from error


def _expected(found: dict[str, Any]) -> Expected:
    named = {name: tuple(found[name]) for name in ("methods", "metrics", "controlling")}
    return Expected(**{**found, **named, "controls": tuple(map(tuple, found["controls"]))})


@dataclass
class Scribe:
    """Writes a folder's journal as its run goes on."""

    directory: Path
    journal: Journal

    def come_to(self, setting: Setting) -> None:
        """Note what is wanted of a setting."""
        expected = Expected(
            *setting.cells.place,
            setting.first,
            setting.end,
            (*setting.cells.methods,),
            (*setting.part.metrics,),
            (*setting.spoilt,),
            setting.controlled - setting.first,
            (*setting.controlling,),
        )
        if expected not in self.journal.settings:
            self.note(settings=(*self.journal.settings, expected))
        if setting.cells.absent is None:
            self.timed({setting.cells.place: setting.cells.clocks[0]})

    def timed(self, clocks: Mapping[tuple[str, str], tuple[str, int]]) -> None:
        """Note what timings are taken on, by data set and network."""
        new = {(*place, *clock): None for place, clock in clocks.items()}
        self.note(clocks=(*(each for each in self.journal.clocks if each not in new), *new))

    def saw(self, results: Results) -> None:
        """Note what has failed so far."""
        if len(results.failures) != len(self.journal.failures):
            self.note(failures=tuple(results.failures))

    def note(self, **changes: Any) -> None:
        """Change what the journal says. What other runs into the folder have written meanwhile stays in it."""
        self.journal = _beside_others(replace(self.journal, **changes), self.directory)
        text = json.dumps(asdict(self.journal), indent=1)
        beside = self.directory / f"{JOURNAL}.{slug_of_host()}-{os.getpid()}"  # two runs may write at a time
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.directory / JOURNAL)


def begin(directory: Path, plan: str, words: Sequence[str], settings: int, device: str, store: Store) -> Scribe:
    """Begin the journal of a run; commands that were run into the same folder before stay in it."""
    before = sum(each.cells for each in store.counts().values())
    journal = Journal(plan, now(), (tuple(words),), of=settings, device=device, cells_before=before)
    scribe = Scribe(directory, journal)
    scribe.note()
    return scribe


def _beside_others(journal: Journal, directory: Path) -> Journal:
    """Add the commands of all runs into a folder, and what their timings were taken on; the journal's own come last."""
    try:
        found = read_journal(directory)
    except InputError:
        return journal
    *known, own = journal.commands
    commands = (*(each for each in dict.fromkeys((*found.commands, *known)) if each != own), own)
    clocks = (*(each for each in found.clocks if each not in journal.clocks), *journal.clocks)
    return replace(journal, commands=commands, clocks=clocks)
