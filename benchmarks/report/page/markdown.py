"""What a page is made of, and README.md made from it; the Markdown of its paragraphs turned into HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmarks.report.tables import Table, markdown

CONCLUSIONS = "conclusions.md"
"""What a person concluded, kept beside the results."""


@dataclass(frozen=True)
class Picture:
    """A picture's file, what it shows, and whether the page links to it only, as it is large."""

    file: Path
    words: str
    linked: bool = False


@dataclass(frozen=True)
class Folded:
    """A section that is folded away: its heading, what it has in one plain sentence, and its blocks."""

    title: str
    sentence: str
    blocks: Sequence["Block"]


Block = Table | Picture | Folded | str
"""A part of a page: a table, a picture (PNG or JPEG), a folded section, or Markdown."""


def write_markdown(title: str, blocks: Sequence[Block], file: Path) -> str:
    """Write a page as Markdown, and return it: the title, and its blocks.

    The file's folder is made if need be; pictures are in it.
    """
    text = "\n\n".join([f"# {title}", *(_spell(block, "", file.parent) for block in blocks)]) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return text


def conclusions(directory: Path) -> Folded | None:
    """Read a folder's ``conclusions.md``, if there is one; its first line is its heading."""
    file = directory / CONCLUSIONS
    text = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    if text and not text.startswith("#"):
        text = f"# Conclusions\n{text}"
    heading, _, rest = text.partition("\n")
    return Folded(heading.lstrip("# "), "What a person made of these results.", [rest.strip()]) if text else None


def _spell(block: Block, heading: str, directory: Path) -> str:
    if isinstance(block, Folded):
        inner = [_spell(each, block.title, directory) for each in block.blocks]
        summary = f"<summary><b>{block.title}.</b> {block.sentence}</summary>"
        return "\n\n".join([f"<details>\n{summary}", *inner, "</details>"])
    if isinstance(block, Picture):
        return f"![{block.words}]({block.file.relative_to(directory).as_posix()})"
    if isinstance(block, str):
        return block.strip()
    title = "" if block.title in ("", heading) else f"### {block.title}\n\n"
    return f"{title}{markdown(block)}".rstrip()


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
