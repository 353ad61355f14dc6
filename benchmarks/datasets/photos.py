"""The ``photos`` data sets: real photographs, and mosaics of them, from files that a PyPI package carries.

The package ``foolbox`` ships 20 ImageNet photographs with their class in the file name
(``imagenet_<number>_<class>.jpg``). Its files are read, the package is never imported.

``photos`` follows the grid pointing game (Boehle, Fritz, Schiele, "Convolutional Dynamic Alignment Networks for
Interpretations", CVPR 2021, section 5): 2 x 2 mosaics of photographs of four different classes; a method should
put its evidence for a class into that class's quadrant. Unlike there, the mosaic and not each photograph has the
network's input size, so the picture costs no more than any other. ``photos-single`` holds the whole photographs.
"""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.datasets.case import Case, DataOptions, slug
from benchmarks.networks.efficientnet import require_photos_extra
from benchmarks.networks.network import Network
from benchmarks.networks.torchvision import require_imagenet
from mint.app.pictures import read_picture
from mint.contract import InputError
from mint.scores import read_answer

MOSAICS = 10
DIFFICULT_BELOW = 0.01


@dataclass(frozen=True)
class _Photograph:
    name: str
    target: int
    picture: Image.Image  # square, at the file's own resolution

    def at(self, height: int, width: int) -> np.ndarray:
        return np.array(self.picture.resize((width, height), Image.Resampling.BICUBIC))


def mosaics(network: Network, options: DataOptions) -> Sequence[Case]:
    """Lay out mosaics of the photographs that the network names rightly.

    Each of the `MOSAICS` mosaics is explained for the class of each quadrant, and the quadrant is the region.
    Photographs are drawn least-used first, so all are used about equally often. A case is difficult where the
    network gives the target less than `DIFFICULT_BELOW` of its probability in the mosaic: there the
    evidence is drowned by the other three, and perturbing it hardly moves the answer. The cases run once
    through all mosaics for one quadrant each, then again for the next.

    ``options.seed`` decides which photographs share a mosaic, and where.

    Raises
    ------
    InputError
        If the photographs are not installed, the network's classes are not ImageNet's, or it names photographs of
        fewer than four classes rightly.
    """
    photographs = _named_rightly(network, "photos")
    if len({photograph.target for photograph in photographs}) < 4:
        raise InputError(
            f"the network {network.name} names photographs of fewer than four classes rightly, too few for a "
            "mosaic; check that its weights are ImageNet's."
        )
    drawn = _draw_mosaics(photographs, np.random.default_rng(options.seed))
    size, classes = network.input_size, network.classes
    images = [_lay_out(four, size) for four in drawn]
    probabilities = class_probabilities(network, images)
    cases = []
    for turn in range(4):
        for number, four in enumerate(drawn):
            quadrant = (turn + number) % 4
            target = four[quadrant].target
            region = np.zeros((size, size), dtype=bool)
            region[_quadrants(size)[quadrant]] = True
            difficult = float(probabilities[number, target]) < DIFFICULT_BELOW
            cases.append(_case(f"mosaic-{number:02d}", target, classes[target], images[number], region, difficult))
    return cases


def whole_photographs(network: Network, options: DataOptions) -> Sequence[Case]:
    """List the whole photographs that the network names rightly, each with its own class; no regions.

    Raises
    ------
    InputError
        If the photographs are not installed, or the network's classes are not ImageNet's.
    """
    classes, size = network.classes, network.input_size
    return [
        _case(each.name, each.target, classes[each.target], each.at(size, size), None, False)
        for each in _named_rightly(network, "photos-single")
    ]


def _case(picture: str, target: int, name: str, image: np.ndarray, region: np.ndarray | None, difficult: bool) -> Case:
    return Case(f"{picture}.{slug(name)}", picture, target, name, image, region, difficult)


def _named_rightly(network: Network, dataset: str) -> list[_Photograph]:
    require_imagenet(network, dataset)
    size = network.input_size
    photographs = _photographs()
    answers = class_probabilities(network, [photograph.at(size, size) for photograph in photographs]).argmax(1).tolist()
    return [photograph for photograph, answer in zip(photographs, answers, strict=True) if answer == photograph.target]


def _photographs() -> list[_Photograph]:
    """Read the labelled photographs, cut to the square in their centre."""
    require_photos_extra("foolbox")
    package = importlib.util.find_spec("foolbox")
    folders = [Path(folder) for folder in (package and package.submodule_search_locations) or ()]
    labelled = [
        (match, file)
        for folder in folders
        for file in sorted(folder.glob("data/imagenet_*"))
        if (match := re.fullmatch(r"imagenet_(\d+)_(\d+)\.\w+", file.name))
    ]
    if not labelled:
        raise InputError(
            "the installed package foolbox carries no files data/imagenet_*.jpg; install a version that does: "
            'pip install -e ".[photos]".'
        )
    return [
        _Photograph(f"photo-{match[1]}", int(match[2]), _square(read_picture(file, upright=False)))
        for match, file in labelled
    ]


def _square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def _draw_mosaics(photographs: Sequence[_Photograph], rng: np.random.Generator) -> list[list[_Photograph]]:
    """Choose four photographs of different classes for each mosaic, in reading order."""
    uses = np.zeros(len(photographs), dtype=int)
    mosaics = []
    for _ in range(MOSAICS):
        least_used_first = np.lexsort((rng.random(len(photographs)), uses))
        chosen: dict[int, int] = {}  # class -> photograph
        for index in least_used_first:
            chosen.setdefault(photographs[index].target, index)
        four = rng.permutation(list(chosen.values())[:4])
        uses[four] += 1
        mosaics.append([photographs[index] for index in four])
    return mosaics


def _quadrants(size: int) -> list[tuple[slice, slice]]:
    halves = (slice(0, size // 2), slice(size // 2, size))  # of an odd size, the second is a pixel longer
    return [(rows, columns) for rows in halves for columns in halves]


def _lay_out(photographs: Sequence[_Photograph], size: int) -> np.ndarray:
    image = np.empty((size, size, 3), np.uint8)
    for (rows, columns), photograph in zip(_quadrants(size), photographs, strict=True):
        image[rows, columns] = photograph.at(rows.stop - rows.start, columns.stop - columns.start)
    return image


def class_probabilities(network: Network, images: Sequence[np.ndarray]) -> torch.Tensor:
    """Return a network's softmax probabilities for uint8 (h, w, 3) pictures: (n, classes) float32, on the CPU."""
    with torch.no_grad():
        logits = read_answer(network.module(torch.stack([network.tensor(image) for image in images])), len(images))
    return logits.softmax(1).cpu()
