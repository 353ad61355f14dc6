"""Reading numbers and texts of an annotation in XML, as ImageNet and VOC have it."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mint.contract import InputError
from mint.parameters import said

Answer = TypeVar("Answer")


def read_annotation(file: Path, read: Callable[[ElementTree.Element], Answer]) -> Answer:
    """Parse a file, and read what is needed of its root.

    Raises
    ------
    InputError
        If the file is no XML, or ``read`` raises a ValueError.
    """
    try:
        return read(ElementTree.parse(file).getroot())
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:  # LookupError: of an odd encoding
        raise InputError(f"the annotation {file} is malformed ({said(error)}); replace or remove the file.") from error


def number_in(element: ElementTree.Element, path: str) -> float:
    """Return the finite number at a path; a ValueError if there is none."""
    number = float(text_in(element, path))
    if not math.isfinite(number):
        raise ValueError(f"<{path.replace('/', '><')}> is {number}")
    return number


def text_in(element: ElementTree.Element, path: str) -> str:
    """Return the text at a path; a ValueError if there is none."""
    text = element.findtext(path)
    if not text:
        raise ValueError(f"it lacks <{path.replace('/', '><')}>")
    return text.strip()
