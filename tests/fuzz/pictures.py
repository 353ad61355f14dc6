"""Pictures of any format, as ``mint explain`` and the data sets of files read them."""

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import mint.app.pictures
import mint.app.torchvision_ops
from benchmarks.datasets import imagenet
from fuzz.harness import Harness
from mint.app.classifiers import Classifier


def sound(_folder: Path) -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a maker"
    kinds = [
        (picture, "PNG", {}),
        (picture.convert("P"), "PNG", {}),
        (picture.convert("LA"), "PNG", {"exif": exif}),
        (picture, "JPEG", {"exif": exif, "progressive": True}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture.convert("P"), "GIF", {}),
        (picture, "BMP", {}),
        (picture, "TIFF", {}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (picture, "TIFF", {"compression": "jpeg"}),
        (picture, "WEBP", {"lossless": True, "exif": exif}),
        (picture, "PPM", {}),
        (Image.fromarray(pixels[..., 0].astype(np.uint16) * 256), "PNG", {}),
    ]
    return [_saved(*kind) for kind in kinds]


def _saved(picture: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int) -> bytes:
    """Write a large picture in few bytes: black, of one bit a pixel, and cut short where it is too large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    content = zlib.compress(bytes(min(height * (1 + (width + 7) // 8), 10**6)))
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@cache
def _classifier() -> Classifier:
    from torchvision.transforms._presets import ImageClassification

    return Classifier(torch.nn.Identity(), ImageClassification(crop_size=28, resize_size=32))


def explained(data: bytes, folder: Path) -> bool:
    file = folder / "picture.png"
    file.write_bytes(data)
    picture = mint.app.pictures.read_picture(file)
    assert mint.app.pictures.prepared(_classifier(), picture, "cpu", "a network").shape == (3, 28, 28)
    return True


def measured(data: bytes, folder: Path) -> bool:
    file = folder / "picture.JPEG"
    file.write_bytes(data)
    picture = imagenet.read_picture(file)
    assert imagenet.Geometry.of(picture.width, picture.height, 28).apply(picture).shape == (28, 28, 3)
    return True


TOKENS = (b"IHDR", b"PLTE", b"tRNS", b"IEND", b"Exif\0\0", b"\xff\xd8", b"\xff\xda", b"\xff\xc4", b"GIF89a", b"P6 ")
# Much wider than high, which a resize of the shorter side makes huge; and more pixels than fit into memory.
FOUND: Sequence[bytes] = (png(60_000, 1), png(1, 60_000), png(60_000, 60_000))
HARNESSES = (
    Harness("pictures-explain", sound, explained, TOKENS, FOUND),
    Harness("pictures-datasets", sound, measured, TOKENS, FOUND),
)
