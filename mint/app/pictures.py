"""Pictures that ``mint explain`` reads: files, and folders of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mint.app.classifiers import EXTRA, Classifier, said
from mint.parameters import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

# What is read, whatever a file's name ends with: no format whose reader would run another program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 89_478_485  # from where on Pillow warns: 256 MB in RGB
MOST_TIMES_LONGER = 100  # a network's input would be made of 100 pictures; resizing may fill the memory
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
        with Image.open(file, formats=FORMATS) as picture:
            require_size(file, picture.size)
            if picture.mode[:1] in ("I", "F"):
                # Pillow would cut off all that is above 255.
                raise InputError(f"{file} has gray values of more than 8 bits; save it with 8.")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except InputError:
        raise
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        raise InputError(f"{file} cannot be read as a picture ({said(error)}).") from error


def require_size(file: Path, size: tuple[int, int]) -> None:
    """Refuse a picture that would fill the memory, by its width and height, before it is decoded.

    Raises
    ------
    InputError
        If it has too many pixels, or is much longer than it is broad.
    """
    width, height = size
    if width * height > MOST_PIXELS or max(size) > MOST_TIMES_LONGER * min(size):
        raise InputError(
            f"the picture {file} has {width} x {height} pixels; make it smaller, for at most {MOST_PIXELS // 10**6} "
            f"million are read, and at most {MOST_TIMES_LONGER} times as many one way as the other."
        )


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
