"""``mint explain`` for several pictures: jobs, errors, interrupts, bars, and the lines for scripts."""

import json
import re
import signal
import threading
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import pytest
import torch
from PIL import Image
from tqdm import tqdm

import mint
from mint.app import batch
from mint.app.cli import _parser, main

MODEL = ("--model", "mine:named")


def explain(*arguments: str) -> int:
    return main(["explain", *arguments, "--samples", "20"])


@pytest.fixture
def pictures(desk: Path) -> list[str]:
    """Give four pictures, of which the third cannot be read."""
    with Image.open(desk / "ant.png") as picture:
        for i in range(4):
            picture.rotate(15 * i).save(desk / f"{i}.png")
    (desk / "2.png").write_text("no picture")
    return [f"{i}.png" for i in range(4)]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "explanations.jsonl").read_text().splitlines()]


def test_the_panel_is_drawn_though_nobody_reads(desk: Path, unread: TextIO) -> None:
    with redirect_stdout(unread):
        assert explain("ant.png", "--model", "mine:named") == 0
    assert (desk / "ant-mint.png").exists()


def test_several_pictures_and_folders_are_explained(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = desk / "more"
    folder.mkdir()
    for name in ("ant.png", "bee.JPG", ".hidden.png"):
        Image.open(desk / "ant.png").save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    given = ("ant.png", "more", "--model", "mine:named", "--out", "out", "--methods", "mint,overlay")
    assert explain(*given) == 0
    assert capsys.readouterr().out.endswith(f"3 of 3 pictures: {Path('out') / 'explanations.jsonl'}\n")
    found = records(desk / "out")
    panels = [str(Path("out") / name) for name in ("ant-mint.png", "ant-mint-2.png", "bee-mint.png")]
    assert [record["panel"] for record in found] == panels
    assert [record["picture"] for record in found] == ["ant.png", "more/ant.png", "more/bee.JPG"]
    assert all(len(record["fine"]["importance"]) > 1 for record in found)
    with Image.open(panels[0]) as panel:
        assert panel.width > 2000  # five columns


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("deep.png", "ant.png", "--model", "mine:named") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: deep.png: ")
    assert "error: 1 of 2 pictures could not be explained" in error
    assert (desk / "ant-mint.png").exists()
    assert len(records(desk)) == 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_bars_count_pictures_and_samples(jobs: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = []

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *given: Any, **options: Any) -> None:
            assert options["disable"] is None  # on a terminal only
            super().__init__(*given, **options | {"disable": False})
            bars.append(self)

    monkeypatch.setattr("tqdm.tqdm", Bar)
    assert explain("ant.png", *MODEL) == 0
    assert [(bar.unit, bar.total, bar.n) for bar in bars] == [(" samples", 21, 21)]
    bars.clear()
    assert explain("ant.png", "deep.png", "mine.py", *MODEL, "--jobs", jobs) == 2
    assert [(bar.unit, bar.total, bar.n) for bar in bars][:1] == [(" pictures", 3, 3)]
    assert len(bars) == (2 if jobs == "1" else 1)


def test_the_results_are_the_same_however_many_jobs(
    desk: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found, said = {}, {}
    threads = torch.get_num_threads()
    for jobs in ("1", "3"):
        assert explain(*pictures, *MODEL, "--jobs", jobs, "--out", jobs) == 2
        text = capsys.readouterr()
        said[jobs] = [re.sub(r"[\d.]+ s on|\b\d/", "", each) for each in text]
        found[jobs] = records(desk / jobs)
        for record in found[jobs]:
            assert record["cost"].pop("seconds") > 0
            assert Path(record.pop("panel")).is_file()
    assert [record["picture"] for record in found["1"]] == [name for name in pictures if name != "2.png"]
    assert found["3"] == found["1"]
    assert said["3"] == said["1"]
    assert said["1"][1].count("error: ") == 2
    assert torch.get_num_threads() == threads


def test_jobs_run_at_a_time_each_on_a_copy(desk: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    together, original, modules = threading.Barrier(2, timeout=20), batch.explain_picture, set()

    def meeting(options: Any, classifier: Any, *rest: Any) -> Any:
        modules.add(id(classifier.module))
        together.wait()
        return original(options, classifier, *rest)

    monkeypatch.setattr(batch, "explain_picture", meeting)
    assert explain("0.png", "1.png", *MODEL, "--jobs", "2") == 0
    assert len(modules) == 2


def test_jobs_take_turns_on_a_network_that_cannot_be_copied(
    desk: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "mine.py").write_text(
        (desk / "mine.py").read_text()
        + """
class Single(SmallCNN):
    def __deepcopy__(self, memo):
        raise TypeError("there is one")

def uncopied():
    torch.manual_seed(0)
    network = Single()
    network.preprocess = Preprocessing(40)
    return network
"""
    )
    for jobs in ("1", "3"):
        assert explain("0.png", "1.png", "--model", "mine:uncopied", "--jobs", jobs, "--out", f"{jobs}/") == 0
    assert "the network cannot be copied (TypeError: there is one (in Single.__deepcopy__," in capsys.readouterr().err
    fine = [[record["fine"] for record in records(desk / jobs)] for jobs in ("1", "3")]
    assert fine[0] == fine[1]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_any_error_of_one_picture_is_one_sentence(
    jobs: str, desk: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = batch.explain_picture

    def failing(options: Any, classifier: Any, file: Path, *rest: Any) -> Any:
        if file.name == "1.png":
            raise RuntimeError("the device is on fire")
        return original(options, classifier, file, *rest)

    monkeypatch.setattr(batch, "explain_picture", failing)
    assert explain("0.png", "1.png", "3.png", *MODEL, "--jobs", jobs) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: 1.png: RuntimeError: the device is on fire (in ")
    assert last == "error: 1 of 3 pictures could not be explained; the sentences above say why."
    assert [record["picture"] for record in records(desk)] == ["0.png", "3.png"]
    assert explain("1.png", *MODEL) == 2
    assert capsys.readouterr().err.startswith("error: RuntimeError: the device is on fire (in ")


def test_jobs_stop_when_interrupted(desk: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "write_panel", lambda *_: signal.raise_signal(signal.SIGINT))
    original, ends = batch.explain_picture, {}

    def noted(options: Any, classifier: Any, file: Path, *rest: Any) -> Any:
        # The first picture is done soon; the others would take minutes.
        own = Namespace(**vars(options) | {"samples": 20 if file.name == "0.png" else 400_000})
        try:
            return original(own, classifier, file, *rest)
        except BaseException as error:
            ends[file.name] = type(error).__name__
            raise

    monkeypatch.setattr(batch, "explain_picture", noted)
    assert explain("0.png", "1.png", "3.png", *MODEL, "--jobs", "2") == 130
    assert set(ends.values()) == {"Stopped"}
    assert not any(thread.name.startswith("ThreadPool") for thread in threading.enumerate())


def test_a_full_disk_behind_standard_output_costs_one_picture(
    desk: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with open("/dev/full", "w") as full, redirect_stdout(full):
        assert explain("0.png", "1.png", *MODEL) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: 0.png: standard output cannot be written (")
    assert last.startswith("error: 1 of 2 pictures")
    assert (desk / "1-mint.png").exists()


def test_a_line_holds_what_a_script_needs(desk: Path, pictures: list[str]) -> None:
    assert explain("0.png", "1.png", *MODEL, "--class", "bee", "--class", "ant") == 0
    bee, ant, *_ = records(desk)
    assert (bee["class"], bee["target"], ant["class"], ant["target"]) == ("bee", 1, "ant", 0)
    assert {bee["rank"], ant["rank"]} <= {1, 2, 3, 4, 5}
    assert (bee["rank"] < ant["rank"]) == (bee["answer"] > ant["answer"])
    assert (bee["model"], bee["device"], bee["version"]) == ("mine:named", "cpu", mint.__version__)
    assert bee["weights"] is None
    assert bee["parameters"]["layers"] == ["stem", "trunk"]
    assert bee["parameters"]["response"] == "probability"
    assert bee["size"] == [40, 40]
    assert len(bee["fine"]["importance"]) == len(bee["fine"]["parent"]) > len(bee["coarse"]["importance"])
    assert {"fine", "coarse", "fine_held_out", "coarse_held_out"} <= bee["fidelity"].keys()
    assert (bee["chosen_coarse"] is None) == (bee["abstention"] is not None)
    # The help names every field.
    (commands,) = (action for action in _parser()._actions if action.choices)
    words = set(re.findall(r"[a-z_]+", commands.choices["explain"].epilog))
    assert bee.keys() <= words, bee.keys() - words
