"""What a run leaves on the disk, and what of it can be read."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.results import records
from benchmarks.results.records import Records, RecordsError
from benchmarks.results.sums import FILES, SUMS
from mint.display import break_ties

COMMITTED = Path(__file__).resolve().parents[3] / "results"


def test_records_survive_the_disk(known: Records, tmp_path: Path) -> None:
    records.save(known, tmp_path)
    found = records.load(tmp_path)
    assert isinstance(found.scores["method"].dtype, pd.CategoricalDtype)
    pd.testing.assert_frame_equal(found.scores.astype(known.scores.dtypes), known.scores)
    pd.testing.assert_frame_equal(found.timings, known.timings, check_dtype=False)
    np.testing.assert_array_equal(np.stack(found.curves["values"]), np.stack(known.curves["values"]))
    assert found.provenance == known.provenance
    (shown,) = found.gallery
    np.testing.assert_array_equal(shown.maps["mint"], known.gallery[0].maps["mint"])
    np.testing.assert_array_equal(shown.pictures["mint: coarse"], known.gallery[0].image)
    assert shown.region is not None
    np.testing.assert_array_equal(shown.region, known.gallery[0].region)


def test_records_that_are_not_there_or_damaged_are_one_sentence(known: Records, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no records in"):
        records.load(tmp_path / "nowhere")
    records.save(known, tmp_path)
    (tmp_path / "records.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RecordsError, match="cannot be read"):
        records.load(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_any_file_is_noticed(known: Records, tmp_path: Path, name: str) -> None:
    records.save(known, tmp_path)
    file = tmp_path / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(RecordsError, match=re.escape(f"{name} is not as the run wrote it")):
        records.load(tmp_path)


def test_records_without_checksums_or_without_pictures_are_read(known: Records, tmp_path: Path) -> None:
    records.save(known, tmp_path)
    for name in ("maps.npz", "gallery/data.npz", SUMS):
        (tmp_path / name).unlink()
        assert len(records.load(tmp_path).scores) == len(known.scores)
    known.timings.drop(columns="forwards").to_csv(tmp_path / "timing.csv")
    with pytest.raises(RecordsError, match="lacks the column forwards"):
        records.load(tmp_path)


@pytest.mark.parametrize("missing", ["report", "measure"])
def test_records_that_do_not_declare_their_metrics_are_to_be_made_anew(
    known: Records, tmp_path: Path, missing: str
) -> None:
    inputs = known.provenance["inputs"]
    (inputs if missing == "report" else inputs["settings"][0]["metrics"]["deletion"]).pop(missing)
    records.save(known, tmp_path)
    with pytest.raises(RecordsError, match="run the plan again"):
        records.load(tmp_path)


def test_the_order_of_tied_pixels_is_no_evidence() -> None:
    importance = torch.zeros(20, 20, dtype=torch.float64)
    prior = torch.rand(20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nothing = break_ties(importance, prior).numpy()
    assert nothing.max() > 0
    assert records.evidence_bytes(nothing).max() == 0
    importance[0, :2] = 0.5  # fewer than a hundredth of the pixels
    found = records.evidence_bytes(break_ties(importance, prior).numpy())
    assert found[0, :2].tolist() == [255, 255]
    assert np.count_nonzero(found) == 2


def test_stored_evidence_is_what_is_positive_scaled_to_its_strongest() -> None:
    saliency = np.array([[-5.0, 0.0], [1.0, 2.0]], dtype=np.float32)
    found = records.evidence_bytes(saliency)
    assert found[0].tolist() == [0, 0]
    assert found[1, 1] == 255
    assert 125 < found[1, 0] < 131
    assert records.evidence_bytes(-np.ones((2, 2))).max() == 0


@pytest.mark.parametrize("name", sorted(file.parent.name for file in COMMITTED.glob(f"*/{SUMS}")))
def test_committed_results_are_whole_and_their_page_has_its_conclusions(name: str) -> None:
    assert len(records.load(COMMITTED / name).scores) > 0
    conclusions = COMMITTED / name / "conclusions.md"
    page = (COMMITTED / name / "README.md").read_text("utf-8")
    assert not conclusions.exists() or conclusions.read_text("utf-8").partition("\n")[2].strip() in page
