import base64
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from benchmarks.report.page.prose import elements, inline
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.stats import spearmanr

from benchmarks.analysis import controls as margins
from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.scores import read_columns
from benchmarks.report import tables
from benchmarks.report.page import write_page
from benchmarks.report.page.build import embedded_json, page_table
from benchmarks.report.page.viewer import CURVE_POINTS, control_scores, gather, map_disagreement, score_disagreement
from benchmarks.report.tables import Comparison, Entry, Table
from benchmarks.results.records import Records

METHODS = ("mint", "gradcam", "lime", "random")
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'


@pytest.fixture(scope="module")
def page_records() -> ModuleType:
    """The module beside this file that makes records up."""
    spec = spec_from_file_location("page_records", Path(__file__).with_name("page_records.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def some(page_records: ModuleType) -> Records:
    records: Records = page_records.made_up(METHODS, 14, networks=("vgg", "resnet"))
    records.provenance["inputs"]["settings"][0]["nulls"] = ["random"]
    return records


def with_controls(records: Records) -> Records:
    """Add two controls of the first network's methods that are no nulls, on six cases."""
    generator = np.random.default_rng(0)
    own = records.scores.query("network == 'vgg' and method != 'random' and case < 'case-0006'")
    spoilt = [
        own.assign(control=control, score=own["score"].to_numpy() * generator.uniform(0.4, 1.3, len(own)))
        for control in ("shuffled", "7x7")
    ]
    inputs = records.provenance["inputs"]
    controls = {"shuffled": {"null": True}, "7x7": {"null": False}}
    settings = [{**inputs["settings"][0], "controls": controls}, *inputs["settings"][1:]]
    return replace(
        records,
        scores=pd.concat([records.scores, *spoilt], ignore_index=True),
        provenance={**records.provenance, "inputs": {**inputs, "settings": settings}},
    )


def comparing_tables(records: Records) -> list[Table]:
    """All tables of differences, margins and changes of the first network."""
    made = [
        *tables.difference_tables(compare_pairs(read_columns(records))),
        *margins.margin_tables(margins.measure_margins(records)),
        *margins.resolution_tables(margins.measure_resolution(records)),
    ]
    return [table for table in made if table.name.startswith("vgg-")]


def sections(records: Records) -> dict[str, list[Any]]:
    summary = tables.summarise(records)
    return {"Scores": tables.score_tables(summary), "Cost": [tables.cost_table(records.timings)]}


def unpack(item: dict, blob: bytes, grids: dict) -> tuple[list[np.ndarray], np.ndarray | None, dict]:
    """Undo the packing by the docstring alone."""
    data = np.frombuffer(zlib.decompress(blob), dtype=np.uint8)
    h, w = item["shape"]
    count = len(item["maps"]) * h * w
    maps = np.cumsum(data[:count].reshape(-1, h, w).astype(int), axis=2) % 256
    at = count
    region = None
    if item.get("region"):
        region = data[at : at + h * w].reshape(h, w).astype(bool)
        at += h * w
    curves = {}
    for metric, low, high, methods in item["curves"]:
        size = len(methods) * len(grids[metric])
        curves[metric] = low + (high - low) * data[at : at + size].reshape(len(methods), -1) / 255
        at += size
    assert at == len(data)
    return list(maps), region, curves


# --- what the viewer is given


def test_maps_regions_and_curves_come_back(some: Records) -> None:
    viewer = gather(some)
    setting = viewer.index["settings"][1]
    item = setting["cases"][3]
    maps, region, curves = unpack(item, viewer.blobs[item["blob"]], setting["grids"])
    (given_maps,) = [each for each in some.maps if each.network == "resnet" and each.case == item["key"]]
    for method, found in zip(item["maps"], maps, strict=True):
        assert np.array_equal(found, given_maps.maps[setting["methods"][method]["name"]])
    assert region is not None
    assert given_maps.region is not None
    assert np.array_equal(region, given_maps.region)
    line = some.curves.query("network == 'resnet' and case == @item['key'] and metric == 'insertion'").iloc[1]
    expected = np.interp(setting["grids"]["insertion"], line["fractions"], line["values"])
    assert len(expected) == CURVE_POINTS
    assert np.abs(curves["insertion"][1] - expected).max() < 1 / 255


def test_a_picture_is_embedded_once_however_often_it_is_shown(some: Records) -> None:
    viewer = gather(some)
    assert len(viewer.pictures) == 7  # of 2 networks x 14 cases, two to a picture
    first, second = (setting["cases"][4]["image"] for setting in viewer.index["settings"])
    assert first == second


def test_scores_are_numbers_or_words_for_their_absence(some: Records) -> None:
    dropped = some.scores[~((some.scores["method"] == "lime") & (some.scores["case"] == "case-0002"))]
    failures = [{"dataset": "scenes", "network": "vgg", "method": "lime", "case": "case-0002"}]
    failures[0] |= {"step": "map", "reason": "RuntimeError: no"}
    run = {**some.provenance["run"], "failures": failures}
    records = replace(some, scores=dropped, provenance={**some.provenance, "run": run})
    vgg, resnet = gather(records).index["settings"]
    assert vgg["cases"][2]["scores"][2] == ["failed"] * 3
    assert vgg["cases"][2]["failures"] == [["lime", "", "map", "RuntimeError: no"]]
    # No failure was recorded there: nobody asked.
    assert resnet["cases"][2]["scores"][2] == [None] * 3
    assert vgg["cases"][6]["scores"][0][2] == "inapplicable"
    assert isinstance(vgg["cases"][0]["scores"][0][0], float)


def test_derived_controls_are_not_taken_for_the_method(some: Records) -> None:
    shuffled = some.scores.assign(control="shuffled", score=123.0)
    both = replace(some, scores=pd.concat([shuffled, some.scores], ignore_index=True))
    for with_control, without in zip(gather(both).index["settings"], gather(some).index["settings"], strict=True):
        assert [control["name"] for control in with_control["controls"]] == ["shuffled"]
        for key in ("scores", "disagreement", "maps", "curves"):
            assert [case[key] for case in with_control["cases"]] == [case[key] for case in without["cases"]]
            assert with_control["cases"][0]["controls"][0] == [[123.0] * 3]
            assert "controls" not in without["cases"][0]


def test_scores_of_controls_are_found_by_method_control_and_metric() -> None:
    rows = [
        ("one", "x", "", "a", 9.0), ("one", "x", "shuffled", "a", 1.0), ("one", "y", "7x7", "c", 2.0),
        ("one", "y", "shuffled", "c", np.nan), ("two", "x", "7x7", "a", 3.00001),
    ]  # fmt: skip
    scores = pd.DataFrame(rows, columns=["case", "method", "control", "metric", "score"])
    controls, controlled, found = control_scores(scores, ["x", "y"], ["a", "b", "c"])
    assert controls == ["shuffled", "7x7"]
    assert controlled == [0, 2]
    # By method, control, metric.
    assert found["one"] == [[[1, None], [None, None]], [[None, "inapplicable"], [None, 2]]]
    assert found["two"] == [[[None, None], [3, None]], None]


def test_nulls_do_not_count_as_disagreeing(some: Records) -> None:
    with_nulls, without = (setting["cases"][0] for setting in gather(some).index["settings"])
    (own,) = [each for each in some.maps if each.network == "vgg" and each.case == "case-0000"]
    expected = map_disagreement([own.maps[name] for name in ("mint", "gradcam", "lime")])
    assert with_nulls["disagreement"][0] == pytest.approx(expected, rel=1e-3)
    assert with_nulls["disagreement"][0] != without["disagreement"][0]
    nulls = some.provenance["inputs"]["settings"][0]["nulls"]
    scores = some.scores[(some.scores["network"] == "vgg") & ~some.scores["method"].isin(nulls)]
    assert with_nulls["disagreement"][1] == pytest.approx(score_disagreement(scores)["case-0000"], rel=1e-3)


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ([[1, 2, 3, 4], [10, 20, 30, 40]], 0.0),
        ([[1, 2, 3, 4], [4, 3, 2, 1]], 2.0),
        ([[1, 2, 3, 4], [4, 3, 2, 1], [5, 6, 7, 8]], 1 - (-1 - 1 + 1) / 3),
        ([[1, 2, 3, 4], [10, 20, 30, 40], [7, 7, 7, 7]], 0.0),  # a constant ranks nothing
    ],
)
def test_disagreement_of_maps_is_that_on_paper(maps: list[list[int]], expected: float) -> None:
    found = map_disagreement([np.array(each, dtype=np.uint8).reshape(2, 2) for each in maps])
    assert found == pytest.approx(expected, abs=1e-12)


