"""Cells: a damaged one is computed again, and never read as numbers that were not written."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.run.cellfile import DamagedError
from benchmarks.run.store import Arrays, Entry, Label, Store, key_of, packed, slug_of_host, unpacked
from fuzz.harness import Harness

SMALL: Arrays = {"map": np.arange(60, dtype=np.float32).reshape(6, 10), "seconds": np.array(0.25)}
LARGE: Arrays = {"map": np.full((40, 60), np.nan), "parts": np.zeros((0, 3), bool)}  # is compressed
LABELS = (Label("scenes", "net", "mint", "", "map", "A CPU"), Label("scenes", "net", "mint", "", "deletion", "A GPU"))


@cache
def entries() -> Mapping[str, Entry]:
    cells = [Entry(key_of({"number": i}), LABELS[i % 2], (SMALL, LARGE)[i // 2], i / 3) for i in range(4)]
    return {each.key: each for each in cells}


def cells(_folder: Path) -> list[bytes]:
    return [packed(SMALL, 12.5), packed(LARGE, 500.0), packed({})]


def read_cell(data: bytes, _folder: Path) -> bool:
    """Read bytes whose checksum is right: they may hold anything, and be refused or not."""
    try:
        arrays, pictures = unpacked(data)
    except DamagedError:
        return False
    assert isinstance(pictures, float)
    assert all(isinstance(name, str) and isinstance(array, np.ndarray) for name, array in arrays.items())
    return True


def files(folder: Path) -> list[bytes]:
    with closing(Store(folder)) as store:
        store.write([*entries().values()])
    [file] = folder.glob("*.cells")
    return [file.read_bytes()]


def read_file(data: bytes, folder: Path) -> bool:
    for each in folder.iterdir():
        each.unlink()
    (folder / f"{slug_of_host()}-0.cells").write_bytes(data)
    with closing(Store(folder)) as store:
        found = store.read([*entries()])
        assert len(found) == store.reused
        missing = [entry for key, entry in entries().items() if key not in found]
        store.write(missing)
        # Who only reads may take a damaged key for one that is not there; who writes checks the whole file.
        assert store.damaged or not missing
        assert store.read([*entries()]).keys() >= {entry.key for entry in missing}
    for key, cell in found.items():
        known = entries()[key]
        assert (cell.device, cell.pictures) == (known.label.device, known.pictures)
        assert cell.arrays.keys() == known.arrays.keys()
        for name, array in cell.arrays.items():
            assert (array.dtype, array.shape) == (known.arrays[name].dtype, known.arrays[name].shape)
            assert array.tobytes() == known.arrays[name].tobytes()
    return len(found) == len(entries())


TOKENS: Sequence[bytes] = (
    *(b'"F64"', b'"BF16"', b'"shape":[999999999999]', b'"data_offsets":[0,', b'{"__metadata__":', b"\x78\x01", b"[[["),
    *(b"SQLite format 3\0", b"cells", b"labels", b"BLOB", b'["scenes", '),
)
HARNESSES = (Harness("cells", cells, read_cell, TOKENS), Harness("cells-files", files, read_file, TOKENS))
