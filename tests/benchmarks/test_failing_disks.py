"""A disk that is full, a folder that vanishes or cannot be written to: one sentence, and nothing stored is lost."""

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.results import records
from benchmarks.run.store import Store
from benchmarks.studies import STUDIES

ROOT = Path(__file__).resolve().parents[2]
FULL = OSError(errno.ENOSPC, "No space left on device")
WRITE_TEXT = Path.write_text


def full(*_: Any, **__: Any) -> None:
    raise OSError(*FULL.args)


def full_at(name: str) -> Callable[..., Any]:
    def write_text(file: Path, *arguments: Any, **named: Any) -> Any:
        return full() if file.name == name else WRITE_TEXT(file, *arguments, **named)

    return write_text


WRITERS = (
    ("benchmarks.run.cellfile.CellFile.write", full),
    ("numpy.savez_compressed", full),  # maps and pictures
    ("pyarrow.parquet.write_table", full),  # scores and curves
    ("pandas.DataFrame.to_csv", full),  # timings and findings
    ("PIL.Image.Image.quantize", full),  # in place of a plot's file
    ("pathlib.Path.write_text", full_at("provenance.json")),
    ("pathlib.Path.write_text", full_at("index.html")),
)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def test_wherever_the_disk_is_full_it_is_one_sentence_and_the_run_goes_on(
    world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ["run", "--plan", "fake", "--limit", "3", "--metrics", "deletion", "--out", str(out)]
    assert main(arguments) == 0
    kept = contents(out)
    stored = [name for name in kept if name.startswith(("cells", "records", "curves", "timing", "prov", "maps"))]
    assert len(stored) > 5
    for writer, fails in WRITERS:
        with monkeypatch.context() as broken:
            broken.setattr(writer, fails)
            # The other cases' cells are there already, and only a fourth one's have to be written.
            assert main([*arguments, "--limit", "4" if "CellFile" in writer else "3"]) == 2, writer
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert len(errors) == 1
        assert re.fullmatch(r"error: No space left on device(: \S+)?; what was stored is kept, .*", errors[0])
        now = contents(out)
        told = [name for name in stored if now[name] != kept[name]]
        # The provenance says when the run was; no other number changed, and no file is cut off.
        assert set(told) <= {"provenance.json"}, writer
        assert records.load(out).provenance["inputs"]["plan"] == "fake"
        assert not [name for name in now if "partial" in name or "new-records" in name]
    assert main(arguments) == 0
    assert "\n0 cells computed, " in capsys.readouterr().out
    assert contents(out).keys() == kept.keys()


def test_a_folder_that_vanishes_during_a_run_is_made_again(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", Store.write
    removed: list[int] = []

    def vanishing(store: Store, *given: Any) -> None:
        write(store, *given)
        if store.written >= 5 and not removed:
            removed.append(store.written)
            shutil.rmtree(out)

    monkeypatch.setattr(Store, "write", vanishing)
    arguments = ["run", "--plan", "fake", "--limit", "3", "--out", str(out)]
    assert main(arguments) == 0
    assert removed
    assert len(records.load(out).scores) == 2 * 3 * 3


def test_a_report_in_a_folder_that_cannot_be_written_to(
    world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "--plan", "fake", "--limit", "2", "--out", str(out)]) == 0
    (tmp_path / "file").touch()
    shutil.rmtree(out / "tables")
    (out / "tables").touch()
    capsys.readouterr()
    for arguments in (["report", "--out", str(out)], ["join", str(out), "--out", str(tmp_path / "file")]):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert str(tmp_path) in line


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_finds_out_at_once_that_it_cannot_write(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{STUDIES[name]}._study", lambda *_: pytest.fail("something was computed"))
    (tmp_path / "file").touch()
    assert main(["study", name, "--out", str(tmp_path / "file" / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"error: nothing can be written to {tmp_path / 'file' / 'out'}: ")
    monkeypatch.setattr(f"{STUDIES[name]}._study", full)
    assert main(["study", name, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: No space left on device; ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_summary_that_cannot_be_printed_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as device:
        command = [sys.executable, "-m", "benchmarks", "list"]
        ended = subprocess.run(command, cwd=ROOT, stdout=device, stderr=subprocess.PIPE, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [ended.stderr.strip()]
    assert ended.stderr.startswith("error: No space left on device; ")
