"""What a reader must know first: that a run goes on, and that several devices made its numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import paper
import pytest

from benchmarks.analysis.coverage import LATER, measure_coverage
from benchmarks.analysis.scores import summarise
from benchmarks.report.circumstances import mixed_devices, of_one_device, unfinished
from benchmarks.report.report import make_report
from benchmarks.results import records as record_files
from benchmarks.results.records import Records

DEVICES = {"H100": 1200, "AMD EPYC (2 threads)": 1}


@pytest.fixture
def going_on() -> Records:
    """Seven cases of twelve on two networks; the second was measured by two devices."""
    records = paper.made_up(["mint", "lime", "random"], 7, networks=("vgg", "resnet"))
    settings = records.provenance["inputs"]["settings"]
    for setting in settings:
        setting["cases"] |= {"all": 12, "gathered": 7}
    settings[0]["devices"], settings[1]["devices"] = {"H100": 5}, DEVICES
    run = {**records.provenance["run"], "complete": False, "missing": 1234}
    return replace(records, provenance={**records.provenance, "run": run})


def test_a_report_of_a_run_that_goes_on_says_so_before_anything_else(going_on: Records, tmp_path: Path) -> None:
    record_files.save(going_on, tmp_path)
    said = "Made while the run was going on: 14 of 24 cases are there, and 1,234 maps or scores are missing."
    assert make_report(tmp_path).replace("\n    ", " ").startswith(said.split(",")[0])
    assert (tmp_path / "README.md").read_text().splitlines()[2] == f"**{said}**"
    page = (tmp_path / "index.html").read_text()
    assert page.count(f"<strong>{said}</strong>") == 1
    assert page.index(said) < page.index("On paper.")


def test_a_run_that_has_ended_or_is_of_before_says_nothing(going_on: Records) -> None:
    run = going_on.provenance["run"]
    for changes in ({"complete": True, "missing": 0}, {"complete": True}):
        assert unfinished({**going_on.provenance, "run": run | changes}) == ""
    assert unfinished({**going_on.provenance, "run": {"command": "python"}}) == ""
    one = unfinished({**going_on.provenance, "run": run | {"missing": 1}})
    assert one.endswith("1 map or score is missing.**")
    assert unfinished({**going_on.provenance, "run": run | {"missing": 0}}).endswith("cases are there.**")


def test_what_a_run_has_not_come_to_did_not_fail(going_on: Records) -> None:
    assert not summarise(going_on)["failed"].any()
    assert not measure_coverage(going_on)["failed"].any()
    some = going_on.scores["case"].ne("case-0002") | going_on.scores["method"].ne("lime")
    found = measure_coverage(replace(going_on, scores=going_on.scores[some])).query("method == 'lime'")
    assert found["failed"].eq(1).all()
    assert found["reasons"].eq(f"{LATER} (1)").all()


def test_several_devices_of_a_setting_are_named_above_the_notes(going_on: Records, tmp_path: Path) -> None:
    (said,) = mixed_devices(going_on.provenance["inputs"])
    assert "resnet on scenes by H100 (1,200 cells) and AMD EPYC (2 threads) (1 cell)" in said
    assert "vgg" not in said
    record_files.save(going_on, tmp_path)
    make_report(tmp_path)
    assert said in (tmp_path / "README.md").read_text()
    assert said in (tmp_path / "index.html").read_text()


def test_one_device_is_not_worth_a_word(going_on: Records) -> None:
    inputs = going_on.provenance["inputs"]
    for devices in ({"H100": 7}, {}):
        settings = [{**setting, "devices": devices} for setting in inputs["settings"]]
        assert mixed_devices({**inputs, "settings": settings}) == []
    assert mixed_devices({"settings": [paper.setting(["mint"], {}, 1)]}) == []


def timing(method: str, device: str, milliseconds: float) -> dict[str, Any]:
    place = {"dataset": "scenes", "network": "vgg", "method": method, "device": device, "median_ms": milliseconds}
    return place | {"iqr_ms": 0.5, "repeats": 5, "forwards": 501.0, "backwards": 1.0, "peak_memory_mb": 30.0}


def test_times_of_different_devices_are_not_compared(going_on: Records, tmp_path: Path) -> None:
    rows = [timing("mint", "H100", 1), timing("lime", "CPU", 80), timing("mint", "CPU", 40), timing("random", "CPU", 1)]
    timings = pd.DataFrame(rows)
    assert of_one_device(timings)["median_ms"].tolist() == [80, 40, 1]
    assert of_one_device(timings.iloc[:2])["device"].tolist() == ["H100"]
    assert of_one_device(timings.iloc[:0]).empty
    inputs = {**going_on.provenance["inputs"], "focus": ["mint", "lime"]}
    provenance = {**going_on.provenance, "inputs": inputs}
    record_files.save(replace(going_on, timings=timings, provenance=provenance), tmp_path)
    text = make_report(tmp_path)
    # MINT's own first time is the H100's, on which nothing else was timed; LIME has both on the CPU.
    assert "501 forwards, 1 ms a picture." in text
    assert "80 ms a picture (2 times mint's, " in text
    cost = (tmp_path / "README.md").read_text().partition("<b>Cost.</b>")[2]
    assert cost.count("| H100 |") == 1
    assert cost.count("| CPU |") == 3