def test_disagreement_needs_two_maps() -> None:
    assert np.isnan(map_disagreement([np.arange(4), np.zeros(4)]))
    assert np.isnan(map_disagreement([]))


@given(arrays(np.uint8, (2, 12), unique=True))
def test_disagreement_of_two_maps_is_scipys(maps: np.ndarray) -> None:
    assert map_disagreement(list(maps)) == pytest.approx(1 - spearmanr(*maps).statistic, abs=1e-12)


def test_disagreement_of_scores_is_that_on_paper() -> None:
    rows = [
        # Ranks of a in quarters: .25 and 1; .5 and .75. Of b: 1/3 and 2/3; one score alone, and 1.
        ("one", "x", "a", 0.0), ("one", "y", "a", 9.0), ("two", "x", "a", 1.0), ("two", "y", "a", 2.0),
        ("one", "x", "b", 5.0), ("one", "y", "b", 6.0), ("two", "x", "b", 7.0), ("two", "y", "b", np.nan),
    ]  # fmt: skip
    found = score_disagreement(pd.DataFrame(rows, columns=["case", "method", "metric", "score"]))
    assert found == pytest.approx({"one": (0.75 + 1 / 3) / 2, "two": 0.25})


def test_json_in_a_script_ends_no_script_and_holds_no_nan() -> None:
    text = embedded_json({"name": HOSTILE})
    assert "<" not in text
    assert json.loads(text) == {"name": HOSTILE}
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json({"score": float("nan")})


