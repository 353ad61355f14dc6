"""Content-addressed results: every cell is found by the hash of all that determines what is in it.

A *cell* holds the arrays of a few cases: their maps, their scores, their timing. What determines it is its
*identity*, plain data that its maker lists in full (see ``benchmarks.run.cells``). `benchmarks.run.cellfile` says how
cells are kept.
"""

import hashlib
import io
import json
import math
import platform
import re
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.run.cellfile import FULL_BYTES, CellFile, DamagedError, mend
from mint.contract import InputError

Identity = Mapping[str, Any]
Cell = Mapping[str, Mapping[str, np.ndarray]]  # the arrays of each case: cell[case key][array name]
FORMAT = 1  # part of every key: raise it when the same identity comes to mean other contents
LOOK_SECONDS = 1.0  # between two looks at the directory, for the files of processes that began later
Answer = TypeVar("Answer")


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
    """The cells under one directory, and what this process did with them.

    Cells lie in files of SQLite, one for each process that writes at a time (``HOST-0.sqlite``, ``HOST-1.sqlite``,
    ...); every process reads all of them. Cells of former versions, a file each, are read as well.
    """

    directory: Path  # made when the first cell is written
    written: int = 0  # how many cells this object wrote
    reused: int = 0  # and how many it found
    damaged: list[Path] = field(default_factory=list)  # files that are there but could not be read
    _files: dict[Path, CellFile] = field(default_factory=dict, repr=False)
    _own: CellFile | None = field(default=None, repr=False)
    _looked: float = field(default=-math.inf, repr=False)  # when the directory was listed

    def has(self, identity: Identity) -> bool:
        """Tell whether there is a cell of an identity, without reading it."""
        name = key_of(identity)
        key = bytes.fromhex(name)
        return self._ask(lambda file: file.has(key) or None) is not None or self._former(name).exists()

    def read(self, identity: Identity) -> Cell | None:
        """Return the cell of an identity, or None if it is not there or cannot be read any more.

        NaN, dtypes and shapes come back bit by bit.
        """
        name = key_of(identity)
        key = bytes.fromhex(name)
        cell = self._ask(lambda file: unpacked(file.read(key)))
        if cell is None:
            cell = self._read_former(name)
        self.reused += cell is not None
        return cell

    def write(self, identity: Identity, cell: Cell) -> None:
        """Store a cell under its identity: all of it, or nothing if the process is killed or the disk is full.

        Raises
        ------
        OSError
            If it cannot be written; it names the file.
        """
        key, payload = bytes.fromhex(key_of(identity)), packed(cell)
        try:
            self._writable().write(key, payload)
        except DamagedError:
            self._set_aside(self._writable().path)
            self._writable().write(key, payload)
        self.written += 1

    def keep(self, keys: Collection[str]) -> int:
        """Remove the cells whose keys are not among some (`key_of`); return how many went.

        Raises
        ------
        BlockingIOError
            If another process writes here.
        """
        wanted = {bytes.fromhex(key) for key in keys}
        removed = 0
        for path in self._paths():
            self._close(path)
            with closing(CellFile(path, writing=True)) as file:
                others = [key for key in file.every_key() if key not in wanted]
                file.remove(others)
                removed += len(others)
        for former in self.directory.glob("??/*.npz"):
            if former.stem not in keys:
                former.unlink()
                removed += 1
        return removed

    def close(self) -> None:
        """Close all files; the store may be used again."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._own, self._looked = None, -math.inf

    def _ask(self, question: Callable[[CellFile], Answer | None]) -> Answer | None:
        """Ask file after file until one has an answer; what other processes have written since, is asked, too."""
        for refresh in (False, True):
            if refresh and not self._refresh():
                return None
            for path in [*self._files]:
                try:
                    answer = question(self._files[path])
                except DamagedError:
                    self._set_aside(path)
                    answer = question(self._files[path]) if path in self._files else None
                if answer is not None:
                    return answer
        return None

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("*.sqlite"))

    def _refresh(self) -> bool:
        """Open the files that are new in the directory; tell whether there are any."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        new = [path for path in self._paths() if path not in self._files]
        for path in new:
            try:
                self._files[path] = CellFile(path)
            except DamagedError:
                self._set_aside(path)
        return bool(new)

    def _writable(self) -> CellFile:
        """Return the file that this process writes: the first of this machine that no other process does."""
        if self._own is not None and not self._own.path.exists():
            self._close(self._own.path)  # somebody removed it, and what is written now would be lost
            self._own = None
        for number in count():
            if self._own is not None:
                break
            path = self.directory / f"{slug_of_host()}-{number}.sqlite"
            self.directory.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > FULL_BYTES:
                continue
            self._close(path)
            with suppress(BlockingIOError):
                try:
                    self._own = CellFile(path, writing=True)
                except DamagedError:
                    self.damaged.append(path)
                    mend(path)
                    self._own = CellFile(path, writing=True)
                self._files[path] = self._own
        assert self._own is not None
        return self._own

    def _close(self, path: Path) -> None:
        if path in self._files:
            self._files.pop(path).close()

    def _set_aside(self, path: Path) -> None:
        """Note that a file is damaged; keep what is whole in it, if no other process writes it."""
        own = self._own is not None and self._own.path == path
        self._close(path)
        self._own = None if own else self._own
        if not mend(path):
            return  # also where its writer has only just made it
        if path not in self.damaged:
            self.damaged.append(path)
        self._files[path] = CellFile(path, writing=own)
        self._own = self._files[path] if own else self._own

    def _former(self, name: str) -> Path:
        return self.directory / name[:2] / f"{name}.npz"

    def _read_former(self, name: str) -> Cell | None:
        path = self._former(name)
        try:
            payload = path.read_bytes()
        except OSError:
            return None
        try:
            return unpacked(payload)
        except DamagedError:
            self.damaged.append(path)
            return None


def packed(cell: Cell) -> bytes:
    """Return a cell as the bytes of a compressed npz file: each array as ``CASE|NAME``."""
    stream = io.BytesIO()
    arrays = {f"{case}|{name}": array for case, parts in cell.items() for name, array in parts.items()}
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def unpacked(payload: bytes | None) -> Cell | None:
    """Return the cell of `packed`'s bytes; `DamagedError` if they are no such bytes."""
    if payload is None:
        return None
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files if name != "identity"}  # which former cells have
    except Exception as error:  # damaged bytes make zip readers raise almost anything
        raise DamagedError(f"a cell cannot be read ({error})") from error
    cell: dict[str, dict[str, np.ndarray]] = {}
    for name, array in stored.items():
        case, _, part = name.rpartition("|")
        cell.setdefault(case, {})[part] = array
    return cell


def slug_of_host() -> str:
    """Return the machine's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "host"
