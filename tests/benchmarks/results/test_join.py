"""Runs in parts, joined: the same numbers as in one go, and nothing joined that does not belong together."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from baselines.controls import Averaged, Shuffled
from benchmarks.__main__ import main
from benchmarks.plans import PLANS
from benchmarks.results import records
from benchmarks.results.join import join
from benchmarks.results.records import RecordsError
from benchmarks.results.sums import SUMS

SPANS = ("1-3", "4-10")


@pytest.fixture(scope="module")
def measured(fakes: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the fake plan, with controls on its first two cases, in one go, and in two spans."""
    folder = tmp_path_factory.mktemp("measured")
    plan = fakes.plan(folder / "calls.log", controls={"shuffled": Shuffled(), "7x7": Averaged(7)})
    with pytest.MonkeyPatch.context() as patch:
        for table, name, value in fakes.entries(folder):
            patch.setitem(table, name, value)
        patch.setitem(PLANS, "fake", replace(plan, parts=(replace(plan.parts[0], controlled=2),)))  # type: ignore[misc]
        assert main(["run", "--plan", "fake", "--out", str(folder / "whole")]) == 0
        for span in SPANS:
            assert main(["run", "--plan", "fake", "--out", str(folder / span), "--cases", span]) == 0
    return folder


@pytest.fixture
def parts(measured: Path, tmp_path: Path) -> list[Path]:
    """Copy the records of the spans, to be changed at will."""
    for span in SPANS:
        records.save(records.load(measured / span), tmp_path / span)
    return [tmp_path / span for span in SPANS]


def changed(directory: Path, **changes: Any) -> None:
    """Change the inputs of the only setting in a directory's provenance."""
    file = directory / "provenance.json"
    provenance = json.loads(file.read_text())
    provenance["inputs"]["settings"][0] |= changes
    file.write_text(json.dumps(provenance))
    (directory / SUMS).unlink()


def inputs(directory: Path) -> Mapping[str, Any]:
    return records.load(directory).provenance["inputs"]["settings"][0]


def test_runs_of_spans_join_to_the_tables_of_the_run_in_one_go(
    measured: Path, parts: list[Path], tmp_path: Path
) -> None:
    whole, out = measured / "whole", tmp_path / "joined"
    assert main(["join", *map(str, parts), "--out", str(out)]) == 0
    tables = {file.name for file in (whole / "tables").iterdir()}
    assert tables == {file.name for file in (out / "tables").iterdir()}
    for name in tables:
        assert (out / "tables" / name).read_text() == (whole / "tables" / name).read_text(), name
    assert [shown.case for shown in records.load(out).gallery] == [shown.case for shown in records.load(whole).gallery]
    assert [each.case for each in records.load(out).maps] == [each.case for each in records.load(whole).maps]


def test_a_method_that_several_runs_timed_has_the_first_timing(parts: list[Path], tmp_path: Path) -> None:
    for number, part in enumerate(parts):
        rows = [["noise", "tiny", method, "A CPU", number, 0.0, 5, 1.0, 0.0, 1.0] for method in ("bright", "dark")]
        timings = pd.DataFrame(rows, columns=list(records.TIMING_COLUMNS))
        records.save(replace(records.load(part), timings=timings), part)
    assert main(["join", *map(str, parts), "--out", str(tmp_path / "joined")]) == 0
    timings = records.load(tmp_path / "joined").timings
    assert [*timings["method"]] == ["bright", "dark"]
    assert [*timings["median_ms"]] == [0, 0]


def test_the_provenance_adds_the_cases_up_and_keeps_every_run(parts: list[Path], tmp_path: Path) -> None:
    joined = join(parts).provenance
    (setting,) = joined["inputs"]["settings"]
    assert (setting["cases"], setting["controlled"]) == ({"all": 10, "difficult": 4}, 2)
    assert [inputs(part)["cases"]["all"] for part in parts] == [3, 7]
    assert [inputs(part)["controlled"] for part in parts] == [2, 0]
    assert setting["data_sha256"] == "+".join(inputs(part)["data_sha256"] for part in parts)
    assert [run["command"][-3:] for run in joined["run"]["runs"]] == ["1-3", "-10"]
    # What was joined can be joined again.
    records.save(join(parts[:1]), tmp_path / "one")
    again = join([tmp_path / "one", parts[1]]).provenance["run"]
    assert again == joined["run"]


def test_other_networks_are_put_beside_each_other(parts: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(parts[0], other)
    loaded = records.load(other)
    for frame in (loaded.scores, loaded.curves, loaded.timings):
        frame["network"] = "other"
    records.save(loaded, other)
    changed(other, network={**inputs(parts[0])["network"], "name": "other"})
    settings = join([parts[0], other]).provenance["inputs"]["settings"]
    assert [(setting["network"]["name"], setting["cases"]["all"]) for setting in settings] == [
        ("tiny", 3),
        ("other", 3),
    ]


def test_what_differs_in_more_than_its_cases_is_refused(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(parts[1], device="toaster", precision="half")
    assert main(["join", *map(str, parts), "--out", str(tmp_path / "joined")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: the run in {parts[1]} differs from another in the device and precision of tiny on noise; "
        "join runs that differ in their cases only."
    )
    assert not (tmp_path / "joined").exists()


def test_a_case_that_is_there_twice_is_refused(measured: Path, parts: list[Path]) -> None:
    with pytest.raises(RecordsError, match=r"case 000\.red \(tiny on noise\) is in several of the runs"):
        join([parts[0], measured / "whole"])


def test_other_plans_are_refused(parts: list[Path]) -> None:
    file = parts[1] / "provenance.json"
    file.write_text(file.read_text().replace('"plan": "fake"', '"plan": "other"'))
    (parts[1] / SUMS).unlink()
    with pytest.raises(RecordsError, match=r"different plans \(fake, other\)"):
        join(parts)


def test_devices_and_what_is_missing_of_runs_that_go_on_are_added_up(parts: list[Path]) -> None:
    changed(parts[0], devices={"H100": 30, "CPU": 1})
    changed(parts[1], devices={"H100": 4}, cases={"all": 7, "difficult": 2, "gathered": 5})
    file = parts[1] / "provenance.json"
    provenance = json.loads(file.read_text())
    provenance["run"] |= {"complete": False, "missing": 9}
    file.write_text(json.dumps(provenance))
    joined = join(parts).provenance
    (setting,) = joined["inputs"]["settings"]
    assert setting["devices"] == {"H100": 34, "CPU": 1}
    assert setting["cases"]["gathered"] == 3 + 5
    assert setting["cases"]["all"] == 10
    assert (joined["run"]["complete"], joined["run"]["missing"]) == (False, 9)
    again = join(parts[::-1]).provenance["inputs"]["settings"][0]
    assert again["cases"] == setting["cases"]
