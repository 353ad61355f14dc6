"""All results of a folder on one page."""

import re
from dataclasses import replace
from pathlib import Path

import paper
import pytest

from benchmarks.report.leaderboard import make_leaderboard
from benchmarks.results import records
from benchmarks.results.records import Records, RecordsError


def test_the_leaderboard_has_a_row_for_each_setting_of_each_result(contested: Records, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no result of a comparison"):
        make_leaderboard(tmp_path)
    for name in ("one", "two"):
        records.save(contested, tmp_path / name)
    contested.provenance["inputs"]["report"] = "ablation"
    records.save(contested, tmp_path / "three")
    joined = {**contested.provenance["run"], "command": "run --out a; run --out b"}
    inputs = {**contested.provenance["inputs"], "report": "comparison"}
    given = replace(contested, provenance={"inputs": inputs, "run": joined})
    records.save(given, tmp_path / "two")
    (tmp_path / "two" / "index.html").touch()
    lines = make_leaderboard(tmp_path).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["one", "two"]
    assert re.search(r"12 +2\sof\s2\*", lines[1])
    page, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "leaderboard.md"))
    assert "random" not in lines[0], "nulls are no contenders"
    assert 'href="one/README.md"' in page, "it has no page of its own"
    assert 'href="two/index.html"' in page
    assert "(two/README.md)" in text
    assert "Insertion(steps=None)" in page
    assert "| one | scenes | net | 12 |" in text
    assert "Joined from 2 runs" in text
    assert "run --out" not in text
    assert ".0 cases" not in page


def test_one_headline_column_is_counted_and_a_folder_s_name_may_have_spaces(tmp_path: Path) -> None:
    records.save(paper.of_columns([paper.clear()]), tmp_path / "my run")
    described = paper.column({"a": [0.1, 0.2]}, metric="gini", metric_id="Gini()")
    records.save(paper.of_columns([described]), tmp_path / "no headline")
    make_leaderboard(tmp_path)
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "| my run | scenes | net | 20 | 0 of 1 | 0 of 1 | **1 of 1** | 0 of 1 | insertion |" in text
    assert "\n- [my run](my%20run/README.md): " in text
    records.save(paper.of_columns([paper.clear(direction="lower")]), tmp_path / "a null leads")
    make_leaderboard(tmp_path)
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "| a null leads | scenes | net | 20 | 0 of 1 | 0 of 1 | 0 of 1 | 0 of 1 | insertion |" in text
    assert '<a href="my%20run/README.md">my run</a>' in (tmp_path / "index.html").read_text(encoding="utf-8")
