"""The ``scenes`` data set: drawn objects on photographs, shipped with the suite, with pixel-exact masks.

What a scene is, and how the pictures were made, stands in `benchmarks.datasets.scenes.draw`. Here the
committed pictures are read; nothing is downloaded or drawn.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
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
    require_classes(network)
    folder = options.directory or ASSETS
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if tuple(index["classes"]) != CLASSES or not index["pictures"]:
            raise ValueError("it has other classes, or no pictures")
        pictures = [_cases_of(folder, entry) for entry in index["pictures"]]
    except InputError:
        raise
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise _damaged(folder, "index.json") from error
    return [
        cases[(turn + number) % len(cases)]
        for turn in range(max(map(len, pictures)))
        for number, cases in enumerate(pictures)
        if turn < len(cases)
    ]


def require_classes(network: Network) -> None:
    """Raise an `InputError` if a network knows other classes than the scenes', or sees pictures of another size."""
    if network.classes != CLASSES or network.input_size != SIZE:
        raise InputError(
            f"the scenes have {len(CLASSES)} classes of their own, which the network {network.name} "
            "does not know; choose from scenes-vgg, scenes-resnet with --networks."
        )


def _cases_of(folder: Path, entry: Mapping[str, Any]) -> list[Case]:
    picture = entry["name"]
    image = _read_png(folder, f"{picture}.png", entry["image_sha256"])  # uint8 (112, 112, 3)
    labels = _read_png(folder, f"{picture}.labels.png", entry["labels_sha256"])  # (112, 112): 0, or 1 + class
    cases = []
    for name, difficult in entry["difficult"].items():
        target = CLASSES.index(name)
        cases.append(Case(f"{picture}.{name}", picture, target, name, image, labels == 1 + target, difficult))
    return cases


def _read_png(folder: Path, name: str, sha256: str) -> np.ndarray:
    file = folder / name
    if not file.is_file() or hashlib.sha256(content := file.read_bytes()).hexdigest() != sha256:
        raise _damaged(folder, name)
    with Image.open(BytesIO(content)) as image:
        return np.array(image)


def _damaged(folder: Path, name: str) -> InputError:
    return InputError(
        f"the scenes in {folder} are incomplete: {name} is missing or damaged; restore the folder with "
        "'git checkout benchmarks/assets/scenes', or pass a folder of scenes with --data."
    )
