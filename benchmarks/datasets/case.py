"""What a data set is made of: a case is one picture with one class that is explained."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks.network import Network
from mint.checks import Check, report_all, require


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
        uint8 (h, w, 3), RGB, at the network's input size.
    region : numpy.ndarray or None
        bool (h, w): the pixels that belong to the target (mask, union of boxes, or mosaic quadrant); None if
        the picture is not annotated.
    difficult : bool
        Whether the case belongs to the "difficult" subset; each data set says what it means by that.
    """

    key: str
    picture: str
    target: int
    target_name: str
    image: np.ndarray
    region: np.ndarray | None
    difficult: bool

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that determines a score: pixels, region, target, difficulty."""
        region = b"none" if self.region is None else np.packbits(self.region).tobytes()
        head = f"{self.image.shape} {self.image.dtype} {self.target} {self.difficult} {self.region is None}\n"
        return hashlib.sha256(head.encode() + np.ascontiguousarray(self.image).tobytes() + region).hexdigest()


@dataclass(frozen=True)
class DataOptions:
    """What the command line says about the data."""

    directory: Path | None = None  # --data: the folder of a data set that is not shipped
    seed: int = 0  # of whatever a data set draws


Dataset = Callable[[Network, DataOptions], Sequence[Case]]
"""A data set is a function or class that is called with a network and options, and gives a sequence of cases."""


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
    size = network.input_size

    def read() -> list[Case]:
        found = dataset(network, options)
        return [found[i] for i in range(min(limit, len(found)))]

    cases = cache(read)

    def for_each(look: Callable[[Case], tuple[bool, str]]) -> Callable[[], None]:
        def check() -> None:
            for case in cases():
                holds, sentence = look(case)
                require(holds, f"case {case.key}: {sentence}")

        return check

    def has_cases() -> None:
        found: Any = cases()
        require(bool(found), "it has no case")
        require(all(isinstance(case, Case) for case in found), "what it gives are not benchmarks.datasets.Case")

    def has_safe_keys() -> None:
        keys = [case.key for case in cases()]
        require(len(set(keys)) == len(keys), f"two cases have one key among {keys}")
        unsafe = [key for key in keys if not re.fullmatch(r"[\w.-]+", key)]
        require(not unsafe, f"keys must be safe as file names (letters, digits, '.', '_' and '-'): {unsafe}")

    def keeps_pictures_apart() -> None:
        pixels: dict[str, np.ndarray] = {}
        for case in cases():
            same = np.array_equal(pixels.setdefault(case.picture, case.image), case.image)
            require(same, f"two cases of the picture {case.picture} show different pixels")

    def gives_the_same_again() -> None:
        first, second = ([(case.key, case.digest) for case in read()] for _ in range(2))
        require(first == second, "called twice with the same seed, it gives different cases")

    def shows_picture(case: Case) -> tuple[bool, str]:
        holds = case.image.dtype == np.uint8 and case.image.shape == (size, size, 3)
        return holds, f"the image is {case.image.dtype} {case.image.shape}, not {(size, size, 3)}"

    def marks_region(case: Case) -> tuple[bool, str]:
        holds = case.region is None or (case.region.dtype == np.bool_ and case.region.shape == (size, size))
        return holds, f"the region must be None or bool {(size, size)}"

    def names_class(case: Case) -> tuple[bool, str]:
        holds = 0 <= case.target < len(network.classes) and case.target_name == network.classes[case.target]
        return holds, f"class {case.target} of {network.name} is not {case.target_name!r}"

    def says_difficult(case: Case) -> tuple[bool, str]:
        return isinstance(case.difficult, bool), f"difficult is {case.difficult!r}"

    return [
        ("has cases", has_cases),
        ("has safe keys", has_safe_keys),
        ("keeps pictures apart", keeps_pictures_apart),
        ("gives the same again", gives_the_same_again),
        ("shows pictures of the network's size", for_each(shows_picture)),
        ("marks a region of the picture", for_each(marks_region)),
        ("names the network's class", for_each(names_class)),
        ("says what is difficult", for_each(says_difficult)),
    ]


def slug(name: str) -> str:
    """Return a class name as part of a file name: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
