import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import paper
import pytest
from PIL import Image

from benchmarks.analysis.scores import headlines, summarise
from benchmarks.report import forest, plots, report, tables
from benchmarks.report.comparison_tables import cost_table, score_tables
from benchmarks.report.forest import draw_costs
from benchmarks.report.gallery import overlay
from benchmarks.report.numbers import MOST_DECIMALS, counted, form_of
from benchmarks.report.page import fresh
from benchmarks.report.plots import COLOURS, OTHERS, STYLES, styles
from benchmarks.results import records
from benchmarks.results.records import Records, RecordsError
from benchmarks.results.sums import SUMS
from benchmarks.run.loop import as_records, run
from benchmarks.run.plan import Options
from benchmarks.run.store import Store

ROOT = Path(__file__).resolve().parents[3]


HEADS = ["deletion ↓ (4 cases)", "pointing ↑ (3 cases)", "pointing, difficult ↑ (2 cases)"]


def heads(table: tables.Table) -> list[str]:
    return tables.markdown(table).splitlines()[0].strip("| ").split(" | ")


def test_means_counts_and_differences_are_those_on_paper(known: Records) -> None:
    found = summarise(known).set_index(["metric", "subset", "method"])
    assert found.loc[("deletion", "all", "mint"), "mean"] == pytest.approx(0.25)
    assert found.loc[("deletion", "all", "my_method"), "difference"] == pytest.approx(0.1)
    # Class 0 (cases 0 and 2): one hit, one miss; class 1 (case 1, case 3 does not apply): a hit.
    assert found.loc[("pointing", "all", "mint"), "mean"] == pytest.approx((0.5 + 1) / 2)
    assert found.loc[("pointing", "difficult", "my_method"), "mean"] == pytest.approx((1 + 0) / 2)
    assert tuple(found.loc[("pointing", "all", "mint"), ["n", "missing"]]) == (3, 1)
    assert tuple(found.loc[("pointing", "difficult", "mint"), ["n", "missing"]]) == (2, 0)


def test_a_constant_difference_has_no_width_as_the_pictures_are_paired(known: Records) -> None:
    found = summarise(known).set_index(["metric", "subset", "method"])
    row = found.loc[("deletion", "all", "my_method")]
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((0.1, 0.1))
    assert row["high"] - row["low"] > 0.05


def test_failed_cases_are_missing_not_forgotten(known: Records) -> None:
    scores = known.scores[~((known.scores["method"] == "mint") & (known.scores["case"] == "case-3"))]
    rest = Records(scores, known.curves, known.timings, known.provenance, known.gallery)
    found = summarise(rest).set_index(["metric", "subset", "method"])
    assert tuple(found.loc[("deletion", "all", "mint"), ["n", "missing"]]) == (3, 1)
    (table,) = score_tables(summarise(rest))
    assert "(3 cases)" in table.rows[0][1].small
    assert "cases" not in table.rows[1][1].small


def test_markdown_has_as_many_fields_in_every_line(known: Records) -> None:
    (table,) = score_tables(summarise(known))
    lines = tables.markdown(table).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {5}
    assert "| mint | 0.250 ±0." in lines[2]
    assert lines[1] == "| --- | ---: | ---: | ---: |"


def test_latex_is_escaped_and_balanced(known: Records) -> None:
    (table,) = score_tables(summarise(known))
    text = tables.latex(table)
    assert r"my\_method" in text
    assert r"\toprule" in text
    assert r"deletion $\downarrow$ {\scriptsize (4 cases)}" in text
    assert text.count("{") == text.count("}")
    assert text.isascii()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {3}


def test_the_terminal_gets_scores_and_costs(known: Records) -> None:
    lines = report.glance(known).splitlines()
    assert lines[0] == "net on scenes, 4 cases"
    assert lines[1].split() == ["method", "deletion", "↓", "pointing", "↑", "ms", "forwards"]
    # No test can tell two methods apart on four pictures: both are among the best.
    assert re.match(r"mint +0\.250\* +0\.750\* +12 +501$", lines[2])
    assert re.match(r"my_method +0\.350\* ", lines[3])


def test_the_terminal_is_told_where_no_metric_judges_a_map() -> None:
    described = paper.of_columns([paper.column({"a": [0.1, 0.2], "b": [0.3, 0.4]}, metric="gini", metric_id="Gini()")])
    assert report.glance(described) == "net on scenes: no metric judges a map, so there is nothing to compare."


def test_one_timed_call_has_no_range(known: Records) -> None:
    notes = [cost_table(known.timings.assign(repeats=count)).rows[0][2].small for count in (5, 1)]
    assert notes[0].startswith("(IQR ")
    assert notes[1] == "(one call)"


