"""The ``imagenet`` data set: a folder of the user's in ImageNet's own layout, given by ``--data``.

::

    DIR/val/<wnid>/*.JPEG              pictures by class, in folders of folders too (or DIR/val/*.JPEG: then the boxes'
                                       files name the class)
    DIR/Annotations/CLS-LOC/val/*.xml  boxes, optional where the pictures lie by class
    DIR/synset_words.txt               (or LOC_synset_mapping.txt) the 1000 classes: a wnid and its names a line

Pictures are decoded when a case is asked for, so that a small ``--limit`` on the full 50,000 is quick.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.datasets.annotations import number_in, read_annotation, text_in
from benchmarks.datasets.case import Case, DataOptions, LazyCases, safe
from benchmarks.datasets.objects import DIFFICULT_BELOW, require_directory
from benchmarks.datasets.order import dealt
from benchmarks.networks.network import Network
from benchmarks.networks.torchvision import require_imagenet
from mint.app.pictures import SUFFIXES, list_folder, list_tree, read_picture, spelled
from mint.contract import InputError
from mint.parameters import said

SYNSET_FILES = ("synset_words.txt", "LOC_synset_mapping.txt")
LAYOUT = "a folder with val/<wnid>/*.JPEG, Annotations/CLS-LOC/val/*.xml and synset_words.txt"


@dataclass(frozen=True)
class Geometry:
    """ImageNet's standard evaluation transform, for pictures and boxes alike.

    The shorter side is resized to ``size * 256 / 224`` (bilinear, antialiased), and the centre ``size`` x ``size``
    is cut out, with the rounding of torchvision's ``Resize`` and ``CenterCrop``.
    """

    resized: tuple[int, int]  # (width, height) after the resize
    left: int  # where the cut begins
    top: int
    size: int  # height and width of the result

    @classmethod
    def of(cls, width: int, height: int, size: int) -> "Geometry":
        """Return the transform of a ``width`` x ``height`` picture to ``size`` x ``size``."""
        short = round(size * 256 / 224)
        resized = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
        return cls(resized, round((resized[0] - size) / 2), round((resized[1] - size) / 2), size)

    def apply(self, picture: Image.Image, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
        """Transform a picture, or a mask; return uint8 (size, size, 3), or bool (size, size)."""
        resized = picture.resize(self.resized, resampling)
        return np.array(resized.crop((self.left, self.top, self.left + self.size, self.top + self.size)))

    def region(self, boxes: Sequence[tuple[float, float, float, float]]) -> np.ndarray | None:
        """Transform boxes (left, top, right, bottom as fractions of the picture) into their union, bool (size, size).

        It is None if there are no boxes, or all are cut away.
        """
        region = np.zeros((self.size, self.size), dtype=bool)
        width, height = self.resized
        for left, top, right, bottom in boxes:
            columns = slice(max(round(left * width) - self.left, 0), max(round(right * width) - self.left, 0))
            rows = slice(max(round(top * height) - self.top, 0), max(round(bottom * height) - self.top, 0))
            region[rows, columns] = True
        return region if region.any() else None


@dataclass(frozen=True, eq=False)
class ImageNetCases(LazyCases):
    """The cases of a folder in ImageNet's layout, of (picture, its name, wnid)."""

    annotations: Path
    targets: Mapping[str, int]  # wnid -> index
    names: tuple[str, ...]
    size: int
    passed_over: Mapping[str, int]  # what is no picture in val, by kind

    def _case(self, item: tuple[Path, str, str]) -> Case:
        file, name, wnid = item
        # As it is stored, since the boxes refer to that.
        picture = read_picture(file, upright=False)
        geometry = Geometry.of(picture.width, picture.height, self.size)
        region = geometry.region(_read_boxes(self.annotations, file).get(wnid, []))
        difficult = region is not None and bool(region.mean() < DIFFICULT_BELOW)
        target = self.targets[wnid]
        return Case(f"{name}.{wnid}", name, target, self.names[target], geometry.apply(picture), region, difficult)

    def has_region(self, index: int) -> bool:
        """Tell whether a case has boxes, without reading the picture; a malformed annotation fails with its case."""
        file, _, wnid = self.items[index]
        try:
            return wnid in _read_boxes(self.annotations, file)
        except InputError:
            return False


def require_folder(options: DataOptions) -> Path:
    """Return the folder that holds ``val``, or raise an `InputError`; this needs no network."""
    directory = require_directory(options, "imagenet", LAYOUT)
    require_directory(replace(options, directory=directory / "val"), "imagenet", LAYOUT)
    return directory


