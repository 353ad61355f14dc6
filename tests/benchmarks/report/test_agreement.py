"""Two runs beside each other: which scores are apart, by how much, and what cannot be compared."""

import math
from dataclasses import replace
from pathlib import Path

import paper
import pytest

from benchmarks.__main__ import main
from benchmarks.analysis.agreement import agreement, side_by_side
from benchmarks.results import records
from benchmarks.results.records import Records

OWN = {
    ("mint", "", "insertion"): [0.5, 0.25, math.nan],
    ("mint", "shuffled", "insertion"): [0.125, 0.25, 0.5],
    ("lime", "", "insertion"): [0.5, 0.5, 0.5],
    ("mint", "", "pointing"): [1.0, 0.0, 1.0],
}


def changed(changes: dict[tuple[str, str, str], list[float]]) -> Records:
    return paper.of_scores(OWN | changes)


def saved(folder: Path, own: Records, other: Records) -> list[str]:
    for name, each in (("own", own), ("other", other)):
        records.save(each, folder / name)
    return ["compare", str(folder / "own"), str(folder / "other")]


def test_the_largest_difference_of_a_metric_says_where_it_is() -> None:
    other = changed({("mint", "shuffled", "insertion"): [0.125, 0.25, 0.75]})
    found = agreement(side_by_side(changed({}).scores, other.scores)).set_index("metric")
    assert found.loc["insertion", ["shared", "median", "largest"]].tolist() == [9, 0.0, 0.25]
    assert found.loc["insertion", ["method", "control", "case"]].tolist() == ["mint", "shuffled", "case-2"]
    assert found.loc["pointing", ["shared", "median", "largest"]].tolist() == [3, 0.0, 0.0]


def test_a_score_that_applies_in_one_run_only_is_infinitely_far() -> None:
    other = changed({("mint", "", "insertion"): [0.5, 0.25, 0.5]})
    found = agreement(side_by_side(changed({}).scores, other.scores)).set_index("metric")
    assert found.loc["insertion", "largest"] == math.inf
    assert found.loc["insertion", "case"] == "case-2"


def test_equal_runs_are_said_to_be_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(saved(tmp_path, changed({}), changed({}))) == 0
    said = capsys.readouterr().out
    assert "Only in" not in said
    assert said.endswith("No difference of 12 scores compared is more than 0.0001.\n")


def test_a_difference_counts_beyond_the_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = saved(tmp_path, changed({}), changed({("lime", "", "insertion"): [0.5, 0.5, 0.75]}))
    assert main(command) == 1
    assert "Of 12 scores compared, these differ by more than 0.0001: 1 of lime." in capsys.readouterr().out
    assert main([*command, "--tolerance", "0.25"]) == 0


def test_what_only_one_run_has_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = changed({("rise", "", "insertion"): [0.5, 0.5], ("mint", "", "pointing"): [1.0, 0.0, 1.0, 1.0]})
    assert main(saved(tmp_path, changed({}), more)) == 0
    said = capsys.readouterr().out
    assert f"Only in {tmp_path / 'other'}: 3 scores\n  method: rise\n  case: case-3\n" in said
    assert f"Only in {tmp_path / 'own'}" not in said


def test_metrics_that_are_set_otherwise_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {"mint": [0.5, 0.25]}
    same = paper.column(values, metric="x")
    runs = (paper.of_columns([paper.column(values, metric_id=f"Insertion(steps={n})"), same]) for n in (14, 28))
    assert main(saved(tmp_path, *runs)) == 0
    said = capsys.readouterr().out
    assert "In both, but not compared, as the metric is set otherwise: 2 scores\n  metric: insertion\n" in said
    assert "No difference of 2 scores" in said


def test_runs_that_share_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = paper.of_scores({("mint", "", "road"): [0.5]})
    nothing = replace(other, scores=other.scores[:0])
    for number, pair in enumerate([(changed({}), other), (nothing, nothing)]):
        assert main(saved(tmp_path / str(number), *pair)) == 2
        assert "share no score of a metric with the same settings" in capsys.readouterr().err


@pytest.mark.parametrize("tolerance", ["nan", "inf", "-1", "x"])
def test_a_tolerance_is_a_number_from_0_on(tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "one", "other", f"--tolerance={tolerance}"])
    assert "is not a number from 0 on" in capsys.readouterr().err


def test_a_score_in_one_run_only_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(saved(tmp_path, changed({}), changed({("mint", "", "insertion"): [0.5, 0.25, 0.5]}))) == 1
    assert "inf: the metric applies to the case in one of the runs only." in capsys.readouterr().out


def given(precision: str, samples: str, data: str, control: str = "Shuffled(seed=0)", cases: int = 3) -> Records:
    own = changed({("mint", "", "insertion"): [0.5, 0.25, math.nan, 0.5][:cases]})
    (about,) = own.provenance["inputs"]["settings"]
    about |= {"precision": precision, "devices": {f"{precision} device": 1}, "data_sha256": data}
    about |= {"controls": {"shuffled": {"id": control}}}
    about["methods"]["mint"]["parameters"] = {"samples": samples, "score": "'logit'"}
    return own


def test_what_was_given_otherwise_is_said_of_each_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = given("float32", "500", "0" * 64), given("tf32", "200", "1" * 64, "Shuffled(seed=1)")
    assert main(saved(tmp_path, one, other)) == 0
    said = capsys.readouterr().out
    assert "commit several or none, tf32 device" in said
    differences = "precision (float32, tf32); the control shuffled (Shuffled(seed=0), Shuffled(seed=1)); "
    differences += "mint's samples (500, 200); pictures (00000000, 11111111)"
    assert f"Compared, though the runs differ in\n  net on scenes: {differences}\n" in said


@pytest.mark.parametrize(("data", "cases"), [("0+1", 3), ("1" * 64, 4)], ids=["joined", "other cases"])
def test_hashes_of_other_pictures_say_nothing(
    data: str, cases: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = given("float32", "500", data, cases=cases)
    assert main(saved(tmp_path, given("float32", "500", "0" * 64), other)) == 0
    assert "differ in" not in capsys.readouterr().out
