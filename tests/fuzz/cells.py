"""Cells: a damaged one is computed again, and never read as numbers that were not written."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.run.store import Cell, Store, key_of, packed
from fuzz.harness import Harness

IDENTITY = {"kind": "map", "method": {"class": "MINT", "parameters": {"samples": "500"}}, "cases": [["a", "0f"]]}
CELL: Cell = {
    "a": {"map": np.arange(60, dtype=np.float32).reshape(6, 10), "seconds": np.array(0.25)},
    "b|c": {"map": np.full((6, 10), np.nan, dtype=np.float32), "seconds": np.array(0.5)},
}


def whole(folder: Path) -> list[bytes]:
    key = key_of(IDENTITY)  # a file as former versions wrote it: what is in a file of SQLite now
    (folder / key[:2]).mkdir(exist_ok=True)
    (folder / key[:2] / f"{key}.npz").write_bytes(packed(CELL))
    return [packed(CELL)]


def members(folder: Path) -> list[bytes]:
    """Return the arrays of a cell, each behind its own number."""
    [data] = whole(folder)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [bytes([number]) + archive.read(name) for number, name in enumerate(archive.namelist())]


def _read(data: bytes, folder: Path) -> Cell | None:
    if not list(folder.glob("??/*.npz")):
        whole(folder)
    [file] = folder.glob("??/*.npz")
    file.write_bytes(data)
    store = Store(folder)
    found = store.read(IDENTITY)
    assert (found is None) == (store.damaged == [file]) == (store.reused == 0)
    return found


def read_whole(data: bytes, folder: Path) -> bool:
    found = _read(data, folder)
    if found is None:
        return False
    assert found.keys() == CELL.keys()
    for case, parts in CELL.items():
        assert found[case].keys() == parts.keys()
        assert all(found[case][name].tobytes() == array.tobytes() for name, array in parts.items())
        assert all(found[case][name].shape == array.shape for name, array in parts.items())
    return True


def read_member(data: bytes, folder: Path) -> bool:
    """Put an array into a cell whose checksums are right: it may hold anything, and be refused or not."""
    if not list(folder.glob("*.sound")):
        (folder / "cell.sound").write_bytes(whole(folder)[0])
    stream = io.BytesIO()
    with zipfile.ZipFile(folder / "cell.sound") as sound, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        names = sound.namelist()
        changed = names[data[0] % len(names)] if data else names[0]
        for name in names:
            archive.writestr(name, data[1:] if name == changed else sound.read(name))
    return _read(stream.getvalue(), folder) is not None


TOKENS: Sequence[bytes] = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY\x01\0", b"'<f8'", b"'|O'", b"()")
BOMB = np.lib.format.magic(1, 0) + b"v\0" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }"
HARNESSES = (
    Harness("cells", whole, read_whole, TOKENS),
    Harness("cells-arrays", members, read_member, TOKENS, (b"\1" + BOMB.ljust(129) + b"\n",)),
)
