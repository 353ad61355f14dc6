"""What all reports share: a fresh folder, the words on where the numbers are from, and the writing of both pages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import tables
from benchmarks.report.page.build import write_html
from benchmarks.report.page.markdown import Block, with_conclusions, write_markdown
from benchmarks.report.tables import Table
from benchmarks.results.records import Records

PLACES = {"tables": (".csv", ".md", ".tex"), "plots": (".png",), "gallery": (".jpg",)}
"""The folders that a report writes, and the endings of what is its own in them."""


def fresh(directory: Path, *folders: str) -> None:
    """Make the folders of a report, without what an earlier report left there."""
    for folder in folders:
        (directory / folder).mkdir(exist_ok=True)
        for stale in (directory / folder).iterdir():
            if stale.suffix in PLACES[folder]:
                stale.unlink()


def origin(records: Records) -> str:
    """Say what a plan is, and where its numbers are from."""
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    return (
        f"{inputs['summary']} Made by `{run['command']}`. All that determines these numbers is in "
        "[provenance.json](provenance.json), and every score is in `records.parquet`."
    )


def cost_section(records: Records) -> dict[str, list[Block]]:
    """Make the section of what the methods cost; none where nothing was timed."""
    return {"Cost": [tables.cost_table(records.timings)]} if len(records.timings) else {}


def write_pages(records: Records, sections: Mapping[str, Sequence[Block]], directory: Path) -> None:
    """Write every table as Markdown and LaTeX, and the sections as README.md and index.html."""
    for table in (block for blocks in sections.values() for block in blocks if isinstance(block, Table)):
        for suffix, spell in (("md", tables.markdown), ("tex", tables.latex)):
            (directory / "tables" / f"{table.file}.{suffix}").write_text(spell(table), encoding="utf-8")
    write_markdown(records.provenance["inputs"]["plan"], sections, directory / "README.md")
    write_html(records, with_conclusions(sections, directory), directory / "index.html")
