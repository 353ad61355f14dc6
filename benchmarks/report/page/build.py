"""Writes what all reports leave behind: findings, tables, and both pages, made with the files of this folder."""

import base64
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from benchmarks.report import tables
from benchmarks.report.numbers import DASH
from benchmarks.report.page.markdown import (
    Block,
    Picture,
    html,
    inline_html,
    title_under,
    with_conclusions,
    write_markdown,
)
from benchmarks.report.page.viewer import gather
from benchmarks.report.sentences import efficiency
from benchmarks.report.tables import ARROWS, Entry, Metric, Subject, Table
from benchmarks.results.records import Records

FOLDER = Path(__file__).parent
SCRIPTS = ("tables.js", "viewer.js")
MEDIA = {".png": "image/png", ".jpg": "image/jpeg"}
PLACES = {"tables": (".csv", ".md", ".tex"), "plots": (".png",), "gallery": (".jpg",)}
"""The folders that a report writes, and the endings of what is its own in them."""
MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def write_html(records: Records, sections: Mapping[str, Sequence[Block]], file: Path) -> None:
    """Write a page that stands alone: no other file, no network.

    The sections' blocks, by heading, stand before the viewer; the headings are the page's menu, too. A number in the
    table of a setting leads to the pictures of its subject.
    """
    index, files = gather(records)
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    places = [(setting["dataset"], setting["network"]["name"]) for setting in inputs["settings"]]
    shown: list[dict[str, Any]] = [
        {"id": f"s{number}", "title": heading, "groups": _groups(blocks, heading, places)}
        for number, (heading, blocks) in enumerate(sections.items())
    ]
    # What links and headers do is said once, before the first of them.
    groups = [group for section in shown for group in section["groups"]]
    hinted = next((group for group in groups if any(table["linked"] for table in group["tables"])), None)
    strict: Any = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    loader = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **strict)
    text = environment.get_template("template.html").render(
        plan=inputs["plan"],
        summary=inline_html(inputs["summary"]),
        facts=_facts(run),
        settings=inputs["settings"],
        sections=shown,
        hinted=hinted,
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup((FOLDER / name).read_text(encoding="utf-8")) for name in SCRIPTS],
        index=Markup(embedded_json(index)),
        files=[data_uri(data, media) for data, media in files],
    )
    file.write_text(text, encoding="utf-8", newline="\n")


def fresh(directory: Path, findings: Mapping[str, pd.DataFrame], *folders: str) -> None:
    """Make the folders of a report, without what an earlier one left there, and write the findings as CSV files."""
    for folder in folders:
        (directory / folder).mkdir(exist_ok=True)
        for stale in (directory / folder).iterdir():
            if stale.suffix in PLACES[folder]:
                stale.unlink()
    for name, frame in findings.items():
        frame.to_csv(directory / "tables" / f"{name}.csv", index=False, float_format="%.6g")


def origin(records: Records) -> str:
    """Say what a plan is, and where its numbers are from."""
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    return (
        f"{inputs['summary']} Made by `{run['command']}`. All that determines these numbers is in "
        "[provenance.json](provenance.json), and every score is in `records.parquet`."
    )


def cost_section(records: Records) -> dict[str, list[Block]]:
    """Make the section of what the methods and the run itself cost; none where nothing was measured."""
    blocks: list[Block] = [tables.cost_table(records.timings)] if len(records.timings) else []
    measured = pd.DataFrame(records.provenance["run"].get("efficiency", ()))
    if len(measured):
        # Joined runs have a row each.
        summed = measured.groupby(["dataset", "network"], sort=False, as_index=False).sum()
        blocks.append("\n".join(f"- {efficiency(row)}" for row in summed.to_dict("records")))
    return {"Cost": blocks} if blocks else {}


def write_pages(records: Records, sections: Mapping[str, Sequence[Block]], directory: Path) -> None:
    """Write every table as Markdown and LaTeX, and the sections as README.md and index.html."""
    for table in (block for blocks in sections.values() for block in blocks if isinstance(block, Table)):
        for suffix, spell in (("md", tables.markdown), ("tex", tables.latex)):
            (directory / "tables" / f"{table.file}.{suffix}").write_text(spell(table), encoding="utf-8")
    write_markdown(records.provenance["inputs"]["plan"], sections, directory / "README.md")
    write_html(records, with_conclusions(sections, directory), directory / "index.html")


def data_uri(data: bytes, media: str) -> str:
    """Spell a file so that it can stand in HTML."""
    return f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"


def embedded_json(data: Any) -> str:
    """Spell plain data, without NaN and infinity, as JSON without "<": a script element can hold it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what the page's foot says of the run, as far as it is known, but not when: equal runs make equal pages."""
    hardware, git = run.get("hardware") or {}, run.get("git") or {}
    commit = (git.get("commit") or "")[:12] + (" with changes" if git.get("dirty") else "")
    facts = {"command": run.get("command"), "machine": hardware.get("gpu") or hardware.get("cpu")}
    facts |= {"python": hardware.get("python"), "commit": commit}
    return [(name, str(value)) for name, value in facts.items() if value]


