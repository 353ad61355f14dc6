"""Writes what all reports leave behind: findings, tables, and both pages, made with the files of this folder."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pandas as pd
from markupsafe import Markup

from benchmarks.report import tables
from benchmarks.report.circumstances import unfinished
from benchmarks.report.numbers import DASH
from benchmarks.report.page.markdown import Block, Folded, Picture, conclusions, html, inline_html, write_markdown
from benchmarks.report.page.viewer import gather
from benchmarks.report.tables import ARROWS, Entry, Metric, Place, Subject, Table
from benchmarks.results.records import Records, place_in

FOLDER = Path(__file__).parent
SCRIPTS = ("tables.js", "viewer.js")
MEDIA = {".png": "image/png", ".jpg": "image/jpeg"}
PLACES = {"tables": (".csv", ".md", ".tex"), "plots": (".png",), "gallery": (".jpg",), "pictures": (".js",)}
"""The folders that a report writes, and the endings of what is its own in them."""
MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def fresh(directory: Path, findings: Mapping[str, pd.DataFrame]) -> None:
    """Empty a report's folders of what an earlier one left there, and write the findings as CSV files."""
    for folder, endings in PLACES.items():
        if folder == "gallery" and not (directory / folder / "data.npz").is_file():
            continue  # without the maps it cannot be drawn again
        for stale in [file for file in (directory / folder).glob("*") if file.suffix in endings]:
            stale.unlink(missing_ok=True)  # another process may be making the same report
    for folder in ("tables", "plots", "gallery"):
        (directory / folder).mkdir(exist_ok=True)
    for name, frame in findings.items():
        frame.to_csv(directory / "tables" / f"{name}.csv", index=False, float_format="%.6g")


def write_pages(records: Records, first: Sequence[Block], sections: Sequence[Folded], directory: Path) -> None:
    """Write every table as LaTeX, and README.md and index.html: the first blocks, what a person concluded, sections.

    Sections without any block are left out.
    """
    blocks = [*first, *(each for each in (conclusions(directory), *sections) if each and each.blocks)]
    for table in _tables(blocks):
        (directory / "tables" / f"{table.name}.tex").write_text(tables.latex(table), encoding="utf-8")
    inputs = records.provenance["inputs"]
    said = unfinished(records.provenance)
    write_markdown(inputs["plan"], [*filter(None, [said]), inputs["summary"], *blocks], directory / "README.md")
    write_html(records, blocks, directory / "index.html")


def write_html(records: Records, blocks: Sequence[Block], file: Path) -> None:
    """Write a page that asks nothing of the network, with a viewer of the pictures under its blocks.

    A number in a table leads to the pictures of its subject. Where there are too many pictures for one file, those on
    which the methods disagree least are in files of the folder "pictures", which the page reads when it is asked to.
    """
    index, files, more = gather(records)
    inputs = records.provenance["inputs"]
    places = [place_in(setting) for setting in inputs["settings"]]
    for number, part in enumerate(more):
        (file.parent / "pictures").mkdir(exist_ok=True)
        text = embedded_json({**part, "files": {n: data_uri(*each) for n, each in part["files"].items()}})
        (file.parent / "pictures" / f"{number}.js").write_text(f"addPictures({text});\n", encoding="utf-8")
    render(
        file,
        title=inputs["plan"],
        summary=inline_html(f"{unfinished(records.provenance)} {inputs['summary']}".strip()),
        blocks=[lay_out(block, "", places) for block in blocks],
        scripts=[Markup((FOLDER / name).read_text(encoding="utf-8")) for name in SCRIPTS],
        index=Markup(embedded_json(index)),
        files={number: data_uri(*each) for number, each in files.items()},
        more=bool(more),
    )


def render(file: Path, **given: Any) -> None:
    """Write a page by the template of this folder."""
    strict: Any = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    loader = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **strict)
    style = Markup((FOLDER / "style.css").read_text(encoding="utf-8"))
    text = environment.get_template("template.html").render(style=style, **given)
    file.write_text(text, encoding="utf-8", newline="\n")


def _tables(blocks: Sequence[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Folded):
            yield from _tables(block.blocks)


def data_uri(data: bytes, media: str) -> str:
    """Spell a file so that it can stand in HTML."""
    return f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"


def embedded_json(data: Any) -> str:
    """Spell plain data, without NaN and infinity, as JSON without "<": a script element can hold it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def lay_out(block: Block, heading: str, places: Sequence[Place]) -> dict[str, Any]:
    """Lay a block out for the template; ``places`` are the viewer's settings, ``heading`` is its section's."""
    if isinstance(block, Folded):
        inner = [lay_out(each, block.title, places) for each in block.blocks]
        return {"kind": "fold", "title": block.title, "sentence": block.sentence, "blocks": inner}
    if isinstance(block, Table):
        return {"kind": "table", **page_table(block, places), "repeats": block.title in ("", heading)}
    if isinstance(block, Picture):
        source = f"{block.file.parent.name}/{block.file.name}" if block.linked else ""
        source = source or data_uri(block.file.read_bytes(), MEDIA[block.file.suffix])
        return {"kind": "picture", "source": source, "words": block.words, "linked": block.linked}
    return {"kind": "text", "text": html(block)}


def page_table(table: Table, places: Sequence[Place]) -> dict[str, Any]:
    """Lay a table out for the template: how each column sorts, where each cell leads, why a cell is empty."""
    columns = [_column(name) for name in table.header]
    rows = [[_cell(entry, places) for entry in row] for row in table.rows]
    for i, column in enumerate(columns):
        filled = [row[i] for row in rows if not row[i]["missing"]]
        column["numeric"] = i > 0 and bool(filled) and all(cell["value"] is not None for cell in filled)
    return {"id": f"t-{table.name}", "title": table.title, "columns": columns, "rows": rows}


def _column(name: str | Metric) -> dict[str, Any]:
    if isinstance(name, str):
        return {"label": name, "arrow": "", "better": "", "note": "", "ascending": False}
    label = {"label": name.title or name.name, "arrow": ARROWS[name.direction], "note": name.note}
    return label | {"better": f"{name.direction} is better", "ascending": name.direction == "lower"}


def _cell(entry: Entry, places: Sequence[Place]) -> dict[str, Any]:
    subject, text = entry.subject, entry.text
    if isinstance(entry.value, Metric):
        text = SPACE.join(text.rsplit(" ", 1))
    if entry.number is not None:
        text = text.replace("-", MINUS)
    # A comparison without a number has no pictures: either side may be the reason.
    linked = subject and subject.place in places and (entry.number is not None or subject.kind == "score")
    return {
        "text": text,
        "small": entry.small,
        "bold": entry.bold,
        "missing": entry.number is None and text in ("", DASH, entry.missing),
        "value": entry.number,
        "href": _address(subject, places.index(subject.place)) if subject and linked else "",
    }


def _address(subject: Subject, setting: int) -> str:
    """Return the address at which the viewer shows the pictures of a subject."""
    asked = {"s": setting, "o": subject.kind, "m": subject.method, "k": subject.metric, "u": subject.subset}
    if subject.other:
        asked["n" if subject.own else "a"] = subject.other
    return f"#view?{urlencode(asked)}"
