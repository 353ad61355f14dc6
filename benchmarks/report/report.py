"""The report of a comparison, and the choice of the report that a run's records are for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.analysis import comparisons, reliability, statistics
from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.analysis.published import measure_published
from benchmarks.analysis.scores import Column, read_columns, summarise
from benchmarks.report import comparison_tables, verdict
from benchmarks.report.ablations import make_ablation_report
from benchmarks.report.circumstances import mixed_devices, unfinished
from benchmarks.report.forest import draw_costs, draw_headlines
from benchmarks.report.gallery import draw_gallery
from benchmarks.report.numbers import counted
from benchmarks.report.page import Block, Folded, Picture, fresh, write_pages
from benchmarks.report.plots import draw_curves
from benchmarks.report.published import compared, published_section
from benchmarks.report.sections import cost_section, provenance_section
from benchmarks.report.tables import by_setting, notes, stem, terminal, where
from benchmarks.report.verdict import plain
from benchmarks.report.wins import draw_wins
from benchmarks.results import records as record_files
from benchmarks.results.published import read_paper
from benchmarks.results.records import REMOVAL, Records, RecordsError, place_in, rows_of, with_removal

READING = """± is half of a 95 % bootstrap interval over pictures. **Bold** is the best of a column on its
network, and what no test tells apart from it."""
METHODS = (Path(__file__).parent / "methods.md").read_text(encoding="utf-8").strip()
"""How the numbers are made, in Markdown with two numbers left open."""


def make_report(directory: Path) -> str:
    """Derive tables, plots and pages from a directory's records, and return the summary for the terminal.

    Raises
    ------
    RecordsError
        If the directory has no readable records.
    """
    records = record_files.load(directory)
    report = records.provenance["inputs"]["report"]
    if report not in REPORTS:
        raise RecordsError(f"there is no report called {report!r}; the reports are {', '.join(REPORTS)}.")
    text = REPORTS[report](records, directory)
    said = unfinished(records.provenance)
    return f"{plain([said])}\n\n{text}" if said else text


def glance(records: Records) -> str:
    """Spell the headline columns of the last setting, for the terminal: means, marked where they are among the best.

    Where no metric judges a map there is no such column, and a sentence says so.
    """
    inputs = records.provenance["inputs"]
    last = inputs["settings"][-1]
    alone = replace(
        records,
        scores=rows_of(records.scores, place_in(last)),
        timings=rows_of(records.timings, place_in(last)),
        provenance={**records.provenance, "inputs": {**inputs, "settings": [last]}},
    )
    summary = measure_headlines(alone)
    if summary.empty:
        return f"{where(place_in(last))}: no metric judges a map, so there is nothing to compare."
    return _terminal(summary, alone.timings)


def measure_headlines(records: Records) -> pd.DataFrame:
    """Average the headline columns of results, and say which methods are among the best: with ``leading``."""
    records = with_one_removal(records)
    columns = [column for column in read_columns(records) if column.headline]
    summary = summarise(records, columns)
    pairs = comparisons.compare_pairs(columns)
    return comparison_tables.with_leaders(summary, columns, pairs)


def with_one_removal(records: Records) -> Records:
    """Add one number of both removal curves, to results that have no other such, or whose plan shows it."""
    inputs = records.provenance["inputs"]
    others = [about["measure"] for setting in inputs["settings"] for about in setting["metrics"].values()]
    shown = REMOVAL in (inputs.get("headline") or ())
    return with_removal(records) if shown or "SRG" not in others else records


def _terminal(summary: pd.DataFrame, timings: pd.DataFrame) -> str:
    parts = []
    for place, group in by_setting(summary):
        table = comparison_tables.with_cost(comparison_tables.headline_table(group), rows_of(timings, place))
        parts.append(f"{where(place)}, {counted(int(group['n'].max()))}\n{terminal(table)}\n")
    parts += notes(summary)
    return "\n".join(parts) + "\n* the best of a column, and what no test tells apart from it."


def make_comparison_report(records: Records, directory: Path) -> str:
    """Derive the report that compares all methods with one another; return the summary for the terminal."""
    records = with_one_removal(records)
    columns = read_columns(records)
    pairs = comparisons.compare_pairs(columns)
    summary = comparison_tables.with_leaders(summarise(records, columns), columns, pairs)
    findings = {
        "scores": summary,
        "comparisons": pairs,
        "orders": comparisons.order_methods(columns, pairs),
        "reliability": reliability.reliability_card(columns),
        "metrics": reliability.agreement_of_metrics(columns),
        "settings": reliability.sensitivity(columns),
        "margins": measure_margins(records, columns),
        "resolution": measure_resolution(records, columns),
        "coverage": measure_coverage(records),
    }
    inputs, shown = records.provenance["inputs"], [column for column in columns if column.headline]
    paper = read_paper(inputs.get("published"))
    published = findings["published"] = measure_published(paper, summary)
    fresh(directory, {name: frame for name, frame in findings.items() if len(frame)})
    said = [*verdict.conclude(shown, pairs), *([compared(paper, published)] if paper else [])]
    boxes = [
        verdict.box(method, inputs.get("against", ()), shown, pairs, records.timings)
        for method in inputs.get("focus", ())
        if shown and len(shown[0].methods) > 1
    ]
    first: list[Block] = ["\n".join([f"> {lines[0]}", *(f"> - {line}" for line in lines[1:])]) for lines in boxes]
    first += ["\n".join(f"- {sentence}" for sentence in said)]
    if shown:
        figure = draw_headlines(summary, directory / "plots" / "headline.png")
        first += [Picture(figure, "Every method's interval under the headline metrics"), READING]
        first += [comparison_tables.headline_table(summary), *mixed_devices(inputs), *notes(summary)]
    sections = [published_section(paper, published), *_sections(records, columns, findings, directory)]
    write_pages(records, first, sections, directory)
    text = [_terminal(summary[summary["headline"]], records.timings)] if shown else []
    return "\n\n".join([*text, plain(["Verdict", *said]), *map(plain, boxes)])


REPORTS: Mapping[str, Callable[[Records, Path], str]] = {
    "comparison": make_comparison_report,
    "ablation": make_ablation_report,
}
"""The reports that a plan can ask for."""


def _sections(
    records: Records, columns: Sequence[Column], findings: Mapping[str, pd.DataFrame], directory: Path
) -> list[Folded]:
    """Lay out what is folded away."""
    summary, pairs, plots = findings["scores"], findings["comparisons"], directory / "plots"
    judged = [column for column in columns if column.main and column.judges]
    drawn: dict[str, list[Block]] = {}
    for place, here in by_setting(summary):
        setting = next(s for s in records.provenance["inputs"]["settings"] if place_in(s) == place)
        file = directory / "gallery" / f"{stem(place)}.jpg"
        if gallery := [each for each in records.gallery if (each.dataset, each.network) == place]:
            draw_gallery(gallery, file)
        curves = draw_curves(records, here, setting["metrics"], plots / f"{stem(place)}.curves.png")
        files = {"gallery": file if file.is_file() else None, "curves": curves}
        if mine := [column for column in judged if column.setting == place]:
            files["wins"] = draw_wins(mine, pairs, plots / f"{stem(place)}.wins.png")
        for kind, made in files.items():
            if made:
                picture = Picture(made, f"{kind}: {where(place)}", linked=kind == "gallery")
                drawn.setdefault(kind, []).append(picture)
    compared = len(pairs) > 0 and bool(judged)
    order, card = comparison_tables.order_tables(judged, findings) if compared else (None, None)
    margins, resolution = (f[f["headline"].astype(bool)] for f in (findings["margins"], findings["resolution"]))
    methods = METHODS.format(flips=statistics.FLIPS, resamples=statistics.RESAMPLES)

    return [
        _folded("Pictures", "A few cases, with every method's map.", *drawn.get("gallery", [])),
        _folded(
            "Every column",
            "All measures, with the nulls among the methods.",
            *comparison_tables.score_tables(summary),
            *drawn.get("curves", []),
        ),
        _folded(
            "Other settings",
            "The same measures with other steps, baselines and scores.",
            verdict.settings_sentences(findings["settings"]),
            *comparison_tables.setting_table(summary),
        ),
        _folded(
            "Pairs",
            "Which methods a test tells apart.",
            order,
            *drawn.get("wins", []),
            order and "Every pair is in [comparisons.csv](tables/comparisons.csv).",
        ),
        _folded(
            "Nulls and controls",
            "What methods that know nothing of the network, and spoilt maps, score.",
            comparison_tables.null_sentence(margins),
            *comparison_tables.margin_tables(margins),
            *comparison_tables.resolution_table(resolution),
        ),
        _folded(
            "Reliability",
            "How far pictures and metrics agree on the order of the methods.",
            card,
            card and "Rank correlations of metrics are in [metrics.csv](tables/metrics.csv).",
        ),
        _folded(
            "Cases without a score",
            "What does not apply, or failed, and why.",
            *comparison_tables.coverage_table(findings["coverage"]),
        ),
        cost_section(records, draw_costs(summary, records.timings, plots / "cost.png") if compared else None),
        provenance_section(records),
        _folded("How the numbers are made", "The tests, the intervals and the words of this page.", methods),
    ]


def _folded(title: str, sentence: str, *blocks: Block | None) -> Folded:
    return Folded(title, sentence, [block for block in blocks if block])
