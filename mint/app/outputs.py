"""Where the panels go: the names of their files, and writing one."""

import importlib.util
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mint.app.classifiers import EXTRA
from mint.app.pictures import PANEL
from mint.panel import DOTS_PER_INCH
from mint.parameters import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def name_panels(out: str | None, files: Sequence[Path], several: bool) -> list[Path]:
    """Name the panel of each picture; make the folder of ``out`` if it is one and does not exist.

    Parameters
    ----------
    out : str or None
        A file, if it has a suffix, is no folder and does not end in a slash; otherwise a folder. None is the current
        one.
    files : sequence of pathlib.Path
        The pictures. In a folder, panels have their stems and a number where two are alike; none replaces a picture.
    several : bool
        Whether there may be several, so that a file will not do.

    Raises
    ------
    InputError
        If matplotlib is missing, there are several pictures and one file, or the file's format or place will not do.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(f"drawing the panel needs matplotlib; {EXTRA}.")
    folder = Path(out or ".")
    pictures = {_place(file) for file in files}
    if out and folder.suffix and not folder.is_dir() and not out.endswith(("/", os.sep)):
        if several:
            raise InputError(f"--out {out} must be a folder, as there are several pictures; {out}/ is one.")
        return [_writable(folder, pictures)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} of --out cannot be made ({error}).") from error
    panels: list[Path] = []
    taken, counts = set(pictures), dict[str, int]()
    for file in files:
        stem = file.stem
        while True:
            count = counts[stem.casefold()] = counts.get(stem.casefold(), 0) + 1
            panel = folder / PANEL.format(stem, f"-{count}" if count > 1 else "")
            if _place(panel) not in taken:
                break
        taken.add(_place(panel))
        panels.append(panel)
    return panels


def _place(file: Path) -> str:
    # Some file systems take upper and lower case for the same.
    return str(file.resolve()).casefold()


def _writable(out: Path, pictures: set[str]) -> Path:
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes().keys() - {"pgf"}  # which holds no pictures
    if out.suffix.removeprefix(".").lower() not in kinds:
        raise InputError(
            f"--out {out} must end in one of {', '.join(f'.{kind}' for kind in sorted(kinds))}; a folder ends in /."
        )
    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} of --out does not exist; make it first.")
    if _place(out) in pictures:
        raise InputError(f"--out {out} is the picture itself, which the panel would replace; name another file.")
    return out


def write_panel(out: Path, figure: "Figure") -> None:
    """Write a panel; where that fails, an older file of the name is left as it was.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    stream = io.BytesIO()
    part = out.with_name(f".mint-{os.getpid()}.part")  # the panel's own name may be as long as a name can be
    try:
        figure.savefig(stream, dpi=DOTS_PER_INCH, format=out.suffix.removeprefix(".").lower())
        part.write_bytes(stream.getvalue())
        part.replace(out)
    except OSError as error:
        if not part.is_dir():
            part.unlink(missing_ok=True)
        raise InputError(f"the panel cannot be written to {out} ({error}); name another place with --out.") from error
