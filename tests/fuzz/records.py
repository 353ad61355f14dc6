"""Records: a damaged file of theirs is refused, and those without checksums, of older runs, are read or refused."""

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import paper

from benchmarks.analysis.scores import summarise
from benchmarks.results import records
from benchmarks.results.records import CaseMaps, Records, Shown
from benchmarks.results.sums import FILES, SUMS
from fuzz.harness import Harness


@cache
def known() -> Records:
    image, region = np.arange(192, dtype=np.uint8).reshape(8, 8, 3), np.eye(8, dtype=bool)
    rows = [paper.row(method, "deletion", f"case-{i}", i / 10) for method in ("mint", "other") for i in range(3)]
    curve = ["scenes", "net", "mint", "", "deletion", "case-0", "picture-0", np.array([0, 0.5, 1]), np.array([1, 0, 0])]
    return paper.records(
        rows,
        [paper.setting(["mint", "other"], {"deletion": paper.metric("Deletion()", "lower")}, 3)],
        curves=[curve],
        timings=[["scenes", "net", "mint", "A CPU", 12.345, 0.5, 5, 501.0, 1.0, 30.0]],
        gallery=[Shown("scenes", "net", "case-0", "a", image, region, {"mint": image[..., 0]}, {"mint: fine": image})],
        maps=[CaseMaps("scenes", "net", "case-0", "picture-0", "a", b"jpeg", region, {"mint": image[..., 0]})],
    )


def files(folder: Path) -> list[bytes]:
    """Return the files of some records, each behind its own number."""
    records.save(known(), folder)
    return [bytes([number]) + (folder / name).read_bytes() for number, name in enumerate((*FILES, SUMS))]


def _with(data: bytes, folder: Path) -> tuple[Path, str]:
    """Replace the file whose number comes first; return the directory and the file's name."""
    sound, damaged = folder / "sound", folder / "damaged"
    if not sound.is_dir():
        records.save(known(), sound)
    shutil.copytree(sound, damaged, dirs_exist_ok=True)
    name = (*FILES, SUMS)[(data[0] if data else 0) % (len(FILES) + 1)]
    (damaged / name).write_bytes(data[1:])
    return damaged, name


@cache
def _written(folder: Path) -> Records:
    return records.load(folder / "sound")


def read_damaged(data: bytes, folder: Path) -> bool:
    directory, name = _with(data, folder)
    found, known = records.load(directory), _written(folder)
    for name in ("scores", "curves", "timings"):
        ours, theirs = (getattr(each, name) for each in (known, found))
        assert list(ours) == list(theirs)
        assert ours.astype(str).equals(theirs.astype(str)), name
    assert found.provenance == known.provenance
    assert [each.maps["mint"].tolist() for each in found.maps] == [each.maps["mint"].tolist() for each in known.maps]
    assert [each.image.tolist() for each in found.gallery] == [each.image.tolist() for each in known.gallery]
    return True


def read_older(data: bytes, folder: Path) -> bool:
    directory, name = _with(data, folder)
    (directory / SUMS).unlink(missing_ok=True)
    found = records.load(directory)
    if name != "provenance.json":
        summarise(found)
    return True


TOKENS: Sequence[bytes] = (
    *(b"PAR1", b"PK\x03\x04", b"PK\x05\x06", b'"', b"{", b"[" * 50, b",", b"\n", b"null", b"\xff", b"pandas"),
    *(b"SHA256SUMS", b"  maps.npz\n", b"../provenance.json", b"/dev/zero", b'"inputs": ', b"settings"),
)
HARNESSES = (
    Harness("records", files, read_damaged, TOKENS),
    Harness("records-older", files, read_older, TOKENS, (b"\3" + b"[" * 100_000,)),
)
