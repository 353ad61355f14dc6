"""The page's file: tables, paragraphs, and that it stands alone."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import HOSTILE, PLACES, blocks, comparing_tables, with_controls, write
from paper import made_up
from PIL import Image

from benchmarks.report.page import Folded, Picture
from benchmarks.report.page.build import embedded_json, page_table
from benchmarks.report.page.markdown import html, inline_html
from benchmarks.report.page.viewer import gather
from benchmarks.report.tables import Entry, Metric, Subject, Table
from benchmarks.results.records import Records


def test_json_in_a_script_ends_no_script_and_holds_no_nan() -> None:
    text = embedded_json({"name": HOSTILE})
    assert "<" not in text
    assert json.loads(text) == {"name": HOSTILE}
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json({"score": float("nan")})


POINTING = Metric("pointing", "higher", "difficult", "pointing, difficult")


def table(header: list[Any], *rows: list[Entry]) -> dict[str, Any]:
    return page_table(Table("more", "More", header, rows), PLACES)


def test_cells_lead_to_their_pictures_and_say_why_they_are_empty() -> None:
    header = [
        "method",
        Metric("deletion", "lower", note="14 cases"),
        Metric("pointing", "higher", "difficult", "pointing, difficult"),
        "note",
    ]
    subjects = [Subject(PLACES[0], "mint", "deletion"), Subject(PLACES[0], "mint", "pointing", "difficult")]
    found = table(
        header,
        [
            Entry("mint"), Entry(-0.25, bold=True, low=-0.3, high=-0.2, subject=subjects[0]),
            Entry(np.nan, missing="does not apply", subject=subjects[1]), Entry("as is"),
        ],
        [
            Entry("lime"), Entry(0.5, low=0.1, high=0.7, subject=subjects[0]), Entry(0.1, subject=subjects[1]),
            Entry("\N{EN DASH}"),
        ],
    )  # fmt: skip
    _, deletion, pointing, note = found["columns"]
    assert (found["title"], found["id"]) == ("More", "t-more")
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
    assert (first[1]["small"], second[1]["small"]) == ("±0.050", "±0.300")
    assert (first[1]["bold"], second[1]["bold"]) == (True, False)


@pytest.mark.parametrize(
    ("compared", "place", "number", "address"),
    [
        ((), PLACES[1], 0.1, "#view?s=1&o=score&m=lime&k=deletion&u=all"),
        (("difference", "mint"), PLACES[0], 0.1, "#view?s=0&o=difference&m=lime&k=deletion&u=all&a=mint"),
        (("margin", "blurred", True), PLACES[0], 0.1, "#view?s=0&o=margin&m=lime&k=deletion&u=all&n=blurred"),
        (("difference", "mint"), PLACES[0], np.nan, ""),  # either side may be the reason
        ((), ("scenes", "unknown"), 0.1, ""),  # of no setting of the viewer
    ],
)
def test_a_number_leads_to_the_pictures_of_its_subject(
    compared: tuple[Any, ...], place: tuple[str, str], number: float, address: str
) -> None:
    entry = Entry(number, subject=Subject(place, "lime", "deletion", "all", *compared))
    assert table(["method", "x"], [Entry("lime"), entry])["rows"][0][1]["href"] == address


def test_cells_that_compare_lead_to_the_pictures_by_what_they_compare(some: Records) -> None:
    found = [page_table(each, PLACES) for each in comparing_tables(with_controls(some))]
    asked = {each["id"]: [cell["href"] for row in each["rows"] for cell in row if cell["href"]] for each in found}
    kinds = {name: {re.sub("&[mku]=[^&]*", "", href.split("?")[1]) for href in hrefs} for name, hrefs in asked.items()}
    assert kinds == {
        "t-nulls": {"s=0&o=margin&a=random"},
        "t-controls": {"s=0&o=margin&n=shuffled"},
        "t-resolution": {"s=0&o=change&n=7x7"},
    }


def test_a_method_without_any_record_failed(some: Records) -> None:
    records = replace(some, scores=some.scores[some.scores["method"] != "lime"])
    lime = page_table(blocks(records)[0], PLACES)["rows"][2]
    assert [cell["text"] for cell in lime[:3]] == ["lime", "vgg", "failed"]


def test_paragraphs_are_escaped_and_marked_up() -> None:
    assert inline_html("**a** < `b` *c*") == "<strong>a</strong> &lt; <code>b</code> <em>c</em>"
    assert inline_html("[x](tables/a.csv)") == '<a href="tables/a.csv">x</a>'
    assert "<a" not in inline_html("[x](javascript:alert)")
    assert "<script" not in inline_html(HOSTILE)
    assert "<script" not in html(f"a\n\n{HOSTILE}\n")
    found = html("## Head\nfirst\nline\n\n- one\n  wrapped\n- two\n\nlast")
    assert found.startswith("<h3>Head</h3>\n<p>first\nline</p>\n<ul>\n<li>one\nwrapped</li>")
    assert found.endswith("<p>last</p>\n")


def test_a_table_of_a_conclusion_is_a_table_that_scrolls() -> None:
    found = html("a | b\n\n| what | *is* |\n| --- | ---: |\n| x | < 2 |\n\n- one")
    assert found.startswith('<p>a | b</p>\n<div class="scroll"')
    assert "<th>what</th>" in found
    assert "&lt; 2</td>" in found


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
        write(
            some, [*blocks(some), Folded("Plots", "All.", [Picture(plot, "curves"), "In *words*."])], tmp_path / name
        ).read_text(encoding="utf-8")
        for name in ("a.html", "b.html")
    ]
    assert both[0] == both[1]
    read = Reader(both[0])
    assert read.outside == []
    assert len(read.ids) == len(set(read.ids))
    assert read.counts["table"] == 4  # of scores, the costs, and the two that the viewer fills
    assert 'alt="curves. ' in both[0]
    assert "default-src 'none'" in both[0]
    assert not re.search(r"\b(NaN|None|undefined|nan)\b", re.sub(r"<script.*?</script>", "", both[0], flags=re.DOTALL))


def test_names_cannot_break_out(tmp_path: Path) -> None:
    plain = made_up(("mint", "lime"), 4)
    hostile = made_up(("mint", HOSTILE), 4, classes=(HOSTILE,))
    counts = []
    for records in (plain, hostile):
        file = write(records, blocks(records)[:1], tmp_path / "index.html")
        counts.append(Reader(file.read_text(encoding="utf-8")).counts)
    assert counts[0] == counts[1]


def test_records_without_maps_still_make_a_page(some: Records, tmp_path: Path) -> None:
    old = replace(some, maps=[], curves=some.curves.iloc[:0])
    text = write(old, blocks(old), tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(gather(old)[0]["settings"][0]["cases"]) == 14
    assert "image/png;" not in text


def test_embedded_pictures_are_the_given_bytes(some: Records, tmp_path: Path) -> None:
    text = write(some, [], tmp_path / "index.html").read_text(encoding="utf-8")
    found = re.search(r'id="file-\d+">data:image/jpeg;base64,([^<]+)<', text)
    assert found is not None
    assert base64.b64decode(found[1]) in [each.picture_jpeg for each in some.maps]
