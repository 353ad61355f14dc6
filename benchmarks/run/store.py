"""Content-addressed results: every cell is found by the hash of all that determines what is in it.

A *cell* holds the arrays of one case of one step: its map, a score, a timing. What determines it is its *identity*,
plain data that its maker lists in full (see ``benchmarks.run.cells``). `benchmarks.run.cellfile` says how cells are
kept.
"""

import hashlib
import json
import math
import platform
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy

from benchmarks.run.cellfile import CellFile, DamagedError, Stored, Tally, claim, mend
from mint.contract import InputError

Identity = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]
FORMAT = 2  # part of every key: raise it when the same identity comes to mean other contents
LOOK_SECONDS = 1.0  # between two looks at the directory, for files that nobody told of
FULL_BYTES = 2**30  # a file that has grown so far gets no more cells: it is checked as a whole before it is written
_SMALL_BYTES = 4096  # compressing a score takes longer than all else that is done with it, and saves a third of little
_HEAD = struct.Struct("<Bd")  # of a packed cell: whether the rest is compressed, and its pictures


@dataclass(frozen=True)
class Label:
    """What a cell is for, in words, for people; it is no part of the key."""

    dataset: str
    network: str
    method: str
    control: str  # "" is the method's own map
    step: str  # "map", "pictures", "second call", "timing", or a metric's name
    device: str  # full name of the one it was computed on


class Found(NamedTuple):
    """The arrays of a cell, the device they were computed on, and the pictures that went through a network for it."""

    arrays: Arrays
    device: str
    pictures: float = 0.0


class Entry(NamedTuple):
    """A cell to be written."""

    key: str
    label: Label
    arrays: Arrays
    pictures: float = 0.0  # that went through a network for it


