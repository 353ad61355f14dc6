from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from examples import SmallCNN
from torch import Tensor

from benchmarks.datasets import Case
from benchmarks.datasets.case import LazyCases
from benchmarks.studies import forwards
from mint import MINT, InputError
from mint.fidelity import rank_correlation

SMALL = MINT(samples=200, layers=("stem", "trunk"), response="logit")


def test_a_prefix_is_an_explanation_of_fewer_samples(small_cnn: SmallCNN, images: Tensor) -> None:
    explanation = SMALL.explain(small_cnn, images[0], 3)
    found = forwards.settle(explanation, counts=(50, 200, 5000))
    assert list(found["samples"]) == [50, 200]
    first = explanation.samples.take(slice(50))
    few = explanation.surrogate(replace(first, proximity=first.proximity / first.proximity.sum()))
    expected = rank_correlation(few.w_f * explanation.a_f, explanation.u_f)
    assert expected < 1
    # All samples agree with themselves.
    assert list(found["correlation"]) == pytest.approx([expected, 1])


def test_the_last_row_is_of_all_samples_however_many_they_are(small_cnn: SmallCNN, images: Tensor) -> None:
    explanation = SMALL.explain(small_cnn, images[0], 3)
    for counts, expected in (((50, 150), [50, 150, 200]), ((500,), [200])):
        found = forwards.settle(explanation, counts)
        assert list(found["samples"]) == expected
        assert found["correlation"].iloc[-1] == 1


def settling(correlations: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {
            "network": "n",
            "setting": "coins",
            "case": case,
            "samples": count,
            "correlation": value,
            "split_half": value - 0.05,
            "again": values[0] + 0.1,
        }
        for case, values in correlations.items()
        for count, value in zip((100, 500, 1000), values, strict=True)
    ]
    return pd.DataFrame(rows)


def test_the_table_says_when_the_correlation_is_reached_and_where_auto_stops() -> None:
    (row,) = forwards.settling_table(settling({"a": [0.8, 0.96, 1.0], "b": [0.5, 0.9, 1.0]})).to_dict("records")
    assert row["mean reaches 0.95"] == "1000"
    assert row["median case reaches 0.95"] == "750"
    assert row["correlation at 500"] == "0.930"
    assert row["two complete runs"] == "0.750"
    # Case a stops at 500 (0.91), case b at 1000 (0.95).
    assert row["auto at 0.9: K, correlation"] == "750, 0.980"


def test_a_correlation_that_is_not_reached_is_told() -> None:
    (row,) = forwards.settling_table(settling({"a": [0.1, 0.2, 0.3]})).to_dict("records")
    assert row["mean reaches 0.95"] == "> 1000"
    assert row["median case reaches 0.95"] == "> 1000"


def test_sharing_is_paired_by_picture() -> None:
    rows = pd.DataFrame(
        [
            {"network": "n", "picture": picture, "class": name, "way": way, "difference": value}
            | {"agreement": 0.5, "forwards of the picture": 500 if way == "shared" else 1000}
            for picture, name, pair in (("p", "a", (0.5, 0.6)), ("p", "b", (0.5, 0.4)), ("q", "a", (0.2, 0.4)))
            for way, value in zip(("anew", "shared"), pair, strict=True)
        ]
    )
    (row,) = forwards.sharing_table(rows).to_dict("records")
    assert row["shared - anew"].startswith("+0.100 ± ")
    assert (row["forwards anew"], row["forwards shared"]) == ("1000", "500")


def test_a_study_is_kept_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--network", "scenes-resnet", "--limit", "1", "--most", "100", "--samples", "10"]
    arguments += ["--samplings", "coins", "--out", str(tmp_path)]
    assert forwards.main(arguments) == 0
    first = [(tmp_path / name).read_bytes() for name in ("settling.csv", "sharing.csv")]
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Several classes of one picture" in page
    assert "`python -m benchmarks study forwards --network scenes-resnet --limit 1 --most 100" in page
    assert (tmp_path / "settling.png").stat().st_size > 5000
    rows = pd.read_csv(tmp_path / "settling.csv")
    assert (rows["correlation"] == 1).all()
    assert set(rows["setting"]) == {"coins"}
    # The second run computes nothing.
    monkeypatch.setattr(MINT, "_explain", None)
    assert forwards.main(arguments) == 0
    assert [(tmp_path / name).read_bytes() for name in ("settling.csv", "sharing.csv")] == first


def test_the_samplings_differ_in_what_their_names_say() -> None:
    ways = forwards.samplings(MINT())
    assert ways["coins"] == MINT()
    assert ways["antithetic + intercept"] != ways["antithetic"]
    assert {name: way.sampling for name, way in ways.items()} == {name: name.split(" +")[0] for name in ways}


def test_bad_input_is_one_sentence_before_a_network_is_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwards, "load_network", None)
    for arguments, word in ((["--network", "resnet18"], "--data"), (["--samplings", "coin"], "coins")):
        assert forwards.main([*arguments, "--out", str(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert word in line


@dataclass(frozen=True, eq=False)
class Large(LazyCases):
    """A million pictures, of which two may be read."""

    def _case(self, item: int) -> Case:
        assert item < 2
        return Case(f"case-{item}", f"picture-{item}", 0, "", np.zeros((8, 8, 3), np.uint8), None, difficult=False)


def test_of_a_large_data_set_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Case] = []

    def study(_network: object, cases: list[Case], *_rest: object) -> None:
        read.extend(cases)
        raise InputError("that is enough.")

    monkeypatch.setattr(forwards, "DATASETS", {"scenes": lambda *_: Large(range(10**6))})
    monkeypatch.setattr(forwards, "study", study)
    assert forwards.main(["--network", "scenes-resnet", "--limit", "2", "--out", str(tmp_path)]) == 2
    assert [case.key for case in read] == ["case-0", "case-1"]