# --- tables and text


def test_cells_lead_to_their_pictures_and_say_why_they_are_empty(some: Records) -> None:
    table = Table(
        "vgg-on-scenes-more",
        "vgg on scenes: more",
        ["method", "deletion ↓ (14 cases)", "pointing, difficult ↑", "note"],
        [
            [Entry("mint"), Entry("-0.250", "[-0.3, -0.2]", bold=True), Entry("\N{EN DASH}"), Entry("as is")],
            [Entry("lime"), Entry("0.500", "[0.1, 0.7]"), Entry("0.1"), Entry("\N{EN DASH}")],
        ],
    )
    found = page_table(table, "vgg on scenes", some)
    _, deletion, pointing, note = found["columns"]
    assert found["title"] == "More"
    assert (deletion["label"], deletion["note"], deletion["better"]) == ("deletion", "14 cases", "lower is better")
    assert (deletion["ascending"], deletion["numeric"]) == (True, True)
    assert (pointing["label"], pointing["arrow"], pointing["ascending"]) == ("pointing, difficult", "↑", False)
    assert (note["label"], note["numeric"]) == ("note", False)
    first, second = found["rows"]
    assert first[1]["href"] == "#view?s=0&o=score&m=mint&k=deletion&u=all"
    assert second[2]["href"].endswith("&u=difficult")
    assert (first[1]["text"], first[1]["value"]) == ("\N{MINUS SIGN}0.250", -0.25)
    assert first[2]["text"] == "does not apply"
    assert (first[3]["href"], second[3]["text"]) == ("", "\N{EN DASH}")
    # The column's range is -.3 to .7.
    assert first[1]["whisker"] == {"left": 0.0, "width": 10.0, "mean": 5.0, "zero": 30.0}
    assert second[1]["whisker"] == {"left": 40.0, "width": 60.0, "mean": 80.0, "zero": 30.0}


@pytest.mark.parametrize(
    ("header", "row", "linked"),
    [
        (
            ["metric", "mint", "lime"],
            ["pointing, difficult ↑ (7 cases)", "+0.1", "0.2"],
            "m=lime&k=pointing&u=difficult",
        ),
        (["metric", "method", "7x7"], ["insertion ↑", "lime (14 cases)", "0.2"], "m=lime&k=insertion&u=all"),
        (["", "mint", "lime"], ["gradcam", "1", "2"], None),  # no metric
        (["metric", "pictures", "share"], ["insertion ↑", "12", "3 %"], None),  # no method
        (["method", "deletion", "insertion"], ["lime", "1", "many"], None),  # no number
    ],
)
def test_numbers_lead_somewhere_if_method_and_metric_are_named(
    some: Records, header: list[str], row: list[str], linked: str | None
) -> None:
    found = page_table(Table("vgg-on-scenes-x", "", header, [[Entry(text) for text in row]]), "", some)
    last = found["rows"][0][2]["href"]
    assert last.endswith(linked) if linked else last == ""
    assert found["rows"][0][0]["href"] == ""