def key_of(identity: Identity) -> str:
    """Hash an identity: hexadecimal SHA-256 of its canonical JSON.

    Raises
    ------
    TypeError, ValueError
        If the identity holds anything but strings, finite numbers, booleans, None, lists and mappings.
    """
    canonical = json.dumps({"format": FORMAT, **identity}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


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

    Cells lie in files of SQLite, one for each process that writes at a time (``HOST-0.cells``, ``HOST-1.cells``, ...);
    every process reads all of them. A cell is seen by others as soon as `write` has returned.
    """

    directory: Path  # made when the first cell is written
    written: int = 0  # how many cells this object wrote
    reused: int = 0  # and how many it found
    damaged: list[Path] = field(default_factory=list)  # files that are there but could not be read as a whole
    asked: set[str] | None = None  # if it is a set, every key that is asked for is added
    _files: dict[Path, CellFile] = field(default_factory=dict, repr=False)
    _own: CellFile | None = field(default=None, repr=False)  # one of them
    _looked: float = field(default=-math.inf, repr=False)  # when the directory was listed

    def read(self, keys: Sequence[str]) -> dict[str, Found]:
        """Return the cells of some keys, by key; what is not there or not whole is left out.

        NaN, dtypes and shapes come back bit by bit.
        """
        cells = {}
        for key, stored in self._find(keys).items():
            try:
                arrays, pictures = unpacked(stored.payload)
                cells[key.hex()] = Found(arrays, _label(stored.words).device, pictures)
            except DamagedError:  # bytes that have their checksum and are no cell: a faulty program wrote them
                self.damaged.append(self.directory)
        self.reused += len(cells)
        return cells

    def write(self, entries: Sequence[Entry]) -> None:
        """Store cells: all of them, or none if the process is killed or the disk is full.

        Raises
        ------
        OSError
            If they cannot be written; it names the file.
        """
        if not entries:
            return
        cells: dict[bytes, dict[bytes, bytes]] = {}
        for entry in entries:
            words = json.dumps(astuple(entry.label)).encode()
            cells.setdefault(words, {})[bytes.fromhex(entry.key)] = packed(entry.arrays, entry.pictures)
        try:
            self._writable().write(cells)
        except DamagedError:
            self._set_aside(self._writable().path)
            self._writable().write(cells)
        self.written += len(entries)

    def check_idle(self) -> None:
        """Raise `BlockingIOError` if another process writes here."""
        for path in self._paths():
            claim(path).close()

    def keep(self, keys: Collection[str]) -> int:
        """Remove the cells of all other keys; return how many these were.

        Raises
        ------
        BlockingIOError
            If another process writes here; nothing is removed then.
        """
        wanted = frozenset(map(bytes.fromhex, keys))
        self.close()
        try:
            files = [self._claimed(path) for path in self._paths()]
            return sum(file.keep(wanted) for file in files)
        finally:
            self.close()

    def counts(self) -> dict[Label, Tally]:
        """Count the cells under each label in all files; one that two processes wrote at once counts twice."""
        self.refresh()
        total: dict[Label, Tally] = {}
        for path in [*self._files]:
            for words, tally in self._answer(path, CellFile.tallies).items():
                label = _label(words)
                cells, first, last = total.get(label, (0, math.inf, -math.inf))
                total[label] = Tally(cells + tally.cells, min(first, tally.first), max(last, tally.last))
        return total

    def close(self) -> None:
        """Close all files; the store may be used again."""
        for path in [*self._files]:
            self._close(path)
        self._looked = -math.inf

    def _find(self, keys: Sequence[str]) -> dict[bytes, Stored]:
        """Ask file after file for what is not found yet, the own one first, and in the end those that are new."""
        if self.asked is not None:
            self.asked.update(keys)
        left = [bytes.fromhex(key) for key in dict.fromkeys(keys)]
        found: dict[bytes, Stored] = {}
        for look in (False, True):
            if look and time.monotonic() - self._looked < LOOK_SECONDS:
                break
            paths = self.refresh() if look else sorted(self._files, key=lambda path: self._files[path] is not self._own)
            for path in paths:
                left = [key for key in left if key not in found]
                if not left:
                    return found
                found |= self._answer(path, CellFile.read, left)
        return found

    def _answer(self, path: Path, question: Callable[..., dict[bytes, Any]], *about: Any) -> dict[bytes, Any]:
        """Ask a file; if it is damaged, ask again what is whole in it."""
        whole: dict[bytes, Any] = {}
        for _ in range(2):
            if path not in self._files:
                break
            try:
                return question(self._files[path], *about)
            except DamagedError as error:
                whole = error.whole
                self._set_aside(path)
        return whole

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("*.cells"))

    def refresh(self) -> list[Path]:
        """Open the files that are new in the directory, or new under their name; return them.

        Without it, those of other processes are found after `LOOK_SECONDS`.
        """
        self._looked = time.monotonic()
        for path, file in [*self._files.items()]:
            if not file.is_in_place():
                self._close(path)
        known = {*self._files}
        for path in self._paths():
            if path in known:
                continue
            try:
                self._files[path] = CellFile(path)
            except DamagedError:
                self._set_aside(path)
            except FileNotFoundError:
                if path.exists():
                    raise
        return [path for path in self._files if path not in known]

    def _writable(self) -> CellFile:
        """Return the file that this process writes: the first of this machine that no other process does."""
        own = self._own
        if own is not None and (not own.is_in_place() or own.path.stat().st_size > FULL_BYTES):
            self._close(own.path)  # it is full, or somebody removed it, and what is written now would be lost
            self._looked = -math.inf
        numbers = count()
        while self._own is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / f"{slug_of_host()}-{next(numbers)}.cells"
            if not path.exists() or path.stat().st_size <= FULL_BYTES:
                with suppress(BlockingIOError):
                    self._own = self._claimed(path)
        return self._own

    def _claimed(self, path: Path) -> CellFile:
        """Open a file to write it, mended if it is damaged; `BlockingIOError` if another process writes it."""
        try:
            file = CellFile(path, writing=True)
        except DamagedError:
            self._note(path)
            mend(path)
            file = CellFile(path, writing=True)
        self._close(path)
        self._files[path] = file
        return file

    def _set_aside(self, path: Path) -> None:
        """Note that a file is damaged, and mend it if no other process writes it."""
        own = self._own is not None and self._own.path == path
        self._note(path)
        self._close(path)
        with suppress(OSError):  # where nothing can be written, what is whole can still be read
            mend(path)
        with suppress(DamagedError, FileNotFoundError):
            self._files[path] = CellFile(path)
        if own:
            self._own = self._claimed(path)

    def _note(self, path: Path) -> None:
        if path not in self.damaged:
            self.damaged.append(path)

    def _close(self, path: Path) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            file.close()
            self._own = None if file is self._own else self._own


def packed(arrays: Arrays, pictures: float = 0.0) -> bytes:
    """Return the arrays of a cell as bytes: in the format of safetensors, compressed where they are large.

    Of the formats that were measured, this one is written and read fastest: a score with two curves takes .02 and .01
    ms, and .15 and .3 ms in a compressed npz file, which is as large for a map.
    """
    plain = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    if len(plain) > _SMALL_BYTES:
        small = zlib.compress(plain, 1)
        # What saves less, as of a noisy map, is not worth reading it ten times slower.
        if len(small) < 0.9 * len(plain):
            return _HEAD.pack(1, pictures) + small
    return _HEAD.pack(0, pictures) + plain


def unpacked(payload: bytes) -> tuple[Arrays, float]:
    """Return the arrays of `packed`'s bytes; `DamagedError` if they are no such bytes."""
    try:
        compressed, pictures = _HEAD.unpack_from(payload)
        rest = payload[_HEAD.size :]
        return safetensors.numpy.load(zlib.decompress(rest) if compressed else rest), pictures
    except Exception as error:  # wrong bytes make readers raise almost anything
        raise DamagedError(f"a cell cannot be read ({error})") from error


@cache
def _label(words: bytes) -> Label:
    return Label(*json.loads(words))


def slug_of_host() -> str:
    """Return the machine's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "host"