def imagenet_folder(network: Network, options: DataOptions) -> Sequence[Case]:
    """Find the cases of a folder in ImageNet's layout: one for each picture and class it is labelled with.

    The region is the union of the class's boxes after the picture's own transform (`Geometry`); it is None if there
    are no boxes, or if the centre cut leaves nothing of them. A case is difficult where the region is under a quarter
    of what the network sees: with a large centred object the pointing game is nearly free, so pictures with small
    boxes are reported apart. What is in ``val`` besides pictures, or outside of its class folders, is passed
    over and counted (`mint.app.pictures.Listing`).

    ``options.directory`` is the folder; ``options.seed`` shuffles. The order deals out one picture of every class
    (classes in random order) before a second of any. Cases are decoded lazily: a damaged picture or annotation raises
    `InputError`, naming the file, when its case is read.

    Raises
    ------
    InputError
        If the network's classes are not ImageNet's; no directory is given or it does not exist; it holds no
        pictures; the classes' file is missing or does not list 1000 classes; a class folder is not among them; or
        pictures that do not lie by class have no annotation.
    """
    require_imagenet(network, "imagenet")
    directory = require_folder(options)
    val = directory / "val"
    annotations = directory / "Annotations" / "CLS-LOC" / "val"
    found = list_folder(val)
    passed_over = Counter(found.passed_over)
    if found.folders:
        items = []
        for folder in found.folders:
            inside = list_tree(folder)
            passed_over.update(inside.passed_over)
            items += [(picture, _named(picture, folder), folder.name) for picture in inside.pictures]
        if found.pictures:
            passed_over["a picture outside of the class folders"] = len(found.pictures)
    else:
        items = _items_by_annotation(found.pictures, annotations)
    if not items:
        others = f"; passed over: {spelled(passed_over)}" if passed_over else ""
        raise InputError(f"{val} holds no pictures ({', '.join(SUFFIXES)}){others}; --data must be {LAYOUT}.")
    targets = read_targets(directory, [folder.name for folder in found.folders])
    for picture, _, wnid in items:
        if wnid not in targets:
            raise InputError(f"the picture {picture} has the class {wnid}, which is none of ImageNet's 1000.")
    ordered = dealt(items, itemgetter(-1), options.seed)
    return ImageNetCases(ordered, annotations, targets, network.classes, network.input_size, passed_over)


imagenet_folder.require = require_folder  # type: ignore[attr-defined]


def _named(picture: Path, folder: Path) -> str:
    """Name a picture by its place in a folder, as part of a file name: the key of its cases."""
    return safe("-".join(picture.relative_to(folder).with_suffix("").parts))


def _items_by_annotation(pictures: Sequence[Path], annotations: Path) -> list[tuple[Path, str, str]]:
    items = []
    for picture in pictures:
        wnids = sorted(_read_boxes(annotations, picture))
        if not wnids:
            raise InputError(
                f"the class of {picture} is unknown, for there is no object in {annotations / picture.stem}.xml; sort "
                "the pictures into val/<wnid>/ or add their annotations."
            )
        items += [(picture, _named(picture, picture.parent), wnid) for wnid in wnids]
    return items


def read_targets(directory: Path, folders: Sequence[str]) -> dict[str, int]:
    """Map wnids to output indices: the outputs are in the order of the sorted wnids."""
    file = next((directory / name for name in SYNSET_FILES if (directory / name).is_file()), None)
    if file is None and len(folders) != 1000:
        raise InputError(
            f"{directory} has {len(folders)} class folders, which is not all of ImageNet's 1000, so their order alone "
            f"does not number the classes; add {' or '.join(SYNSET_FILES)} (1000 lines, each a wnid and its names)."
        )
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file else folders
    except (OSError, ValueError) as error:
        raise InputError(f"the list of classes {file} cannot be read ({said(error)}); write it in UTF-8.") from error
    wnids = sorted({line.split(maxsplit=1)[0] for line in lines if line.strip()})
    odd = [wnid for wnid in wnids if not re.fullmatch(r"n\d{8}", wnid)]
    if odd or len(wnids) != 1000:
        found = f"{odd[0]!r} among them" if odd else f"{len(wnids)} of them"
        raise InputError(
            f"{file or directory} must list 1000 classes by wnids such as n01440764, but there is {found}."
        )
    return {wnid: index for index, wnid in enumerate(wnids)}


def _read_boxes(annotations: Path, picture: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    """Read every class's boxes (left, top, right, bottom) as fractions of a picture; a missing file has none.

    The size that the file states is what its boxes are relative to, so they fit a rescaled copy of the picture too.
    Pixel indices count from 0, and a box includes its last row and column.
    """
    file = annotations / f"{picture.stem}.xml"
    return read_annotation(file, _boxes_in) if file.is_file() else {}


def _boxes_in(root: ElementTree.Element) -> dict[str, list[tuple[float, float, float, float]]]:
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    width, height = (number_in(root, f"size/{side}") for side in ("width", "height"))
    for thing in root.iter("object"):
        left, top, right, bottom = (number_in(thing, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
        if not (0 <= left <= right and 0 <= top <= bottom and width > 0 and height > 0):
            raise ValueError(f"the box {left:g}, {top:g}, {right:g}, {bottom:g} is none in {width:g} x {height:g}")
        # What lies beyond the picture is cut off, as the region's own edge would.
        right, bottom = min(right + 1, width), min(bottom + 1, height)
        box = (min(left / width, 1), min(top / height, 1), right / width, bottom / height)
        boxes.setdefault(text_in(thing, "name"), []).append(box)
    return boxes
