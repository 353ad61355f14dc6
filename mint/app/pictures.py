"""Pictures of the user's: which files of a folder are pictures, and reading one."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mint.app.classifiers import EXTRA, Classifier
from mint.parameters import InputError, no_file, said

if TYPE_CHECKING:
    from PIL.Image import Image

# What is read, whatever a file's name ends with: no format whose reader would run another program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 89_478_485  # from where on Pillow warns: 256 MB in RGB
MOST_TIMES_LONGER = 100  # a network's input would be made of 100 pictures; resizing may fill the memory
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
PANEL = "{}-mint{}.png"  # the name of a panel: the picture's stem, and a number where stems are alike
_PANEL = re.compile(r".+-mint(-\d+)?\.png", re.DOTALL)
# What editors, archives, downloads and file managers leave beside pictures, in any case.
_LEFT_BEHIND = re.compile(
    r".*(~|\.sw[a-p]|\.tmp|\.bak|\.part|\.crdownload)|#.*#|(eh)?thumbs\.db|desktop\.ini|icon\r|__macosx|@eadir", re.I
)
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class Listing:
    """What is in a folder: its pictures and its folders, by name, and how many entries of which kind are neither.

    Whatever begins with a dot (``.DS_Store``, ``._0001.JPEG``, ``.ipynb_checkpoints``) is passed over, and so is what
    editors, archives and file managers leave behind (``*~``, ``*.swp``, ``Thumbs.db``, ``desktop.ini``, ``__MACOSX``),
    folders of such names included; what is no picture by the ending of its name; and links that lead nowhere.
    """

    pictures: tuple[Path, ...]
    folders: tuple[Path, ...]
    passed_over: Mapping[str, int]


def list_folder(folder: Path) -> Listing:
    """List a folder, by the one rule that ``mint explain`` and the data sets have.

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    pictures, folders, passed_over = [], [], Counter[str]()
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                passed_over["hidden"] += 1
            elif _LEFT_BEHIND.fullmatch(entry.name):
                passed_over["left behind by a program"] += 1
            elif entry.is_dir():
                folders.append(entry)
            elif entry.suffix.lower() not in SUFFIXES:
                passed_over["no picture by its ending"] += 1
            elif not entry.is_file():
                passed_over["a link that leads nowhere"] += 1
            else:
                pictures.append(entry)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read ({error.strerror}).") from error
    return Listing(tuple(pictures), tuple(folders), passed_over)


def list_tree(folder: Path) -> Listing:
    """List a folder with all folders in it; one that links lead to again is not entered a second time."""
    pictures: list[Path] = []
    passed_over: Counter[str] = Counter()
    waiting, seen = [folder], set()
    while waiting:
        entered = waiting.pop(0)
        if (place := entered.resolve()) in seen:
            passed_over["a folder that is here already"] += 1
            continue
        seen.add(place)
        found = list_folder(entered)
        pictures += found.pictures
        waiting += found.folders
        passed_over.update(found.passed_over)
    return Listing(tuple(pictures), (), passed_over)


def spelled(passed_over: Mapping[str, int]) -> str:
    """Spell what was passed over, the most first: ``3 (hidden), 1 (left behind by a program)``."""
    return ", ".join(f"{count} ({kind})" for kind, count in Counter(passed_over).most_common())


def find_pictures(given: Sequence[Path]) -> list[Path]:
    """List files, and the pictures in folders by their suffix, in the order of their names, each once.

    Folders in a folder are not searched, and panels of an earlier run are left out; to explain one, give it as a file.
    A warning counts what was passed over in a folder.

    Raises
    ------
    InputError
        If a folder holds no picture, or cannot be read.
    """
    files: list[Path] = []
    for each in given:
        if not each.is_dir():
            files.append(each)
            continue
        found = list_folder(each)
        inside = [file for file in found.pictures if not _PANEL.fullmatch(file.name)]
        others = {"a panel of an earlier run": len(found.pictures) - len(inside), "a folder": len(found.folders)}
        passed_over = {**found.passed_over, **{kind: count for kind, count in others.items() if count}}
        if not inside:
            counts = f"; passed over: {spelled(passed_over)}" if passed_over else ""
            raise InputError(
                f"the folder {each} holds no picture ({', '.join(SUFFIXES)}); folders in it are not searched{counts}."
            )
        if passed_over:
            warnings.warn(f"passed over in {each}: {spelled(passed_over)}.", stacklevel=2)
        files += inside
    return list(dict.fromkeys(files))


def read_picture(file: Path, *, upright: bool = True) -> "Image":
    """Read a picture file in 8-bit RGB.

    Grayscale, palette, CMYK and YCbCr pictures are converted, as torchvision's and every other ImageNet reader
    does; transparency is dropped. Of several frames, the first is read.

    Parameters
    ----------
    file : Path
        In one of `FORMATS`.
    upright : bool
        Turn the picture as its EXIF orientation says.

    Raises
    ------
    InputError
        If there is no such file, it cannot be decoded, it has too many pixels for the memory, or they are not 8-bit
        colours (16-bit or floating-point channels).
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise InputError(f"reading a picture needs pillow; {EXTRA}.") from error
    if not file.is_file():
        raise InputError(f"the picture {file} {no_file(file)}.")
    Image.init()  # an older Pillow does not know every format
    try:
        with Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN]) as opened:
            require_size(file, opened.size)
            opened.load()
            picture = ImageOps.exif_transpose(opened) if upright else opened
            if picture.mode in _EIGHT_BITS:
                # By way of RGBA, as Pillow wants it of palettes with transparent colours.
                return picture.convert("RGBA").convert("RGB") if picture.mode == "P" else picture.convert("RGB")
    except InputError:
        raise
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        reason = "it is empty" if not file.stat().st_size else said(error)
        raise InputError(f"the picture {file} cannot be decoded ({reason}); replace or remove it.") from error
    # Pillow would cut off all that is above 255.
    raise InputError(
        f"the picture {file} has pixels of mode {picture.mode!r}, not 8-bit colours; convert it to RGB first."
    )


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
