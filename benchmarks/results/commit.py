"""Files that change together: after a kill at any moment, and beside other writers, all are of one writing.

They are written into a folder of their own beside the others, which is then renamed: with that, they hold. What is
left is to move them to their places; whoever comes next, writer or reader, does it where a process was killed before.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.results.sums import FILES, SUMS

WRITING = "new-records-"
"""How the names of folders begin that are being written."""
WRITTEN = "written-records"
"""The folder of files that hold, and are being moved."""
PATIENCE = 60.0
"""Seconds to wait for another process that moves its files."""
LEFT_SECONDS = 86_400
"""A folder as old as that is of a process that was killed."""


@contextmanager
def writing(directory: Path) -> Iterator[Path]:
    """Yield an empty folder to write all `FILES` and their checksums into; at the end, they are the directory's.

    Raises
    ------
    OSError
        If it cannot be written. What was there is there still.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)) from None
    for left in directory.glob(f"{WRITING}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(prefix=WRITING, dir=directory))
    try:
        yield new
        _commit(new, directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _commit(new: Path, directory: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        finish(directory)
        try:
            new.rename(directory / WRITTEN)
            break
        except OSError:  # of another process, which has come in between
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    finish(directory)


def stamp(directory: Path) -> tuple[int, int]:
    """Tell this writing from every other; while files are being moved, every stamp is another.

    What was read between two equal stamps is of one writing.
    """
    # In this order: the folder goes when all is moved.
    if (directory / WRITTEN).is_dir():
        return (-1, time.monotonic_ns())
    with suppress(FileNotFoundError):
        status = (directory / SUMS).stat()
        return (status.st_ino, status.st_mtime_ns)
    return (0, 0)  # of before there were checksums


def finish(directory: Path) -> None:
    """Move files that hold to their places, the checksums last, if a process was killed before it had moved them all.

    Any number of processes may do so at a time.
    """
    written = directory / WRITTEN
    if not written.is_dir():
        return
    for name in (*FILES, SUMS):
        (directory / name).parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # moved already
            (written / name).replace(directory / name)
    # Never with what is in them: they may be another process's by now.
    for folder in [*{(written / name).parent for name in FILES} - {written}, written]:
        with suppress(OSError):
            folder.rmdir()
