from pathlib import Path

import pandas as pd
import pytest

from benchmarks.networks.network import load_network
from benchmarks.studies import speed


@pytest.fixture(autouse=True)
def _few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "BATCH_SIZES", {"cpu": (4, 8)})
    monkeypatch.setattr(speed, "TRIES", 1)


def test_every_contestant_is_measured_by_its_own_number_of_forwards() -> None:
    table = speed.study(load_network("scenes-vgg"), samples=10, rounds=2, pictures=(1, 2))
    forwards = table.groupby(["contestant", "pictures"])["forwards"].first()
    assert forwards["bare forwards, tuned", 1] == 10
    assert forwards["MINT", 1] == forwards["OverlayMINT", 1] == 11
    assert forwards["MINT", 2] == 22
    # 112 steps a curve: the points between the ends, and the ends, of which both curves share the whole picture.
    assert forwards["deletion + insertion", 1] == 2 * 111 + 3
    unit = table[table["contestant"] == "bare forwards, tuned"].set_index("round")["seconds"] / 10
    expected = table["seconds"] / (table["forwards"] * table["round"].map(unit))
    assert table["ratio"].tolist() == pytest.approx(expected.tolist())


def test_precisions_are_compared_with_float32() -> None:
    table = speed.compare_precisions(lambda: load_network("scenes-vgg"), samples=40).set_index("precision")
    assert table.loc["float32", ["times as fast", "rank correlation"]].tolist() == pytest.approx([1, 1])
    # On a CPU there is no tf32.
    assert table.loc["tf32", "rank correlation"] == pytest.approx(1)
    assert table.loc["tf32", "deletion, difference"] == 0
    assert table.loc["bfloat16", "rank correlation"] < 1
    assert abs(table.loc["bfloat16", "deletion, difference"]) < 0.2


def test_the_command_writes_a_page_and_its_times(tmp_path: Path) -> None:
    arguments = [
        "--network",
        "scenes-vgg",
        "--samples",
        "10",
        "--rounds",
        "1",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    assert speed.main(arguments) == 0
    assert "| OverlayMINT " in (tmp_path / "speed-cpu.md").read_text()
    assert set(pd.read_csv(tmp_path / "speed-cpu.csv")["contestant"]) >= {"MINT", "ROAD", "Captum's LIME, tuned"}
