"""Explanations on disk: either file damaged, and arrays in a file whose checksums are right."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from examples import SmallCNN, smooth_images

from fuzz.harness import Harness
from mint import MINT, Explanation


@cache
def explanation() -> Explanation:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallCNN().eval()
    return MINT(samples=20, layers=("stem", "trunk")).explain(network, smooth_images(1, (24, 24))[0], 3)


@cache
def _files() -> tuple[bytes, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        explanation().save(Path(folder) / "kept")
        return (Path(folder) / "kept.npz").read_bytes(), (Path(folder) / "kept.json").read_bytes()


def arrays(_folder: Path) -> list[bytes]:
    return [_files()[0]]


def record(_folder: Path) -> list[bytes]:
    return [_files()[1]]


def members(_folder: Path) -> list[bytes]:
    """Return the arrays, each behind its own number."""
    with zipfile.ZipFile(io.BytesIO(_files()[0])) as archive:
        return [bytes([number]) + archive.read(name) for number, name in enumerate(archive.namelist())]


def _used(folder: Path, arrays: bytes, record: bytes) -> bool:
    (folder / "kept.npz").write_bytes(arrays)
    (folder / "kept.json").write_bytes(record)
    found = Explanation.load(folder / "kept")
    found.saliency_map("both")
    found.row("a class")
    found.coarse_picture()
    found.fine_picture()
    return True


def _bound(arrays: bytes) -> bytes:
    """Return the record with the checksum of other arrays, as someone who means harm would."""
    changed = json.loads(_files()[1]) | {"arrays_sha256": hashlib.sha256(arrays).hexdigest()}
    return json.dumps(changed).encode()


def read_damaged(data: bytes, folder: Path) -> bool:
    assert _used(folder, data, _files()[1])
    assert data == _files()[0]
    return True


def read_arrays(data: bytes, folder: Path) -> bool:
    return _used(folder, data, _bound(data))


def read_member(data: bytes, folder: Path) -> bool:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_files()[0])) as sound, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as other:
        names = sound.namelist()
        changed = names[data[0] % len(names)] if data else names[0]
        for name in names:
            other.writestr(name, data[1:] if name == changed else sound.read(name))
    return read_arrays(stream.getvalue(), folder)


def read_record(data: bytes, folder: Path) -> bool:
    return _used(folder, _files()[0], data)


TOKENS: Sequence[bytes] = (
    *(b"PK\x03\x04", b"PK\x05\x06", b"'<f8'", b"'<i8'", b"'|O'", b"'<c16'", b"'|b1'", b"(3, 3)", b"()"),
    *(b'"', b"{}", b"[]", b"[" * 50, b"null", b"true", b'"nan"', b'"inf"', b'"target": ', b"\xff"),
)
HARNESSES = (
    Harness("archives", arrays, read_damaged, TOKENS),
    Harness("archives-bound", arrays, read_arrays, TOKENS),
    Harness("archives-arrays", members, read_member, TOKENS),
    Harness("archives-record", record, read_record, TOKENS, (b"[" * 100_000,)),
)
