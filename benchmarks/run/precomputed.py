"""Maps that another tool wrote, as a method: each is read from a file.

A file is ``.npy``, ``.npz`` with one array, or ``.png`` in 8 or 16 bits of grey, whose values are taken as they are. It
holds one map: (h, w), or with one channel more. Several channels are refused, for how they become one is a part of the
method. A map of the picture's size, as the network sees it, is used as it is; one that is no larger is enlarged to it
bilinearly, as Grad-CAM's is.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from mint.contract import InputError
from mint.parameters import said

_NOT_IDENTIFYING: Mapping[str, Any] = {"identity": False}


@dataclass(frozen=True, eq=False)
class Precomputed:
    """The maps in a folder. What is in the files identifies them, neither their names nor their folder.

    Parameters
    ----------
    folder
        Where they are.
    files
        The file of each case, by its key; a case without one is explained by an InputError.
    """

    folder: Path = field(metadata=_NOT_IDENTIFYING)
    files: Mapping[str, Path] = field(default_factory=dict, metadata=_NOT_IDENTIFYING)
    _digests: dict[str, str] = field(
        default_factory=dict, init=False, repr=False, metadata=_NOT_IDENTIFYING
    )  # of the files' contents, by case

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Refuse to explain pictures: only the cases have maps."""
        raise InputError("maps from files cannot be made for other pictures.")

    def digest(self, case: str) -> str:
        """Hash what is in the case's file, once; "" where there is nothing to read."""
        if case not in self._digests:
            try:
                self._digests[case] = hashlib.sha256(self.files[case].read_bytes()).hexdigest()
            except (KeyError, OSError):
                self._digests[case] = ""
        return self._digests[case]

    def read(self, case: str, size: tuple[int, int]) -> np.ndarray:
        """Return a case's map, float32 of the size (height, width).

        Raises
        ------
        InputError
            If there is none, its file cannot be read or has changed since its digest was taken, it is no map, or it
            does not fit the size.
        """
        if case not in self.files:
            raise InputError(f"there is no map of this case in {self.folder}.")
        file = self.files[case]
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(f"the map {file} cannot be read ({error.strerror}).") from error
        if self.digest(case) != hashlib.sha256(content).hexdigest():
            raise InputError(f"the map {file} was changed while the run went on; run it again.")
        return fitted(decoded(file, content), size, file)


def decoded(file: Path, content: bytes) -> np.ndarray:
    """Read a map, (h, w) float32, from what is in a file, whose name tells its kind; InputError if it is none."""
    try:
        found = READERS[file.suffix.lower()](content)
    except InputError as error:
        raise InputError(f"the map {file} {error}") from error
    except Exception as error:  # a damaged file makes its reader raise almost anything
        raise InputError(f"the map {file} is damaged or of another kind ({said(error)}); write it again.") from error
    if found.dtype.kind not in "buif":
        raise InputError(f"the map {file} holds {found.dtype}; write real numbers.")
    shape = found.shape
    if found.ndim == 3 and 1 in (shape[0], shape[2]):
        found = found[0] if shape[0] == 1 else found[:, :, 0]
    if found.ndim != 2:
        raise InputError(
            f"the map {file} has shape {shape}; write one value for each pixel, (h, w): how channels become one is a "
            "part of the method."
        )
    with np.errstate(over="ignore", under="ignore"):
        single = found.astype(np.float32)
    if not np.isfinite(single).all():
        raise InputError(
            f"the map {file} holds NaN or infinite values, or some too large for float32; write finite ones."
        )
    if single.size and single.min() == single.max() and found.min() < found.max():
        raise InputError(f"the map {file} differs by so little that it is constant in float32; scale it to [0, 1].")
    return single


def fitted(saliency: np.ndarray, size: tuple[int, int], file: Path) -> np.ndarray:
    """Enlarge a map bilinearly to a size, (height, width); InputError if it is larger than that."""
    height, width = saliency.shape
    if (height, width) == size:
        return saliency
    if not (0 < height <= size[0] and 0 < width <= size[1]):
        raise InputError(
            f"the map {file} has {height} x {width} pixels; write it at the size of the picture as the network sees "
            f"it, {size[0]} x {size[1]}, or smaller, to be enlarged."
        )
    planes = torch.from_numpy(saliency)[None, None]
    return F.interpolate(planes, size, mode="bilinear", align_corners=False)[0, 0].numpy()


def _npy(content: bytes) -> np.ndarray:
    found = np.load(io.BytesIO(content), allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise InputError("is an archive of arrays; name it .npz.")
    return found


def _npz(content: bytes) -> np.ndarray:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise InputError(f"holds the arrays {', '.join(arrays.files) or 'none'}; write one array in each file.")
        found: np.ndarray = arrays[arrays.files[0]]
    return found


def _png(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if picture.mode not in ("1", "L", "I", "I;16"):
            raise InputError(f"is a picture in colour or with transparency ({picture.mode}); write it in grey.")
        return np.array(picture)


READERS: Mapping[str, Callable[[bytes], np.ndarray]] = {".npy": _npy, ".npz": _npz, ".png": _png}
"""How a file is read, by its ending."""
