"""The ``voc`` data set: the test pictures of PASCAL VOC 2007, in a folder of the user's that ``--data`` names.

::

    DIR/VOC2007/ImageSets/Main/test.txt    the pictures' names, a line each
    DIR/VOC2007/Annotations/<name>.xml     the objects: a class, a box, and whether it is "difficult" to recognise
    DIR/VOC2007/JPEGImages/<name>.jpg
    DIR/VOC2007/SegmentationClass/<name>.png   of a few pictures: the class of each pixel, for ``voc-masks``

DIR is the ``VOCdevkit`` that the archives unpack to, the folder that holds it, or ``VOC2007`` itself.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.datasets.annotations import number_in, read_annotation, text_in
from benchmarks.datasets.case import DataOptions
from benchmarks.datasets.objects import Item, Listing, ObjectCases, object_cases, require_classes, require_directory
from benchmarks.networks.network import Network
from benchmarks.networks.object_classes import VOC_CLASSES
from mint.contract import InputError

NAMES = "ImageSets/Main/test.txt"
LAYOUT = f"VOCdevkit, with VOC2007/{NAMES}, VOC2007/Annotations/*.xml and VOC2007/JPEGImages/*.jpg"
BEGINNINGS = (".", "VOC2007", "VOCdevkit/VOC2007")
Box = tuple[int, int, int, int]
"""Left, top, right and bottom: the first pixel in each direction that is in the box, and the first that is not."""


@dataclass(frozen=True)
class _Objects:
    """A picture's annotation."""

    size: tuple[int, int]  # height and width
    boxes: Mapping[str, list[Box]]  # by class
    easy: frozenset[str]  # classes with a box that is not marked as difficult


def require_voc(options: DataOptions) -> Path:
    """Return the folder ``VOC2007``, or raise an `InputError`; this needs no network."""
    directory = require_directory(options, "voc", LAYOUT)
    for beginning in BEGINNINGS:
        if (directory / beginning / NAMES).is_file():
            return directory / beginning
    raise InputError(f"there is no VOC2007/{NAMES} in {directory}; --data must be {LAYOUT}.")


def voc_folder(network: Network, options: DataOptions) -> ObjectCases:
    """Find the cases of VOC 2007's test pictures: one for each picture and class in it.

    The region is the union of all boxes of the class. As in TorchRay, a class whose boxes in a picture are all marked
    as difficult by VOC makes no case there; where one is not, all of them are in the region. A case is difficult in
    another sense (`benchmarks.datasets.objects.ObjectCases`).

    What makes no case is passed over and counted: pictures that are missing, have no annotation, a damaged one, or
    none of an object; and objects of other classes. A damaged picture fails with its case. ``options.seed`` shuffles.

    Raises
    ------
    InputError
        If the network has other classes or takes square pictures alone, or the folder has another layout or no case.
    """
    require_classes(network, "voc", VOC_CLASSES)
    folder = require_voc(options)
    found = Listing()
    for name in _read_names(folder / NAMES):
        picture, annotation = folder / "JPEGImages" / f"{name}.jpg", folder / "Annotations" / f"{name}.xml"
        if not picture.is_file():
            found.pass_over("a picture that is missing", picture.name)
        elif not annotation.is_file():
            found.pass_over("a picture without annotation", annotation.name)
        else:
            try:
                objects = read_annotation(annotation, _objects_in)
            except InputError:
                found.pass_over("a damaged annotation", annotation.name)
            else:
                _list(picture, objects, found)
    return object_cases(found, "voc", LAYOUT, network, options)


def _list(picture: Path, objects: _Objects, found: Listing) -> None:
    if not objects.boxes:
        found.pass_over("a picture without an object", picture.name)
    for name, boxes in objects.boxes.items():
        if name not in VOC_CLASSES:
            found.pass_over("a class that VOC 2007 does not have", f"{name} in {picture.name}")
        elif name not in objects.easy:
            found.pass_over("a class whose boxes are all marked difficult", f"{name} in {picture.name}")
        else:
            mark = partial(_union, objects.size, boxes)
            found.items.append(Item(picture, VOC_CLASSES.index(name), len(objects.boxes) == 1, mark))


def voc_masks(network: Network, options: DataOptions) -> ObjectCases:
    """Find the cases of those of VOC 2007's test pictures that are segmented, with masks in place of boxes.

    The region is what ``SegmentationClass`` has of the class, without the void pixels along its outline; otherwise as
    `voc_folder`. The pictures are those that ``ImageSets/Segmentation/test.txt`` names.
    """
    require_classes(network, "voc", VOC_CLASSES)
    folder = require_voc(options)
    names = folder / "ImageSets" / "Segmentation" / "test.txt"
    if not names.is_file():
        raise InputError(f"{names} is missing, which names the pictures that are segmented; unpack it from VOC 2007.")
    found = Listing()
    for name in _read_names(names):
        picture, mask = folder / "JPEGImages" / f"{name}.jpg", folder / "SegmentationClass" / f"{name}.png"
        if not picture.is_file() or not mask.is_file():
            found.pass_over("a picture or mask that is missing", name)
            continue
        try:
            # 0 is the background and 255 is void; the classes are counted from 1.
            there = [int(value) - 1 for value in np.unique(_read_mask(mask)) if 1 <= value <= len(VOC_CLASSES)]
        except InputError:
            found.pass_over("a damaged mask", mask.name)
            continue
        if not there:
            found.pass_over("a picture without an object", picture.name)
        found.items += [Item(picture, each, len(there) == 1, partial(_of_class, mask, each)) for each in there]
    return object_cases(found, "voc-masks", LAYOUT, network, options)


voc_folder.require = require_voc  # type: ignore[attr-defined]
voc_masks.require = require_voc  # type: ignore[attr-defined]


def _read_names(file: Path) -> list[str]:
    """Read a list of pictures; a list of one class has a number behind each name, which is left out."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"the list of pictures {file} cannot be read ({error}); restore it.") from error
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def _objects_in(root: ElementTree.Element) -> _Objects:
    width, height = (int(number_in(root, f"size/{side}")) for side in ("width", "height"))
    boxes: dict[str, list[Box]] = {}
    easy = set()
    for thing in root.findall("object"):
        left, top, right, bottom = (
            int(number_in(thing, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        # Counted from 1; a box includes its last row and column.
        box = (max(left - 1, 0), max(top - 1, 0), min(right, width), min(bottom, height))
        if not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError(f"the box {left}, {top}, {right}, {bottom} is none in {width} x {height}")
        name = text_in(thing, "name")
        boxes.setdefault(name, []).append(box)
        if thing.findtext("difficult", "0").strip() != "1":
            easy.add(name)
    return _Objects((height, width), boxes, frozenset(easy))


def _union(size: tuple[int, int], boxes: list[Box]) -> np.ndarray:
    region = np.zeros(size, dtype=bool)
    for left, top, right, bottom in boxes:
        region[top:bottom, left:right] = True
    return region


def _of_class(file: Path, target: int) -> np.ndarray:
    region: np.ndarray = _read_mask(file) == target + 1
    return region


def _read_mask(file: Path) -> np.ndarray:
    try:
        with Image.open(file, formats=["PNG"]) as opened:
            if opened.mode not in ("P", "L"):
                raise InputError(f"the mask {file} has mode {opened.mode!r}, not a palette of classes; restore it.")
            return np.array(opened)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the decoder raise almost anything
        raise InputError(f"the mask {file} cannot be decoded ({error}); restore it.") from error
