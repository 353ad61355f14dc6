"""The ``imagenet-s`` data set: ImageNet's validation pictures with masks, in a folder that ``--data`` names.

Source: S. Gao, Z.-Y. Li, M.-H. Yang, M.-M. Cheng, J. Han, P. Torr, "Large-scale Unsupervised Semantic Segmentation",
TPAMI 2022; its README says how the masks are written. ``DIR`` is ``ImageNetS919``, ``ImageNetS300`` or
``ImageNetS50``::

    DIR/validation/<wnid>/*.JPEG
    DIR/validation-segmentation/<wnid>/*.png    the class of a pixel is R + 256 G: 0 is another, 1000 is not decided
    DIR/synset_words.txt                        (or LOC_synset_mapping.txt) ImageNet's 1000 classes, as for ``imagenet``

The classes of the masks are counted from 1, in the order of the sorted wnids of the folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.datasets.case import Case, DataOptions, LazyCases, safe
from benchmarks.datasets.imagenet import Geometry, read_targets
from benchmarks.datasets.objects import DIFFICULT_BELOW, Listing, no_case, require_directory
from benchmarks.datasets.order import dealt
from benchmarks.networks.network import Network
from benchmarks.networks.torchvision import require_imagenet
from mint.app.pictures import list_folder, read_picture
from mint.contract import InputError

PICTURES, MASKS = "validation", "validation-segmentation"
COUNTS = (50, 300, 919)
LAYOUT = f"ImageNetS919, -300 or -50, with {PICTURES}/<wnid>/*.JPEG and {MASKS}/<wnid>/*.png"


@dataclass(frozen=True, eq=False)
class SegmentedCases(LazyCases):
    """The cases of a folder in the layout of ImageNet-S, of (picture, mask, wnid)."""

    targets: Mapping[str, int]  # wnid -> output
    numbers: Mapping[str, int]  # wnid -> its number in the masks
    names: tuple[str, ...]
    size: int
    passed_over: Mapping[str, int]

    def _case(self, item: tuple[Path, Path, str]) -> Case:
        *files, wnid = item
        picture, mask = (read_picture(file, upright=False) for file in files)
        if picture.size != mask.size:
            raise InputError(
                f"the picture {files[0]} has {picture.width} x {picture.height} pixels, but its mask has "
                f"{mask.width} x {mask.height}; put the original picture there."
            )
        geometry = Geometry.of(*picture.size, self.size)
        channels = np.array(mask).astype(int)
        marked = channels[..., 0] + 256 * channels[..., 1] == self.numbers[wnid]
        region = geometry.apply(Image.fromarray(marked), Image.Resampling.NEAREST)
        shown = region if region.any() else None
        difficult = shown is not None and bool(shown.mean() < DIFFICULT_BELOW)
        target, name = self.targets[wnid], safe(files[0].stem)
        return Case(f"{name}.{wnid}", name, target, self.names[target], geometry.apply(picture), shown, difficult)


def require_imagenet_s(options: DataOptions) -> Path:
    """Return the folder, or raise an `InputError` if it has another layout; this needs no network."""
    directory = require_directory(options, "imagenet-s", LAYOUT)
    for name in (PICTURES, MASKS):
        if not (directory / name).is_dir():
            raise InputError(f"there is no folder {name} in {directory}; --data must be {LAYOUT}.")
    return directory


def imagenet_s(network: Network, options: DataOptions) -> SegmentedCases:
    """Find the cases of a folder in the layout of ImageNet-S: one for each picture, of its folder's class.

    Pictures and masks are transformed as those of ``imagenet``; so is said what is difficult. The region is None where
    the centre cut leaves nothing of it. A picture without a mask is passed over and counted. ``options.seed`` shuffles.
    ImageNet-S-919 merges five classes into others; a picture is explained for the class of its folder.

    Raises
    ------
    InputError
        If the network's classes are not ImageNet's, the folder has another layout or no case, or its class folders are
        not 50, 300 or 919.
    """
    require_imagenet(network, "imagenet-s")
    directory = require_imagenet_s(options)
    listed = list_folder(directory / MASKS)
    wnids = sorted(folder.name for folder in listed.folders)
    if len(wnids) not in COUNTS:
        raise InputError(
            f"{directory / MASKS} has {len(wnids)} class folders, not 50, 300 or 919, so that their order does not "
            "number the masks' classes; unpack all of them."
        )
    targets = read_targets(directory, wnids)
    if unknown := [wnid for wnid in wnids if wnid not in targets]:
        raise InputError(f"{directory / MASKS} has the class {unknown[0]}, which is none of ImageNet's 1000.")
    found, items = Listing(), []
    for wnid in wnids:
        pictures = directory / PICTURES / wnid
        for picture in list_folder(pictures).pictures if pictures.is_dir() else ():
            mask = directory / MASKS / wnid / f"{picture.stem}.png"
            if mask.is_file():
                items.append((picture, mask, wnid))
            else:
                found.pass_over("a picture without a mask", picture.name)
    if not items:
        raise no_case(found, "imagenet-s", LAYOUT, options)
    numbers = {wnid: number for number, wnid in enumerate(wnids, start=1)}
    ordered = dealt(items, itemgetter(-1), options.seed)
    return SegmentedCases(ordered, targets, numbers, network.classes, network.input_size, found.passed_over)


imagenet_s.require = require_imagenet_s  # type: ignore[attr-defined]
