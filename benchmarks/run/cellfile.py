"""One SQLite file of cells: a single process writes it, and any number of processes read it meanwhile.

SQLite was chosen by measurement: a commit in its WAL mode took .14 ms, while a file for each cell took 1.6 ms, LMDB
7 ms and SQLite's rollback journal 15 ms. Parquet files of a hundred cells would lose what a killed run has not written.
WAL needs memory that all processes share, so on a network file system the rollback journal is used. Cells are committed
when `write` returns: a process that is killed at any moment leaves whole cells only.

Opening a file reads a few of its pages, however large it is. Every cell has a checksum, which is compared when the cell
is read; a file is checked as a whole only by who goes on writing it.
"""

import errno
import os
import sqlite3
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import psutil

# On any other file system a second machine may have the same folder.
_LOCAL = {"apfs", "btrfs", "ext2", "ext3", "ext4", "ntfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
_ERRNO = {
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
_TABLES = (
    # How many cells a label has is kept here, as counting them would read the whole file.
    "CREATE TABLE labels (number INTEGER PRIMARY KEY, words BLOB UNIQUE, cells INTEGER, first REAL, last REAL,"
    " check_sum INTEGER)",
    "CREATE TABLE cells (key BLOB UNIQUE, label INTEGER, at REAL, check_sum INTEGER, payload BLOB)",
)
_CELLS = "FROM cells AS c LEFT JOIN labels AS l ON l.number = c.label"
_KEYS_AT_A_TIME = 500
_CACHE_KIB = 512  # of pages, for each open file: a worker may have a hundred open
WAIT_SECONDS = 60.0  # for another process that is committing


class Stored(NamedTuple):
    """A cell as it is in a file."""

    payload: bytes
    words: bytes  # its label


class Tally(NamedTuple):
    """How many cells have a label, and when they were committed (Unix time)."""

    cells: int
    first: float
    last: float


class DamagedError(Exception):
    """The file, or a cell in it, cannot be read as it was written; ``whole`` is what was asked for and is whole."""

    def __init__(self, message: str, whole: Mapping[bytes, Any] | None = None) -> None:
        super().__init__(message)
        self.whole = dict(whole or {})


class CellFile:
    """The cells in one file, by key. It is made by the first one who opens it to write."""

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        """Open a file, and check all its pages, keys and labels before it is written.

        `DamagedError` if it is no such file any more, `OSError` if it cannot be opened.
        """
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock: sqlite3.Connection | None = None
        self._lock = claim(path) if writing else None
        try:
            with _told(path):
                if writing and not path.exists():
                    _make(path)
                self._place = _place_of(path)
                self._connection = _opened(path)
                tables = self._execute("SELECT sql FROM sqlite_master WHERE type='table'")
                if {each for (each,) in tables} != {each.encode() for each in _TABLES}:
                    raise DamagedError(f"{path} is damaged")  # its columns are others now
                if writing:
                    self._execute(f"PRAGMA journal_mode={'wal' if _is_local(path.parent) else 'truncate'}")
                    self._execute("PRAGMA synchronous=NORMAL")
                    if self._execute("PRAGMA integrity_check(1)").fetchone() != (b"ok",):
                        raise DamagedError(f"{path} is damaged")
                    self.tallies()
        except BaseException:
            self.close()
            raise

    def _execute(self, command: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(command, values)

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Stored]:
        """Return the cells of some keys, without those that are not here.

        `DamagedError`, with the others, if one is not as it was written.
        """
        rows, damaged = self._rows(keys)
        whole = {row[0]: Stored(row[2], row[1]) for row in rows if _whole(*row)}
        if damaged or len(whole) < len(rows):
            raise DamagedError(f"a cell in {self.path} is damaged", whole)
        return whole

    def _rows(self, keys: Sequence[bytes]) -> tuple[list[Any], bool]:
        """Look keys up, many in one query; what cannot be read among them is told by the second value."""
        command = f"SELECT c.key, l.words, c.payload, c.check_sum {_CELLS} WHERE c.key"
        rows: list[Any] = []
        damaged = False
        for start in range(0, len(keys), _KEYS_AT_A_TIME):
            some = keys[start : start + _KEYS_AT_A_TIME]
            try:
                with _told(self.path):
                    rows += self._execute(f"{command} IN ({','.join('?' * len(some))})", some).fetchall()
            except DamagedError:
                damaged = True
                if len(keys) > 1:  # one by one, so that only what is damaged is lost
                    rows += (row for key in some for row in self._rows([key])[0])
        return rows, damaged

    def write(self, cells: Mapping[bytes, Mapping[bytes, bytes]], at: float | None = None) -> None:
        """Add cells, by label and key, in one commit: all or none. A key that is here already keeps its cell."""
        at = time.time() if at is None else at
        with self._commit() as connection:
            for words, payloads in cells.items():
                labels = {label: (number, tally) for number, label, tally in self._labels(words)}
                number, tally = labels.get(words, (None, Tally(0, at, at)))
                if number is None:
                    number = self._execute("INSERT INTO labels (words) VALUES (?)", (words,)).lastrowid
                rows = [(key, number, at, _sum(key, words, payload), payload) for key, payload in payloads.items()]
                added = connection.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?, ?)", rows).rowcount
                tally = Tally(tally.cells + added, min(tally.first, at), max(tally.last, at))
                self._execute("REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)", _label_row(number, words, tally))

    def tallies(self) -> dict[bytes, Tally]:
        """Count the cells of every label without reading them; `DamagedError` if a number is not as it was written."""
        with _told(self.path):
            return {words: tally for _, words, tally in self._labels()}

    def _labels(self, words: bytes | None = None) -> Iterator[tuple[int, bytes, Tally]]:
        where, values = ("", ()) if words is None else (" WHERE words=?", (words,))
        for number, label, *tally, check in self._execute(f"SELECT * FROM labels{where}", values):
            if check != _label_row(number, label, Tally(*tally))[-1]:
                raise DamagedError(f"a label in {self.path} is damaged")
            yield number, label, Tally(*tally)

    def keep(self, keys: Collection[bytes]) -> int:
        """Remove the cells of all other keys, and give their room back; return how many went."""
        with _told(self.path):
            others = [(key,) for (key,) in self._execute("SELECT key FROM cells") if key not in keys]
        if others:
            with self._commit() as connection:
                connection.executemany("DELETE FROM cells WHERE key=?", others)
                left = self._execute(f"SELECT number, words, count(*), min(at), max(at) {_CELLS} GROUP BY label")
                labels = [_label_row(number, words, Tally(*tally)) for number, words, *tally in left]
                self._execute("DELETE FROM labels")
                connection.executemany("INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?)", labels)
            with _told(self.path):
                self._execute("VACUUM")
        return len(others)

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        assert self._connection is not None
        with _told(self.path):
            self._execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._execute("ROLLBACK")
                raise

    def is_in_place(self) -> bool:
        """Tell whether its path still leads to this file: another process may have removed or mended it."""
        with suppress(OSError):
            return _place_of(self.path) == self._place
        return False

    def close(self) -> None:
        """Close the file, and leave it to others to write."""
        for each in (self._connection, self._lock):
            if each is not None:
                each.close()
        self._connection = self._lock = None

    __del__ = close


def mend(path: Path) -> bool:
    """Write what is whole in a damaged file into a new one that takes its place; False if another process writes it."""
    try:
        lock = claim(path)
    except BlockingIOError:
        return False
    new = path.with_suffix(".mended")
    with closing(lock):
        try:
            _remove(new)
            with closing(CellFile(new, writing=True)) as whole:
                for (words, at), cells in groupby(_salvaged(path), lambda cell: cell[2:]):
                    whole.write({words: {key: payload for key, payload, _, _ in cells}}, at)
            _remove(path)
            new.replace(path)
        finally:
            _remove(new)  # which is there no more, unless the disk is full
            _lock_of(new).unlink(missing_ok=True)
    return True


def _salvaged(path: Path) -> Iterator[tuple[bytes, bytes, bytes, float]]:
    """Read every cell that is whole, with its label and time, from both ends towards what is damaged."""
    for order, beyond, last in (("ASC", ">", -(2**63)), ("DESC", "<", 2**63 - 1)):
        # Where a row cannot be read, its number often can, and it is passed over.
        numbers = f"SELECT rowid FROM cells NOT INDEXED WHERE rowid {beyond} ? ORDER BY rowid {order} LIMIT 1"
        with suppress(sqlite3.DatabaseError, UnicodeDecodeError), closing(_opened(path)) as connection:
            while row := connection.execute(numbers, (last,)).fetchone():
                if not (row[0] > last if order == "ASC" else row[0] < last):
                    break  # the numbers are out of order, and it would go round in a circle
                last = row[0]
                with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                    command = f"SELECT key, words, payload, c.check_sum, at {_CELLS} WHERE c.rowid=?"
                    for key, words, payload, check, at in connection.execute(command, (last,)):
                        if _whole(key, words, payload, check) and isinstance(at, float):
                            yield key, payload, words, at


def _make(path: Path) -> None:
    """Make an empty file of cells; it is not there before it is whole."""
    new = path.with_suffix(".new")
    for each in (new, path):
        _remove(each)  # a journal that was left behind would be taken for the new file's
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=memory")
        connection.execute("PRAGMA synchronous=OFF")
        for table in _TABLES:
            connection.execute(table)
    new.replace(path)


def _opened(path: Path) -> sqlite3.Connection:
    # A reader may have to roll a killed writer back. In a folder that it may only read it can't, and there is no need
    # to if there is no journal.
    for options in ("mode=rw", "immutable=1"):
        address = f"{path.absolute().as_uri()}?{options}"
        connection = sqlite3.connect(
            address, uri=True, isolation_level=None, timeout=WAIT_SECONDS, cached_statements=16
        )
        try:
            connection.text_factory = bytes  # damage can make text of anything
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            connection.execute("SELECT 1 FROM cells, labels LIMIT 1").fetchone()
            break
        except sqlite3.OperationalError as error:
            connection.close()
            cannot = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if options != "mode=rw" or not cannot or not path.exists() or any(e.exists() for e in _journals_of(path)):
                raise
        except BaseException:
            connection.close()
            raise
    return connection


def _sum(key: bytes, words: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(key + words))


def _whole(key: object, words: object, payload: object, check: object) -> bool:
    if isinstance(key, bytes) and isinstance(words, bytes) and isinstance(payload, bytes):
        return _sum(key, words, payload) == check
    return False


def _label_row(number: int | None, words: bytes, tally: Tally) -> tuple[Any, ...]:
    return number, words, *tally, zlib.crc32(repr((number, words, *tally)).encode())


def _place_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _journals_of(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]


def _remove(path: Path) -> None:
    for each in (path, *_journals_of(path)):
        each.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def claim(path: Path) -> sqlite3.Connection:
    """Become the only one who writes a file until the connection is closed; `BlockingIOError` if another one is."""
    with _told(path):
        lock = sqlite3.connect(_lock_of(path), isolation_level=None, timeout=0)
        try:
            # SQLite's own lock is one that every system has, and that goes when the process does.
            lock.execute("PRAGMA journal_mode=memory")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise BlockingIOError(errno.EAGAIN, "another process writes it", str(path)) from None
            raise
    return lock


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into an `OSError` that names the file, or a `DamagedError`."""
    try:
        yield
    except UnicodeDecodeError as error:  # of damaged names
        raise DamagedError(f"{path} cannot be read ({error})") from error
    except sqlite3.DatabaseError as error:
        number = _ERRNO.get(getattr(error, "sqlite_errorcode", -1) & 0xFF)
        if number is None:
            raise DamagedError(f"{path} cannot be read ({error})") from error
        raise OSError(number, os.strerror(number), str(path)) from error


def _is_local(directory: Path) -> bool:
    folder = directory.resolve()
    mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    with suppress(StopIteration):
        return mounted[next(each for each in (folder, *folder.parents) if each in mounted)] in _LOCAL
    return False
