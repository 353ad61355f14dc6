"""Picture files as people have them: what a folder holds, and what can be read."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mint.app.pictures import find_pictures, list_folder, list_tree, read_picture
from mint.contract import InputError

# Left by a Mac, a notebook, editors, Windows, an archive and a download.
LITTER = {
    "hidden": (".DS_Store", "._0001.JPEG", ".0001.jpg.swp", ".ipynb_checkpoints/0001-checkpoint.jpg"),
    "left behind by a program": (
        "0001.jpg~", "0001.swp", "Thumbs.db", "desktop.ini", "__MACOSX/._0001.jpg", "0001.jpg.part", "#0001.jpg#",
    ),
    "no picture by its ending": ("notes.txt", "labels.csv", "0001"),
}  # fmt: skip


def write(file: Path, colour: tuple[int, int, int] = (200, 100, 50)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10), colour).save(file, "PNG")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of two pictures, and all that may lie beside them."""
    for name in ("b.JPEG", "a.Png", *(name for names in LITTER.values() for name in names)):
        write(tmp_path / "photos" / name)
    (tmp_path / "photos" / "lost.png").symlink_to("nowhere.png")
    write(tmp_path / "elsewhere.png")
    (tmp_path / "photos" / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    return tmp_path / "photos"


def test_what_is_no_picture_is_passed_over_and_counted(folder: Path) -> None:
    found = list_folder(folder)
    assert [file.name for file in found.pictures] == ["a.Png", "b.JPEG", "linked.png"]
    assert found.folders == ()
    counts = {kind: len(names) for kind, names in LITTER.items()}
    assert dict(found.passed_over) == {**counts, "a link that leads nowhere": 1}


def test_a_tree_is_read_once_though_links_lead_round(folder: Path) -> None:
    write(folder / "more" / "c.png")
    write(folder / "more" / "deep" / "Thumbs.db")
    (folder / "more" / "deep" / "round").symlink_to(folder)
    write(folder / "d.png" / "inside.png")  # a folder in spite of its name
    found = list_tree(folder)
    names = [str(file.relative_to(folder)) for file in found.pictures]
    assert names == ["a.Png", "b.JPEG", "linked.png", "d.png/inside.png", "more/c.png"]
    assert found.passed_over["left behind by a program"] == len(LITTER["left behind by a program"]) + 1
    assert found.passed_over["a folder that is here already"] == 1


def test_a_note_counts_what_was_passed_over(folder: Path, tmp_path: Path) -> None:
    alone = write(tmp_path / "alone.png")
    write(folder / "more" / "c.png")
    write(folder / "a-mint.png")
    write(folder / "c-mint.png.jpg")  # no panel's name
    with pytest.warns(UserWarning, match="passed over") as warned:
        files = find_pictures([alone, folder, alone])
    assert [file.name for file in files] == ["alone.png", "a.Png", "b.JPEG", "c-mint.png.jpg", "linked.png"]
    assert [str(each.message) for each in warned] == [
        f"passed over in {folder}: 7 (left behind by a program), 4 (hidden), 3 (no picture by its ending), "
        "1 (a link that leads nowhere), 1 (a panel of an earlier run), 1 (a folder)."
    ]
    assert find_pictures([alone, folder / "a-mint.png"]) == [alone, folder / "a-mint.png"]


def test_a_folder_of_litter_and_folders_holds_no_picture(tmp_path: Path) -> None:
    write(tmp_path / "cats" / "a.png")
    write(tmp_path / ".DS_Store")
    with pytest.raises(InputError, match=r"holds no picture \(.*passed over: 1 \(hidden\), 1 \(a folder\)"):
        find_pictures([tmp_path])


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder .* cannot be read \(Not a directory\)"):
        list_folder(write(tmp_path / "a.png"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_all_8_bit_colours_become_rgb(mode: str, tmp_path: Path) -> None:
    file = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    Image.new("RGB", (20, 10), (255, 255, 255)).convert(mode).save(file)
    pixels = np.asarray(read_picture(file))
    assert pixels.shape == (10, 20, 3)
    assert pixels.min() == 255


def test_the_colours_of_a_transparent_palette_are_kept(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4))
    picture.putpalette([1, 2, 3] * 256)
    picture.save(tmp_path / "a.png", transparency=bytes(256))
    assert read_picture(tmp_path / "a.png").getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize(("upright", "size"), [(True, (10, 20)), (False, (20, 10))])
def test_a_picture_is_turned_as_its_exif_says_if_asked(upright: bool, size: tuple[int, int], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg", upright=upright).size == size


def _encoded(array: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


WHOLE = _encoded(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), "PNG")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be decoded (it is empty)"),
        (WHOLE[: len(WHOLE) // 2], "cannot be decoded ("),
        (WHOLE[:100] + bytes(50) + WHOLE[150:], "cannot be decoded ("),
        (b"<html>not found</html>", "cannot be decoded (UnidentifiedImageError: cannot identify image file"),
        (_encoded(np.zeros((4, 4), np.uint16), "PNG"), "has pixels of mode 'I;16', not 8-bit colours"),
        (_encoded(np.zeros((4, 4), np.float32), "TIFF"), "has pixels of mode 'F', not 8-bit colours"),
    ],
    ids=["empty", "cut off", "damaged", "a page", "16 bits", "floating point"],
)
def test_what_cannot_be_read_is_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_picture(file)
    assert str(caught.value).startswith(f"the picture {file} {words}")


def test_a_missing_file_a_folder_and_a_pipe_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    wrong = {"a.png": "does not exist", "": "is a folder", "pipe": "is a pipe or a device"}
    for file, what in ((tmp_path / name, what) for name, what in wrong.items()):
        with pytest.raises(InputError, match=f"{what}\\.$"):
            read_picture(file)
