"""What ``voc`` and ``coco`` have in common: objects of several classes in pictures of their own shape.

The protocol is that of TorchRay 1.0.0.2 (R. Fong, M. Patrick, A. Vedaldi, ICCV 2019): one case for each picture and
class in it; the region is all that is marked as the class; the picture keeps its aspect ratio, and its shorter side
gets the network's input size. It is resized as there (bilinear, without antialiasing), and then rounded to 8 bits,
which TorchRay does not do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.datasets.case import Case, DataOptions, LazyCases, safe, slug
from benchmarks.datasets.order import dealt
from benchmarks.networks.network import Network
from mint.app.pictures import read_picture, spelled
from mint.contract import InputError
from mint.parameters import said

DIFFICULT_BELOW = 0.25


@dataclass(frozen=True)
class Item:
    """A picture with one of the classes in it."""

    picture: Path
    target: int
    alone: bool  # no other class is in the picture
    mark: Callable[[], np.ndarray]  # what is marked as the class: bool (height, width) of the picture's file


@dataclass
class Listing:
    """What is found in a folder: the cases, and what is passed over."""

    items: list[Item] = field(default_factory=list)
    _passed_over: dict[str, list[str]] = field(default_factory=dict)  # names by kind

    def pass_over(self, kind: str, name: str) -> None:
        """Count something that makes no case."""
        self._passed_over.setdefault(kind, []).append(name)

    @property
    def passed_over(self) -> dict[str, int]:
        """How many were passed over, by what they are, with an example."""
        return {f"{kind}, such as {names[0]}": len(names) for kind, names in self._passed_over.items()}


@dataclass(frozen=True, eq=False)
class ObjectCases(LazyCases):
    """The cases of a folder, of `Item`.

    A case is difficult as J. Zhang et al. (ECCV 2016) define it: its region is under a quarter of the picture, and
    another class is in the picture, too.
    """

    names: tuple[str, ...]  # of the classes
    side: int  # of the pictures, the shorter one
    passed_over: Mapping[str, int]
    own_ratio: bool = True

    def _case(self, item: Item) -> Case:
        # As it is stored, since the annotation refers to that.
        pixels = np.array(read_picture(item.picture, upright=False))
        region, name = _marked(item), self.names[item.target]
        if region.shape != pixels.shape[:2]:
            raise InputError(
                f"the picture {item.picture} has {pixels.shape[1]} x {pixels.shape[0]} pixels, but its annotation is "
                f"of {region.shape[1]} x {region.shape[0]}; put the original picture there."
            )
        if not region.any():
            raise InputError(f"the annotation of {item.picture} marks no pixel as {name}; correct or remove it.")
        height, width = region.shape
        size = own_size(height, width, self.side)
        difficult = not item.alone and bool(region.mean() < DIFFICULT_BELOW)
        picture = safe(item.picture.stem)
        small = resized(pixels, size), reduced(region, size)
        return Case(f"{picture}.{slug(name)}", picture, item.target, name, *small, difficult, region)


def _marked(item: Item) -> np.ndarray:
    try:
        return item.mark()
    except InputError:
        raise
    except Exception as error:  # a malformed mask makes its decoder raise almost anything
        raise InputError(f"the annotation of {item.picture} cannot be read ({said(error)}); correct it.") from error


def own_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the height and width of a picture whose shorter side is to have a length; the longer is rounded down."""
    return (side * height // width, side) if width < height else (side, side * width // height)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture, uint8 (H, W, 3), to a height and width, as TorchRay does, and round it to uint8."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    small = F.interpolate(planes, size, mode="bilinear", align_corners=False)
    return small[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def reduced(region: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a region, bool (H, W): a pixel is in it if half of its area is, or as much as of any pixel."""
    share = F.adaptive_avg_pool2d(torch.from_numpy(region).float()[None], size)[0]
    return (share >= share.max().clamp(max=0.5)).numpy()


def no_case(found: Listing, dataset: str, layout: str, options: DataOptions) -> InputError:
    """Say that a folder has no case, and what of it was passed over."""
    others = f"; passed over: {spelled(found.passed_over)}" if found.passed_over else ""
    return InputError(f"the dataset {dataset} has no case in {options.directory}{others}; --data must be {layout}.")


def object_cases(found: Listing, dataset: str, layout: str, network: Network, options: DataOptions) -> ObjectCases:
    """Put what was found in a folder into an order that depends on the seed: classes take turns.

    Raises
    ------
    InputError
        If nothing was found, or the network takes no picture that is not square.
    """
    if not found.items:
        raise no_case(found, dataset, layout, options)
    _require_any_shape(network, dataset)
    ordered = dealt(found.items, lambda item: item.target, options.seed)
    return ObjectCases(ordered, network.classes, network.input_size, found.passed_over)


def require_classes(network: Network, dataset: str, classes: tuple[str, ...]) -> None:
    """Refuse a network with other classes, by an `InputError`."""
    if network.classes != classes:
        raise InputError(
            f"the dataset {dataset} has {len(classes)} classes ({classes[0]}, {classes[1]}, ...), but the network "
            f"{network.name} has {len(network.classes)} others; choose torchray-vgg16-{dataset} or "
            f"torchray-resnet50-{dataset} with --networks, or name the classes of yours with --classes."
        )


def require_directory(options: DataOptions, dataset: str, layout: str) -> Path:
    """Return the folder that ``--data`` names, or raise an `InputError` that says what must be in it."""
    if options.directory is None:
        raise InputError(f"the dataset {dataset} needs pictures: pass --data DIR, {layout}.")
    if not options.directory.is_dir():
        what = "is a file, not a directory" if options.directory.exists() else "does not exist"
        raise InputError(f"the directory {options.directory} {what}; --data must be {layout}.")
    return options.directory


def _require_any_shape(network: Network, dataset: str) -> None:
    side = network.input_size
    try:
        with torch.no_grad():
            network.module(torch.zeros(1, 3, side, side * 4 // 3, device=network.device))
    except Exception as error:  # a user's network can raise anything
        raise InputError(
            f"the dataset {dataset} keeps the pictures' aspect ratio, but the network {network.name} cannot take a "
            f"picture of {side} x {side * 4 // 3} pixels: {said(error)}."
        ) from error
