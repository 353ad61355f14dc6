"""The section that puts a paper's numbers beside the run's: published, ours, and the difference."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.published import NOT_RUN
from benchmarks.report.numbers import counted, listed
from benchmarks.report.page import Block, Folded
from benchmarks.report.tables import Entry, Metric, Subject, Table, place_of
from benchmarks.results.published import Paper

FORMS = {"": "z.4f", "%": "z.1f"}
"""How numbers are spelled, by the paper's unit: as papers print them."""
KEYS = {"dataset": "data set", "network": "network", "metric": "metric", "subset": "subset"}
"""The columns that a table has where its rows differ in them."""
READING = """± is half of our 95 % interval over pictures; papers print none. **Bold** is a difference where our
interval does not hold the published number. *Unverified* is a number that nobody of this project could read where it
was printed."""


def compared(paper: Paper, found: pd.DataFrame) -> str:
    """Say how near the run comes to the paper, in a sentence."""
    both = found[found["n"] > 0]
    if both.empty:
        return f"None of the {counted(len(found), 'published number')} has one of ours beside it."
    without = int(both["low"].isna().sum())
    few = f" and {without} have none, of too few pictures" if without else ""
    away = format(both["difference"].abs().mean(), FORMS[paper.unit])
    return (
        f"Of {counted(len(found), 'published number')}, {len(both)} have one of ours beside them. Of these, "
        f"{both['held'].sum()} lie in our 95 % interval{few}; on average ours is {away}{paper.unit and ' %'} away."
    )


def published_section(paper: Paper | None, found: pd.DataFrame) -> Folded:
    """Lay a paper's numbers out, a table for each measure, with what differs from its protocol; empty without one."""
    blocks: list[Block] = []
    if paper is not None:
        departures = "\n".join(f"- {sentence}" for sentence in paper.departures)
        blocks = [compared(paper, found), *_gaps(found)]
        blocks += [_table(str(measure), rows, paper.unit) for measure, rows in found.groupby("measure", sort=False)]
        blocks += [READING, f"Printed in: {'; '.join(found['source'].unique())}."]
        blocks += ["### What differs from the paper's protocol", departures] if departures else []
    return Folded("Published numbers", "What a paper printed, what this run found, and what differs.", blocks)


def _gaps(found: pd.DataFrame) -> Sequence[str]:
    """Say which of the paper's methods, or which of its networks, the run does not have."""
    missing = found[found["reason"] == NOT_RUN]
    ran = found[found["reason"] != NOT_RUN]
    said = []
    for column, word in (("dataset", "data sets"), ("network", "networks"), ("method", "methods")):
        absent = [str(name) for name in missing[column].unique() if name not in {*ran[column]}]
        if absent and len(ran):
            said.append(f"{word} {listed(absent)}")
    return [f"Not in this run: {'; '.join(said)}."] if said else []


def _table(measure: str, rows: pd.DataFrame, unit: str) -> Table:
    keys = [name for name in KEYS if rows[name].nunique() > 1]
    marks = ["published", "ours", "difference"]
    header: list[str | Metric] = [KEYS[name] for name in keys]
    header = ["method", *header, *(f"{mark} ({unit})" if unit else mark for mark in marks), "cases"]
    lines = [_line(row, keys, FORMS[unit]) for row in rows.to_dict("records")]
    return Table(f"published-{measure.lower()}", measure, header, lines)


def _line(row: dict[Any, Any], keys: Sequence[str], form: str) -> list[Entry]:
    called = row["called"] if row["called"] != row["method"] else ""
    subject = Subject(place_of(row), row["method"], row["metric"], row["subset"])
    difference = Entry(
        row["difference"],
        bold=not (np.isnan(row["low"]) or row["held"]),
        form=f"+{form}",
        low=row["difference_low"],
        high=row["difference_high"],
        missing=" ",
    )
    return [
        Entry(row["method"], called),
        *(Entry(str(row[name])) for name in keys),
        Entry(row["value"], "" if row["verified"] else "unverified", form=form),
        Entry(row["ours"], form=form, low=row["low"], high=row["high"], missing=row["reason"], subject=subject),
        difference,
        Entry(int(row["n"])),
    ]
