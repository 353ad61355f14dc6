"""Both pages of a report that lays its own sections out: README.md and index.html."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report.conclusions import read_conclusions
from benchmarks.report.page.build import Block, write_page
from benchmarks.report.tables import Table, markdown
from benchmarks.results.records import Records


def write_pages(records: Records, sections: Mapping[str, Sequence[Block]], directory: Path) -> None:
    """Write the sections as Markdown and as HTML, after what a person concluded.

    Parameters
    ----------
    records : Records
        What the viewer of the HTML page shows.
    sections : Mapping
        Blocks by heading. A table that is called like its section has no heading of its own.
    directory : pathlib.Path
        It holds the pictures' files, and may hold ``conclusions.md``.
    """
    everything = {**_concluded(directory), **sections}
    parts = [f"# {records.provenance['inputs']['plan']}"]
    for heading, blocks in everything.items():
        parts += [f"## {heading}", *(_spell(block, heading, directory) for block in blocks)]
    (directory / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    write_page(records, everything, directory / "index.html")


def _concluded(directory: Path) -> dict[str, list[Block]]:
    text = "\n".join(read_conclusions(directory)).strip()
    if not text.startswith("#"):
        return {"Conclusions": [text]} if text else {}
    heading, _, rest = text.partition("\n")
    return {heading.lstrip("# "): [rest.strip()]}


def _spell(block: Block, heading: str, directory: Path) -> str:
    if isinstance(block, Path):
        return f"![{block.stem}]({block.relative_to(directory).as_posix()})"
    if isinstance(block, Table):
        title = "" if block.title == heading else f"### {block.title}\n\n"
        return title + markdown(block).rstrip()
    return block
