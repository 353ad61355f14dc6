"""What a worker on another machine does first: see whether it is at home there.

It imports no torch, so that a worker which cannot work is refused before anything is loaded.
"""

import hashlib
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results.provenance import PACKAGES, ROOT, versions

SHARE = "all machines must see one folder, at the same path"


def code_here() -> dict[str, str]:
    """Return what the numbers depend on besides the machine: a hash of the project's code, and versions."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return {"the project's code": digest.hexdigest()[:12], "Python": platform.python_version(), **versions()}


def fault_here(directory: str, marker: str, code: Mapping[str, str]) -> str:
    """Say why a worker in this process could not work, or "" if it can.

    The driver has made the file ``marker`` in the directory of the results, and ``code`` is what `code_here` told it.
    """
    try:
        if not Path(marker).exists():
            return f"{directory} is not there, or is another folder; {SHARE}."
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        return f"{directory} cannot be read and written there: {error.strerror}."
    here = code_here()
    for what, wanted in code.items():
        if here[what] != wanted:
            return f"{what} is {here[what]} there, and {wanted} where the run was started."
    return ""
