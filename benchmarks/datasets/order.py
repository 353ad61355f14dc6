"""The order of the cases of a folder: pictures of all classes take turns."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def dealt(items: Sequence[Item], class_of: Callable[[Item], Hashable], seed: int) -> tuple[Item, ...]:
    """Shuffle within and among classes, then take one of every class in turn."""
    by_class: dict[Hashable, list[Item]] = {}
    for index in np.random.default_rng(seed).permutation(len(items)):
        by_class.setdefault(class_of(items[index]), []).append(items[index])
    ranked = [(rank, item) for same in by_class.values() for rank, item in enumerate(same)]
    return tuple(item for _, item in sorted(ranked, key=lambda pair: pair[0]))