def test_cells_that_compare_lead_to_the_pictures_by_what_they_compare(some: Records) -> None:
    records = with_controls(some)
    found = [page_table(table, "", records) for table in comparing_tables(records)]
    asked = {each["id"]: [cell["href"] for row in each["rows"] for cell in row if cell["href"]] for each in found}
    kinds = {name: {re.sub("&[mku]=[^&]*", "", href.split("?")[1]) for href in hrefs} for name, hrefs in asked.items()}
    assert kinds == {
        "t-vgg-on-scenes-minus-mint": {"s=0&o=difference&a=mint"},
        "t-vgg-on-scenes-margins": {"s=0&o=margin&a=random"},
        "t-vgg-on-scenes-own-margins": {"s=0&o=margin&n=shuffled"},
        "t-vgg-on-scenes-resolution": {"s=0&o=change&n=7x7"},
    }
    # The maps as they are, on the cases that were averaged down: of these alone there is no order.
    assert all(row[2]["value"] is not None and not row[2]["href"] for row in found[-1]["rows"])


def test_a_comparison_without_a_number_leads_nowhere(some: Records) -> None:
    nothing = Entry("\N{EN DASH}", compared=Comparison("difference", "mint"))
    rows = [[Entry("lime"), nothing, Entry("0.1", compared=Comparison("difference", "mint")), Entry("\N{EN DASH}")]]
    header = ["method", "deletion ↓", "insertion ↑", "pointing"]
    _, *cells = page_table(Table("vgg-on-scenes-minus-mint", "", header, rows), "", some)["rows"][0]
    assert [cell["text"] for cell in cells] == ["\N{EN DASH}", "0.1", "\N{EN DASH}"]
    assert [bool(cell["href"]) for cell in cells] == [False, True, False]


def test_intervals_of_several_metrics_share_no_scale(some: Records) -> None:
    rows = [[Entry(name), Entry("0.1", "[0.0, 0.2] over lime")] for name in ("deletion ↓", "insertion ↑")]
    several = page_table(Table("vgg-on-scenes-x", "", ["metric", "mint"], rows), "", some)
    one = page_table(Table("vgg-on-scenes-x", "", ["metric", "mint"], rows[:1]), "", some)
    assert [row[1]["whisker"] for row in several["rows"]] == [None, None]
    assert one["rows"][0][1]["whisker"] == {"left": 0.0, "width": 100.0, "mean": 50.0}
    assert one["rows"][0][0]["text"] == "deletion\N{NO-BREAK SPACE}↓"
    assert one["rows"][0][1]["note"] == "[0.0,\N{NO-BREAK SPACE}0.2] over lime"


def test_a_method_without_any_record_failed(some: Records) -> None:
    records = replace(some, scores=some.scores[some.scores["method"] != "lime"])
    table = Table("vgg-on-scenes", "vgg on scenes", ["method", "deletion ↓"], [[Entry("lime"), Entry("\N{EN DASH}")]])
    assert page_table(table, "", records)["rows"][0][1]["text"] == "failed"


def test_a_table_belongs_to_the_dataset_with_the_longest_fitting_name(some: Records) -> None:
    inputs = some.provenance["inputs"]
    single = {**inputs["settings"][0], "dataset": "scenes-single"}
    provenance = {**some.provenance, "inputs": {**inputs, "settings": [*inputs["settings"], single]}}
    table = Table("vgg-on-scenes-single", "", ["method", "deletion ↓"], [[Entry("lime"), Entry("0.1")]])
    found = page_table(table, "", replace(some, provenance=provenance))
    assert "s=2&" in found["rows"][0][1]["href"]


def test_paragraphs_are_escaped_and_marked_up() -> None:
    assert inline("**a** < `b` *c* d*e*f") == "<strong>a</strong> &lt; <code>b</code> <em>c</em> d*e*f"
    assert inline("[x](tables/a.csv)") == '<a href="tables/a.csv">x</a>'
    assert "<a" not in inline("[x](javascript:alert)")
    assert "<script" not in inline(HOSTILE)
    found = elements("## Head\nfirst\nline\n\n- one\n  wrapped\n- two\n\nlast")
    assert [str(each) for each in found] == [
        "<h3>Head</h3>",
        "<p>first\nline</p>",
        "<ul><li>one\n  wrapped</li><li>two</li></ul>",
        "<p>last</p>",
    ]


