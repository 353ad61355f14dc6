"""What a data set is made of: a case is one picture with one class that is explained."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks.network import Network
from mint.checks import Check, report_all, require
from mint.contract import InputError


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, explained for one class.

    Attributes
    ----------
    key : str
        Unique in its data set and safe as a file name, for instance ``scene-0007.striped-disc``.
    picture : str
        Name of the picture; several cases may share one.
    target : int
        Index of the class that is explained.
    target_name : str
        Its name.
    image : numpy.ndarray
        uint8 (h, w, 3), RGB. The shorter side is the network's input size; a picture need not be square.
    region : numpy.ndarray or None
        bool (h, w): the pixels that belong to the target (mask, union of boxes, or mosaic quadrant); None if
        the picture is not annotated.
    difficult : bool
        Whether the case belongs to the "difficult" subset; each data set says what it means by that.
    original : numpy.ndarray or None
        bool (H, W): the region in the picture's file as it is, before it was resized; None where a data set does not
        give it. TorchRay's pointing game is played there.
    """

    key: str
    picture: str
    target: int
    target_name: str
    image: np.ndarray
    region: np.ndarray | None
    difficult: bool
    original: np.ndarray | None = None

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that determines a score: pixels, regions, target, difficulty."""
        region = b"none" if self.region is None else np.packbits(self.region).tobytes()
        if self.original is not None:
            region += f"\n{self.original.shape}\n".encode() + np.packbits(self.original).tobytes()
        head = f"{self.image.shape} {self.image.dtype} {self.target} {self.difficult} {self.region is None}\n"
        return hashlib.sha256(head.encode() + np.ascontiguousarray(self.image).tobytes() + region).hexdigest()


@dataclass(frozen=True)
class DataOptions:
    """What the command line says about the data."""

    directory: Path | None = None  # --data: the folder of a data set that is not shipped
    seed: int = 0  # of whatever a data set draws


Dataset = Callable[[Network, DataOptions], Sequence[Case]]
"""A data set is a function or class that is called with a network and options, and gives a sequence of cases.

