"""The report: tables, plots and gallery, derived from what a run stored. Knows no torch.

Where the directory holds ``conclusions.md``, written by hand, the page begins with it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.analysis import comparisons, reliability, statistics
from benchmarks.analysis.controls import control_blocks, measure_margins, measure_resolution
from benchmarks.analysis.coverage import coverage_tables, measure_coverage
from benchmarks.analysis.scores import Column, measure, read_columns
from benchmarks.report import comparison_tables, tables
from benchmarks.report.ablations import make_ablation_report
from benchmarks.report.comparison_plots import draw_comparisons
from benchmarks.report.conclusions import read_conclusions
from benchmarks.report.gallery import draw_gallery
from benchmarks.report.page import write_page
from benchmarks.report.plots import draw_plots
from benchmarks.report.sentences import conclude
from benchmarks.report.tables import Table
from benchmarks.report.variants import make_variant_report
from benchmarks.results import records as record_files
from benchmarks.results.records import Records, with_removal

METHODS = f"""Of each pair of methods: cases that either has no score for are left out, and counted. The difference of
two means, averaged as the tables average (over cases, or over classes), is a sum over pictures, tested by flipping
the pictures' signs: two-sided, {statistics.FLIPS:,} draws or more, or all patterns where there are fewer. Holm's
correction is within a column, that is one metric and subset on one network and dataset: over all pairs of methods,
and apart from these over all pairs of a method and a null. It is not over columns, of which one in twenty may err.
Pairs of the conclusions that follow from two others that are listed (a > b and b > c) are left out of them; a > b
says that a is better, whichever direction the metric has.

The order leaves the nulls out. "Resamples with it" is the share of {statistics.RESAMPLES:,} bootstrap resamples of
pictures that repeat it: with the prior of Rubin's Bayesian bootstrap (1981), about the probability that the printed
order is the true one; with any other prior, another. Pictures to separate: those for which a paired t test, two-sided
at 5 % divided by the pairs of methods, has a power of 80 %,
if the difference and the scatter are those seen here; under difficult cases, pictures that have one. Ranks, wins and
alpha are picture by picture, the cases of a picture averaged; a tie is half a win, and shares its ranks. Bars in the
diagrams of ranks join methods that Nemenyi's test cannot tell apart (Demšar 2006).

Alpha is Krippendorff's, ordinal, of the pictures as raters that rank the methods (Tomsett et al. 2020): 1 where all
rank alike, 0 where they agree as by chance; .8 is customarily asked for, and below .667 nothing concluded *from
single pictures*. Split halves: Spearman's correlation between the methods' means on random halves of the pictures,
stepped up to all pictures by Spearman and Brown. Either is for the methods without the nulls; in brackets, with them,
which every metric tells apart. Metrics of one kind are one measure with different settings, other tools' protocols
among them: the first in the plan stands for all in what is compared here. Measures that only describe a map
(ties, Gini, entropy) are not compared. The CSV files have all of both.

Nulls know nothing of the network, or are a method's own map robbed of what it found out: shuffled, inverted, blurred,
of another class, of a random network. The first are scored on every case, the latter, which cost as much as a method
each, on the first cases only: two tables. A margin is paired, over the cases that both have a score for; its null is
the best on these cases, which makes margins a little too small rather than too large. A null wins clearly where the
test finds it, corrected for all nulls of the method in that table. Averaged maps are interpolated between the centres
of their cells.

[tables/](tables) has everything: `scores.csv`, `comparisons.csv` (every pair), `orders.csv`, `ranks.csv`,
`reliability.csv`, `metrics.csv` (rank correlations), `settings.csv`, `margins.csv` (over every null),
`resolution.csv` and `coverage.csv`. Intervals of fewer than about ten pictures cover less than they say."""

Block = Table | Path | str
"""A part of the page: a table, a picture's file, or Markdown."""

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
    settings = records.provenance["inputs"]["settings"]
    if not any(measure(about["id"]) == "SRG" for setting in settings for about in setting["metrics"].values()):
        # One number of both curves, for a plan that has no other.
        records = with_removal(records)
    for folder, suffixes in (("tables", (".csv", ".md", ".tex")), ("plots", (".png",)), ("gallery", (".jpg",))):
        (directory / folder).mkdir(exist_ok=True)
        for stale in (directory / folder).iterdir():
            if stale.suffix in suffixes:
                stale.unlink()
    summary = tables.summarise(records)
    columns = read_columns(records)
    pairs = comparisons.compare_pairs(columns)
    findings = {
        "scores": summary,
        "comparisons": pairs,
        "orders": comparisons.order_methods(columns, pairs),
        "ranks": comparisons.rank_table(columns),
        "reliability": reliability.reliability_card(columns),
        "metrics": reliability.agreement_of_metrics(columns),
        "settings": reliability.sensitivity(columns),
        "margins": measure_margins(records),
        "resolution": measure_resolution(records),
        "coverage": measure_coverage(records),
    }
    for name, frame in findings.items():
        if len(frame):
            frame.to_csv(directory / "tables" / f"{name}.csv", index=False, float_format="%.6g")
    images = draw_gallery(records.gallery, directory / "gallery") + draw_plots(records, summary, directory / "plots")
    sections = _written(directory) | _sections(settings, columns, findings, images, directory / "plots")
    if len(records.timings):
        sections["Cost"] = [tables.cost_table(records.timings)]
    for block in (block for blocks in sections.values() for block in blocks):
        if isinstance(block, Table):
            for suffix, spell in (("md", tables.markdown), ("tex", tables.latex)):
                (directory / "tables" / f"{block.name}.{suffix}").write_text(spell(block), encoding="utf-8")
    (directory / "README.md").write_text(_page(records, sections, directory), encoding="utf-8")
    numbers = comparison_tables.numbers_behind(
        columns, pairs, findings["ranks"], findings["metrics"], findings["settings"]
    )
    write_page(records, {**sections, "How the numbers are made": [METHODS]}, directory / "index.html", numbers)
    return tables.terminal(summary, records.timings)


