"""Checksums of a run's files, as ``sha256sum --check`` takes them: a damaged file is never read as right numbers."""

import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"
FILES = ("records.parquet", "curves.parquet", "timing.csv", "provenance.json", "gallery/data.npz", "maps.npz")


def write_sums(directory: Path) -> None:
    """Write the checksums of a run's files beside them."""
    lines = [f"{_sum(directory / name)}  {name}\n" for name in FILES]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")


def check_sums(directory: Path) -> None:
    """Compare a run's files with their checksums.

    Runs before there were checksums lack them all, and pictures and maps are not always kept: what is not there is
    not compared.

    Raises
    ------
    ValueError
        If a file is not as it was written, or the checksums themselves are damaged.
    """
    if not (directory / SUMS).is_file():
        return
    lines = (directory / SUMS).read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if sums.keys() != set(FILES):
        raise ValueError(f"{SUMS} is damaged")
    for name in FILES:
        if (directory / name).is_file() and _sum(directory / name) != sums[name]:
            raise ValueError(f"{name} is not as the run wrote it: {SUMS} has another checksum")


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
