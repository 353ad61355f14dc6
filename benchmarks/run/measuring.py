"""Explain and measure a few cases of a setting. A run in one process, a worker and a gathering run all use it."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from benchmarks.metrics import Context
from benchmarks.run.arrays import ByCase
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.setting import Setting
from benchmarks.run.store import Arrays

NO_BAR: "tqdm[Any]" = tqdm(disable=True)


@dataclass(frozen=True)
class Measured:
    """What came of a few cases."""

    contexts: Mapping[int, Context]  # the cases that could be read, by number
    maps: Mapping[str, ByCase]  # by method
    scores: Mapping[tuple[str, str, str], Mapping[str, Arrays]]  # by method, control and metric, then by case
    pictures: Mapping[tuple[str, str], Arrays]  # what methods draw of themselves, by case and method
    repeated: Mapping[str, float]  # by method, how far a second map of its first case is from the first
    cost: float = 0.0  # pictures that a case's maps and scores take through the network if the store has none of them
    shown: int = 0  # pictures that went through the network for it
    asked: int = 0  # where a part is remembering: those that it was asked for,
    forwarded: int = 0  # and those that were not answered from memory


def measure(setting: Setting, numbers: range, methods: Collection[str], bar: "tqdm[Any]" = NO_BAR) -> Measured:
    """Explain the cases of these numbers by some methods, and measure every map.

    On the setting's first cases, every method is called a second time. The bar is moved by one for every map, and says
    what is being done.
    """
    cells, part = setting.cells, setting.part
    shown, cost = cells.shown, cells.cost
    contexts = setting.read(numbers)
    chunk = [*contexts.values()]
    memory = Memory()
    with remembering(setting.network.module, memory) if part.remembering else nullcontext():
        maps = {}
        for method in methods:
            bar.set_postfix_str(method)
            maps[method] = cells.maps(method, chunk)
        bar.set_postfix_str("scores")
        scores = cells.scores(chunk, {(name, ""): found for name, found in maps.items()}, part.metrics)
        bar.update(len(numbers) * len(methods))
    # Controls are left out: what they cost hangs on whether the own scores were found, with which they share answers.
    cost = (cells.cost - cost) / len(numbers)
    # Not from memory: a control may ask the network with other weights.
    under_control = before(setting.controlled, contexts)
    derived = {}
    for method, control in setting.spoilt:
        if method in methods:
            bar.set_postfix_str(f"{method}, {control}")
            mapped = [each for each in under_control if each.case.key in maps[method]]
            derived[method, control] = cells.derived(method, control, mapped, maps[method])
    scores |= cells.scores(under_control, derived, setting.controlling)
    bar.update(max(0, min(numbers.stop, setting.controlled) - numbers.start) * len(derived))
    repeated = {}
    for method in methods if numbers.start == setting.first else ():
        explained = [context for context in chunk if context.case.key in maps[method]]
        if explained and method not in cells.given:
            repeated[method] = cells.repetition(method, explained[0], maps[method])
    pictures = {
        (context.case.key, method): cells.pictures(method, context)
        for context in before(part.shown, contexts)
        for method in methods
        if context.case.key in maps[method]
    }
    shown = cells.shown - shown - (memory.asked - memory.forwarded)
    return Measured(contexts, maps, scores, pictures, repeated, cost, shown, memory.asked, memory.forwarded)


def before(end: int, contexts: Mapping[int, Context]) -> list[Context]:
    """Return the contexts of the cases whose number is below ``end``."""
    return [context for number, context in contexts.items() if number < end]