A sequence that reads its cases from files when they are asked for may have three attributes more: ``has_region``, a
function of a case's number that tells whether the case will have a region, for a data set where not all have one;
``passed_over``, a mapping that tells how many files it left aside, by what they are; and ``own_ratio``, which is true
where pictures keep their own aspect ratio.
"""


@dataclass(frozen=True, eq=False)
class LazyCases(Sequence[Case]):
    """Cases that are made of items, each when it is asked for; which case an item makes, a subclass says."""

    items: Sequence[Any]

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        """Make one case, or select some without making them."""
        if isinstance(index, slice):
            return replace(self, items=self.items[index])
        return self._case(self.items[index])

    def _case(self, item: Any) -> Case:
        raise NotImplementedError


def as_sequence(found: Any) -> Sequence[Case]:
    """Return what a data set gave as a sequence: a generator, for instance, is read to its end."""
    return found if hasattr(found, "__len__") and hasattr(found, "__getitem__") else list(found)


def check_options(dataset: Dataset, options: DataOptions) -> None:
    """Raise the `InputError` of a data set that needs other options, before a network is loaded or downloaded.

    A data set declares what it needs as its attribute ``require``, a function of the options.
    """
    if hasattr(dataset, "require"):
        dataset.require(options)


def check_dataset(dataset: Dataset, network: Network, options: DataOptions | None = None, *, limit: int = 8) -> None:
    """Hold a data set to what the suite relies on, clause by clause, and report every clause that is broken.

    The first ``limit`` of its cases are looked at.

    Raises
    ------
    AssertionError
        With a line for each broken clause.
    """
    name = getattr(dataset, "__name__", type(dataset).__name__)
    report_all(f"the data set {name}", dataset_checks(dataset, network, options or DataOptions(), limit=limit))


def dataset_checks(dataset: Dataset, network: Network, options: DataOptions, *, limit: int = 8) -> list[Check]:
    """Return the clauses of `check_dataset`, each with the function that checks it."""

    def read() -> list[Case]:
        found = as_sequence(dataset(network, options))
        return [found[i] for i in range(min(limit, len(found)))]

    cases = cache(read)

    def has_cases() -> None:
        require(bool(cases()), "it has no case")

    def has_different_keys() -> None:
        keys = [case.key for case in cases()]
        require(len(set(keys)) == len(keys), f"two cases have one key among {keys}")

    def keeps_pictures_apart() -> None:
        pixels: dict[str, np.ndarray] = {}
        for case in cases():
            same = np.array_equal(pixels.setdefault(case.picture, case.image), case.image)
            require(same, f"two cases of the picture {case.picture} show different pixels")

    def gives_the_same_again() -> None:
        first, second = ([(case.key, case.digest) for case in read()] for _ in range(2))
        require(first == second, "called twice with the same seed, it gives different cases")

    def look(clause: str) -> None:
        broken = [f"case {case.key}: {found[clause]}" for case in cases() if clause in (found := faults(case, network))]
        require(not broken, "; ".join(broken))

    checks = (has_cases, has_different_keys, keeps_pictures_apart, gives_the_same_again)
    named = [(check.__name__.replace("_", " "), check) for check in checks]
    return [*named, *((clause, partial(look, clause)) for clause in CLAUSES)]


def without_region(cases: Sequence[Case], numbers: range) -> int:
    """Count the cases that have no region; 0 for a sequence that would have to read its files to tell."""
    if hasattr(cases, "has_region"):
        return sum(not cases.has_region(number) for number in numbers)
    at_hand = [cases[number] for number in numbers] if isinstance(cases, list | tuple) else []
    return sum(isinstance(case, Case) and case.region is None for case in at_hand)


CLAUSES = ("has a safe key", "shows the picture", "marks a region", "names the class", "says if it is difficult")
"""What is asked of each case."""


def faults(case: Any, network: Network) -> dict[str, str]:
    """Find what a network's run cannot use about a case: a sentence for each of `CLAUSES` that is broken."""
    if not isinstance(case, Case):
        raise InputError(f"a case is a benchmarks.datasets.Case, not a {type(case).__name__}.")
    side, size = network.input_size, np.shape(case.image)[:2]
    region = np.zeros(size, bool) if case.region is None else case.region
    original = np.zeros((1, 1), bool) if case.original is None else case.original
    marked = _kind(region) == f"bool {size}"
    numbered = isinstance(case.target, int | np.integer) and 0 <= case.target < len(network.classes)
    holds = (
        isinstance(case.key, str) and re.fullmatch(r"[\w.-]+", case.key),
        _kind(case.image) == f"uint8 {(*size, 3)}" and min(size) == side,
        marked and isinstance(original, np.ndarray) and original.dtype == np.bool_ and original.ndim == 2,
        numbered and case.target_name == network.classes[case.target],
        isinstance(case.difficult, bool | np.bool_),
    )
    sentences = (
        f"the key {case.key!r} is no text of letters, digits, '.', '_' and '-', as a file name must be",
        f"the image is {_kind(case.image)}, not uint8 (h, w, 3) with a shorter side of {side}",
        f"the original region is {_kind(original)}, not None or bool (H, W)"
        if marked
        else f"the region is {_kind(region)}, not None or bool {size}",
        f"class {case.target!r} of {network.name} is not {case.target_name!r}",
        f"difficult is {case.difficult!r}, not True or False",
    )
    found = zip(CLAUSES, holds, sentences, strict=True)
    return {clause: sentence for clause, good, sentence in found if not good}


def _kind(array: object) -> str:
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"


def safe(name: str) -> str:
    """Return the name of a picture as a part of keys: whatever they cannot have becomes a hyphen."""
    return re.sub(r"[^\w.-]+", "-", name)


def slug(name: str) -> str:
    """Return a class name as part of a file name: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
