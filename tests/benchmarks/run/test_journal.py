"""What a folder says of its run: run.json, `status`, `prune`, and `report` of a run that is not at its end."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from small_runs import SECOND, with_part

from baselines.controls import OtherClass, Shuffled
from benchmarks.__main__ import main
from benchmarks.metrics import Deletion
from benchmarks.results import records
from benchmarks.run.cellfile import CellFile
from benchmarks.run.journal import begin, read_journal
from benchmarks.run.setting import FEWEST
from benchmarks.run.standing import Standing, standings
from benchmarks.run.store import Entry, Store
from mint.contract import InputError

METRICS = 3


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def go(world: ModuleType, out: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the small world's plan, changed as a test wants, with more options."""

    def go(*options: str, name: str = "fake", **changes: Any) -> int:
        plan = with_part(world.plan(out.parent / "calls.log"), **changes)
        monkeypatch.setitem(world.PLANS, name, replace(plan, name=name))
        return main(["run", "--plan", name, "--out", str(out), *options])

    return go


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no reports, which take long."""
    monkeypatch.setattr("benchmarks.report.report.make_report", lambda directory: "")


def calls(out: Path) -> int:
    return len((out.parent / "calls.log").read_text(encoding="utf-8").splitlines())


def computed(out: Path) -> int:
    return int(records.load(out).provenance["run"]["cells"]["computed"])


def labels(out: Path) -> Counter[tuple[str, str, str]]:
    """Count the cells by method, control and step."""
    with closing(Store(out / "cells")) as store:
        counts = store.counts()
    found: Counter[tuple[str, str, str]] = Counter()
    for each, count in counts.items():  # the same on another device or number of threads is another label
        found[each.method, each.control, each.step] += count.cells
    return found


def stopped(go: Callable[..., int], after: int, *options: str, **changes: Any) -> None:
    """Run until the n-th write, which Ctrl-C comes before."""
    left, original = iter(range(after)), Store.write

    def write(store: Store, entries: list[Entry]) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        original(store, entries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "write", write)
        assert go(*options, **changes) == 130


# status


def test_before_the_first_network_is_loaded_there_is_no_table(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out.mkdir()
    begin(out, "fake", ("run",), 1, "cpu", Store(out / "cells"))
    assert main(["status", str(out)]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{out}: plan fake, not ended; begun ")
    assert others == [
        "0 maps and scores are left of the 0 of 1 settings that are begun, 0 failed; 0.0 cells in a second"
    ]


@pytest.mark.usefixtures("unreported")
def test_before_a_run_and_with_a_damaged_journal_it_is_one_sentence(
    go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("status", "prune"):
        assert main([command, str(out)]) == 2
    out.mkdir()
    unordered = json.dumps(
        {"plan": "fake", "started": "", "commands": [], "settings": [], "failures": [], "clocks": []}
    )
    undated = unordered.replace('"commands": []', '"commands": [["run"]]')
    for text in ("", "{", "[]", '{"plan": "fake"}', json.dumps({"commands": 3}), "\x00" * 9, unordered, undated):
        (out / "run.json").write_text(text)
        with pytest.raises(InputError, match=r"run\.json cannot be read"):
            read_journal(out)
        for command in ("status", "prune"):
            assert main([command, str(out)]) == 2
    (out / "run.json").write_bytes(b"\xff\xfe\x00")
    assert main(["status", str(out)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 + 2 * 8 + 1
    assert all("error: " in line and "run.json" in line for line in errors)
    assert go("--limit", "2") == 0  # a run writes it anew
    assert read_journal(out).ended


def test_two_commands_at_once_into_one_folder_both_stay(tmp_path: Path) -> None:
    one, other = (begin(tmp_path, "fake", [word], 1, "cpu", Store(tmp_path / "cells")) for word in ("one", "other"))
    one.timed({("noise", "tiny"): ("a device", 1)})
    other.timed({("noise", "tiny"): ("another", 2)})
    one.note(ended=True)
    found = read_journal(tmp_path)
    assert found.commands == (("other",), ("one",))
    assert {each[2:] for each in found.clocks} == {("a device", 1), ("another", 2)}


@pytest.mark.usefixtures("unreported")
def test_during_a_run_what_is_done_and_left_is_counted(
    go: Callable[..., int], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Standing]] = []

    def saw(scribe: Any, results: Any) -> None:
        journal, found, rate = standings(out)
        assert not journal.ended
        assert rate > 0
        seen.append(found)

    monkeypatch.setattr("benchmarks.run.journal.Scribe.saw", saw)
    assert go() == 0
    bright = [found[0] for found in seen]
    assert bright[0] == Standing("noise", "tiny", "bright", (4, 10), (12, 30), 0, 24)
    assert bright[-1] == Standing("noise", "tiny", "bright", (10, 10), (30, 30), 0, 0)
    journal, found, _ = standings(out)
    assert journal.ended
    assert [each.left for each in found] == [0, 0]


@pytest.mark.usefixtures("unreported")
def test_what_failed_is_not_left(
    world: ModuleType, go: Callable[..., int], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(world.DATASETS, "noise", lambda network, options: world.Pictures(8, broken=(6,)))
    methods = {"bright": world.Brightness(str(out.parent / "calls.log"), fails_on=1)}
    # Cases 1, 4 and 7 fail; 6 cannot be read.
    stopped(go, 11, methods=methods, controls={"shuffled": Shuffled()}, metrics={"deletion": Deletion(steps=4)})
    _, (found,), _ = standings(out)
    # Of the first four cases, one failed; of the others, nothing is known.
    assert found == Standing("noise", "tiny", "bright", (3, 8), (6, 16), 1, 4 * (1 + 2))
    assert go(methods=methods, controls={"shuffled": Shuffled()}, metrics={"deletion": Deletion(steps=4)}) == 1
    journal, (found,), _ = standings(out)
    assert journal.ended
    assert found == Standing("noise", "tiny", "bright", (4, 8), (8, 16), 4, 0)
    (out / "run.json").write_text((out / "run.json").read_text().replace('"ended": true', '"ended": false'))
    assert standings(out)[1][0].left == 0  # whether the run knows that it has ended, or not


@pytest.mark.usefixtures("unreported")
def test_two_settings_and_their_controls_are_apart(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.NETWORKS["tiny-too"] = world.network(out.parent / "tiny.safetensors")
    try:
        changes = {"networks": ("tiny", "tiny-too"), "controls": {"other-class": OtherClass()}, "controlled": 3}
        stopped(go, 1, **changes)
        assert main(["status", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "not ended" in printed
        assert "1 of 2 settings" in printed
        assert go(**changes) == 0
        _, found, _ = standings(out)
        judging = 2 + 1  # deletion, insertion, pointing judge a map
        assert [(each.network, each.method, each.maps, each.scores) for each in found] == [
            (network, method, (10, 10), (30 + 3 * judging, 30 + 3 * judging))
            for network in ("tiny", "tiny-too")
            for method in ("bright", "dark")
        ]
        capsys.readouterr()
        assert main(["status", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "ended; begun" in printed
        assert "not ended" not in printed
        assert "0 maps and scores are left, 0 failed" in printed
        assert printed.count("10 of 10") == 4
    finally:
        del world.NETWORKS["tiny-too"]


# more of everything


@pytest.mark.usefixtures("unreported")
def test_what_is_added_to_a_run_is_computed_alone(world: ModuleType, go: Callable[..., int], out: Path) -> None:
    log = str(out.parent / "calls.log")
    assert go("--limit", "5") == 0
    maps, scores, pictures = 10, 30, 4
    assert (calls(out), computed(out)) == (maps + SECOND, maps + scores + pictures + SECOND)
    assert go() == 0  # five cases more
    assert (calls(out), computed(out)) == (20 + SECOND, 10 + 30)
    methods = {**world.plan(Path(log)).parts[0].methods, "other": world.Brightness(log, gain=2.0)}
    assert go(methods=methods) == 0
    assert (calls(out), computed(out)) == (30 + SECOND + 1, 10 + 30 + 2 + 1)
    metrics = {**world.plan(Path(log)).parts[0].metrics, "finer": Deletion(steps=8)}
    assert go(methods=methods, metrics=metrics) == 0
    assert (calls(out), computed(out)) == (30 + SECOND + 1, 30)
    controls = {"shuffled": Shuffled()}
    assert go(methods=methods, metrics=metrics, controls=controls, controlled=2) == 0
    assert (calls(out), computed(out)) == (30 + SECOND + 1, 3 * 2 * METRICS)
    assert go(methods=methods, metrics=metrics, controls=controls, controlled=2) == 0
    assert (calls(out), computed(out)) == (30 + SECOND + 1, 0)
    assert go() == 0  # less is found, too
    assert (calls(out), computed(out)) == (30 + SECOND + 1, 0)


# prune


@pytest.mark.usefixtures("unreported")
def test_what_no_command_asks_for_is_removed_and_nothing_else(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(out.parent / "calls.log")
    changes = {"timed": 1, "controls": {"other-class": OtherClass()}, "controlled": 2}
    assert go(**changes) == 0
    before = labels(out)
    assert before["bright", "", "timing"] == before["bright", "", "second call"] == 1
    assert main(["prune", str(out)]) == 0
    assert "0 cells removed" in capsys.readouterr().out
    assert labels(out) == before
    # The same command, but its method has another parameter now.
    methods = {**world.plan(Path(log)).parts[0].methods, "bright": world.Brightness(log, gain=2.0)}
    assert go(**changes, methods=methods) == 0
    both = labels(out)
    assert both["bright", "", "map"] == 20
    capsys.readouterr()
    assert main(["prune", str(out)]) == 0
    former = sum(count for (method, _, _), count in before.items() if method == "bright")
    assert f"{former} cells removed, {sum(before.values())} wanted" in capsys.readouterr().out
    assert labels(out) == before
    called = calls(out)
    assert go(**changes, methods=methods) == 0
    assert (calls(out), computed(out)) == (called, 0)


@pytest.mark.usefixtures("unreported")
def test_every_command_that_was_run_into_the_folder_keeps_its_cells(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("--methods", "bright", "--cases", "1-3") == 0
    assert go("--seed", "7", "--limit", "2") == 0
    assert go("--limit", "1", name="another") == 0
    before = labels(out)
    assert len(read_journal(out).commands) == 3
    assert main(["prune", str(out)]) == 0
    assert labels(out) == before
    assert "0 cells removed" in capsys.readouterr().out


@pytest.mark.usefixtures("unreported")
def test_timings_on_another_number_of_threads_stay(
    go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    assert go("--limit", "1", timed=1) == 0
    try:
        torch.set_num_threads(threads + 1)
        assert go("--limit", "1", timed=1) == 0
    finally:
        torch.set_num_threads(threads)
    assert labels(out)["bright", "", "timing"] == 2
    assert main(["prune", str(out)]) == 0
    assert labels(out)["bright", "", "timing"] == 2
    assert "0 cells removed" in capsys.readouterr().out


@pytest.mark.usefixtures("unreported")
def test_while_a_process_writes_nothing_is_removed(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(out.parent / "calls.log")
    assert go() == 0
    assert go(methods={"bright": world.Brightness(log, gain=2.0)}) == 0
    before = labels(out)
    (path,) = (out / "cells").glob("*.cells")
    with closing(CellFile(path, writing=True)):
        assert main(["prune", str(out)]) == 2
    assert "goes on" in capsys.readouterr().err
    assert labels(out) == before


@pytest.mark.usefixtures("unreported")
def test_a_command_that_cannot_be_understood_any_more_keeps_everything(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("--limit", "1", name="vanishing") == 0
    assert go("--limit", "1") == 0
    before = labels(out)
    del world.PLANS["vanishing"]
    assert main(["prune", str(out)]) == 2
    assert "nothing was removed" in capsys.readouterr().err
    assert labels(out) == before


# the report of a run that is not at its end


def test_a_stopped_run_is_reported_as_far_as_it_came_and_then_finished(
    go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(go, 30, timed=1)
    capsys.readouterr()
    assert main(["report", "--plan", "fake", "--out", str(out)]) == 0
    capsys.readouterr()
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "Made while the run was going on" in page.split("\n## ")[0]
    so_far = records.load(out)
    assert so_far.provenance["run"]["complete"] is False
    scored = so_far.scores.groupby(["method", "case"], observed=True).size()
    assert 0 < len(scored) < 20
    called = calls(out)
    assert main(["report", "--plan", "fake", "--out", str(out)]) == 0
    assert calls(out) == called  # a report computes nothing
    assert not read_journal(out).ended
    assert go(timed=1) == 0
    assert read_journal(out).ended
    assert calls(out) - called > FEWEST
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "Made while" not in page
    whole = records.load(out)
    assert "complete" not in whole.provenance["run"]
    assert len(whole.scores) == 2 * 10 * METRICS
    assert "gathered" not in whole.provenance["inputs"]["settings"][0]["cases"]
    capsys.readouterr()
    assert main(["report", "--plan", "fake", "--out", str(out)]) == 0
    assert "Made while" not in (out / "README.md").read_text(encoding="utf-8")


def test_a_run_that_was_stopped_before_its_first_cell_has_no_report_yet(
    world: ModuleType, go: Callable[..., int], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(go, 0)
    capsys.readouterr()
    assert main(["report", "--plan", "fake", "--out", str(out)]) == 2
    assert "error: the run into" in capsys.readouterr().err
    del world.PLANS["fake"]
    assert main(["report", "--plan", "fake", "--out", str(out)]) == 2
    assert "error: unknown plan 'fake'" in capsys.readouterr().err
