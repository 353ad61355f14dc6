"""The report of a challenge: the first method against each other one, tested.

Pairs are compared as `analysis.comparisons` does, but all tests of a run are corrected together by Holm's method.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.analysis import statistics
from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.scores import read_columns, summarise
from benchmarks.analysis.statistics import SIGNIFICANT
from benchmarks.report import tables
from benchmarks.report.page import Block, cost_section, fresh, origin, write_pages
from benchmarks.report.tables import Entry, Table, by_setting, where
from benchmarks.results.records import REMOVAL, Records, with_removal

CRITERIA: Mapping[tuple[str, str], str] = {
    (REMOVAL, "all"): "insertion \N{MINUS SIGN} deletion",
    ("pointing", "difficult"): "pointing, difficult",
}
"""What the challenger is to win on: a metric and a subset of the cases, and what it is called."""
READING = f"""Differences are the challenger minus the other method, paired by picture, with 95 % bootstrap intervals. p
is of a two-sided sign-flip permutation test with {statistics.FLIPS} draws or more, and Holm's correction is over all
rows of the first table. Bold: significant at {SIGNIFICANT:.0%} after correction. No number here is the paper's."""


def make_challenge_report(records: Records, directory: Path) -> str:
    """Derive the tables and both pages from the records of a challenge; return the summary for the terminal."""
    records = with_removal(records)
    summary, found = summarise(records), challenge(records)
    fresh(directory, {"scores": summary, "challenge": found}, "tables")
    table = challenge_table(found)
    sections: dict[str, list[Block]] = {"How to read the numbers": [origin(records), READING], table.title: [table]}
    sections |= {
        where(place): [*tables.score_tables(group), *tables.notes(group)] for place, group in by_setting(summary)
    }
    write_pages(records, sections | cost_section(records), directory)
    return f"{table.title}\n\n{tables.markdown(table)}"


def challenge(records: Records) -> pd.DataFrame:
    """Test the first method against each other one, by every criterion, on every network.

    Returns
    -------
    pandas.DataFrame
        One row each: network, dataset, rival, criterion, pictures, difference (challenger minus rival, of the means as
        the tables print them), low and high (95 % bootstrap interval over pictures), p (sign-flip permutation test)
        and p_holm (corrected for all rows).
    """
    columns = [column for column in read_columns(records) if (column.metric, column.subset) in CRITERIA]
    pairs = pd.concat(
        [compare_pairs([column]).query("first == @column.methods[0]") for column in columns] or [compare_pairs([])]
    )
    criteria = [CRITERIA[key] for key in zip(pairs["metric"], pairs["subset"], strict=True)]
    found = pairs.assign(criterion=criteria, p_holm=statistics.holm(pairs["p"].to_numpy()))
    kept = ["network", "dataset", "rival", "criterion", "pictures", "difference", "low", "high", "p", "p_holm"]
    return found.rename(columns={"second": "rival"})[kept].reset_index(drop=True)


def challenge_table(found: pd.DataFrame) -> Table:
    """Make the table of all tests; what is significant after correction is bold."""
    rows = []
    for row in found.to_dict("records"):
        what = [where((row["dataset"], row["network"])), row["rival"], row["criterion"], row["pictures"]]
        difference = Entry(row["difference"], "", row["p_holm"] < SIGNIFICANT, "+.3f", row["low"], row["high"])
        rows.append([*map(Entry, what), difference, *(Entry(row[name], form=".4f") for name in ("p", "p_holm"))])
    header = ["network", "against", "criterion", "pictures", "difference", "p", "p, Holm"]
    return Table("challenge", "The challenger against each method", header, rows)
