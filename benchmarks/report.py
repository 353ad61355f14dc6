"""The report: tables, plots and gallery, derived from what a run stored. Knows no torch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import records as record_files
from benchmarks import tables
from benchmarks.ablation_report import make_ablation_report
from benchmarks.gallery import draw_gallery
from benchmarks.plots import draw_plots
from benchmarks.records import Records
from benchmarks.tables import Table
from benchmarks.variant_report import make_variant_report

REPORTS: Mapping[str, Callable[[Records, Path], str]] = {
    "ablations": make_ablation_report,
    "ablations-imagenet": make_ablation_report,
    "variants": make_variant_report,
    "variants-imagenet": make_variant_report,
}
"""The plans that have a report of their own."""


def make_report(directory: Path) -> str:
    """Derive tables, plots and gallery from a directory's records, replacing those that are there.

    Returns
    -------
    str
        The summary for the terminal.

    Raises
    ------
    RecordsError
        If the directory has no readable records.
    """
    records = record_files.load(directory)
    special = REPORTS.get(records.provenance["inputs"]["plan"])
    if special:
        return special(records, directory)
    summary = tables.summarise(records)
    for folder, suffixes in (("tables", (".csv", ".md", ".tex")), ("plots", (".png",)), ("gallery", (".jpg",))):
        (directory / folder).mkdir(exist_ok=True)
        for stale in (directory / folder).iterdir():
            if stale.suffix in suffixes:
                stale.unlink()
    summary.to_csv(directory / "tables" / "scores.csv", index=False, float_format="%.6g")
    scores, differences = tables.score_tables(summary), tables.difference_tables(summary)
    costs = [tables.cost_table(records.timings)] if len(records.timings) else []
    for table in scores + differences + costs:
        for suffix, spell in (("md", tables.markdown), ("tex", tables.latex)):
            (directory / "tables" / f"{table.name}.{suffix}").write_text(spell(table), encoding="utf-8")
    plots = draw_plots(records, summary, directory / "plots")
    pictures = draw_gallery(records.gallery, directory / "gallery")
    page = _page(records, scores, differences + costs, [file.relative_to(directory) for file in pictures + plots])
    (directory / "README.md").write_text(page, encoding="utf-8")
    return tables.terminal(summary, records.timings)


def _page(records: Records, scores: list[Table], others: list[Table], images: list[Path]) -> str:
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    lines = [
        f"# {inputs['plan']}",
        "",
        f"{inputs['summary']} Made by `{run['command']}`; all that determines these numbers is in "
        "[provenance.json](provenance.json), every score in `records.parquet`.",
        "",
        "Means with 95 % bootstrap intervals over pictures, the best of a column in bold. An interval of no width says "
        "that all of these cases agree, not that others will.",
    ]
    for table in scores:
        lines += _section(table)
        for image in images:
            if image.name.partition(".")[0] == table.name:
                lines += ["", f"![{image.parent.name}: {image.stem}]({image.as_posix()})"]
    return "\n".join([*lines, *(line for table in others for line in _section(table)), ""])


def _section(table: Table) -> list[str]:
    return ["", f"## {table.title}", "", tables.markdown(table).rstrip()]