def _written(directory: Path) -> dict[str, list[Block]]:
    """Return what a person concluded, by its heading; nothing where nobody did."""
    heading, _, text = "\n".join(read_conclusions(directory)).partition("\n")
    return {heading.lstrip("# "): [text.strip()]} if heading else {}


def _sections(
    settings: Sequence[Mapping[str, Any]],
    columns: list[Column],
    findings: Mapping[str, pd.DataFrame],
    images: list[Path],
    plots: Path,
) -> dict[str, list[Block]]:
    """Lay out what the page shows of each network and dataset, by heading."""
    sections: dict[str, list[Block]] = {}
    for setting in settings:
        dataset, network = setting["dataset"], setting["network"]["name"]
        here = {
            name: frame[(frame["dataset"] == dataset) & (frame["network"] == network)]
            for name, frame in findings.items()
        }
        pairs = here["comparisons"]
        shown = [c for c in columns if (c.dataset, c.network) == (dataset, network) and c.headline and c.judges]
        stem = f"{network}-on-{dataset}"
        drawn = draw_comparisons(shown, pairs, here["metrics"], here["settings"], plots) if shown else []
        pictures = [file for file in [*images, *drawn] if file.name.partition(".")[0] == stem]

        def of(*kinds: str, among: list[Path] = pictures) -> list[Path]:
            return [file for kind in kinds for file in among if file.stem.endswith(kind)]

        blocks: list[Block] = [*tables.score_tables(here["scores"]), *tables.setting_tables(here["scores"])]
        if len(pairs) and shown:
            blocks += [
                "### What the data support",
                "\n".join(conclude(shown, pairs, here["orders"], here["settings"])).rstrip(),
            ]
        blocks += of(stem, ".curves", ".scores", ".cost")
        if len(pairs) and shown:
            blocks += [comparison_tables.order_table(shown, here["orders"]), *of(".ranks")]
            matrix = comparison_tables.beaten_table(shown, pairs)
            blocks += [*([matrix] if matrix else []), *of(".wins")]
            blocks += [comparison_tables.reliability_table(shown, pairs, here["reliability"])]
            blocks += [*of(".metrics", ".settings"), *tables.difference_tables(pairs)]
        blocks += control_blocks(here["margins"], here["resolution"])
        blocks += coverage_tables(here["coverage"])
        blocks += ["### What was run", _protocol(setting)]
        sections[f"{network} on {dataset}"] = blocks
    return sections


def _protocol(setting: Mapping[str, Any]) -> str:
    """List a network, the methods and the metrics with all their parameters, and the controls."""
    network = setting["network"]
    lines = [
        f"network {network['name']}: {network['input_size']} x {network['input_size']}, weights "
        f"`{network['weights_sha256'][:12]}` (SHA-256), on {setting['device']}"
    ]
    for name, method in setting["methods"].items():
        parameters = ", ".join(f"{parameter}={value}" for parameter, value in method["parameters"].items())
        lines.append(f"{name}: `{method['class']}({parameters})`")
    lines += [f"{name}: `{metric['id']}`" for name, metric in setting["metrics"].items()]
    lines += [f"{name}: `{control['id']}`" for name, control in setting.get("controls", {}).items()]
    return "\n".join(f"- {line}" for line in lines)


def _page(records: Records, sections: Mapping[str, list[Block]], directory: Path) -> str:
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    parts = [
        f"# {inputs['plan']}",
        f"{inputs['summary']} Made by `{run['command']}`; all that determines these numbers is in "
        "[provenance.json](provenance.json), every score in `records.parquet`.",
        "Means with 95 % bootstrap intervals over pictures, the best of a column in bold. An interval of no width says "
        "that all of these cases agree, not that others will. A difference is *supported* where a test of every pair "
        "of methods, corrected for all pairs of its column, finds it; [how the numbers are made](#how-the-numbers-"
        "are-made) is at the end.",
    ]
    for heading, blocks in sections.items():
        parts.append(f"## {heading}")
        for block in blocks:
            parts += _spell(block, heading, directory)
    return "\n\n".join([*parts, "## How the numbers are made", METHODS]) + "\n"


def _spell(block: Block, heading: str, directory: Path) -> list[str]:
    if isinstance(block, Path):
        return [f"![{block.parent.name}: {block.stem}]({block.relative_to(directory).as_posix()})"]
    if isinstance(block, Table):
        title = block.title.removeprefix(heading).removeprefix(": ")
        return [f"### {title[:1].upper()}{title[1:]}", tables.markdown(block).rstrip()][0 if title else 1 :]
    return [block]
