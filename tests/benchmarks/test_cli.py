import errno
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import pandas as pd
import pytest

from benchmarks.__main__ import _print_failures, main
from benchmarks.registry import METRIC, registered
from benchmarks.run.failure import Failure
from benchmarks.run.store import Entry, Store

MINE = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Mine:
    def __call__(self, model, images, targets):
        return images[:, 0].contiguous()
"""


def test_list_has_a_line_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in ("quick", "smoke", "scenes-vgg", "resnet50", "scenes", "imagenet", "mint", "gradcam", "pointing"):
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in text.splitlines()), name
    assert "were chosen on" not in text  # the second sentence of their summaries
    metrics = dict(line.split(maxsplit=1) for line in text[text.index("\nmetrics\n") :].splitlines()[2:-1])
    assert metrics.keys() == registered(METRIC).keys()
    del metrics["morf"]  # deletion, by its other name
    assert len(set(metrics.values())) == len(metrics), "two metrics are described alike"


def test_a_reader_that_has_gone_is_no_error(unread: TextIO) -> None:
    with redirect_stdout(unread):
        assert main(["list"]) == 141


def test_a_run_prints_a_summary_and_leaves_a_report(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "tiny on noise" in text
    assert "bright" in text
    assert (tmp_path / "out" / "README.md").exists()
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    run = provenance["run"]
    assert run["command"].startswith("python -m benchmarks run --plan fake")
    assert run["failures"] == []
    assert run["cells"]["computed"] > 0
    assert run["hardware"]["processors"] >= 1
    (setting,) = provenance["inputs"]["settings"]
    assert setting["cases"] == {"all": 10, "difficult": 4}
    assert len(setting["network"]["weights_sha256"]) == len(setting["data_sha256"]) == 64
    assert main(["report", "--out", str(tmp_path / "out")]) == 0


def test_a_method_that_is_left_out_of_a_group_is_said_and_kept(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from baselines import Random
    from baselines.packages import Package

    monkeypatch.setattr(Random, "needs", Package("no_such_package", "methods"), raising=False)
    assert main([*arguments, "--methods", "@null", "--limit", "1"]) == 0
    assert "left out: random needs the package no_such_package" in capsys.readouterr().err
    run = json.loads((tmp_path / "out" / "provenance.json").read_text())["run"]
    assert run["left_out"].keys() == {"random"}
    assert set(pd.read_parquet(tmp_path / "out" / "records.parquet")["method"]) == {"constant", "centre", "sobel"}


def test_a_method_in_a_file_stands_in_the_same_tables(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    assert main([*arguments, "--method", f"{tmp_path / 'mine.py'}:Mine", "--limit", "3"]) == 0
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    assert list(scores["method"].unique()) == ["bright", "dark", "Mine"]


OWN = """
import numpy as np
from torch import nn

from benchmarks.datasets import Case
from benchmarks.metrics import Deletion
from benchmarks.run.plan import Part, Plan
from mint.app.classifiers import Classifier, Preprocessing
from pixels import SIZE


class Gradientless:
    def __call__(self, model, images, targets):
        return images[:, 0].contiguous()


def net():
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Classifier(nn.Sequential(*layers, nn.Linear(4, 2)), Preprocessing(SIZE), ("cat", "dog"))


def data(network, options):
    image = np.full((SIZE, SIZE, 3), 7, np.uint8)
    return [Case(f"p{i}.cat", f"p{i}", 0, "cat", image + np.uint8(i), None, False) for i in range(3)]


few = Deletion(steps=2)
every = Plan("every", "All mine.", (Part("OWN.py:data", ("OWN.py:net",), {"mine": Gradientless()}, {"few": few}),))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own.py").write_text(OWN.replace("OWN.py", str(tmp_path / "own.py")))
    (tmp_path / "pixels.py").write_text("SIZE = 16\n")
    return tmp_path / "own.py"


