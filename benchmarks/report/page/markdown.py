"""What a page is made of, and README.md made from it; the Markdown of its paragraphs turned into HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmarks.report.tables import Table, markdown

CONCLUSIONS = "conclusions.md"
"""What a person concluded, kept beside the results."""


@dataclass(frozen=True)
class Picture:
    """A picture's file, what it shows, and a table of the numbers in it, where there is one."""

    file: Path
    words: str
    numbers: Table | None = None


Block = Table | Picture | str
"""A part of a page: a table, a picture (PNG or JPEG), or Markdown."""


def write_markdown(title: str, sections: Mapping[str, Sequence[Block]], file: Path) -> str:
    """Write a page as Markdown, and return it: the title, what a person concluded, the sections.

    The heading "" is left out. The file's folder is made if need be; pictures and ``conclusions.md`` are in it.
    """
    parts = [f"# {title}"]
    for heading, blocks in with_conclusions(sections, file.parent).items():
        parts += [f"## {heading}"] if heading else []
        parts += [_spell(block, heading, file.parent) for block in blocks]
    text = "\n\n".join(parts) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return text


def with_conclusions(sections: Mapping[str, Sequence[Block]], directory: Path) -> dict[str, Sequence[Block]]:
    """Put a folder's ``conclusions.md``, if there is one, before the sections; its first line is its heading."""
    file = directory / CONCLUSIONS
    text = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    if text and not text.startswith("#"):
        text = f"# Conclusions\n{text}"
    heading, _, rest = text.partition("\n")
    return {**({heading.lstrip("# "): [rest.strip()]} if text else {}), **sections}


def _spell(block: Block, heading: str, directory: Path) -> str:
    if isinstance(block, Picture):
        return f"![{block.words}]({block.file.relative_to(directory).as_posix()})"
    if isinstance(block, str):
        return block.strip()
    title = title_under(block, heading)
    return f"### {title}\n\n{markdown(block)}".rstrip() if title else markdown(block).rstrip()


def title_under(table: Table, heading: str) -> str:
    """Return a table's title under a heading; empty where the heading says it all."""
    return "" if table.title == heading else table.title[:1].upper() + table.title[1:]


PROSE = MarkdownIt("commonmark", {"html": False}).enable("table")
PROSE.add_render_rule(
    "table_open", lambda *_: '<div class="scroll" role="region" tabindex="0" aria-label="Table"><table>'
)
PROSE.add_render_rule("table_close", lambda *_: "</table></div>")


def html(text: str) -> Markup:
    """Render Markdown; all headings are of the third level, and tags in it are mere text."""
    tokens = PROSE.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h3"
    return Markup(PROSE.renderer.render(tokens, PROSE.options, {}))


def inline_html(text: str) -> Markup:
    """Render a text without paragraphs."""
    return Markup(PROSE.renderInline(text))
