"""Where results come from: the code, the libraries, the machine, the commit."""

import ast
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUR_PACKAGES = ("mint", "baselines", "benchmarks")
LIBRARIES = (
    "torch",
    "torchvision",
    "captum",
    "scikit-image",
    "opencv-python-headless",
    "numpy",
    "scipy",
)
"""The distributions whose versions can change a map or a score; they are part of every key."""


def foreign_package() -> str | None:
    """Return a sentence if Python would import another package instead of this checkout's, else None.

    ``baselines`` and ``benchmarks`` are common names.
    """
    for name in ("benchmarks", "baselines"):
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != ROOT / name / "__init__.py":
            where = found or "not found"
            return (
                f"the package {name!r} that Python imports ({where}) is not the one of this checkout ({ROOT}); "
                f"run from {ROOT}, with `python -m benchmarks` or `pytest benchmarks/`."
            )
    return None


def versions() -> dict[str, str]:
    """Return the version of every library in `LIBRARIES`, "absent" for one that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def hardware() -> dict[str, Any]:
    """Return what the run computes on, as far as the standard library and torch can tell."""
    import torch

    from benchmarks.run.timing import device_name

    return {
        "cpu": device_name("cpu"),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def git_state() -> dict[str, Any]:
    """Return the checkout's commit and whether tracked files differ from it; None where git cannot tell."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def now() -> str:
    """Return the time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_digest(instance: object) -> str:
    """Hash the code an object's class stands on: hexadecimal SHA-256.

    That is the file of the class and of each class it inherits from, and every file of this repository (or of the
    class's own package) that those import, followed through; and the same for the dataclasses in its fields, such as
    a metric made from another one. Libraries are not read: their versions are part of every key.

    Raises
    ------
    ValueError
        If it has no such file: then its results could not be told from those of another version.
    """
    files = set(_files_of(instance))
    if not files:
        raise ValueError(f"the source of {instance!r} cannot be found; define it as a class or function in a file.")
    digest = hashlib.sha256()
    for text in sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files):
        digest.update(text.encode())
    return digest.hexdigest()


def _files_of(instance: object) -> Iterator[Path]:
    kind = instance if inspect.isroutine(instance) else type(instance)
    for each in inspect.getmro(kind) if inspect.isclass(kind) else (kind,):
        if _is_ours(each):
            yield from _files_behind(each.__module__)
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        for field in dataclasses.fields(instance):
            value = getattr(instance, field.name)
            if dataclasses.is_dataclass(value):
                yield from _files_of(value)


def _is_ours(kind: Any) -> bool:
    top = kind.__module__.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ("torch", "captum")


@cache
def _files_behind(module: str) -> frozenset[Path]:
    """Return the module's file and those it imports, through all packages of ours."""
    tops = {*OUR_PACKAGES, module.partition(".")[0]}
    found: set[Path] = set()
    waiting = [module]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name.partition(".")[0] not in tops:
            continue
        seen.add(name)
        file = _file_of(name)
        if file is None:
            continue
        found.add(file)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(_imported(ast.parse(file.read_text(encoding="utf-8")), package))
    return frozenset(found)


def _file_of(module: str) -> Path | None:
    # A module loaded from a FILE.py is in sys.modules only; a submodule not imported yet is on the path only.
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            return None  # `from package import name`, where the name is no module
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imported(node, package)
