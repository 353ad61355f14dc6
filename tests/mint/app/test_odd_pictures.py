"""Pictures that would fill the memory, or that another program would have to read."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mint.app.pictures
import mint.app.torchvision_ops
from benchmarks.datasets import imagenet
from mint.parameters import InputError

READERS: list[Callable[[Path], Any]] = [mint.app.pictures.read_picture, imagenet.read_picture]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("size", [(12_000, 12_000), (20_000, 1), (1, 101)])
def test_huge_and_elongated_pictures_are_refused_before_they_are_decoded(
    read: Callable[[Path], Any], size: tuple[int, int], tmp_path: Path
) -> None:
    # Of one bit a pixel: a file of some kilobytes, and up to 430 MB in RGB.
    Image.new("1", size).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=rf"a.png has {size[0]} x {size[1]} pixels; make it smaller"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("read", READERS)
def test_a_panorama_is_read(read: Callable[[Path], Any], tmp_path: Path) -> None:
    Image.new("RGB", (1000, 10)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").size == (1000, 10)


@pytest.mark.parametrize("read", READERS)
def test_a_program_in_a_picture_s_clothes_is_not_run(read: Callable[[Path], Any], tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "EPS")
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match=r"a\.png cannot be "):
        read(tmp_path / "a.png")
