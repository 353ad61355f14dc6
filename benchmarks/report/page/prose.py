"""The little Markdown that a report's paragraphs are written in, turned into HTML; all else is escaped."""

import re
from itertools import groupby

from markupsafe import Markup, escape

BULLET = re.compile(r"[-*]\s+")
HEADING = re.compile(r"#+\s+")
RULE = re.compile(r"^\|(?: *:?-+:? *\|)+$", re.MULTILINE)
SPANS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*", re.DOTALL), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])"), r"<em>\1</em>"),
    # Nothing but a relative path, a place in the page or the web: no javascript: links.
    (re.compile(r"\[([^\]]+)\]\(((?:https?://)?[\w./#-]+)\)"), r'<a href="\2">\1</a>'),
)


def inline(text: str) -> Markup:
    """Escape a text, then mark up its `code`, **strong**, *emphasised* and [linked](paths) spans."""
    html = str(escape(text))
    for pattern, replacement in SPANS:
        html = pattern.sub(replacement, html)
    return Markup(html)


def elements(text: str) -> list[Markup]:
    """Make an HTML element of each heading, list, table and paragraph; all headings are of the third level."""
    apart = re.sub(r"^(#+\s.*)$", r"\n\1\n", text, flags=re.MULTILINE)
    blocks = [part.strip() for part in re.split(r"\n\s*\n|\n(?=[-*]\s)", apart) if part.strip()]
    found = []
    for kind, group in groupby(blocks, key=_kind):
        if kind == "table":
            found += [_table(block) for block in group]
            continue
        own = [inline(re.sub(r"^(?:[-*]|#+)\s+", "", block)) for block in group]
        if kind == "li":
            items = Markup("").join(Markup("<li>{}</li>").format(each) for each in own)
            found.append(Markup("<ul>{}</ul>").format(items))
        else:
            found += [Markup("<{0}>{1}</{0}>").format(Markup(kind), each) for each in own]
    return found


def _kind(block: str) -> str:
    if RULE.search(block) and all(line.startswith("|") for line in block.splitlines()):
        return "table"
    return "li" if BULLET.match(block) else "h3" if HEADING.match(block) else "p"


def _table(block: str) -> Markup:
    """Make a table that scrolls; its first row is the header, its second only rules."""
    lines = [line.strip().removeprefix("|").removesuffix("|") for line in block.splitlines()]
    header, _, *rows = ([inline(cell.strip()) for cell in line.split("|")] for line in lines)
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(cell) for cell in header)
    body = Markup("").join(Markup("<tr>{}</tr>").format(_cells(row)) for row in rows)
    return Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="Table: {}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(header[0].striptags(), head, body)


def _cells(row: list[Markup]) -> Markup:
    first, *others = row
    named = Markup('<th scope="row">{}</th>').format(first)
    return named + Markup("").join(Markup("<td>{}</td>").format(cell) for cell in others)