def test_a_table_of_a_conclusion_is_a_table() -> None:
    before, table, after = elements("a | b\n\n| what | *is* |\n| --- | ---: |\n| x | |\n| | < 2 |\n\n- one")
    assert (before, after) == ("<p>a | b</p>", "<ul><li>one</li></ul>")
    assert re.findall(r"<t[hd].*?</t[hd]>", table.replace("<thead>", "")) == [
        '<th scope="col">what</th>',
        '<th scope="col"><em>is</em></th>',
        '<th scope="row">x</th>',
        "<td></td>",
        '<th scope="row"></th>',
        "<td>&lt; 2</td>",
    ]


# --- the file


class Reader(HTMLParser):
    """Counts elements, and collects ids and whatever points outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        for name in ("src", "href", "srcset", "data", "action"):
            target = found.get(name)
            if target and tag != "a" and not target.startswith(("data:", "#")):
                self.outside.append(target)


def test_the_page_stands_alone_and_is_the_same_every_time(some: Records, tmp_path: Path) -> None:
    plot = tmp_path / "vgg-on-scenes.curves.png"
    Image.new("RGB", (4, 4)).save(plot)
    both = [
        write_page(some, {**sections(some), "Plots": [plot, "In *words*."]}, tmp_path / name).read_text(
            encoding="utf-8"
        )
        for name in ("a.html", "b.html")
    ]
    assert both[0] == both[1]
    read = Reader(both[0])
    assert read.outside == []
    assert len(read.ids) == len(set(read.ids))
    assert read.counts["table"] == 5  # two of scores, the costs, and the two that the viewer fills
    assert 'alt="curves: vgg on scenes. What they come to is in the tables ' in both[0]
    assert "default-src 'none'" in both[0]
    assert not re.search(r"\b(NaN|None|undefined|nan)\b", re.sub(r"<script.*?</script>", "", both[0], flags=re.DOTALL))


def test_names_cannot_break_out(page_records: ModuleType, tmp_path: Path) -> None:
    plain = page_records.made_up(("mint", "lime"), 4)
    hostile = page_records.made_up(("mint", HOSTILE), 4, classes=(HOSTILE,))
    counts = []
    for records in (plain, hostile):
        file = write_page(records, {"Scores": tables.score_tables(tables.summarise(records))}, tmp_path / "index.html")
        counts.append(Reader(file.read_text(encoding="utf-8")).counts)
    assert counts[0] == counts[1]


def test_records_without_maps_still_make_a_page(some: Records, tmp_path: Path) -> None:
    old = replace(some, maps=[], curves=some.curves.iloc[:0])
    text = write_page(old, sections(old), tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(gather(old).index["settings"][0]["cases"]) == 14
    assert 'id="blob-0"' not in text


def test_embedded_pictures_are_the_given_bytes(some: Records, tmp_path: Path) -> None:
    text = write_page(some, {}, tmp_path / "index.html").read_text(encoding="utf-8")
    found = re.search(r'id="picture-0">([^<]+)<', text)
    assert found is not None
    assert base64.b64decode(found[1]) == some.maps[0].picture_jpeg


# --- in a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: install the package chromium to try the page in a browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


class Window:
    """A page opened from disk; it fails the test on a script's error or a request to the network."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("request", lambda request: self._note(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#viewer[data-drawn]")

    def _note(self, address: str) -> None:
        if not address.startswith(("file:", "data:", "blob:")):
            self.troubles.append(f"asked for {address}")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *error: object) -> None:
        self.context.close()
        if error[0] is None:
            assert self.troubles == []


