"""``run --maps NAME=FOLDER``: the folders of maps that another tool wrote, and which file belongs to which case.

A case's file is named, before its ending, after the first of these that is there:

1. the case's key, as `records.parquet` has it: ``scene-0007.striped-disc``;
2. the picture and the class, as its number or its name: ``scene-0007.3``, ``dog-12.tabby cat`` or ``dog-12.tabby-cat``;
3. the picture alone, where the data set has a single case of it: ``scene-0007``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets.case import Case, slug
from benchmarks.run.precomputed import READERS, Precomputed, decoded
from mint.contract import InputError
from mint.parameters import nearest

if TYPE_CHECKING:
    from benchmarks.run.plan import Part, Plan

MOST = 5  # cases that a sentence names


def add_maps(plan: "Plan", folders: Sequence[tuple[str, Path]]) -> "Plan":
    """Add folders of maps to a plan, each as a method of that name.

    Raises
    ------
    InputError
        If a folder does not exist, a name cannot be one, or a method has it already.
    """
    taken = {method for part in plan.parts for method in part.methods}
    for name, folder in folders:
        if not re.fullmatch(r"[\w.+-]+", name):
            raise InputError(f"--maps {name}={folder}: the name is of letters, digits, '.', '_', '+' and '-'.")
        if name in taken:
            raise InputError(f"--maps {name}={folder}: another method of {plan.name} is called {name}; choose another.")
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"--maps {name}={folder}: the folder {folder} {what}; it holds a file for each case.")
        taken.add(name)
    given = {name: Precomputed(folder) for name, folder in folders}
    return replace(plan, parts=tuple(replace(part, methods={**part.methods, **given}) for part in plan.parts))


def check_maps(plan: "Plan") -> None:
    """Refuse folders of maps in a plan with several data sets or networks, whose maps could not be told apart."""
    given = [name for part in plan.parts for name, each in part.methods.items() if isinstance(each, Precomputed)]
    settings = [f"{network} on {part.dataset}" for part in plan.parts for network in part.networks]
    if given and len(settings) > 1:
        raise InputError(
            f"--maps {given[0]}: the maps are of one network and one data set, but the plan has {', '.join(settings)}; "
            "name one of each with --networks and --datasets."
        )


def find_maps(part: "Part", cases: Sequence[Case], skipped: int, say: Callable[[str], None]) -> "Part":
    """Find the file of each case of a part but the first few, in every folder of maps among its methods.

    ``say`` is called with sentences on which cases have none, and on what is enlarged.

    Raises
    ------
    InputError
        If a folder has no file of any case, or two of one.
    """
    given = {name: each for name, each in part.methods.items() if isinstance(each, Precomputed)}
    if not given:
        return part
    here = list(_readable(cases, range(len(cases))[skipped : part.limit]))
    found = {}
    for name, method in given.items():
        there = _listed(method.folder)
        pairs = [(case, file) for case in here if (file := _file_of(case, there, name)) is not None]
        shared = _shared(cases, {case.picture for case, file in pairs if _by_picture(case, file)})
        files = {each.key: file for each, file in pairs if not (each.picture in shared and _by_picture(each, file))}
        if here and not files:
            several = next((case.picture for case in here if case.picture in shared), "")
            raise InputError(_nothing(name, method.folder, here[0].key, there, several))
        for sentence in _about(name, method.folder, here, files, there):
            say(sentence)
        found[name] = replace(method, files=files)
    return replace(part, methods={**part.methods, **found})


def _readable(cases: Sequence[Case], numbers: range) -> Iterator[Case]:
    for number in numbers:
        try:
            case = cases[number]
            if isinstance(case.key, str) and isinstance(case.picture, str):
                yield case
        except Exception:  # the run says what is wrong with it
            continue


def _listed(folder: Path) -> dict[str, list[Path]]:
    """List the files that can be maps, by their names without the ending."""
    files: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in READERS and file.is_file():
            files.setdefault(file.stem, []).append(file)
    return files


def _file_of(case: Case, there: Mapping[str, list[Path]], name: str) -> Path | None:
    classes = (str(case.target), case.target_name, slug(case.target_name))
    stems = (case.key, *(f"{case.picture}.{each}" for each in classes), case.picture)
    files = next((there[stem] for stem in stems if stem in there), [])
    if len(files) > 1:
        raise InputError(
            f"--maps {name}: {files[0]} and {files[1].name} are both maps of the case {case.key}; remove one of them."
        )
    return files[0] if files else None


def _shared(cases: Sequence[Case], pictures: set[str]) -> set[str]:
    """Find the pictures that the whole data set has several cases of."""
    if not pictures:
        return set()
    counts = Counter(case.picture for case in _readable(cases, range(len(cases))))
    return {picture for picture in pictures if counts[picture] > 1}


def _by_picture(case: Case, file: Path) -> bool:
    """Tell whether a case's file has the name of its picture alone, so that it could be another case's."""
    return case.key != case.picture == file.stem


def _nothing(name: str, folder: Path, key: str, there: Mapping[str, list[Path]], several: str) -> str:
    head = f"--maps {name}: no file in {folder} is the map of a case; that of the first is {key}.npy, .npz or .png"
    if several:
        return f"{head}, as the data set has several cases of the picture {several}."
    return f"{head}; the nearest there are {nearest(key, there)}." if there else f"{head}."


def _about(
    name: str, folder: Path, here: Sequence[Case], files: Mapping[str, Path], there: Mapping[str, list[Path]]
) -> Iterator[str]:
    lacking = [case.key for case in here if case.key not in files]
    if lacking:
        named = ", ".join(lacking[:MOST]) + (f" and {len(lacking) - MOST} more" if len(lacking) > MOST else "")
        count = f"{len(lacking)} of {len(here)} cases have no map in {folder}: {named}"
        used = {file.name for file in files.values()}
        left = [file.name for same in there.values() for file in same if file.name not in used]
        others = f"; of the files there, {len(left)} belong to none, such as {left[0]}" if left else ""
        yield f"{name}: {count}{others}."
    first = next((case for case in here if case.key in files), None)
    if first is not None:
        file, size = files[first.key], tuple(first.image.shape[:2])
        try:
            shape = decoded(file, file.read_bytes()).shape
        except (InputError, OSError):  # the run says it of its case
            return
        if shape != size and shape[0] <= size[0] and shape[1] <= size[1]:
            low, high = (" x ".join(map(str, each)) for each in (shape, size))
            yield f"{name}: {file.name} has {low} pixels; maps are enlarged bilinearly to the picture's {high}."
