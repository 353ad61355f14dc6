"""The page that shows the same maps under every profile."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.datasets import Case
from benchmarks.metrics import PROFILES, Measurement
from benchmarks.studies.protocols import OWN, Scored, findings, main, mean_scores, score_table


def test_the_page_has_every_profile_of_every_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--limit", "1", "--methods", "centre", "--out", str(tmp_path)]
    assert main([*chosen, "--network", "scenes-vgg"]) == 0
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out[:-1]
    rows = {name: f"| {name} " for name in (*OWN, *PROFILES)}
    assert [name for name, row in rows.items() if row not in page] == []
    assert all(profile.call in page for profile in PROFILES.values())
    scores = pd.read_csv(tmp_path / "profiles.csv")
    assert len(scores) == len(rows)
    assert scores["score"].notna().all()
    by_name = scores.set_index(["metric", "method", "case"])["score"]
    assert (by_name["srg"] - (by_name["lerf"] - by_name["deletion"])).abs().max() < 1e-5
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_what_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--methods", "gradcan", "--out", str(tmp_path)]) == 2
    assert "unknown method 'gradcan'; the nearest are gradcam" in capsys.readouterr().err


def scored(key: str, target: int, **scores: tuple[float, float]) -> Scored:
    case = Case(key, key, target, "", None, None, False)  # type: ignore[arg-type]
    found = {name: {"a": Measurement(one), "b": Measurement(two)} for name, (one, two) in scores.items()}
    return Scored(case, found, together=7, apart=20)


def test_means_are_taken_as_each_metric_asks_and_the_best_stands_out() -> None:
    metrics = {"deletion": OWN["deletion"], "pointing": OWN["pointing"], "quantus": PROFILES["quantus-pointing"]}
    cases = [
        scored("one", 0, deletion=(0.2, 0.5), pointing=(1, 0), quantus=(1, 0)),
        scored("two", 0, deletion=(0.4, 0.1), pointing=(1, 0), quantus=(1, 0)),
        scored("three", 1, deletion=(0.6, 0.3), pointing=(0, 1), quantus=(0, float("nan"))),
    ]
    assert mean_scores(cases, "deletion", metrics["deletion"]) == pytest.approx({"a": 0.4, "b": 0.3})
    assert mean_scores(cases, "pointing", metrics["pointing"]) == {"a": 0.5, "b": 0.5}
    assert mean_scores(cases, "quantus", metrics["quantus"]) == pytest.approx({"a": 2 / 3, "b": 0})
    table = score_table(cases, metrics)
    assert [[entry.text for entry in row[:3] if entry.bold] for row in table.rows] == [
        ["0.300"],
        ["0.500", "0.500"],
        ["0.667"],
    ]
    assert [entry.note for entry in table.rows[0][1:3]] == ["0.200", "0.500"]


def test_the_findings_name_the_extremes_and_the_winners() -> None:
    metrics = {
        "deletion": OWN["deletion"],
        "insertion": OWN["insertion"],
        "xplique-deletion": PROFILES["xplique-deletion"],
    }
    case = scored("one", 0, deletion=(0.2, 0.5), insertion=(0.5, 0.5), **{"xplique-deletion": (3.0, 2.0)})
    assert findings([case], metrics) == [
        "- The same maps of a score 0.200 by deletion and 3.000 by xplique-deletion: all of it called deletion, and "
        "all of it protocol.",
        "- Best mean: a by deletion; a and b by insertion; b by xplique-deletion.",
        "- One map was scored by all 3 rows for 7 pictures through the network; each row on its own would have asked "
        "for 20 in all.",
    ]