@pytest.fixture(scope="module")
def file(some: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    plot = folder / "vgg-on-scenes.wins.png"
    Image.new("RGB", (4, 4)).save(plot)
    wins = Table("vgg-on-scenes.wins", "", ["metric", *METHODS], [[Entry("deletion"), *map(Entry, "1234")]])
    return write_page(some, {**sections(some), "Plots": [plot]}, folder / "index.html", [wins])


def column_texts(page: Any, number: int) -> list[str]:
    rows = page.locator("table.sortable").first.locator(f"tbody tr > :nth-child({number})")
    return [text.split()[0] for text in rows.all_inner_texts()]


def chosen(page: Any) -> str:
    return str(page.locator("#list [aria-selected=true]").get_attribute("data-key"))


def count_text(page: Any) -> str:
    text = str(page.locator("#count").inner_text())
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def wait_for(page: Any, key: str) -> None:
    page.wait_for_function("key => document.querySelector('#viewer').dataset.drawn === key", arg=key)


def test_tables_sort_cells_open_pictures_and_arrows_turn_them(browser: Any, file: Path, some: Records) -> None:
    with Window(browser, file) as page:
        header = page.locator("table.sortable thead th").nth(1)
        came = column_texts(page, 2)
        for expected, order in (("ascending", sorted(came)), ("descending", sorted(came)[::-1]), (None, came)):
            header.locator("button").click()
            assert header.get_attribute("aria-sort") == expected
            assert column_texts(page, 2) == order

        page.locator("table.sortable tbody td a").nth(1).click()  # mint's insertion
        own = some.scores.query("network == 'vgg' and method == 'mint' and metric == 'insertion'")
        best_first = list(own.sort_values("score", ascending=False)["case"])
        wait_for(page, best_first[0])
        assert page.locator("#list li").evaluate_all("all => all.map(each => each.dataset.key)") == best_first
        page.keyboard.press("ArrowDown")
        wait_for(page, best_first[1])
        assert page.locator("#case-facts").inner_text().startswith(best_first[1])
        page.keyboard.press("End")
        wait_for(page, best_first[-1])
        page.get_by_text("worst first").click()
        assert page.locator("#list li").first.get_attribute("data-key") == best_first[-1]


def test_the_canvases_show_the_maps(browser: Any, file: Path, some: Records) -> None:
    with Window(browser, file) as page:
        assert not page.locator("#mapless").is_visible()
        page.check("input[value=alone]", force=True)
        page.uncheck("input[name=outline]")
        key = chosen(page)
        (own,) = [each for each in some.maps if each.network == "vgg" and each.case == key]
        for i, method in enumerate(METHODS):
            sums = page.evaluate(
                """i => {
                  const canvas = document.querySelector(`canvas[data-method="${i}"]`);
                  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                  const reds = [];
                  for (let y = 0; y < 56; y++) for (let x = 0; x < 56; x++) {
                    const at = Math.floor((y + 0.5) * canvas.height / 56) * canvas.width;
                    reds.push(data[4 * (at + Math.floor((x + 0.5) * canvas.width / 56))]);
                  }
                  return reds;
                }""",
                i,
            )
            # Red grows with the evidence; the drawing interpolates.
            assert np.corrcoef(sums, own.maps[method].ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_curves_lie_where_their_axes_say(browser: Any, some: Records, tmp_path: Path) -> None:
    fractions, values = np.array([0.2, 0.6]), np.array([0.0, 0.5])
    curves = some.curves.assign(fractions=[fractions] * len(some.curves), values=[values] * len(some.curves))
    page_file = write_page(replace(some, curves=curves), {}, tmp_path / "index.html")
    with Window(browser, page_file) as page:
        labels = (
            page.locator("#curves figure").first.locator(".x").evaluate_all("all => all.map(e => +e.getAttribute('x'))")
        )
        points = page.locator("#curves polyline").first.get_attribute("points")
        (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points.split())
        zero, half, one = labels
        assert x0 == pytest.approx(zero + 0.2 * (one - zero), abs=0.1)
        assert x1 == pytest.approx(zero + 0.6 * (one - zero), abs=0.1)
        assert half == pytest.approx((zero + one) / 2)
        rules = page.locator("#curves figure").first.locator(".rule")
        heights = rules.evaluate_all("all => all.map(each => +each.getAttribute('y1'))")
        assert (y0, y1) == pytest.approx((heights[0], heights[1]), abs=0.5)


@pytest.mark.slow
def test_no_case_is_dropped_and_absences_are_said(browser: Any, some: Records, tmp_path: Path) -> None:
    dropped = some.scores[~((some.scores["method"] == "lime") & (some.scores["case"] == "case-0002"))]
    failure = {"dataset": "scenes", "network": "vgg", "method": "lime", "case": "case-0002"}
    run = {**some.provenance["run"], "failures": [failure | {"step": "map", "reason": "RuntimeError: no"}]}
    maps = [
        replace(each, maps={name: own for name, own in each.maps.items() if name != "lime"})
        if each.case == "case-0002"
        else each
        for each in some.maps
    ]
    records = replace(some, scores=dropped, maps=maps, provenance={**some.provenance, "run": run})
    page_file = write_page(records, sections(records), tmp_path / "index.html")
    with Window(browser, page_file) as page:
        page.goto(page_file.as_uri() + "#view?s=0&o=score&m=lime&k=pointing&c=case-0002")
        page.reload()
        wait_for(page, "case-0002")
        texts = page.locator("#list .measure").all_inner_texts()
        assert len(texts) == 14
        assert texts.count("does not apply") == 2
        assert texts.count("failed") == 1
        assert page.locator(".tile[data-method='2'] .why").inner_text() == "failed"
        assert "RuntimeError: no" in page.locator("#failures").inner_text()
        assert not re.search(r"\b(NaN|null|undefined)\b", page.locator("main").inner_text())


@pytest.mark.slow
def test_controls_are_folded_away_and_shown_by_metric(browser: Any, some: Records, tmp_path: Path) -> None:
    spoilt = some.scores[some.scores["method"] == "lime"].assign(control="shuffled", score=0.875)
    records = replace(some, scores=pd.concat([some.scores, spoilt], ignore_index=True))
    page_file = write_page(records, {}, tmp_path / "index.html")
    with Window(browser, page_file) as page:
        assert not page.locator("#controls").is_visible()
        page.locator("#controls-name").click()
        page.select_option("select[name=metric]", "insertion")
        page.wait_for_function("() => document.querySelector('#controls-name').textContent.includes('insertion')")
        assert page.locator("#controls thead th").all_inner_texts() == ["method", "its own map", "shuffled"]
        assert page.locator("#controls tbody tr").count() == 1
        own = some.scores.query("network == 'vgg' and method == 'lime' and metric == 'insertion'")
        own = own[own["case"] == chosen(page)]
        cells = page.locator("#controls tbody tr > *").all_inner_texts()
        assert cells[:2] == ["lime", f"{own['score'].iloc[0]:.3f}"]
        assert cells[2].startswith("0.875")
        assert page.locator("#controls tbody b").count() == int(own["score"].iloc[0] <= 0.875)


@pytest.mark.slow
def test_comparing_cells_open_the_pictures_whose_mean_they_are(browser: Any, some: Records, tmp_path: Path) -> None:
    records = with_controls(some)
    page_file = write_page(records, {"vgg on scenes": comparing_tables(records)}, tmp_path / "index.html")
    higher = {"deletion": False, "insertion": True, "pointing": True}
    visited = {"difference": 0, "margin": 0, "change": 0}
    with Window(browser, page_file) as page:
        for link in page.locator("td a").all():
            link.evaluate("link => link.click()")
            asked = dict(parse_qsl(str(link.get_attribute("href")).partition("?")[2]))
            cell = link.evaluate("link => link.closest('td').innerText").replace("\N{MINUS SIGN}", "-")
            # A cell of resolutions is a score; the change is in its note.
            value = float(cell.split()[asked["o"] == "change"])
            texts = page.locator("#list .measure").all_inner_texts()
            listed = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
            assert np.mean(listed) == pytest.approx(value, abs=0.0011), asked
            best_is_highest = asked["o"] == "margin" or higher[asked["k"]]
            assert listed == sorted(listed, reverse=best_is_highest)
            assert all(text[0] in "+\N{MINUS SIGN}" or float(text) == 0 for text in texts)
            visited[asked["o"]] += 1
        assert min(visited.values()) >= 9

        page.locator("a[href*='o=change&m=lime&k=deletion']").evaluate("link => link.click()")
        assert count_text(page) == (
            "6 of 14 cases, those with both scores: lime's own 7x7 map - lime's map as it is, deletion ↓, best first"
        )
        assert page.locator("#controls").is_visible()
        page.select_option("select[name=order]", "difference")
        page.select_option("select[name=against]", label="gradcam")
        assert count_text(page) == "14 cases, those with both scores: lime - gradcam, deletion ↓, best first"
        page.select_option("select[name=order]", "margin")
        offered = page.locator("select[name=against] option").all_inner_texts()
        assert offered == ["mint", "gradcam", "random", "its own shuffled map"]
        page.wait_for_timeout(600)
        address = page.url
        page.select_option("select[name=against]", label="its own shuffled map")
        page.goto("about:blank")
        page.goto(address)
        wait_for(page, chosen(page))
        assert page.locator("select[name=against]").input_value() == "a=gradcam"
        # The other network has no controls.
        page.select_option("select[name=setting]", "1")
        assert page.locator("select[name=against] option").all_inner_texts() == ["mint", "gradcam", "random"]
        assert page.locator("select[name=order] option[value=change]").is_disabled()
        page.select_option("select[name=order]", "maps")
        assert not page.locator("select[name=against]").is_visible()


@pytest.mark.slow
def test_without_maps_the_viewer_shows_scores_alone(browser: Any, some: Records, tmp_path: Path) -> None:
    page_file = write_page(replace(some, maps=[]), {}, tmp_path / "index.html")
    with Window(browser, page_file) as page:
        assert page.locator("#mapless").is_visible()
        assert not page.locator("#tiles").is_visible()
        assert page.locator("select[name=order]").input_value() == "scores"
        assert page.locator("#scores").is_visible()
        assert page.locator("#curves").is_visible()


@pytest.mark.slow
def test_hostile_names_run_nothing(browser: Any, page_records: ModuleType, tmp_path: Path) -> None:
    records = page_records.made_up(("mint", HOSTILE), 4, classes=(HOSTILE, "disc"))
    page_file = write_page(records, sections(records), tmp_path / "index.html")
    with Window(browser, page_file) as page:
        page.locator("table.sortable tbody tr").nth(1).locator("a").first.click()
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None
        assert HOSTILE in page.locator("#scores").inner_text()
        assert page.locator("select[name=method]").input_value() == HOSTILE


@pytest.mark.slow
def test_all_of_it_works_by_keyboard(browser: Any, file: Path) -> None:
    with Window(browser, file) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")  # the table's scrolling region
        page.keyboard.press("Tab")  # its first header
        page.keyboard.press("Enter")
        assert page.locator("th[aria-sort]").first.inner_text().startswith("method")
        for _ in range(5):
            page.keyboard.press("Tab")  # four more headers, then the table's numbers, one stop for all
        assert page.evaluate("document.activeElement.closest('td').cellIndex") == 1
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        where = "[document.activeElement.closest('td').cellIndex, document.activeElement.closest('tr').rowIndex]"
        assert page.evaluate(where) == [2, 2]
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(style) == "solid"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "list"
        assert page.locator("select[name=metric]").input_value() == "insertion"
        before = chosen(page)
        page.keyboard.press("ArrowDown")
        assert chosen(page) != before
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "return"
        page.keyboard.press("Enter")
        assert page.evaluate(where) == [2, 2]


@pytest.mark.slow
def test_the_address_brings_back_what_was_shown(browser: Any, file: Path) -> None:
    with Window(browser, file) as page:
        page.locator("table.sortable tbody td a").nth(0).click()
        page.keyboard.press("PageDown")
        page.get_by_text("worst first").click()
        page.wait_for_timeout(600)
        key, address = chosen(page), page.url
        page.goto("about:blank")
        page.goto(address)
        wait_for(page, key)
        assert page.locator("input[value=worst]").is_checked()
        assert page.locator("select[name=metric]").input_value() == "deletion"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_accessibility_checker_finds_nothing(browser: Any, file: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    size = {"width": width, "height": 800}
    with Window(browser, file, viewport=size, color_scheme=scheme, reduced_motion="reduce") as page:
        for opened in (False, True):
            if opened:
                page.locator("table.sortable tbody td a").nth(5).click()
                page.locator("#methods button").nth(1).click()
                page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
                page.wait_for_timeout(300)
            found = axe.Axe().run(page).response["violations"]
            assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_twenty_methods_on_two_hundred_pictures_do_not_stutter(
    browser: Any, page_records: ModuleType, tmp_path: Path
) -> None:
    records = page_records.made_up([f"method-{i}" for i in range(20)], 200, networks=("vgg", "resnet"), side=224)
    page_file = write_page(records, sections(records), tmp_path / "index.html")
    with Window(browser, page_file) as page:
        session = page.context.new_cdp_session(page)
        # Processor time, not the clock's: other programs do not count.
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def scripting() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            names = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
            return float(1000 * sum(each["value"] for each in metrics if each["name"] in names))

        steps = {
            "sort": lambda: page.locator(".sortable thead button").nth(2).click(),
            "open": lambda: page.locator("td a").nth(7).click(),
            "next": lambda: page.keyboard.press("ArrowDown"),
            "last": lambda: page.keyboard.press("End"),
            "order": lambda: page.select_option("select[name=order]", "maps"),
            "network": lambda: page.select_option("select[name=setting]", "1"),
        }
        for name, step in steps.items():
            before = scripting()
            step()
            page.wait_for_timeout(400)
            assert scripting() - before < 100, name