def test_a_report_that_does_not_exist_is_refused(known: Records, tmp_path: Path) -> None:
    known.provenance["inputs"]["report"] = "novel"
    records.save(known, tmp_path)
    with pytest.raises(RecordsError, match=r"'novel'.*comparison"):
        report.make_report(tmp_path)


def test_a_report_is_made_without_torch(known: Records, tmp_path: Path) -> None:
    records.save(known, tmp_path / "known")
    code = (
        "import sys; from benchmarks.__main__ import main; "
        f"status = main(['report', '--out', {str(tmp_path / 'known')!r}]); "
        "sys.exit(status or ('torch was imported' if 'torch' in sys.modules else 0))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "mint" in done.stdout
    names = {str(file.relative_to(tmp_path / "known")) for file in (tmp_path / "known").rglob("*") if file.is_file()}
    assert names == {
        "README.md",
        "records.parquet",
        "curves.parquet",
        "timing.csv",
        "provenance.json",
        "maps.npz",
        "SHA256SUMS",
        *(f"tables/{name}.csv" for name in ("scores", "comparisons", "orders", "reliability", "metrics", "coverage")),
        *(f"tables/{name}.tex" for name in ("headline", "scores", "order", "reliability", "coverage", "cost")),
        "plots/headline.png",
        "plots/cost.png",
        "plots/net-on-scenes.curves.png",
        "gallery/net-on-scenes.jpg",
        "gallery/data.npz",
        "index.html",
    }


def test_a_report_replaces_the_files_of_an_earlier_one_and_links_to_all_of_its_own(
    known: Records, tmp_path: Path
) -> None:
    records.save(known, tmp_path)
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "removed-network.curves.png").write_bytes(b"")
    report.make_report(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert sorted(links) == sorted(
        str(file.relative_to(tmp_path)) for file in [*tmp_path.glob("plots/*"), *tmp_path.glob("gallery/*.jpg")]
    )
    assert all(Image.open(io.BytesIO((tmp_path / link).read_bytes())).width > 300 for link in links)


def test_a_file_that_another_report_removed_meanwhile_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "tables" / "old.csv"
    stale.parent.mkdir()
    monkeypatch.setattr(Path, "glob", lambda folder, _: [stale] if folder == stale.parent else [])
    fresh(tmp_path, {"new": pd.DataFrame({"a": [1]})})
    assert [file.name for file in stale.parent.iterdir()] == ["new.csv"]


def test_a_gallery_stays_where_its_maps_are_gone(known: Records, tmp_path: Path) -> None:
    records.save(known, tmp_path)
    report.make_report(tmp_path)
    (tmp_path / "gallery" / "data.npz").unlink()  # as in the committed results
    before = (tmp_path / "gallery" / "net-on-scenes.jpg").read_bytes()
    report.make_report(tmp_path)
    assert (tmp_path / "gallery" / "net-on-scenes.jpg").read_bytes() == before
    assert "(gallery/net-on-scenes.jpg)" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_report_says_with_which_settings_it_was_made(known: Records, tmp_path: Path) -> None:
    known.provenance["inputs"]["settings"][0]["controls"] = {"shuffled": {"id": "Shuffled(seed=0)", "null": True}}
    records.save(known, tmp_path)
    report.make_report(tmp_path)
    listed = (tmp_path / "README.md").read_text().partition("### net on scenes\n\n")[2].partition("\n\n")[0]
    assert listed.splitlines() == [
        "- 20 x 20 pixels, weights `0123456789ab` (SHA-256), on cpu",
        "- mint: `MINT(samples=500, prior='elementwise')`",
        "- my_method: `Mine()`",
        "- deletion: `Deletion()`",
        "- pointing: `Pointing()`",
        "- shuffled: `Shuffled(seed=0)`",
    ]
    assert "<code>MINT(samples=500" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("empty", ["curves", "timings", "gallery"])
def test_a_report_does_without_what_a_plan_does_not_have(known: Records, tmp_path: Path, empty: str) -> None:
    parts = vars(known) | {empty: [] if empty == "gallery" else getattr(known, empty).iloc[:0]}
    records.save(Records(**parts), tmp_path)
    assert "mint" in report.make_report(tmp_path)


def test_a_written_conclusion_is_the_first_section_of_both_pages(known: Records, tmp_path: Path) -> None:
    (tmp_path / "conclusions.md").write_text("## What was found\n\n* **One** thing.\n* Another.\n", encoding="utf-8")
    records.save(known, tmp_path)
    report.make_report(tmp_path)
    markdown, html = ((tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "index.html"))
    assert re.findall(r"<summary><b>([^<]*)\.</b>", markdown)[0] == "What was found"
    assert "\n\n* **One** thing.\n* Another.\n\n</details>" in markdown
    assert "<ul>\n<li><strong>One</strong> thing.</li>\n<li>Another.</li>\n</ul>" in html
    assert re.findall(r"<h2[^>]*>([^<]*)", html)[0] == "What was found"


@pytest.mark.parametrize("kind", ["ablation", "comparison"])
@pytest.mark.parametrize("written", ["", "## Found\n\nNothing.\n", "Nothing.\n"])
def test_every_report_has_both_pages_with_the_same_tables(
    contested: Records, tmp_path: Path, kind: str, written: str
) -> None:
    contested.provenance["inputs"]["report"] = kind
    records.save(contested, tmp_path)
    assert records.load(tmp_path).maps == []
    if written:
        (tmp_path / "conclusions.md").write_text(written, encoding="utf-8")
    report.make_report(tmp_path)
    markdown, html = ((tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "index.html"))
    headings = re.findall(r"<summary><b>([^<]*)\.</b>", markdown)
    found = ["Found" if "#" in written else "Conclusions"] if written else []
    assert headings[: len(found)] == found
    assert re.findall(r"<summary><h2>([^<]*)", html) == headings
    assert {"Cost", "Provenance"} & {*headings} == {"Provenance"}  # nothing was timed
    assert html.count('<figure class="table"') == markdown.count("\n| --- ")
    assert html.count("<p>Nothing.</p>") == markdown.count("\n\nNothing.\n\n</details>") == bool(written)
    assert 'id="index"' in html


def test_the_first_screen_is_the_verdict_a_figure_and_one_table(contested: Records, tmp_path: Path) -> None:
    contested.provenance["inputs"] |= {"headline": ["pointing"], "focus": ["lime"], "against": ["mint"]}
    records.save(contested, tmp_path)
    said = report.make_report(tmp_path)
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {"headline.png", "net-on-scenes.wins.png"}
    first = (tmp_path / "README.md").read_text(encoding="utf-8").partition("<details>")[0]
    assert "**lime** against mint, on 12 pictures" in first
    assert "lime against mint" in said
    assert 1 <= len(re.findall(r"^- ", first, flags=re.MULTILINE)) <= 5
    assert re.findall(r"!\[.*?\]\((.*?)\)", first) == ["plots/headline.png"]
    assert re.findall(r"^\| method .*", first, flags=re.MULTILINE) == ["| method | pointing ↑ (12 cases) |"]


def test_one_number_of_both_curves_is_added_where_there_is_none_or_the_plan_shows_it() -> None:
    given = {"a": [0.3, 0.4], "b": [0.1, 0.2]}
    ids = {"insertion": "Insertion(steps=4)", "deletion": "Deletion(steps=4)", "srg": "SRG(steps=4)"}
    both = paper.of_columns([paper.column(given, metric=name, metric_id=each) for name, each in ids.items()])
    alone = paper.of_columns(
        [paper.column(given, metric=name, metric_id=ids[name]) for name in ("insertion", "deletion")]
    )
    assert records.REMOVAL not in set(report.with_one_removal(both).scores["metric"])
    assert records.REMOVAL in set(report.with_one_removal(alone).scores["metric"])
    both.provenance["inputs"] |= {"headline": [records.REMOVAL]}
    assert records.REMOVAL in set(report.with_one_removal(both).scores["metric"])


def test_the_headline_is_the_plan_s_or_the_first_that_judge(known: Records) -> None:
    inputs = known.provenance["inputs"]
    assert headlines(inputs) == ("deletion", "pointing")
    assert headlines({**inputs, "headline": ["pointing"]}) == ("pointing",)
    assert headlines({**inputs, "headline": ["not measured"]}) == ("deletion", "pointing")


def test_a_cost_plot_has_the_frontier(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    scores = {name: generator.random(12) + lead for name, lead in {"a": 0, "b": 2, "c": 1, "random": -2}.items()}
    made = paper.of_columns([paper.column(scores)])
    timings = [
        ["scenes", "net", m, "A CPU", 1.0, 0.5, 5, n, 1.0, 3.0] for m, n in zip("abc", (1, 10, 100), strict=True)
    ]
    made = replace(made, timings=pd.DataFrame(timings, columns=list(records.TIMING_COLUMNS)))
    assert draw_costs(report.measure_headlines(made), made.timings, tmp_path / "cost.png") == tmp_path / "cost.png"
    assert (tmp_path / "cost.png").stat().st_size > 5000
    assert draw_costs(report.measure_headlines(made), made.timings.iloc[:0], tmp_path / "none.png") is None


def test_a_cost_plot_leaves_out_what_does_not_apply_to_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(forest, "save_plot", lambda figure, *_: drawn.append(figure))
    steps = np.linspace(0, 1, 6)
    names = {"insertion": "Insertion()", "pointing": "Pointing()"}
    scores = {"a": steps, "b": 1 - steps}
    columns = [paper.column(scores, metric=metric, metric_id=identity) for metric, identity in names.items()]
    summary = report.measure_headlines(paper.of_columns(columns))
    other = summary.assign(network="other", n=summary["n"].where(summary["metric"] == "insertion", 0))
    both = pd.concat([summary.replace({"method": {"a": "c"}}), other])
    timings = both[["dataset", "network", "method"]].drop_duplicates().assign(forwards=1.0)
    draw_costs(both, timings, tmp_path / "cost.png")
    (figure,) = drawn
    heads = [axes.get_title(loc="left") for axes in figure.axes]
    assert heads == ["insertion ↑\nnet", "pointing ↑\nnet", "insertion ↑\nother"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["c", "b", "a"]


def test_two_runs_make_the_same_tables_and_pictures(world: ModuleType, tmp_path: Path) -> None:
    plan = world.plan(tmp_path / "calls.log")
    made = []
    for name in ("one", "two"):
        results = run(plan, Options(), Store(tmp_path / name / "cells"))
        results.efficiency.clear()  # as the time, it is the run's own
        facts = {"command": "the same", "started": name}
        records.save(as_records(plan, Options(), results, facts), tmp_path / name)
        report.make_report(tmp_path / name)
        shutil.rmtree(tmp_path / name / "cells")
        for own in ("provenance.json", SUMS):  # the first names the time of the run
            (tmp_path / name / own).unlink()
        files = (file for file in (tmp_path / name).rglob("*") if file.is_file())
        made.append({str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files})
    assert made[0].keys() == made[1].keys()
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []


def test_curves_may_have_other_points_for_every_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(plots, "save_plot", lambda figure, *_: drawn.append(figure))
    made = paper.made_up(["a"], 2, points=3)
    points = [np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 0.75, 1.0])]
    lines = made.curves[made.curves["metric"] == "insertion"].assign(fractions=points, values=points)
    records.save(replace(made, curves=lines), tmp_path)
    kept = records.load(tmp_path)
    (about,) = kept.provenance["inputs"]["settings"]
    plots.draw_curves(kept, summarise(kept), about["metrics"], tmp_path / "curves.png")
    (axes,) = drawn[0].axes
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [0.5, 0.5], [1, 1]]


