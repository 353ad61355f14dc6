"""Pictures that ``mint explain`` reads: files, and folders of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mint.app.classifiers import EXTRA, Classifier
from mint.parameters import InputError, said

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_pictures(given: Sequence[Path]) -> list[Path]:
    """List files, and the pictures in folders by their suffix, in the order of their names; hidden ones are left out.

    Raises
    ------
    InputError
        If a folder holds no picture.
    """
    found: list[Path] = []
    for each in given:
        if not each.is_dir():
            found.append(each)
            continue
        inside = sorted(
            file for file in each.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
        if not inside:
            raise InputError(f"the folder {each} holds no picture ({', '.join(SUFFIXES)}).")
        found += inside
    return list(dict.fromkeys(found))


def read_picture(file: Path) -> "Image":
    """Read a picture in RGB, upright, or raise an InputError."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise InputError(f"reading a picture needs pillow; {EXTRA}.") from error
    if not file.is_file():
        raise InputError(f"the picture {file} {'is a folder' if file.is_dir() else 'does not exist'}.")
    try:
        with Image.open(file) as picture:
            if picture.mode[:1] in ("I", "F"):
                # Pillow would cut off all that is above 255.
                raise InputError(f"{file} has gray values of more than 8 bits; save it with 8.")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} cannot be read as a picture ({error}).") from error


def prepared(classifier: Classifier, picture: "Image", device: str, name: str) -> Tensor:
    """Turn a picture into the network's input, (c, h, w), or raise an InputError."""
    try:
        image: Any = classifier.preprocess(picture)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the preprocess of {name} failed: {said(error)}.") from error
    if not isinstance(image, Tensor) or image.ndim != 3 or not image.is_floating_point():
        kind = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"the preprocess of {name} must return a floating point (c, h, w) tensor, not {kind}.")
    if not torch.isfinite(image).all():
        raise InputError(f"the preprocess of {name} returned a picture with NaN or infinite values.")
    return image.to(device)
