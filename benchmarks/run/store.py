"""Content-addressed results: every file is named by the hash of all that determines what is in it.

A *cell* holds the arrays of a few cases: their maps, their scores, their timing. What determines it is its
*identity*, plain data that its maker lists in full (see ``benchmarks.run.cells``). A cell is written under a temporary
name and renamed when complete, so a run killed at any moment leaves whole cells only.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mint.contract import InputError

Identity = Mapping[str, Any]
Cell = Mapping[str, Mapping[str, np.ndarray]]  # the arrays of each case: cell[case key][array name]
FORMAT = 1  # part of every key: raise it when the same identity comes to mean other contents
STRAY_AFTER_SECONDS = 60.0  # a temporary file this old was left by a killed run: writing one takes milliseconds


def key_of(identity: Identity) -> str:
    """Hash an identity: hexadecimal SHA-256 of its canonical JSON.

    Raises
    ------
    TypeError, ValueError
        If the identity holds anything but strings, finite numbers, booleans, None, lists and mappings.
    """
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()


def _canonical(identity: Identity) -> str:
    return json.dumps({"format": FORMAT, **identity}, sort_keys=True, allow_nan=False)


def make_directory(directory: Path) -> None:
    """Make the directory before anything is computed for it, or raise an `InputError` if it cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(f"nothing can be written to {directory}: {error.strerror}.") from None


@dataclass
class Store:
    """The cells under one directory, and what this run did with them."""

    directory: Path  # made when the first cell is written
    written: int = 0  # how many cells this object wrote
    reused: int = 0  # and how many it found
    damaged: list[Path] = field(default_factory=list)  # files that are there but could not be read

    def __post_init__(self) -> None:
        for stray in self.directory.glob("*/*.partial"):
            with suppress(OSError):  # another run may have removed or renamed it
                if time.time() - stray.stat().st_mtime > STRAY_AFTER_SECONDS:
                    stray.unlink()

    def has(self, identity: Identity) -> bool:
        """Tell whether there is a cell of an identity, without reading it."""
        return self._path(identity).exists()

    def read(self, identity: Identity) -> Cell | None:
        """Return the cell of an identity, or None if it is not there or cannot be read any more.

        NaN, dtypes and shapes come back bit by bit.
        """
        path = self._path(identity)
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                stored = {name: arrays[name] for name in arrays.files}
            if str(stored.pop("identity")) != _canonical(identity):
                raise ValueError("the cell is another one's")
        except FileNotFoundError:
            return None
        except Exception:  # a damaged file makes zip readers raise almost anything
            self.damaged.append(path)
            return None
        self.reused += 1
        cell: dict[str, dict[str, np.ndarray]] = {}
        for name, array in stored.items():
            case, _, part = name.rpartition("|")
            cell.setdefault(case, {})[part] = array
        return cell

    def write(self, identity: Identity, cell: Cell) -> None:
        """Store a cell under its identity: all of it, or nothing if the process is killed or the disk is full.

        Raises
        ------
        OSError
            If it cannot be written; it names the file.
        """
        path = self._path(identity)
        arrays = {f"{case}|{name}": array for case, parts in cell.items() for name, array in parts.items()}
        arrays["identity"] = np.array(_canonical(identity))
        # The same directory, as a rename is atomic within one file system only.
        partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            error.filename = error.filename or str(path)
            raise
        self.written += 1

    def _path(self, identity: Identity) -> Path:
        key = key_of(identity)
        return self.directory / key[:2] / f"{key}.npz"
