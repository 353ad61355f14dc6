"""Cells of a few numbers, and the files that a store makes of them."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.run.store import Arrays, Entry, Label, Store, key_of

LABEL = Label("scenes", "bagnet", "mint", "", "map", "a device")
ARRAYS = {"map": np.arange(6, dtype=np.float32).reshape(2, 3), "score": np.array(np.nan)}
KEYS = [key_of({"number": number}) for number in range(2000)]


def entries(cells: Mapping[str, Arrays], label: Label = LABEL) -> list[Entry]:
    return [Entry(key, label, arrays) for key, arrays in cells.items()]


def has(store: Store, keys: Sequence[str]) -> list[bool]:
    found = store.read(keys)
    return [key in found for key in keys]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*"))


def cell_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.cells"))


def number_of(number: int) -> dict[str, np.ndarray]:
    return {"map": np.full((9, 9), number, np.float32)}


def filled(directory: Path, cells: int = 12) -> Path:
    with closing(Store(directory)) as store:
        for start in range(0, cells, 4):
            store.write(entries({KEYS[number]: number_of(number) for number in range(start, start + 4)}))
    (path,) = cell_files(directory)
    return path


def flip(path: Path, text: bytes) -> None:
    """Change a byte wherever a file has some text."""
    whole = path.read_bytes()
    assert text in whole
    path.write_bytes(whole.replace(text, text[:-1] + bytes([text[-1] ^ 0xFF])))
