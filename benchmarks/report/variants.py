"""The report of a challenge: the first method against each other one, tested. Knows no torch.

Pairs are compared as `analysis.comparisons` does, but all tests of a run are corrected together by Holm's
method. Where a directory holds ``conclusions.md``, written by hand, the page begins with it.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.scores import read_columns
from benchmarks.analysis.statistics import SIGNIFICANT
from benchmarks.report import tables
from benchmarks.report.page import Block, write_pages
from benchmarks.report.tables import Entry, Table
from benchmarks.results.records import REMOVAL, Records, with_removal


@dataclass(frozen=True)
class Criterion:
    """What the challenger is to win on: a metric and a subset of the cases."""

    metric: str
    title: str
    subset: str = "all"


CRITERIA = (
    Criterion(REMOVAL, "insertion \N{MINUS SIGN} deletion"),
    Criterion("pointing", "pointing, difficult", subset="difficult"),
)


def make_variant_report(records: Records, directory: Path) -> str:
    """Derive the tables and both pages from the records of a challenge.

    Returns
    -------
    str
        The summary for the terminal.
    """
    records = with_removal(records)
    (directory / "tables").mkdir(exist_ok=True)
    summary = tables.summarise(records)
    summary.to_csv(directory / "tables" / "scores.csv", index=False, float_format="%.6g")
    found = challenge(records)
    found.to_csv(directory / "tables" / "challenge.csv", index=False, float_format="%.6g")
    made = [challenge_table(found), *tables.score_tables(summary)]
    if len(records.timings):
        made.append(tables.cost_table(records.timings))
    for table in made:
        (directory / "tables" / f"{table.name}.md").write_text(tables.markdown(table), encoding="utf-8")
    sections: dict[str, list[Block]] = {
        "How to read the numbers": [_introduction(records)],
        **{table.title: [table] for table in made},
    }
    write_pages(records, sections, directory)
    return f"{made[0].title}\n\n{tables.markdown(made[0])}"


def challenge(records: Records) -> pd.DataFrame:
    """Test the first method against each other one, by every criterion, on every network.

    Returns
    -------
    pandas.DataFrame
        One row each: network, dataset, rival, criterion, pictures, difference (challenger minus rival, of the means as
        the tables print them), low and high (95 % bootstrap interval over pictures), p (sign-flip permutation test)
        and p_holm (corrected for all rows).
    """
    titles = {(criterion.metric, criterion.subset): criterion.title for criterion in CRITERIA}
    columns = [column for column in read_columns(records) if (column.metric, column.subset) in titles]
    pairs = pd.concat(
        [compare_pairs([column]).query("first == @column.methods[0]") for column in columns] or [compare_pairs([])]
    )
    criteria = [titles[key] for key in zip(pairs["metric"], pairs["subset"], strict=True)]
    found = pairs.assign(criterion=criteria, p_holm=statistics.holm(pairs["p"].to_numpy()))
    kept = ["network", "dataset", "rival", "criterion", "pictures", "difference", "low", "high", "p", "p_holm"]
    return found.rename(columns={"second": "rival"})[kept].reset_index(drop=True)


def challenge_table(found: pd.DataFrame) -> Table:
    """Make the table of all tests; what is significant after correction is bold."""
    rows = [
        [
            Entry(f"{row['network']} on {row['dataset']}"),
            Entry(row["rival"]),
            Entry(row["criterion"]),
            Entry(f"{row['pictures']}"),
            Entry(f"{row['difference']:+.3f}", f"[{row['low']:+.3f}, {row['high']:+.3f}]", row["p_holm"] < SIGNIFICANT),
            Entry(f"{row['p']:.4f}"),
            Entry(f"{row['p_holm']:.4f}"),
        ]
        for _, row in found.iterrows()
    ]
    header = ["network", "against", "criterion", "pictures", "difference", "p", "p, Holm"]
    return Table("challenge", "The challenger against each method", header, rows)


def _introduction(records: Records) -> str:
    inputs, run = records.provenance["inputs"], records.provenance["run"]
    return (
        f"{inputs['summary']} Made by `{run['command']}`; all that determines these numbers is in "
        "[provenance.json](provenance.json), every score in `records.parquet`. Differences are the challenger minus "
        "the other, paired by picture, with 95 % bootstrap intervals; p is of a two-sided sign-flip permutation test "
        f"with {statistics.FLIPS} draws or more, and Holm's correction is over all rows of the first table. Bold: "
        f"significant at {SIGNIFICANT:.0%} after correction. No number here is the paper's."
    )
