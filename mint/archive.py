"""Explanations on disk: arrays in an ``.npz`` file, and all else in a ``.json`` file that people can read.

Neither file holds pickled objects, so a file of unknown origin can be opened without running any code of it.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mint.parameters import InputError, said

FORMAT = "mint explanation"
VERSION = 2
MOST_BYTES = 2**31  # of all arrays together, unpacked: a small file could else fill the memory

Arrays = Mapping[str, NDArray[Any]]
Kept = TypeVar("Kept")

# JSON has no such numbers. A text of an explanation could be taken for one only if someone called a layer "inf".
_NOT_FINITE = {str(value): value for value in (math.inf, -math.inf, math.nan)}


def plain(value: Any) -> Any:
    """Turn mappings, sequences and numbers, also NumPy's, into what JSON has; infinity is "inf", and so on."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _restored(value: Any) -> Any:
    """Undo :func:`plain`. Lists become tuples, as an explanation holds no lists."""
    if isinstance(value, Mapping):
        return {key: _restored(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(_restored(each) for each in value)
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _paths(path: str | PathLike[str]) -> tuple[Path, Path]:
    file = Path(path)
    if not file.name:
        raise InputError(f"the path {str(path)!r} names no file; an explanation needs one, such as explanation.json.")
    stem = file.name.removesuffix(".npz").removesuffix(".json")
    return file.with_name(f"{stem}.npz"), file.with_name(f"{stem}.json")


def save(path: str | PathLike[str], arrays: Arrays, record: Mapping[str, Any]) -> None:
    """Write ``PATH.npz``, the arrays, and ``PATH.json``, the record and what binds the two files together.

    Parameters
    ----------
    path : path-like
        With or without one of the two suffixes.
    arrays : mapping of str to ndarray
        What has a value for each pixel, sample or super-pixel.
    record : mapping
        All else, as :func:`plain` makes it.

    Raises
    ------
    InputError
        If the path is a folder, or the files cannot be written.
    """
    arrays_file, record_file = _paths(path)
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name a file in it, such as {Path(path) / 'explanation.json'}.")
    head = {"format": FORMAT, "version": VERSION}
    try:
        np.savez_compressed(arrays_file, **arrays)  # type: ignore[arg-type]
        whole = {**head, "arrays_sha256": _digest(arrays_file), **record}
        record_file.write_text(_json(whole) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"the explanation cannot be written to {arrays_file} and {record_file} ({error}).") from error


def _json(value: Any, indent: str = "") -> str:
    """Write JSON with a line for each entry of a dictionary, and lists in one line."""
    if not isinstance(value, dict):
        return json.dumps(value, allow_nan=False)
    lines = ",\n".join(f"{indent}  {json.dumps(key)}: {_json(each, indent + '  ')}" for key, each in value.items())
    return f"{{\n{lines}\n{indent}}}"


def load(path: str | PathLike[str], build: Callable[[Arrays, Mapping[str, Any]], Kept]) -> Kept:
    """Read what :func:`save` wrote.

    Parameters
    ----------
    path : path-like
        As given to :func:`save`.
    build : callable
        Makes the explanation of the arrays and the record, in which lists have become tuples. It may fail with a
        KeyError, TypeError or ValueError where something is missing or wrong.

    Returns
    -------
    What ``build`` made.

    Raises
    ------
    InputError
        If a file is missing, damaged, or not of an explanation, or the two do not belong together.
    """
    arrays_file, record_file = _paths(path)
    for file in (record_file, arrays_file):
        if not file.is_file():
            raise InputError(f"{file} does not exist; an explanation is {record_file.name} and {arrays_file.name}.")
    record = _restored(_read_record(record_file))
    if record["arrays_sha256"] != _digest(arrays_file):
        raise InputError(f"{arrays_file} is not the file that {record_file.name} was written with; save both again.")
    try:
        with arrays_file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if sum(member.file_size for member in stored.zip.infolist()) > MOST_BYTES:
                raise ValueError(f"the arrays take more than {MOST_BYTES >> 30} GB")
            return build({name: stored[name] for name in stored.files}, record)
    except Exception as error:  # a damaged file makes zip and array readers raise almost anything
        raise InputError(f"{record_file} and {arrays_file} hold no complete explanation ({said(error)}).") from error


def _read_record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error}).") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT or "arrays_sha256" not in record:
        raise InputError(f"{file} is not an explanation that Explanation.save wrote.")
    if record.get("version") != VERSION:
        raise InputError(
            f"{file} is an explanation of version {record.get('version')}, and this release reads version {VERSION}; "
            "use the release of mint-attribution that wrote it."
        )
    return record


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
