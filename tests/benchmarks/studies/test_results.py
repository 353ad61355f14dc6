"""The one command that makes all results, on small stand-ins for the commands of the folders."""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import INTERRUPTED, main
from benchmarks.commandline import parser
from benchmarks.plans import PLANS
from benchmarks.registry import DATASET
from benchmarks.results.provenance import same_code
from benchmarks.run.plan import select
from benchmarks.studies import STUDIES, results
from benchmarks.studies.results import ITEMS, Duration, Item, read_durations, words_of, write_durations

COMMIT = "0123456789abcdef"
# What the command of a folder does: its words are how it ends, and the options that every command has.
PROGRAM = """
import os, sys, time
from pathlib import Path
how, *words = sys.argv[1:]
out = Path(words[words.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
print(how, *words, file=(out / "calls").open("a"))
if how == "slow" and not (out / "cell").exists():
    (out / "cell").write_text(str(os.getpid()))
    time.sleep(60)
if how == "killed":
    os.kill(os.getpid(), 9)
if how == "fails":
    sys.exit("error: there is no such thing.")
"""


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for the folders and their commands, in a clean checkout; where they go."""
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    items = (
        Item("good", ("good",), 1),
        Item("bad", ("fails",), 1),
        Item("shot", ("killed",), 1),
        Item("slow", ("slow",), 1, on_cpu=3),
        Item("pictures", ("good",), 1, ("resnet18",), data=True),
    )
    monkeypatch.setattr(results, "ITEMS", items)
    monkeypatch.setattr(results, "PROGRAM", (sys.executable, "-S", str(tmp_path / "program.py")))
    monkeypatch.setattr(results, "git_state", lambda: {"commit": COMMIT, "dirty": False})
    monkeypatch.setattr(results, "same_code", lambda commit: commit == COMMIT)
    monkeypatch.setattr(results, "PATIENCE", 0.1)
    return tmp_path / "results"


def study(out: Path, *words: str) -> int:
    return main(["study", "results", "--device", "cpu", "--out", str(out), *words])


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


def test_one_that_fails_costs_the_others_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(out, "--only", "bad,shot,good") == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("bad: failed in 0.0 min: exit status 1: error: there is no such thing. (")
    assert said[1].startswith("shot: failed in 0.0 min: signal 9 (SIGKILL) ended it")
    assert said[2] == "good: complete in 0.0 min"
    states = {name: row.state for name, row in read_durations(out / "durations.csv").items()}
    assert states == {"bad": "failed", "good": "complete", "shot": "failed"}


def test_what_is_complete_is_passed_over(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(out, "--only", "good") == study(out, "--only", "good") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "good: found, of commit 01234567, whose code is the same"
    assert len(calls(out / "good")) == 1
    # Neither by another command, nor if the folder is gone.
    assert study(out, "--only", "good", "--limit", "2") == 0
    assert calls(out / "good")[1:] == [f"good --limit 2 --device cpu --out {out / 'good'}"]
    (out / "good" / "calls").unlink()
    (out / "good").rmdir()
    assert study(out, "--only", "good", "--limit", "2") == 0
    assert len(calls(out / "good")) == 1


def test_other_code_makes_everything_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert study(out, "--only", "good") == 0
    monkeypatch.setattr(results, "git_state", lambda: {"commit": "later", "dirty": False})
    monkeypatch.setattr(results, "same_code", lambda commit: commit == "later")
    assert study(out, "--only", "good") == 0
    assert len(calls(out / "good")) == 2
    assert read_durations(out / "durations.csv")["good"].commit == "later"


def test_code_that_changes_meanwhile_stops_it(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "same_code", lambda _: not (out / "good").exists())
    assert study(out, "--only", "good,slow") == 2
    assert "before slow is of 01234567" in capsys.readouterr().err
    assert not (out / "slow").exists()


def test_an_interrupted_one_goes_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = out / "slow" / "cell"

    def interrupt() -> None:
        until = time.monotonic() + 20
        while not (cell.exists() and cell.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(1.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert study(out, "--only", "slow,good") == INTERRUPTED
    with pytest.raises(ProcessLookupError):
        os.kill(int(cell.read_text()), 0)
    row = read_durations(out / "durations.csv")["slow"]
    assert row.state == "unfinished"
    assert row.seconds >= 1
    assert not (out / "good").exists()
    assert study(out, "--only", "slow,good") == 0
    whole = read_durations(out / "durations.csv")["slow"]
    assert whole.state == "complete"
    assert whole.seconds >= row.seconds
    assert whole.cases == "3"
    assert len(calls(out / "slow")) == 2


@pytest.mark.parametrize(("dirty", "word"), [(True, "commit first"), (None, "use a clone")])
def test_an_unclean_checkout_is_refused(
    dirty: bool | None, word: str, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "git_state", lambda: {"commit": COMMIT, "dirty": dirty})
    assert study(out, "--only", "good") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert word in line
    assert not (out / "good").exists()
    # Never passed over, as nobody knows what the code was.
    assert study(out, "--only", "good", "--anyhow") == study(out, "--only", "good", "--anyhow") == 0
    assert len(calls(out / "good")) == 2
    assert read_durations(out / "durations.csv")["good"].commit == f"{COMMIT} and changes"


def test_pictures_and_weights_go_to_those_that_need_them(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(out, "--only", "pictures") == 0
    assert capsys.readouterr().out == "pictures: left out, as it needs ImageNet's pictures (--data DIR)\n"
    assert study(out, "--only", "pictures,good", "--data", "in", "--weights", "resnet18=a.pth") == 0
    assert calls(out / "pictures") == [f"good --data in --weights a.pth --device cpu --out {out / 'pictures'}"]
    assert calls(out / "good") == [f"good --device cpu --out {out / 'good'}"]


@pytest.mark.parametrize(
    ("words", "word"), [(["--only", "goood"], "good"), (["--only", "good", "--weights", "resnet81=a.pth"], "resnet18")]
)
def test_an_unknown_name_is_refused(words: list[str], word: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(out, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert word in line
    assert not (out / "good").exists()


def test_what_people_wrote_is_to_be_read_again(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "good").mkdir(parents=True)
    (out / "good" / "conclusions.md").touch()
    assert study(out, "--only", "good") == 0
    assert str(out / "good" / "conclusions.md") in capsys.readouterr().out


def test_a_damaged_list_of_durations_is_one_sentence(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out.mkdir()
    (out / "durations.csv").write_text("folder,command\nquick,\n", encoding="utf-8")
    assert study(out, "--only", "good") == 2
    assert str(out / "durations.csv") in capsys.readouterr().err


def test_durations_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [Duration("b", 'x --a "1, 2"', 61, "", "c and changes", "CPU", "failed")]
    rows += [Duration("a", "y", 3, "12", "c", "CPU (2 threads); torch 2", "complete")]
    write_durations(rows, tmp_path / "durations.csv")
    assert read_durations(tmp_path / "durations.csv") == {"a": rows[1], "b": rows[0]}


def test_the_table_names_plans_and_studies_that_there_are() -> None:
    assert len({item.folder for item in ITEMS}) == len(ITEMS)
    for item in ITEMS:
        if item.words[0] == "study":
            assert item.words[1] in STUDIES
            continue
        options = parser().parse_args(item.words)
        (name,) = options.plan
        only = {DATASET: options.datasets} if options.datasets else {}
        parts = select(PLANS[name], only=only).parts
        pictures = [part for part in parts if part.dataset.startswith("imagenet")]
        # --data is for every data set of a plan.
        assert pictures == ([*parts] if item.data else [])
        assert set(item.networks) == {network for part in pictures for network in part.networks}
        # The terms of the pictures: what shows them is not committed.
        assert not item.data or item.folder.startswith("published-") or "imagenet" in item.folder


def test_a_cpu_has_fewer_cases_than_a_gpu() -> None:
    item = Item("some", ("run",), 1, ("resnet18",), data=True, on_cpu=16)
    options = argparse.Namespace(
        limit=None, data=Path("in"), weights=[("resnet18", Path("a"))], out=Path("out"), workers=None, precision=None
    )
    rest = ["--data", "in", "--weights", "resnet18=a", "--device"]
    assert words_of(item, options, "cpu") == ["run", "--limit", "16", *rest, "cpu", "--out", "out/some"]
    assert words_of(item, options, "cuda") == ["run", *rest, "cuda", "--out", "out/some"]
    options.limit = 20
    assert words_of(item, options, "cpu")[:3] == ["run", "--limit", "16"]
    assert words_of(item, options, "cuda")[:3] == ["run", "--limit", "20"]


def test_only_runs_on_photographs_compute_in_another_precision() -> None:
    options = argparse.Namespace(limit=None, data=Path("in"), weights=[], out=Path(), workers=None, precision="tf32")
    photographs = Item("some", ("run",), 1, ("resnet18",), data=True)
    assert words_of(photographs, options, "cpu")[3:5] == ["--precision", "tf32"]
    for other in (Item("scenes", ("run",), 1), Item("some", ("study", "some"), 1, ("resnet18",), data=True)):
        assert "--precision" not in words_of(other, options, "cpu")


def test_the_code_of_an_unknown_commit_is_not_the_same() -> None:
    assert not same_code("0" * 40)
    assert not same_code("HEAD and changes")


@pytest.mark.slow
def test_a_real_command_makes_a_folder_and_the_page_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "--plan", "smoke", "--networks", "scenes-vgg", "--methods", "gradcam,centre", "--controls", "none")
    monkeypatch.setattr(results, "ITEMS", (Item("smoke", (*words, "--metrics", "pointing"), 1),))
    out = tmp_path / "results"
    assert study(out, "--anyhow", "--limit", "1") == 0
    assert capsys.readouterr().out.startswith("smoke: complete in ")
    assert (out / "index.html").is_file()
    row = read_durations(out / "durations.csv")["smoke"]
    assert row.cases == "1"
    assert row.command.startswith("python -m benchmarks run --plan smoke ")
    assert "torch" in row.machine