@pytest.mark.parametrize(
    "form",
    [
        "--methods {0}:Gradientless --metrics {0}:few --networks {0}:net --datasets {0}:data",
        "--method {0}:Gradientless --metrics {0}:few --networks {0}:net --dataset {0}:data --datasets {0}:data",
        "--plan {0}:every",
    ],
    ids=["selected", "added", "a plan"],
)
def test_everything_may_be_the_user_s(world: ModuleType, own: Path, tmp_path: Path, form: str) -> None:
    arguments = ["--plan", "fake", *form.format(own).split()] if "--plan" not in form else form.format(own).split()
    assert main(["run", *arguments, "--limit", "2", "--out", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    provenance = json.loads((out / "provenance.json").read_text())
    (setting,) = provenance["inputs"]["settings"]
    assert (setting["dataset"], setting["network"]["name"]) == ("data", "net")
    assert setting["cases"]["all"] == 2
    assert "few" in setting["metrics"]
    assert len(setting["network"]["code"]) == 64


def test_the_studies_have_their_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == main(["study", "--help"]) == 0
    usage = capsys.readouterr().out
    assert all(name in usage for name in ("budget", "figures", "forwards", "protocols", "speed"))
    assert main(["study", "sped"]) == 2
    with pytest.raises(SystemExit) as caught:
        main(["study", "speed", "--help"])
    assert caught.value.code == 0
    assert "--rounds" in capsys.readouterr().out


def test_options_narrow_the_run_down(arguments: list[str], tmp_path: Path) -> None:
    assert (
        main([*arguments, "--methods", "dark", "--metrics", "insertion,deletion", "--limit", "2", "--seed", "3"]) == 0
    )
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    assert scores[["metric", "method", "n"]].to_numpy().tolist() == [
        [metric, "dark", 2] for metric in ("insertion - deletion", "insertion", "deletion")
    ]
    inputs = json.loads((tmp_path / "out" / "provenance.json").read_text())["inputs"]
    assert inputs["seed"] == 3


def test_the_run_keeps_and_prints_its_efficiency(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def efficiency() -> list[dict[str, Any]]:
        run: dict[str, list[dict[str, Any]]] = json.loads((tmp_path / "out" / "provenance.json").read_text())["run"]
        return run["efficiency"]

    assert main([*arguments, "--limit", "2", "--metrics", "deletion"]) == 0
    (row,) = efficiency()
    assert (row["dataset"], row["network"]) == ("noise", "tiny")
    # Four steps have three points between their ends, for two maps of two cases; and the clean and the empty picture.
    assert row["pictures"] == 2 * (2 * 3 + 2)
    assert row["seconds"] > row["bare_seconds"] > 0
    sentence = f"tiny on noise: 16 pictures through the network in {row['seconds']:.0f} s, "
    assert sentence in capsys.readouterr().out
    assert sentence in (tmp_path / "out" / "README.md").read_text()
    assert sentence in (tmp_path / "out" / "index.html").read_text()
    assert main([*arguments, "--limit", "2", "--metrics", "deletion"]) == 0
    assert efficiency() == [], "what is found again asks no network"


def test_the_tables_of_each_network_are_printed_when_it_is_done(
    arguments: list[str], capsys: pytest.CaptureFixture[str], world: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(world.NETWORKS, "twin", world.NETWORKS["tiny"])
    assert main([*arguments, "--limit", "2", "--networks", "tiny,twin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line for line in lines if line.endswith(" on noise, 2 cases")]
    assert found == ["tiny on noise, 2 cases", "twin on noise, 2 cases"] * 2


def test_controls_come_when_they_are_asked_for(arguments: list[str], tmp_path: Path) -> None:
    def controls() -> set[str]:
        return set(pd.read_parquet(tmp_path / "out" / "records.parquet")["control"])

    assert main([*arguments, "--limit", "2"]) == 0
    assert controls() == {""}
    assert main([*arguments, "--limit", "2", "--controls", "shuffled,7x7"]) == 0
    assert controls() == {"", "shuffled", "7x7"}
    assert main([*arguments, "--limit", "2", "--controls", "none"]) == 0
    assert controls() == {""}


def test_several_plans_have_a_directory_each(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from benchmarks.plans import PLANS

    monkeypatch.setitem(PLANS, "other", dataclasses.replace(PLANS["fake"], name="other"))  # type: ignore[misc]
    assert main(["run", "--plan", "fake,other", "--out", str(tmp_path / "out"), "--limit", "1"]) == 0
    assert (tmp_path / "out" / "fake" / "README.md").exists()
    assert (tmp_path / "out" / "other" / "README.md").exists()


def test_failed_cases_are_named_with_their_reason_and_the_status_is_1(
    arguments: list[str],
    world: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from benchmarks.plans import PLANS

    plan = world.plan(tmp_path / "calls.log", fails_on=2)
    monkeypatch.setitem(PLANS, "fake", plan)  # type: ignore[misc]
    assert main(arguments) == 1
    errors = capsys.readouterr().err
    reason = "map: 002.blue, 005.blue, 008.blue: RuntimeError: this method dislikes the target"
    assert f"failed: tiny, noise, bright, {reason}" in errors
    failures = json.loads((tmp_path / "out" / "provenance.json").read_text())["run"]["failures"]
    assert {failure["case"] for failure in failures} == {"002.blue", "005.blue", "008.blue"}
    assert "(7 cases)" in (tmp_path / "out" / "README.md").read_text()


FAILED = [("", "a"), ("shuffled", "a"), ("", "b"), ("shuffled", "b")]


def test_what_failed_with_a_control_is_told_from_the_method_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    _print_failures([Failure("noise", "tiny", "mint", "map", case, "no", control) for control, case in FAILED])
    own, others = capsys.readouterr().err.splitlines()
    assert own == "failed: tiny, noise, mint, map: a, b: no"
    assert others == "failed: tiny, noise, mint, map, shuffled: a, b: no"


def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_computed(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--data", f"{tmp_path}/caf\udce9"]) == 2
    assert "/caf\\udce9' has bytes that are not UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_cell_is_mentioned(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    cell = next((tmp_path / "out" / "cells").glob("*.cells"))
    cell.write_bytes(b"no cells")
    assert main(arguments) == 0
    assert f"computed again, as it could not be read: {cell}" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_found_before_anything_is_computed(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([*arguments, "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"error: nothing can be written to {tmp_path / 'file' / 'cells'}: Not a directory.\n"
    )


def test_a_report_of_nothing_is_one_sentence_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: there are no records in {tmp_path}")


def test_a_plan_that_is_named_twice_is_reported_where_it_was_run(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("run", "report"):
        assert main([command, "--plan", "fake", *arguments[1:]]) == 0
        assert f"report: {tmp_path / 'out' / 'README.md'}" in capsys.readouterr().out


def test_data_that_are_not_given_are_refused_before_any_plan_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--plan", "smoke", "--plan", "canvases", "--out", str(tmp_path / "out")]) == 2
    assert "needs pictures: pass --data DIR" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_says_how_to_go_on(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.run.loop.run", interrupt)
    assert main(arguments) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["study", "sped"], ["'sped'", "speed"]),
        (["report", "--out", "results/trus"], ["no records in results/trus", "results/trust"]),
        (["join", "results/trust", "--out", "README.md"], ["README.md", "irectory"]),
    ],
)
def test_a_name_that_is_not_there_gets_those_that_are(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    assert all(part in sentence for part in parts)


def test_a_file_without_a_name_gets_the_names_in_it(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "method.py").write_text(MINE)
    assert main([*arguments, "--method", str(tmp_path / "method.py")]) == 2
    assert capsys.readouterr().err.endswith("method.py has Mine.\n")


def test_a_method_that_leaves_the_program_fails_its_case_alone(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "method.py").write_text(MINE.replace("return images[:, 0].contiguous()", "raise SystemExit(3)"))
    assert main([*arguments, "--limit", "2", "--method", f"{tmp_path / 'method.py'}:Mine"]) == 1
    assert "SystemExit: 3" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence_and_keeps_what_was_stored(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = Store.write, []

    def write_some(store: Store, entries: Sequence[Entry]) -> None:
        if len(written) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))
        written.extend(entries)
        write(store, entries)

    monkeypatch.setattr(Store, "write", write_some)
    assert main(arguments) == 2
    assert f"error: No space left on device: {tmp_path}; " in capsys.readouterr().err
    monkeypatch.setattr(Store, "write", write)
    assert main(arguments) == 0
    assert f" {len(written)} found" in capsys.readouterr().out


def test_a_run_with_a_method_ends_with_the_verdict_on_it(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    mine = ["--method", f"{tmp_path / 'mine.py'}:Mine", "--limit", "3"]
    assert main([*arguments, *mine]) == 0
    said = capsys.readouterr().out
    title = said.index("Mine against the best of the others")
    assert all(said.find(f"\n  {word} ") > title for word in ("ahead of", "behind", "undecided"))
    assert "Mine** against" in (tmp_path / "out" / "README.md").read_text()
    assert main([*arguments, *mine, "--against", "dark"]) == 0
    assert "Mine against dark" in capsys.readouterr().out
    assert main(["report", "--out", str(tmp_path / "out")]) == 0
    assert "Mine against dark" in capsys.readouterr().out


def test_all_results_are_compared_in_one_page(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--limit", "2"]) == 0
    capsys.readouterr()
    assert main(["report", "--all", "--out", str(tmp_path)]) == 0
    assert "bright" in capsys.readouterr().out
    assert "noise" in (tmp_path / "index.html").read_text()


ONE_AT_A_TIME = """
from dataclasses import replace
from torch import nn
from benchmarks.networks.scenes import scenes_vgg

class OneAtATime(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        if len(images) > 2:
            raise ValueError("two pictures at most")
        return self.inner(images)

def narrow():
    whole = scenes_vgg()
    return replace(whole, module=OneAtATime(whole.module))
"""


def test_a_run_in_which_nothing_could_be_scored_has_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "narrow.py").write_text(ONE_AT_A_TIME)
    asked = ["--plan", "smoke", "--networks", f"{tmp_path}/narrow.py:narrow", "--methods", "gradcam,random"]
    few = ["--metrics", "deletion", "--limit", "1", "--controls", "none", "--device", "cpu"]
    assert main(["run", *asked, *few, "--out", str(tmp_path / "out")]) == 1
    assert "ValueError: two pictures at most" in capsys.readouterr().err
    assert "two pictures at most" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["run"]["efficiency"] == []