def _groups(blocks: Sequence[Block], heading: str, places: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Lay a section out: neighbouring tables, pictures and paragraphs make groups."""
    return [
        {
            "tables": [page_table(block, heading, places) for block in alike if isinstance(block, Table)],
            "images": [_image(block, places) for block in alike if isinstance(block, Picture)],
            "paragraphs": [html(block) for block in alike if isinstance(block, str)],
        }
        for alike in (list(group) for _, group in groupby(blocks, key=type))
    ]


def _image(picture: Picture, places: Sequence[tuple[str, str]]) -> dict[str, Any]:
    image = {"source": data_uri(picture.file.read_bytes(), MEDIA[picture.file.suffix]), "caption": picture.words}
    if picture.numbers is None:
        elsewhere = "The numbers are in this page's tables, and the viewer has every picture."
        return image | {"words": f"{picture.words}. {elsewhere}", "numbers": None}
    table = page_table(picture.numbers, "", places)
    return image | {"words": f"{picture.words}. The numbers are in the table under it.", "numbers": table}


def page_table(table: Table, heading: str, places: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Lay a table out for the template: how each column sorts, where each cell leads, why a cell is empty.

    ``heading`` is its section's; ``places`` has the data set and network of each of the viewer's settings.
    """
    number = places.index(table.place) if table.place in places else None
    columns = [_column(name) for name in table.header]
    rows = [[_cell(entry, number) for entry in row] for row in table.rows]
    for i, column in enumerate(columns):
        filled = [row[i] for row in rows if not row[i]["missing"]]
        column["numeric"] = i > 0 and bool(filled) and all(cell["value"] is not None for cell in filled)
        for row, whisker in zip(rows, _whiskers([row[i] for row in table.rows]), strict=True):
            row[i]["whisker"] = whisker
    title = title_under(table, heading)
    return {
        "id": f"t-{table.file}",
        "title": title or table.caption,
        "repeats": not title,
        "columns": columns,
        "rows": rows,
        "linked": any(cell["href"] for row in rows for cell in row),
    }


def _column(name: str | Metric) -> dict[str, Any]:
    if isinstance(name, str):
        return {"label": name, "arrow": "", "better": "", "note": "", "ascending": False}
    label = {"label": name.title or name.name, "arrow": ARROWS[name.direction], "note": name.note.strip("()")}
    return label | {"better": f"{name.direction} is better", "ascending": name.direction == "lower"}


def _cell(entry: Entry, setting: int | None) -> dict[str, Any]:
    subject, text = entry.subject, entry.text
    if isinstance(entry.value, Metric):
        text = SPACE.join(text.rsplit(" ", 1))
    if entry.number is not None:
        text = text.replace("-", MINUS)
    # A comparison without a number has no pictures: either side may be the reason.
    linked = subject and setting is not None and (entry.number is not None or subject.kind == "score")
    return {
        "text": text,
        "spread": entry.spread.replace("-", MINUS).replace(", ", f",{SPACE}"),
        "note": entry.value.note if isinstance(entry.value, Metric) else entry.note,
        "bold": entry.bold,
        "missing": entry.number is None and text in ("", DASH, entry.missing),
        "value": entry.number,
        "href": _address(subject, setting) if subject and linked else "",
    }


def _address(subject: Subject, setting: int | None) -> str:
    """Return the address at which the viewer shows the pictures of a subject."""
    asked = {"s": setting, "o": subject.kind, "m": subject.method, "k": subject.metric, "u": subject.subset}
    if subject.other:
        asked["n" if subject.own else "a"] = subject.other
    return f"#view?{urlencode(asked)}"


def _whiskers(column: Sequence[Entry]) -> list[dict[str, float] | None]:
    """Give each entry of a column the place of its interval, in per cent of the column's range; None without one.

    Not in a column that holds several metrics: their scales differ.
    """
    shown = {i: e for i, e in enumerate(column) if e.number is not None and not np.isnan(e.low)}
    low = min((entry.low for entry in shown.values()), default=0.0)
    high = max((entry.high for entry in shown.values()), default=0.0)
    places: list[dict[str, float] | None] = [None] * len(column)
    if len({entry.subject and entry.subject.metric for entry in shown.values()}) > 1 or not high > low:
        return places
    for i, entry in shown.items():
        value = entry.value if np.isnan(entry.change) else entry.change
        middle = min(max(float(value), entry.low), entry.high)  # type: ignore[arg-type]
        place = {"left": entry.low - low, "width": entry.high - entry.low, "mean": middle - low}
        if low < 0 < high:
            # Where nothing differs from nothing: the line that an interval may leave out.
            place["zero"] = -low
        places[i] = {name: round(100 * each / (high - low), 1) for name, each in place.items()}
    return places
