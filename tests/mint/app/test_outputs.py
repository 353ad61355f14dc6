"""Where panels go: files, folders, names that collide, and what is never overwritten."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mint.app.cli import main
from mint.app.outputs import name_panels, write_panel
from mint.app.pictures import find_pictures
from mint.contract import InputError


def names(out: str | None, *files: str, several: bool = True) -> list[str]:
    return [str(panel) for panel in name_panels(out, [Path(file) for file in files], several)]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_picture_goes_into_a_folder(desk: Path) -> None:
    assert main(["explain", "ant.png", "--model", "mine:named", "--out", "empty", "--samples", "20"]) == 0
    assert [file.name for file in (desk / "empty").iterdir()] == ["ant-mint.png"]


@pytest.mark.parametrize(
    ("out", "several", "panel"),
    [
        (None, False, "x-mint.png"),
        ("panel.PNG", False, "panel.PNG"),
        ("panel.pdf", False, "panel.pdf"),
        ("new", False, "new/x-mint.png"),
        ("new", True, "new/x-mint.png"),
        ("deep/er/new", True, "deep/er/new/x-mint.png"),
        ("v1.2/", True, "v1.2/x-mint.png"),
        ("v1.2/", False, "v1.2/x-mint.png"),
        ("there.png", False, "there.png/x-mint.png"),
        ("there.png", True, "there.png/x-mint.png"),
    ],
)
def test_a_file_has_a_suffix_and_anything_else_is_a_folder(
    out: str | None, several: bool, panel: str, place: Path
) -> None:
    (place / "there.png").mkdir()
    assert names(out, "pictures/x.jpg", several=several) == [panel]
    assert (place / panel).parent.is_dir()


@pytest.mark.parametrize(
    ("out", "several", "sentence"),
    [
        ("a.png", True, r"--out a\.png must be a folder, as there are several pictures; a\.png/ is one"),
        ("v1.2", True, r"v1\.2/ is one"),
        ("v1.2", False, r"must end in one of .*; a folder ends in /"),
        ("panel.pgf", False, r"--out panel\.pgf must end in one of"),
        ("file", True, "the folder file of --out cannot be made"),
        ("file/in", False, "the folder file/in of --out cannot be made"),
        ("no/a.png", False, "the folder no of --out does not exist"),
        ("x.jpg", False, r"--out x\.jpg is the picture itself"),
    ],
)
def test_what_will_not_do_is_refused(out: str, several: bool, sentence: str, place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(InputError, match=sentence):
        names(out, "x.jpg", several=several)


def test_names_that_collide_are_kept_apart() -> None:
    assert names("out", "a/x.jpg", "b/x.jpg", "c/X.png", "x-mint.jpg") == [
        f"out/{name}.png" for name in ("x-mint", "x-mint-2", "X-mint-3", "x-mint-mint")
    ]


def test_a_panel_never_replaces_a_picture() -> None:
    assert names(None, "x.jpg", "x-mint.png") == ["x-mint-2.png", "x-mint-mint.png"]


def test_panels_of_an_earlier_run_are_passed_over_and_counted(place: Path) -> None:
    for name in ("a.png", "a-mint.png", "a-mint-12.png", "a-mint.jpg", "-mint.png", "peppermint.png"):
        (place / name).touch()
    with pytest.warns(UserWarning, match=r"2 \(a panel of an earlier run\)"):
        found = find_pictures([place, place / "a-mint.png"])
    assert [file.name for file in found] == ["-mint.png", "a-mint.jpg", "a.png", "peppermint.png", "a-mint.png"]


def test_a_panel_that_cannot_be_written_leaves_the_older_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "p.png").write_text("older")

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"the panel cannot be written to p\.png .*No space left"):
        write_panel(Path("p.png"), Figure())
    assert [file.read_text() for file in place.iterdir()] == ["older"]


def test_a_name_may_be_as_long_as_the_system_takes(place: Path) -> None:
    out = place / f"{'x' * 251}.png"
    write_panel(out, Figure())
    assert list(place.iterdir()) == [out]
