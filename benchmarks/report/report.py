"""The report of a comparison, and the choice of the report that a run's records are for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.analysis import comparisons, reliability, statistics
from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.analysis.scores import Column, read_columns, summarise
from benchmarks.report import comparison_tables, control_tables, tables
from benchmarks.report.ablations import make_ablation_report
from benchmarks.report.challenge import make_challenge_report
from benchmarks.report.comparison_plots import draw_comparisons
from benchmarks.report.gallery import draw_gallery
from benchmarks.report.page import Block, Picture, fresh, origin, write_pages
from benchmarks.report.plots import draw_plots
from benchmarks.report.sentences import conclude
from benchmarks.report.tables import place_of, stem, where
from benchmarks.results import records as record_files
from benchmarks.results.records import Records, RecordsError, with_removal

READING = """Means have 95 % bootstrap intervals over pictures, and the best of a column is bold. An interval without
width says that all of these cases agree, not that others will. A difference is *supported* where a test of every pair
of methods, corrected for all pairs of its column, finds it. The last section says how the numbers are made."""

METHODS = f"""### Two methods compared

A case that either method has no score for is left out of their comparison, and counted. The difference of two means
is a sum over pictures. It is tested by flipping the signs of the pictures at random: {statistics.FLIPS:,} times or
more, or in all possible ways where there are fewer. The test is two-sided. p is corrected by Holm's method within a
column, which is one metric on one subset of the cases, one network and one data set. The pairs of methods are
corrected together, and so are the pairs of a method and a null. There is no correction over columns: when nothing
differs, about one column in twenty still shows a difference. "a > b" means that a is better, whichever direction the
metric has.

### The order of the methods

Nulls are left out of the order. "Resamples with it" is the share of {statistics.RESAMPLES:,} bootstrap resamples of the
pictures that have the same order. "Pictures to separate" is the number of pictures with which a paired t test would
find the difference with a probability of 80 %, if the difference and its scatter are those seen here; the test is
two-sided, at 5 % divided by the number of pairs. Ranks, wins and alpha go picture by picture, with the cases of a
picture averaged. A tie is half a win. In the diagrams of ranks, bars join methods that Nemenyi's test cannot tell
apart (Demšar 2006).

### Reliability

Alpha is Krippendorff's ordinal alpha, with each picture as a rater that ranks the methods (Tomsett et al. 2020). It is
1 where all pictures rank the methods alike, and 0 where they agree as by chance. Usually .8 is asked for, and below
.667 nothing is concluded *from single pictures*. "Split halves" is Spearman's correlation between the methods' means
on two random halves of the pictures, corrected to the full number of pictures by the formula of Spearman and Brown.
The numbers in brackets include the nulls, which every metric tells apart. Metrics with the same measure differ in
their settings only; the first of them in the plan is compared here. Measures that only describe a map (ties, Gini
index, entropy) are not compared.

### Nulls and controls

A null is a method that knows nothing of the network. A control is made from a method's own map, and most controls take
away what the method found out: the map is shuffled, inverted, blurred, of another class or of a random network. Nulls
are scored on every case; controls are scored on the first cases only, so they have a table of their own. A margin is
over the null or control that did best on the same cases, which makes it a little too small. A null wins clearly where
the test finds it, corrected for all nulls of the method in that table. Averaged maps are interpolated between the
centres of their cells.

### Files

The folder [tables/](tables) has everything: `scores.csv`, `comparisons.csv` (every pair), `orders.csv`, `ranks.csv`,
`reliability.csv`, `metrics.csv` (rank correlations), `settings.csv`, `margins.csv` (over every null), `resolution.csv`
and `coverage.csv`. With fewer than about ten pictures, intervals are too narrow."""


def make_report(directory: Path) -> str:
    """Derive tables, plots and pages from a directory's records, replacing those that are there.

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
    report = records.provenance["inputs"]["report"]
    if report not in REPORTS:
        raise RecordsError(f"there is no report called {report!r}; the reports are {', '.join(REPORTS)}.")
    return REPORTS[report](records, directory)


def make_comparison_report(records: Records, directory: Path) -> str:
    """Derive the report that compares all methods with one another; return the summary for the terminal."""
    settings = records.provenance["inputs"]["settings"]
    if not any(about["measure"] == "SRG" for setting in settings for about in setting["metrics"].values()):
        # One number of both curves, for a plan that has no other.
        records = with_removal(records)
        settings = records.provenance["inputs"]["settings"]
    fresh(directory, "tables", "plots", "gallery")
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
    for name, frame in findings.items():
        if len(frame):
            frame.to_csv(directory / "tables" / f"{name}.csv", index=False, float_format="%.6g")
    sections: dict[str, list[Block]] = {"How to read the numbers": [origin(records), READING]}
    for setting in settings:
        place = (setting["dataset"], setting["network"]["name"])
        here = {
            name: frame[(frame["dataset"] == place[0]) & (frame["network"] == place[1])]
            for name, frame in findings.items()
        }
        own = [column for column in columns if (column.dataset, column.network) == place]
        sections[where(place)] = _section(records, setting, own, here, directory)
    if len(records.timings):
        sections["Cost"] = [tables.cost_table(records.timings)]
    write_pages(records, {**sections, "How the numbers are made": [METHODS]}, directory)
    return tables.terminal(summary, records.timings)


REPORTS: Mapping[str, Callable[[Records, Path], str]] = {
    "comparison": make_comparison_report,
    "ablation": make_ablation_report,
    "challenge": make_challenge_report,
}
"""The reports that a plan can ask for."""


def _section(
    records: Records,
    setting: Mapping[str, Any],
    columns: list[Column],
    here: Mapping[str, pd.DataFrame],
    directory: Path,
) -> list[Block]:
    """Lay out what the page shows of one network and dataset."""
    shown = [column for column in columns if column.headline and column.judges]
    place, plots = place_of(here["scores"]), directory / "plots"
    pictures = {
        kind: Picture(file, f"{kind}: {where(place)}")
        for kind, file in draw_plots(records, here["scores"], plots).items()
    }
    gallery = [each for each in records.gallery if (each.dataset, each.network) == place]
    if gallery:
        file = directory / "gallery" / f"{stem(place)}.jpg"
        draw_gallery(gallery, file)
        pictures["gallery"] = Picture(file, f"gallery: {where(place)}")
    if shown:
        metric_settings = {column.metric: column.settings for column in columns}
        files = draw_comparisons(shown, here["comparisons"], here["metrics"], here["settings"], metric_settings, plots)
        numbers = comparison_tables.numbers_behind(shown, here) if files else {}
        pictures |= {kind: Picture(file, f"{kind}: {where(place)}", numbers.get(kind)) for kind, file in files.items()}

    def of(*kinds: str) -> list[Block]:
        return [pictures[kind] for kind in kinds if kind in pictures]

    compared = len(here["comparisons"]) > 0 and bool(shown)
    pairs = here["comparisons"]
    blocks: list[Block] = [*tables.score_tables(here["scores"]), *tables.setting_tables(here["scores"])]
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
