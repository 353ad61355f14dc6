"""The ``scenes`` data set: drawn objects on photographs, shipped with the suite, with pixel-exact masks.

What a scene is, and how the pictures were made, stands in `benchmarks.datasets.scenes.draw`. Here the
committed pictures are read; nothing is downloaded or drawn.
"""

import hashlib
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.datasets.case import Case, DataOptions
from benchmarks.networks.network import Network
from benchmarks.networks.scene_classes import CLASSES, SIZE
from mint.contract import InputError

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "scenes"  # the committed scenes


def evaluation_scenes(network: Network, options: DataOptions) -> Sequence[Case]:
    """Read the evaluation scenes: one case for each class present in each picture.

    The region is the visible part of the object, exact to the pixel. A case is difficult where the object covers
    under a quarter of the picture (all do), other classes are present (they always are), and a rival is visible:
    another object with its silhouette or its texture, or a blob with its texture.

    The cases run once through all pictures for one class each, then again for the next, so the first N cases
    show as many pictures, classes and sizes as N cases can.

    ``options.directory`` may name a folder that `benchmarks.datasets.scenes.draw.write_evaluation` wrote, to be read
    in place of the committed one. The seed is not used: the pictures are fixed.

    Raises
    ------
    InputError
        If the network has other classes or another input size, or a file is missing or damaged.
    """
    if network.classes != CLASSES or network.input_size != SIZE:
        raise InputError(
            f"the dataset scenes has {len(CLASSES)} classes of its own, which the network {network.name} "
            "does not know; choose from scenes-vgg, scenes-resnet with --networks."
        )
    folder = options.directory or ASSETS
    pictures = []
    for entry in _read_index(folder):
        image = _read_png(folder, f"{entry['name']}.png", entry["image_sha256"])  # uint8 (112, 112, 3)
        labels = _read_png(folder, f"{entry['name']}.labels.png", entry["labels_sha256"])  # (112, 112): 0, or 1 + class
        pictures.append((entry["name"], image, labels, entry["difficult"]))
    cases = []
    for turn in range(max(len(difficult) for *_, difficult in pictures)):
        for number, (picture, image, labels, difficult) in enumerate(pictures):
            if turn < len(difficult):
                name = list(difficult)[(turn + number) % len(difficult)]
                target = CLASSES.index(name)
                region = labels == 1 + target
                cases.append(Case(f"{picture}.{name}", picture, target, name, image, region, difficult[name]))
    return cases


def _read_index(folder: Path) -> list[dict[str, Any]]:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        entries, classes = index["pictures"], index["classes"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(folder, "index.json") from error
    if tuple(classes) != CLASSES or not entries:
        raise _damaged(folder, "index.json")
    return list(entries)


def _read_png(folder: Path, name: str, sha256: str) -> np.ndarray:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, name) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(folder, name)
    with Image.open(BytesIO(content)) as image:
        return np.array(image)


def _damaged(folder: Path, name: str) -> InputError:
    return InputError(
        f"the scenes in {folder} are incomplete: {name} is missing or damaged; restore the folder with "
        "'git checkout benchmarks/assets/scenes', or pass a folder of scenes with --data."
    )
