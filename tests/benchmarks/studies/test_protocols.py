"""The page that shows the same maps under every profile."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.metrics import PROFILES
from benchmarks.studies.protocols import OWN, main, mean_scores, score_table


def test_the_page_has_every_profile_of_every_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--limit", "1", "--methods", "centre", "--out", str(tmp_path)]
    assert main([*chosen, "--network", "scenes-vgg"]) == 0
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out[:-1]
    rows = {name: f"| {name} " for name in (*OWN, *PROFILES)}
    assert [name for name, row in rows.items() if row not in page] == []
    assert all(profile.call in page for profile in PROFILES.values())
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == len(rows)
    assert scores["score"].notna().all()
    by_name = scores.set_index(["metric", "method", "case"])["score"]
    assert (by_name["srg"] - (by_name["lerf"] - by_name["deletion"])).abs().max() < 1e-5
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_what_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--methods", "gradcan", "--out", str(tmp_path)]) == 2
    assert "unknown method 'gradcan'; the nearest are gradcam" in capsys.readouterr().err


def test_means_are_taken_as_each_metric_asks_and_the_best_stands_out() -> None:
    metrics = {
        "deletion": OWN["deletion"],
        "pointing": OWN["pointing"],
        "quantus-pointing": PROFILES["quantus-pointing"],
    }
    found = {
        "deletion": {"a": (0.2, 0.4, 0.6), "b": (0.5, 0.1, 0.3)},
        "pointing": {"a": (1, 1, 0), "b": (0, 0, 1)},
        "quantus-pointing": {"a": (1, 1, 0), "b": (0, 0, float("nan"))},
    }
    rows = [
        (metric, method, case, target, score)
        for metric, by_method in found.items()
        for method, scores in by_method.items()
        for case, target, score in zip(("one", "two", "three"), (0, 0, 1), scores, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["metric", "method", "case", "class", "score"])
    means = mean_scores(frame, metrics)
    assert means.loc["deletion"].to_dict() == pytest.approx({"a": 0.4, "b": 0.3})
    assert means.loc["pointing"].to_dict() == {"a": 0.5, "b": 0.5}
    assert means.loc["quantus-pointing"].to_dict() == pytest.approx({"a": 2 / 3, "b": 0})
    table = score_table(frame, metrics)
    # The mean, then the first case's score; a lower deletion is better.
    assert list(table["a"]) == ["0.400 0.200", "**0.500** 1.000", "**0.667** 1.000"]
    assert list(table["b"]) == ["**0.300** 0.500", "**0.500** 0.000", "0.000 0.000"]
