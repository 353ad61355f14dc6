"""The study of what more forward passes buy."""

from pathlib import Path

import numpy as np
import pandas as pd
import paper
import pytest

from baselines import RISE
from benchmarks.plans.methods import GROUPS
from benchmarks.studies import budget


def test_the_fewest_forwards_that_reach_a_share_of_the_best() -> None:
    means = np.array([[0.5, 0.96, 1.0], [0.95, 0.2, 1.0], [-3.0, -2.0, -1.0], [0.0, 0.0, 0.4], [np.nan] * 3])
    found = budget.reached(means, np.array([50, 200, 1000]))
    assert np.isnan(found[[2, 4]]).all(), "a share of a best score that is not above 0 says nothing"
    assert found[[0, 1, 3]].tolist() == [200, 50, 1000]


def test_a_budget_at_which_every_case_failed_leaves_the_others() -> None:
    scores = {"rise @ 50": [0.1, 0.1], "rise @ 100": [0.5, 0.5], "rise @ 200": [np.nan] * 2, "lime @ 50": [np.nan] * 2}
    records = paper.of_columns([paper.column(scores, metric="srg", metric_id="SRG()")])
    asked = {("scenes", "net"): {("rise", 50): 50.0, ("rise", 100): 100.0, ("rise", 200): 200.0, ("lime", 50): 50.0}}
    table = budget.reached_table(records, asked)
    assert table["srg"].tolist() == ["100 (100 to 100), 0.500", "\N{EN DASH}"]


def test_every_perturbation_method_has_a_way_to_a_budget() -> None:
    assert set(GROUPS["perturbation"]) <= set(budget.WAYS)
    assert set(budget.WAYS) - set(budget.DEFAULT) == {"occlusion-engine", "extremal-perturbation"}
    for name, make in budget.WAYS.items():
        few, many = make(50, 2.0), make(150, 2.0)
        assert few != many, name


ARGUMENTS = ["--network", "scenes-resnet", "--limit", "2", "--methods", "rise,scorecam", "occlusion"]


def test_a_study_counts_scores_and_draws_and_a_second_one_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*ARGUMENTS, "--budgets", "200", "20,190", "--out", str(tmp_path)]
    assert budget.main(arguments) == 0
    rows = pd.read_csv(tmp_path / "budget.csv")
    assert set(rows["metric"]) == {"insertion - deletion", "srg", "road", "pointing"}
    road = rows[rows["metric"] == "road"]
    by_budget = {name: each[["budget", "forwards"]].to_numpy().tolist() for name, each in road.groupby("method")}
    assert by_budget["rise"] == [[20, 20], [190, 190]], "200 adds too little to 190"
    # The windows, and the picture itself.
    assert by_budget["occlusion"] == [[20, 50], [190, 170], [200, 226]]
    assert len(by_budget["scorecam"]) <= 2
    assert (rows["n"] <= 2).all()
    assert ((rows["low"] <= rows["mean"]) & (rows["mean"] <= rows["high"])).all()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "reach 95% of a method's own best" in page
    assert "| scenes-resnet on scenes | rise " in page
    assert (tmp_path / "budget.png").stat().st_size > 10_000
    monkeypatch.setattr(RISE, "__call__", None)
    assert budget.main(arguments) == 0
    assert pd.read_csv(tmp_path / "budget.csv").equals(rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "rse"], "unknown method with a budget 'rse'; the nearest are rise"),
        (["--methods", "@perturbaton"], "unknown group of methods '@perturbaton'; the nearest are @perturbation"),
        (["--dataset", "scens"], "unknown dataset 'scens'; the nearest are scenes"),
        (["--network", "resnet18"], "--data"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "load_network", None)
    assert budget.main([*arguments, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line
