"""The page in a browser."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from pages import HOSTILE, METHODS, blocks, comparing_tables, with_controls, write
from paper import made_up
from PIL import Image

from benchmarks.analysis.scores import summarise
from benchmarks.report.comparison_tables import cost_table, score_tables
from benchmarks.report.page import Folded, Picture, viewer
from benchmarks.report.tables import Entry, Table
from benchmarks.results.records import Records

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
    wins = Table("wins", "wins", ["metric", *METHODS], [[Entry("deletion"), *map(Entry, "1234")]])
    # Of one network, with the columns of numbers first.
    (scores,) = score_tables(summarise(some).query("network == 'vgg'"))
    folded = Folded("Plots", "What wins.", [Picture(plot, "wins"), wins])
    box = "> **mint** against lime:\n> - **behind** lime."
    return write(some, [box, "- A *sentence*.", scores, cost_table(some.timings), folded], folder / "index.html")


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
    page_file = write(replace(some, curves=curves), [], tmp_path / "index.html")
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
    page_file = write(records, blocks(records), tmp_path / "index.html")
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
    page_file = write(records, [], tmp_path / "index.html")
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
    page_file = write(records, comparing_tables(records), tmp_path / "index.html")
    higher = {"deletion": False, "insertion": True, "pointing": True}
    visited = {"margin": 0, "change": 0}
    with Window(browser, page_file) as page:
        for link in page.locator("td a").all():
            link.evaluate("link => link.click()")
            asked = dict(parse_qsl(str(link.get_attribute("href")).partition("?")[2]))
            cell = link.evaluate("link => link.closest('td').innerText").replace("\N{MINUS SIGN}", "-")
            value = float(cell.split()[0])
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
    page_file = write(replace(some, maps=[]), [], tmp_path / "index.html")
    with Window(browser, page_file) as page:
        assert page.locator("#mapless").is_visible()
        assert not page.locator("#tiles").is_visible()
        assert page.locator("select[name=order]").input_value() == "scores"
        assert page.locator("#scores").is_visible()
        assert page.locator("#curves").is_visible()


@pytest.mark.slow
def test_hostile_names_run_nothing(browser: Any, tmp_path: Path) -> None:
    records = made_up(("mint", HOSTILE), 4, classes=(HOSTILE, "disc"))
    page_file = write(records, blocks(records), tmp_path / "index.html")
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
@pytest.mark.parametrize("width", [1280, 390])
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
def test_pictures_for_which_there_is_no_room_come_from_files_beside_the_page(
    browser: Any, some: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "ROOM", 60_000)
    page_file = write(some, [], tmp_path / "index.html")
    assert page_file.stat().st_size < 60_000 + 120_000
    with Window(browser, page_file) as page:
        few = page.locator("#list li").count()
        assert 0 < few < 14
        assert "14 cases" in count_text(page)
        while page.locator("#more").is_visible():
            before = page.locator("#more").inner_text()
            page.locator("#more").click()
            page.wait_for_function(
                "text => document.querySelector('#more').textContent !== text || more.hidden", arg=before
            )
        keys = page.locator("#list li").evaluate_all("all => all.map(each => each.dataset.key)")
        assert len(keys) == 14
        page.locator("#list li").last.click()
        wait_for(page, keys[-1])
        assert page.locator(".tile .absent").count() == 0


@pytest.mark.slow
def test_twenty_methods_on_two_hundred_pictures_do_not_stutter(browser: Any, tmp_path: Path) -> None:
    records = made_up([f"method-{i}" for i in range(20)], 200, networks=("vgg", "resnet"), side=224)
    page_file = write(records, blocks(records), tmp_path / "index.html")
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
