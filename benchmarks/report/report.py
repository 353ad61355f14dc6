"""The report of a comparison, and the choice of the report that a run's records are for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.analysis import comparisons, reliability, statistics
from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.analysis.scores import Column, read_columns, summarise
from benchmarks.report import comparison_tables, control_tables, tables
from benchmarks.report.ablations import make_ablation_report
from benchmarks.report.challenge import make_challenge_report
from benchmarks.report.comparison_plots import draw_comparisons
from benchmarks.report.gallery import draw_gallery
from benchmarks.report.page import Block, Picture, cost_section, fresh, origin, write_pages
from benchmarks.report.plots import draw_plots
from benchmarks.report.sentences import conclude
from benchmarks.report.tables import place_of, stem, where
from benchmarks.results import records as record_files
from benchmarks.results.records import Records, RecordsError, rows_of, with_removal

READING = """Means have 95 % bootstrap intervals over pictures, and the best of a column is bold. An interval without
width says that all of these cases agree, not that others will. A difference is *supported* where a test of every pair
of methods, corrected for all pairs of its column, finds it. The last section says how the numbers are made."""
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
    return REPORTS[report](records, directory)


def make_comparison_report(records: Records, directory: Path) -> str:
    """Derive the report that compares all methods with one another; return the summary for the terminal."""
    columns = read_columns(records)
    if not any(column.measure == "SRG" for column in columns):
        # One number of both curves, for a plan that has no other.
        records = with_removal(records)
        columns = read_columns(records)
    summary, pairs = summarise(records), comparisons.compare_pairs(columns)
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
    filled = {name: frame for name, frame in findings.items() if len(frame)}
    fresh(directory, filled, "tables", "plots", "gallery")
    sections: dict[str, list[Block]] = {"How to read the numbers": [origin(records), READING]}
    for setting in records.provenance["inputs"]["settings"]:
        place = (setting["dataset"], setting["network"]["name"])
        here = {name: rows_of(frame, place) for name, frame in findings.items()}
        own = [column for column in columns if column.setting == place]
        sections[where(place)] = _section(records, setting, own, here, directory)
    sections |= cost_section(records)
    methods = METHODS.format(flips=statistics.FLIPS, resamples=statistics.RESAMPLES)
    write_pages(records, {**sections, "How the numbers are made": [methods]}, directory)
    return tables.terminal(summary, records.timings)


REPORTS: Mapping[str, Callable[[Records, Path], str]] = {
    "comparison": make_comparison_report,
    "ablation": make_ablation_report,
    "challenge": make_challenge_report,
}
"""The reports that a plan can ask for."""


def _section(
    records: Records, setting: Mapping[str, Any], columns: list[Column], here: Mapping[str, Any], directory: Path
) -> list[Block]:
    """Lay out what the page shows of one network and dataset."""
    shown = [column for column in columns if column.headline and column.judges]
    place, plots = place_of(here["scores"]), directory / "plots"
    files = draw_plots(records, here["scores"], setting["metrics"], plots)
    gallery = [each for each in records.gallery if (each.dataset, each.network) == place]
    if gallery:
        files["gallery"] = directory / "gallery" / f"{stem(place)}.jpg"
        draw_gallery(gallery, files["gallery"])
    numbers = {}
    if shown and (drawn := draw_comparisons(shown, here, {each.metric: each.settings for each in columns}, plots)):
        files |= drawn
        numbers = comparison_tables.numbers_behind(shown, here)
    pictures = {kind: Picture(file, f"{kind}: {where(place)}", numbers.get(kind)) for kind, file in files.items()}

    def of(*kinds: str) -> list[Block]:
        return [pictures[kind] for kind in kinds if kind in pictures]

    pairs = here["comparisons"]
    compared = len(pairs) > 0 and bool(shown)
    blocks: list[Block] = [*tables.score_tables(here["scores"]), *tables.notes(here["scores"])]
    blocks += tables.setting_tables(here["scores"])
    if compared:
        said = conclude(shown, pairs, here["orders"], here["settings"])
        blocks += ["### What the data support", "\n".join(said)]
    blocks += of("gallery", "curves", "scores", "cost")
    if compared:
        blocks += [comparison_tables.order_table(shown, here["orders"]), *of("ranks")]
        blocks += [*comparison_tables.beaten_tables(shown, pairs), *of("wins")]
        blocks += [comparison_tables.reliability_table(shown, pairs, here["reliability"]), *of("metrics", "settings")]
        blocks += tables.difference_tables(pairs)
    for name, make in (("margins", control_tables.margin_tables), ("resolution", control_tables.resolution_tables)):
        blocks += make(here[name][here[name]["headline"].astype(bool)])
    blocks += control_tables.coverage_tables(here["coverage"])
    return [*blocks, "### What was run", _protocol(setting)]


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
    measured = {**setting["metrics"], **setting.get("controls", {})}
    lines += [f"{name}: `{about['id']}`" for name, about in measured.items()]
    return "\n".join(f"- {line}" for line in lines)
