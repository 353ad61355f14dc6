"""The ``coco`` data set: the validation pictures of COCO 2014, in a folder of the user's that ``--data`` names.

::

    DIR/annotations/instances_val2014.json    all objects: a class and a mask
    DIR/val2014/*.jpg

The masks are read by pycocotools (the extra ``coco``).
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from baselines.packages import Package
from benchmarks.datasets.case import DataOptions
from benchmarks.datasets.objects import Item, Listing, ObjectCases, object_cases, require_classes, require_directory
from benchmarks.networks.network import Network
from benchmarks.networks.object_classes import COCO_CLASSES, COCO_NAMES
from mint.contract import InputError
from mint.parameters import said

ANNOTATIONS = "annotations/instances_val2014.json"
PICTURES = "val2014"
LAYOUT = f"a folder with {ANNOTATIONS} and {PICTURES}/*.jpg"
PYCOCOTOOLS = Package("pycocotools", "coco")


def require_coco(options: DataOptions) -> Path:
    """Return the folder, or raise an `InputError` if it has another layout or pycocotools is not installed."""
    directory = require_directory(options, "coco", LAYOUT)
    for name, there in ((ANNOTATIONS, Path.is_file), (PICTURES, Path.is_dir)):
        if not there(directory / name):
            raise InputError(f"there is no {name} in {directory}; --data must be {LAYOUT}.")
    PYCOCOTOOLS.require()
    return directory


def coco_folder(network: Network, options: DataOptions) -> ObjectCases:
    """Find the cases of COCO 2014's validation pictures: one for each picture and class in it.

    The region is the union of all masks of the class, those of crowds (``iscrowd``) among them, as in TorchRay. What is
    difficult says `benchmarks.datasets.objects.ObjectCases`.

    What makes no case is passed over and counted: pictures that are missing or have no annotation, objects of other
    classes, and classes whose masks are empty. A damaged picture or mask fails with its case. ``options.seed``
    shuffles.

    Raises
    ------
    InputError
        If the network has other classes or takes square pictures alone; the folder has another layout or no case; the
        annotations cannot be read; or pycocotools is not installed.
    """
    require_classes(network, "coco", COCO_CLASSES)
    directory = require_coco(options)
    coco = _read(directory / ANNOTATIONS)
    found = Listing()
    try:
        for number, about in coco.imgs.items():
            _list(coco, about, coco.imgToAnns.get(number, []), directory / PICTURES / about["file_name"], found)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(directory / ANNOTATIONS, error) from error
    return object_cases(found, "coco", LAYOUT, network, options)


coco_folder.require = require_coco  # type: ignore[attr-defined]
coco_folder.needs = PYCOCOTOOLS  # type: ignore[attr-defined]


def _read(file: Path) -> Any:
    from pycocotools.coco import COCO  # type: ignore[import-untyped]

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it says what it does
            return COCO(str(file))
    except Exception as error:  # what is no JSON, or other than the annotations of COCO
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"the annotations {file} cannot be read ({said(error)}); restore the file.")


def _list(coco: Any, about: Any, annotations: Sequence[Any], picture: Path, found: Listing) -> None:
    by_class: dict[int, list[Any]] = {}
    for each in annotations:
        by_class.setdefault(each["category_id"], []).append(each)
    if not picture.is_file():
        found.pass_over("a picture that is missing", picture.name)
        return
    if not by_class:
        found.pass_over("a picture without annotation", picture.name)
    for number, same in by_class.items():
        if number not in COCO_NAMES:
            found.pass_over("a class that COCO 2014 does not have", f"number {number} in {picture.name}")
        elif not any(each.get("area", 1) > 0 for each in same):
            found.pass_over("a class whose masks are empty", f"{COCO_NAMES[number]} in {picture.name}")
        else:
            mark = partial(_union, coco, (about["height"], about["width"]), same)
            target = COCO_CLASSES.index(COCO_NAMES[number])
            found.items.append(Item(picture, target, len(by_class) == 1, mark))


def _union(coco: Any, size: tuple[int, int], annotations: Sequence[Any]) -> np.ndarray:
    region = np.zeros(size, dtype=bool)
    with warnings.catch_warnings():
        # pycocotools 2.0.11 does not know NumPy 2's copy=False, which does no harm.
        warnings.simplefilter("ignore", DeprecationWarning)
        for each in annotations:
            _require_sound(each["segmentation"], size)
            region |= coco.annToMask(each).astype(bool)
    return region


def _require_sound(marked: Any, size: tuple[int, int]) -> None:
    """Raise an error where pycocotools would end the process, or leave pixels as the memory happens to be."""
    height, width = size
    if not isinstance(marked, dict):
        longest = max(size)
        for value in (value for polygon in marked for value in polygon):
            if not -longest <= value <= 2 * longest:
                raise ValueError(f"a polygon has a corner at {value}, far outside the picture of {width} x {height}")
        return
    counts, pixels = marked["counts"], height * width
    if list(marked["size"]) != [height, width]:
        raise ValueError(f"a mask is of the size {marked['size']}, not {[height, width]}")
    if isinstance(counts, list):
        if not all(isinstance(count, int) for count in counts) or sum(counts) != pixels:
            raise ValueError(f"a mask's runs are no whole numbers that add up to its {pixels} pixels")
    elif _fits(counts, pixels - 1):
        raise ValueError(f"a mask's runs have fewer than {pixels} pixels")


def _fits(counts: Any, pixels: int) -> bool:
    """Tell whether compressed runs fill no more than some pixels."""
    from pycocotools import mask  # type: ignore[import-untyped]

    try:
        mask.decode({"size": [pixels, 1], "counts": counts})
    except ValueError:
        return False
    return True
