"""Puts the page together: template, style and scripts of this folder, and what the report hands over."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from benchmarks.report.page.prose import elements, inline
from benchmarks.report.page.viewer import base64_text, gather
from benchmarks.report.tables import ARROWS, Comparison, Entry, Table
from benchmarks.results.records import Records, own_maps

FOLDER = Path(__file__).parent
SCRIPTS = ("tables.js", "viewer.js")
MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
BETTER = {ARROWS["higher"]: "higher is better", ARROWS["lower"]: "lower is better"}
NUMBER = re.compile(r"[<>≤≥≈~]?\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
INTERVAL = re.compile(r"\[([+-]?[\d.]+), ([+-]?[\d.]+)\]")
MARKS = (
    # A minus, not a hyphen; an interval, and an arrow with its word, stay on one line.
    (re.compile(r"(?<![\w-])-(?=\d)"), "\N{MINUS SIGN}"),
    (re.compile(r"(?<=\[)(\S+), (\S+)(?=\])"), "\\1,\N{NO-BREAK SPACE}\\2"),
    (re.compile(f" (?=[{''.join(ARROWS.values())}])"), "\N{NO-BREAK SPACE}"),
)
NOTHING = "\N{EN DASH}"
WHERE = {
    "curves": "What they come to is in the tables at the section's beginning; the viewer draws each picture's own.",
    "scores": "The means are in the tables at the section's beginning; the viewer has each picture's scores.",
    "cost": "The scores are in the tables at the section's beginning, the times in the table of costs.",
    ".jpg": "The viewer has every picture with its maps and scores.",
    ".png": "The numbers are in this page's tables.",
}
"""Where the numbers of a picture are that has no table of its own, by its kind, or else by its file's."""


Block = Table | Path | str
"""A part of the page: a table, a PNG's or JPEG's file, or Markdown as far as `prose` reads it."""


def write_page(
    records: Records, sections: Mapping[str, Sequence[Block]], file: Path, numbers: Sequence[Table] = ()
) -> Path:
    """Write a page that stands alone: no other file, no network.

    Parameters
    ----------
    records : Records
        What the viewer shows, and where it is from.
    sections : Mapping
        The blocks by heading, which stand before the viewer; the headings are the page's menu, too. A number in a table
        leads to the pictures behind it if the table's name begins with "NETWORK-on-DATASET", and its header and the
        first two fields of its row name a method and a metric: by the method's score or, where the entry says what it
        compares, by that. A picture's caption is its file's name.
    file : pathlib.Path
        Where to write; an existing file is replaced.
    numbers : sequence of Table
        What pictures show, folded away under each: the table that is called like the picture's file.

    Returns
    -------
    pathlib.Path
        The file.
    """
    viewer = gather(records)
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    behind = {table.name: table for table in numbers}
    shown = [_section(number, heading, sections[heading], records, behind) for number, heading in enumerate(sections)]
    # What links and headers do is said once, before the first of them.
    groups = [group for section in shown for group in section["groups"]]
    hinted = next((group for group in groups if any(table["linked"] for table in group["tables"])), None)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    text = environment.get_template("template.html").render(
        plan=inputs["plan"],
        summary=inline(inputs["summary"]),
        facts=_facts(run),
        settings=inputs["settings"],
        sections=shown,
        hinted=hinted,
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup((FOLDER / name).read_text(encoding="utf-8")) for name in SCRIPTS],
        index=Markup(embedded_json(viewer.index)),
        pictures=[base64_text(picture) for picture in viewer.pictures],
        blobs=[base64_text(blob) for blob in viewer.blobs],
    )
    file.write_text(text, encoding="utf-8", newline="\n")
    return file


