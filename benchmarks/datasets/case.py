"""What a dataset is made of: one case is one (picture, target) pair."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, explained for one class.

    Attributes
    ----------
    key : str
        Unique in its dataset and safe as a file name, for instance ``scene-0007.striped-disc``.
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
        Whether the case belongs to the "difficult" subset; each dataset says what it means by that.
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
    """What the command line says about the data.

    Attributes
    ----------
    directory : pathlib.Path or None
        ``--data``: the folder of a dataset that is not shipped.
    seed : int
        Seed of whatever a dataset draws.
    """

    directory: Path | None = None
    seed: int = 0


def slug(name: str) -> str:
    """Return a class name as part of a file name: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