def test_methods_keep_their_colour_whatever_stands_beside_them() -> None:
    assert styles(["sobel", "mint", "mine"])["mint"] == styles(["mint"])["mint"] == STYLES["mint"]
    assert styles(["mint", "mine", "yours"])["yours"] == OTHERS[1]
    colours = [style.colour for style in [*STYLES.values(), *OTHERS[: len(COLOURS)]]]
    assert len(set(colours)) == len(colours)
    lines = [(style.colour, style.dashes) for style in [*STYLES.values(), *OTHERS]]
    assert len(set(lines)) == len(lines) >= 30, "every method of the suite has a line of its own"


def test_an_overlay_keeps_the_picture_under_no_evidence_and_lights_up_under_much() -> None:
    image = np.full((2, 2, 3), 128, dtype=np.uint8)
    evidence = np.array([[0, 0], [0, 255]], dtype=np.uint8)
    mixed = overlay(image, evidence)
    assert mixed.dtype == np.uint8
    assert mixed[0, 0].max() < 100
    assert mixed[1, 1].mean() > mixed[0, 0].mean() + 50


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([0.5, 0.4, 0.001], 3),
        ([0.02, 0.02, 0.02], 3),
        ([0.0010, 0.0012, 0.02], 5),
        ([-0.0015, 0.0019, 0.0019], 5),
        ([0.0, 0.0, 0.0], 3),
        ([float("nan")], 3),
        ([1e-12], 3),  # is 0
        ([1e-8], MOST_DECIMALS),
    ],
)
def test_small_numbers_have_more_decimals(means: list[float], expected: int) -> None:
    assert form_of(pd.Series(means)) == f"z.{expected}f"


def test_one_case_is_no_plural() -> None:
    assert (counted(1), counted(0), counted(2)) == ("1 case", "0 cases", "2 cases")


def test_difficult_cases_have_a_table_of_their_own_where_every_metric_has_them(known: Records) -> None:
    (together,) = score_tables(summarise(known))
    assert heads(together)[1:] == HEADS
    known.provenance["inputs"]["settings"][0]["metrics"]["deletion"]["subsets"] = ["all", "difficult"]
    whole, difficult = score_tables(summarise(known))
    assert (whole.name, difficult.name) == ("scores", "difficult")
    assert heads(difficult)[1:] == ["deletion, difficult ↓ (2 cases)", "pointing, difficult ↑ (2 cases)"]
    assert [[entry.text for entry in row] for row in difficult.rows] == [
        ["mint", "0.150", "1.000"],
        ["my_method", "0.250", "0.500"],
    ]
