"""Reads picture files; every dataset of files goes through `read_picture`."""

from pathlib import Path

from PIL import Image

from mint.app.classifiers import said
from mint.app.pictures import FORMATS, require_size
from mint.contract import InputError

_CONVERTIBLE = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})


def read_picture(file: Path) -> Image.Image:
    """Decode a picture file to 8-bit RGB.

    Grayscale, palette, CMYK and YCbCr pictures are converted, as torchvision's and every other ImageNet reader
    does; transparency is dropped. The EXIF orientation is not applied: ImageNet's boxes refer to the stored pixels.

    Raises
    ------
    InputError
        If the file cannot be decoded, has too many pixels for the memory, or its pixels are not 8-bit colours (16-bit
        or floating-point channels).
    """
    try:
        with Image.open(file, formats=FORMATS) as opened:
            require_size(file, opened.size)
            opened.load()
            picture = opened
    except InputError:
        raise
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        raise InputError(f"the picture {file} cannot be decoded ({said(error)}); replace or remove it.") from error
    if picture.mode not in _CONVERTIBLE:
        raise InputError(
            f"the picture {file} has pixels of mode {picture.mode!r}, not 8-bit colours; convert it to RGB first."
        )
    return picture.convert("RGB")
