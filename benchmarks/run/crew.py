"""A run by several workers: cut its settings into units, hand them out, and keep account of what workers answer.

Workers leave their results in the store as cells, which `benchmarks.run.loop` gathers afterwards.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tqdm import tqdm

from benchmarks.run.cells import TIMING
from benchmarks.run.executors.dispatch import dispatch
from benchmarks.run.executors.pool import Pool
from benchmarks.run.failure import Absent, Failure, spelled_failure
from benchmarks.run.journal import Scribe
from benchmarks.run.measuring import measure
from benchmarks.run.plan import Options, Plan
from benchmarks.run.setting import Setting, open_setting, say, settings_of
from benchmarks.run.store import Store
from benchmarks.run.units import Done, Unit

MOST_LOST = 4  # cases of a method in a setting that are given up, with many workers each, before it is left out


@dataclass
class Account:
    """What workers reported, besides the cells."""

    failures: list[Failure] = field(default_factory=list)
    # Why it was given up, by data set, network, method and case; the case "" stands for all others.
    lost: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    # By data set and network, what timings were taken on: the device, and torch's number of threads.
    clocks: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    efficiency: dict[int, dict[str, Any]] = field(default_factory=dict)  # by setting, what its pictures cost
    pictures: Counter[int] = field(default_factory=Counter)  # through the network, by setting
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))  # of all workers, by setting
    asked: int = 0  # where a part is remembering: pictures that the networks were asked for,
    forwarded: int = 0  # and those that were not answered from memory
    written: int = 0  # cells
    reused: int = 0
    waiting: int = 0  # how much workers have been given and not answered, as `Unit.size`
    said: set[str] = field(default_factory=set)  # what was said of failures, without the case

    @property
    def absent(self) -> Absent:
        """Why cells are not there, for the run that gathers."""
        return Absent(tuple(self.failures), self.lost, {place: (clock,) for place, clock in self.clocks.items()})


def compute(
    pool: Pool, plan: Plan, options: Options, store: Store, scribe: Scribe, *, verbose: bool = False
) -> Account:
    """Let workers compute all cells of a plan that the store does not have.

    The scribe is told of every setting and of what fails. If ``verbose``, what came of each unit is said.
    """
    account = Account()
    absent = Absent()
    settings = [
        open_setting(part, source, options, store, account.failures, absent) for part, source in settings_of(plan)
    ]
    for number, setting in enumerate(settings):
        setting.announce([each.part.dataset for each in settings[:number]])
        setting.cells.tell = lambda _: None  # what fails is said when a worker reports it
        scribe.come_to(setting)
    total = sum(setting.maps_of(range(setting.first, setting.end)) for setting in settings)
    with tqdm(total=total, desc=f"{plan.name}: {pool.size} workers", unit="map", mininterval=1, smoothing=0) as bar:
        for done in dispatch(pool, _units(settings, account, store)):
            unit, number, setting = done.unit, done.unit.setting, settings[done.unit.setting]
            account.waiting -= unit.size
            account.written += done.written
            account.reused += done.reused
            account.asked += done.asked
            account.forwarded += done.forwarded
            account.failures += done.failures
            if done.failures:
                # What is wrong with a case's data fails again where its explanations are timed.
                scribe.note(failures=(*dict.fromkeys((*scribe.journal.failures, *done.failures)),))
            for failure in done.failures:
                _say_once(account, spelled_failure(failure), failure.case)
            if done.lost:
                _give_up(account, setting, done)
            elif verbose:
                say(_line(setting, done))
            if not unit.timing:
                bar.update(setting.maps_of(range(unit.start, unit.stop), unit.methods))
                account.pictures[number] += done.pictures
                account.seconds[number] += done.seconds
                continue
            if not done.lost:
                account.clocks[setting.cells.place] = done.clock
            if account.pictures[number] and done.bare_seconds:
                spent = {"pictures": account.pictures[number], "seconds": account.seconds[number]}
                row = setting.names | spent | {"bare_seconds": spent["pictures"] * done.bare_seconds}
                account.efficiency.setdefault(number, row)
    store.refresh()
    scribe.timed(account.clocks)
    return account


def _units(settings: list[Setting], account: Account, store: Store) -> Iterator[Unit | None]:
    """Yield all units; None where the next one has to wait for answers."""
    # The first cases of all settings say how many come at a time after them.
    for number, setting in enumerate(settings):
        yield _unit(number, setting, setting.first_chunk(), account)
    while account.waiting:
        yield None
    store.refresh()
    for number, setting in enumerate(settings):
        first = setting.first_chunk()
        cost = measure(setting, first, setting.cells.methods).cost  # from the cells that workers left
        for numbers in setting.chunks(first.stop, cost):
            yield _unit(number, setting, numbers, account)
    # Timings are taken one at a time, when nothing else is computed.
    for number, setting in enumerate(settings):
        while account.waiting:
            yield None
        timed = range(setting.first, min(setting.part.timed, setting.end))
        if timed or account.pictures[number]:
            yield _unit(number, setting, timed, account, timing=True)


def _unit(number: int, setting: Setting, numbers: range, account: Account, *, timing: bool = False) -> Unit:
    """Give out a unit of all methods that are not left out; those that are timed have explained all of its cases."""
    place = setting.cells.place
    methods = [method for method in setting.cells.methods if (*place, method, "") not in account.lost]
    if timing:
        cases = {*_keys(setting, numbers)}
        lost = {method for *where, method, case in account.lost if (*where,) == place and case in cases}
        methods = [each for each in methods if each not in lost and not setting.cells.failed(each, cases)]
    unit = Unit(number, numbers.start, numbers.stop, (*methods,), timing)
    account.waiting += unit.size
    return unit


def _keys(setting: Setting, numbers: range) -> Iterator[str]:
    """Yield the keys of some cases, as far as they can be read."""
    for number in numbers:
        with suppress(Exception):  # its failure is reported by who computes it
            yield setting.cases[number].key


def _line(setting: Setting, done: Done) -> str:
    """Say what a worker has done."""
    unit = done.unit
    what = "timings" if unit.timing else f"cases {unit.start + 1} to {unit.stop}"
    methods = unit.methods[0] if len(unit.methods) == 1 else f"{len(unit.methods)} methods"
    return f"{done.worker}: {what}, {setting.title}, {methods}: {done.seconds:.1f} s, pictures: {done.pictures}"


def _say_once(account: Account, sentence: str, case: str) -> None:
    """Say a sentence about a case, unless the same was said of another one."""
    if (alike := sentence.replace(case, "")) not in account.said:
        account.said.add(alike)
        say(sentence)


def _give_up(account: Account, setting: Setting, done: Done) -> None:
    """Note what a unit should have made, and why it is not there."""
    unit, place, cases = done.unit, setting.cells.place, f"cases {done.unit.start + 1} to {done.unit.stop}"
    what = f"{setting.title}, {', '.join(unit.methods)}, {cases}"
    _say_once(account, f"given up, and the run goes on: {what}: {done.lost}", cases)
    if unit.timing:
        account.lost |= {(*place, method, TIMING): done.lost for method in unit.methods}
        return
    keys = _keys(setting, range(unit.start, unit.stop))
    account.lost |= {(*place, method, key): done.lost for key, method in product(keys, unit.methods)}
    # What was given up as a whole was refused everywhere, as by a full disk: that says nothing of the method.
    for method in unit.methods if not unit.parts() else ():
        given_up = [each[3] for each in account.lost if each[:3] == (*place, method)]
        if len(given_up) >= MOST_LOST and "" not in given_up:
            say(f"{setting.title}: {method} is not tried on further cases, as {MOST_LOST} were given up.")
            account.lost[(*place, method, "")] = f"not tried, as it was given up before: {done.lost}"