def embedded_json(data: Any) -> str:
    """Spell plain data as JSON that can stand in a script element: no "<", so no end tag and no comment.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which JSON has no word for.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what the page's foot says of the run, as far as it is known, but not when: equal runs make equal pages."""
    hardware, git = run.get("hardware") or {}, run.get("git") or {}
    commit = (git.get("commit") or "")[:12] + (" with changes" if git.get("dirty") else "")
    facts = {
        "command": run.get("command"),
        "machine": hardware.get("gpu") or hardware.get("cpu"),
        "python": hardware.get("python"),
        "commit": commit,
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _section(
    number: int, heading: str, contents: Sequence[Block], records: Records, behind: Mapping[str, Table]
) -> dict[str, Any]:
    """Lay a section out: neighbouring tables, pictures and paragraphs make groups."""
    groups = []
    for kind, alike in groupby(contents, key=_kind):
        group: dict[str, Any] = {"tables": [], "images": [], "paragraphs": []}
        for block in alike:
            if isinstance(block, Table):
                group[kind].append(page_table(block, heading, records))
            elif isinstance(block, Path):
                group[kind].append(_image(block, behind.get(block.stem)))
            else:
                group[kind].extend(elements(block))
        groups.append(group)
    return {"id": f"s{number}-{slug(heading)}", "title": heading, "groups": groups}


def _kind(block: Block) -> str:
    return "tables" if isinstance(block, Table) else "images" if isinstance(block, Path) else "paragraphs"


def slug(text: str) -> str:
    """Make a text fit for an id: ASCII letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _image(file: Path, numbers: Table | None) -> dict[str, Any]:
    words = file.stem.replace("-on-", " on ")
    name, _, kind = words.rpartition(".")
    caption = f"{kind}: {name}" if name else f"{file.parent.name}: {words}"
    where = "The numbers are in the table under it." if numbers else WHERE.get(kind, WHERE.get(file.suffix, ""))
    return {
        "source": f"data:{MEDIA[file.suffix]};base64,{base64_text(file.read_bytes())}",
        "caption": caption,
        "words": f"{caption}. {where}".strip(),
        "numbers": numbers,
    }


@dataclass(frozen=True)
class _Place:
    """The network and dataset that a table is about, and its number among the settings."""

    number: int
    setting: Mapping[str, Any]


def page_table(table: Table, heading: str, records: Records) -> dict[str, Any]:
    """Lay a table out for the template: how each column sorts, where each cell leads, why a cell is empty."""
    place = _place_of(table, records.provenance["inputs"]["settings"])
    columns = [_column(name) for name in table.header]
    # Among comparisons, a number that is none is of some of the cases only, and leads nowhere.
    compares = any(entry.compared for row in table.rows for entry in row)
    rows = []
    for row in table.rows:
        cells = []
        for header, entry in zip(table.header, row, strict=True):
            subject = _subject([header, *(each.text for each in row[:2])], place, entry.compared)
            cells.append(_cell(entry, None if compares and not entry.compared else subject, records))
        rows.append(cells)
    for i, column in enumerate(columns):
        own = [row[i] for row in rows]
        filled = [cell for cell in own if not cell["missing"]]
        column["numeric"] = i > 0 and bool(filled) and all(cell["value"] is not None for cell in filled)
        _whiskers(own)
    linked = any(cell["href"] for row in rows for cell in row)
    # The heading says already what the title may begin with.
    title = table.title.removeprefix(heading).removeprefix(": ")
    return {
        "id": f"t-{slug(table.name)}",
        "title": f"{title[:1].upper()}{title[1:]}" or table.title,
        "repeats": not title,
        "columns": columns,
        "rows": rows,
        "linked": linked,
    }


def _place_of(table: Table, settings: Sequence[Mapping[str, Any]]) -> _Place | None:
    """Find the network and dataset that a table's name begins with, the longest where several do."""
    fitting = []
    for number, setting in enumerate(settings):
        name = f"{setting['network']['name']}-on-{setting['dataset']}"
        if table.name == name or table.name.startswith((f"{name}-", f"{name}.")):
            fitting.append((len(name), _Place(number, setting)))
    return max(fitting, key=lambda each: each[0])[1] if fitting else None


def _column(header: str) -> dict[str, Any]:
    """Take a header apart, "pointing, all ↑ (40 cases)": the label, the direction and the note."""
    label, arrow, note = _parts(header)
    return {
        "label": label,
        "arrow": arrow,
        "better": BETTER.get(arrow, ""),
        "note": note,
        "ascending": arrow == ARROWS["lower"],
    }


def _parts(text: str) -> tuple[str, str, str]:
    label, _, note = text.partition(" (")
    arrow = next((arrow for arrow in BETTER if label.endswith(arrow)), "")
    return label.removesuffix(arrow).strip(), arrow, note.removesuffix(")")


@dataclass(frozen=True)
class _Subject:
    """Whose scores a cell is about, and what they are compared with."""

    place: _Place
    method: str
    metric: str
    subset: str
    compared: Comparison | None

    @property
    def href(self) -> str:
        order = self.compared.kind if self.compared else "score"
        asked = {"s": self.place.number, "o": order, "m": self.method, "k": self.metric, "u": self.subset}
        if self.compared:
            asked["n" if self.compared.own else "a"] = self.compared.other
        return f"#view?{urlencode(asked)}"


def _subject(texts: Sequence[str], place: _Place | None, compared: Comparison | None) -> _Subject | None:
    """Find the method and the metric that a cell's header and the beginning of its row name; None unless both."""
    if place is None:
        return None
    labels = [_parts(text)[0] for text in texts]
    methods = [label for label in labels if label in place.setting["methods"]]
    metrics = [
        (name, subset)
        for label in labels
        for name, about in place.setting["metrics"].items()
        for subset in about["subsets"]
        if label in (name, f"{name}, {subset}")
    ]
    return _Subject(place, methods[0], *metrics[0], compared) if methods and metrics else None


def _cell(entry: Entry, subject: _Subject | None, records: Records) -> dict[str, Any]:
    text = entry.text.strip()
    found = NUMBER.match(text)
    # A comparison without a number has no pictures, and either side may be the reason.
    linked = subject if found or (text == NOTHING and not entry.compared) else None
    return {
        "text": _typeset(text if found or not linked else _absence(linked, records)),
        "note": _typeset(entry.note),
        "interval": INTERVAL.search(entry.note),
        "bold": entry.bold,
        "missing": text in ("", NOTHING),
        "value": float(found[1]) if found else None,
        "href": linked.href if linked else "",
        "metric": linked.metric if linked else None,
        "whisker": None,
    }


def _typeset(text: str) -> str:
    for pattern, replacement in MARKS:
        text = pattern.sub(replacement, text)
    return text


def _absence(subject: _Subject, records: Records) -> str:
    """Say why a method has no score under a metric: records without a number are of cases it does not apply to."""
    scores, setting = own_maps(records.scores), subject.place.setting
    mine = (scores["method"] == subject.method) & (scores["metric"] == subject.metric)
    here = (scores["dataset"] == setting["dataset"]) & (scores["network"] == setting["network"]["name"])
    return "does not apply" if (mine & here).any() else "failed"


def _whiskers(column: Sequence[dict[str, Any]]) -> None:
    """Give the cells of a column that have an interval its place, in per cent of the column's range.

    Not in a column that holds several metrics: their scales differ.
    """
    if len({cell["metric"] for cell in column if cell["interval"]}) > 1:
        return
    bounds = {}
    for place, cell in enumerate(column):
        if cell["interval"] and cell["value"] is not None:
            bounds[place] = tuple(float(each) for each in cell["interval"].groups())
    if not bounds:
        return
    low = min(low for low, _ in bounds.values())
    width = max(high for _, high in bounds.values()) - low
    if not width > 0:
        return
    for place, (left, right) in bounds.items():
        cell = column[place]
        middle = min(max(cell["value"], left), right)
        places = {"left": left - low, "width": right - left, "mean": middle - low}
        cell["whisker"] = {name: round(100 * value / width, 1) for name, value in places.items()}
        # Where nothing differs from nothing: the line that an interval may leave out.
        if low < 0 < low + width:
            cell["whisker"]["zero"] = round(-100 * low / width, 1)
