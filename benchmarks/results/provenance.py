"""Where results come from: the code, the libraries, the machine, the commit."""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mint", "baselines", "benchmarks")
"""The project's own, beside each other in `ROOT`."""
LIBRARIES = ("torch", "torchvision", "captum", "scikit-image", "opencv-python-headless", "numpy", "scipy")
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

    return {
        "cpu": device_name("cpu"),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def device_name(device: "torch.device | str") -> str:
    """Name a device as a table should: the GPU's model, or the CPU's and torch's number of threads."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_cpu_model()} ({threads} {'thread' if threads == 1 else 'threads'})"


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def git_state() -> dict[str, Any]:
    """Return the checkout's commit and whether tracked files differ from it; None where git cannot tell."""
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def same_code(commit: str) -> bool:
    """Tell whether the packages are as they were in a commit; False if git does not know it."""
    return git("diff", "--quiet", commit, "--", *PACKAGES) is not None


def git(*arguments: str) -> str | None:
    """Return what git answers in this checkout, or None if it fails."""
    try:
        answer = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def now() -> str:
    """Return the time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
