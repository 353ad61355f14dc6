"""A paper's numbers beside a run's, on records made by hand."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import paper
import pytest

from benchmarks.analysis.published import NOT_RUN, measure_published
from benchmarks.analysis.scores import summarise
from benchmarks.report import report
from benchmarks.report.published import compared, published_section
from benchmarks.report.tables import Table, markdown
from benchmarks.results import records as record_files
from benchmarks.results.published import Paper, Published, read_paper
from benchmarks.results.records import Records

SCORES: Mapping[tuple[str, str, str], list[float | None]] = {
    ("gradcam", "", "insertion"): [0.2, 0.4, 0.6, 0.8],
    ("lime", "", "insertion"): [0.5, 0.5, 0.5, 0.5],
    ("mine", "", "insertion"): [0.9, 0.9, 0.9, 0.9],
    ("broken", "", "insertion"): [None, None, None, None],
}


def published(method: str, value: float, **more: str | bool) -> Published:
    about = {"called": method, "metric": "insertion", "measure": "insertion", "source": "A paper"} | more
    return Published("scenes", str(about.pop("network", "net")), method, value=value, **about)  # type: ignore[arg-type]


NUMBERS = (
    published("gradcam", 0.6, called="Grad-CAM", verified=False),
    published("lime", 0.6),
    published("broken", 0.3),
    published("deconvnet", 0.1),
)
PAPER = Paper(NUMBERS, ("Ours has other pictures.",))


@pytest.fixture
def known() -> Records:
    records = paper.of_scores(SCORES)
    records.provenance["inputs"]["published"] = asdict(PAPER)
    return records


def test_each_published_number_has_ours_and_the_exact_difference(known: Records) -> None:
    found = measure_published(PAPER, summarise(known)).set_index("method")
    assert list(found.index) == ["gradcam", "lime", "broken", "deconvnet"]  # and not ours alone
    assert found.loc["gradcam", ["ours", "difference", "n"]].tolist() == pytest.approx([0.5, -0.1, 4])
    low, high = found.loc["gradcam", ["low", "high"]]
    assert 0.2 < low < 0.5 < high < 0.8
    differences = found.loc["gradcam", ["difference_low", "difference_high"]].tolist()
    assert differences == pytest.approx([low - 0.6, high - 0.6])
    assert found["held"].to_dict() == {"gradcam": True, "lime": False, "broken": False, "deconvnet": False}
    assert found["reason"].to_dict() == {"gradcam": "", "lime": "", "broken": "failed", "deconvnet": NOT_RUN}
    assert found.loc["deconvnet", ["ours", "difference", "low"]].isna().all()


def test_percent_are_a_hundred_times_our_scores(known: Records) -> None:
    percent = Paper((published("lime", 51.5),), (), unit="%")
    (row,) = measure_published(percent, summarise(known)).to_dict("records")
    assert (row["ours"], row["difference"], row["difference_low"]) == pytest.approx((50, -1.5, -1.5))
    (table,) = tables(percent, known)
    assert table.header[1:4] == ["published (%)", "ours (%)", "difference (%)"]
    assert [entry.text for entry in table.rows[0]][1:4] == ["51.5", "50.0", "-1.5"]


def test_another_network_or_data_set_is_not_ours(known: Records) -> None:
    elsewhere = replace(PAPER, numbers=(published("lime", 0.6, network="other"), published("gradcam", 0.6)))
    found = measure_published(elsewhere, summarise(known))
    assert list(found["n"]) == [0, 4]
    assert "Not in this run: networks other; methods lime." in published_section(elsewhere, found).blocks


def tables(about: Paper, known: Records) -> list[Table]:
    section = published_section(about, measure_published(about, summarise(known)))
    return [block for block in section.blocks if isinstance(block, Table)]


def test_the_table_marks_what_is_unverified_missing_and_out_of_the_interval(known: Records) -> None:
    (table,) = tables(PAPER, known)
    assert table.header == ["method", "published", "ours", "difference", "cases"]
    gradcam, lime, broken, deconvnet = table.rows
    assert (gradcam[0].small, gradcam[1].small, lime[1].small) == ("(Grad-CAM)", "(unverified)", "")
    assert [row[3].bold for row in table.rows] == [False, True, False, False]
    assert [entry.text for entry in lime][1:] == ["0.6000", "0.5000", "-0.1000", "4"]
    assert re.fullmatch(r"±0\.[1-3]\d{3}", gradcam[2].small)
    assert (broken[2].text, deconvnet[2].text, deconvnet[3].number) == ("failed", NOT_RUN, None)
    assert len({line.count("|") for line in markdown(table).splitlines()}) == 1


def test_a_table_names_networks_and_metrics_only_where_they_differ(known: Records) -> None:
    several = replace(PAPER, numbers=(*NUMBERS, published("lime", 0.5, network="other", source="A notebook")))
    (table,) = tables(several, known)
    assert table.header[:3] == ["method", "network", "published"]
    section = published_section(several, measure_published(several, summarise(known)))
    assert "Printed in: A paper; A notebook." in section.blocks
    several = replace(PAPER, numbers=(*NUMBERS, published("lime", 0.5, measure="deletion", metric="deletion")))
    assert [each.name for each in tables(several, known)] == ["published-insertion", "published-deletion"]


def test_a_sentence_says_how_near_the_run_comes(known: Records) -> None:
    said = compared(PAPER, measure_published(PAPER, summarise(known)))
    assert said.startswith("Of 4 published numbers, 2 have one of ours beside them.")
    assert "Of these, 1 lie in our 95 % interval; on average ours is 0.1000 away." in said
    nothing = replace(PAPER, numbers=NUMBERS[-1:])
    assert compared(nothing, measure_published(nothing, summarise(known))) == (
        "None of the 1 published number has one of ours beside it."
    )


def test_a_report_is_made_of_the_records_alone(known: Records, tmp_path: Path) -> None:
    record_files.save(known, tmp_path)
    assert read_paper(record_files.load(tmp_path).provenance["inputs"]["published"]) == PAPER
    said = report.make_report(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| gradcam (Grad-CAM) | 0.6000 (unverified) | 0.5000 ±" in page
    assert "- Ours has other pictures." in page
    assert "4 published numbers" in said
    assert "Published numbers" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "tables" / "published.csv").read_text().count("\n") == 5
    assert (tmp_path / "tables" / "published-insertion.tex").is_file()


def test_a_plan_without_a_paper_has_no_such_section(known: Records, tmp_path: Path) -> None:
    known.provenance["inputs"]["published"] = None
    record_files.save(known, tmp_path)
    report.make_report(tmp_path)
    assert "ublished" not in (tmp_path / "README.md").read_text(encoding="utf-8")
    del known.provenance["inputs"]["published"]  # as records from before there were any
    assert read_paper(known.provenance["inputs"].get("published")) is None


def test_a_single_picture_has_no_interval_and_none_is_said_to_miss_the_number() -> None:
    number = Published("d", "n", "random", "srg", "random", "SRG", 0.5, "a paper")
    paper = Paper((number,), ())
    own = {"dataset": "d", "network": "n", "method": "random", "metric": "srg", "subset": "all", "mean": 0.2, "n": 1}
    found = measure_published(paper, pd.DataFrame([own | {"low": np.nan, "high": np.nan, "not_applicable": 0}]))
    assert "0 lie in our 95 % interval and 1 have none, of too few pictures; on average" in compared(paper, found)
    (table,) = [block for block in published_section(paper, found).blocks if isinstance(block, Table)]
    assert not [entry for line in table.rows for entry in line if entry.bold]
