"""What the tests of the HTML page share: sections made from records, and records with controls."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.scores import read_columns, summarise
from benchmarks.report import tables
from benchmarks.report.control_tables import margin_tables, resolution_tables
from benchmarks.report.page.build import write_html
from benchmarks.report.tables import Table, by_setting
from benchmarks.results.records import Records

METHODS = ("mint", "gradcam", "lime", "random")
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
PLACES = (("scenes", "vgg"), ("scenes", "resnet"))


def write(records: Records, parts: dict[str, list[Any]], file: Path) -> Path:
    write_html(records, parts, file)
    return file


def sections(records: Records) -> dict[str, list[Any]]:
    made = [table for _, group in by_setting(summarise(records)) for table in tables.score_tables(group)]
    return {"Scores": made, "Cost": [tables.cost_table(records.timings)]}


def with_controls(records: Records) -> Records:
    """Add two controls of the first network's methods that are no nulls, on six cases."""
    generator = np.random.default_rng(0)
    own = records.scores.query("network == 'vgg' and method != 'random' and case < 'case-0006'")
    spoilt = [
        own.assign(control=control, score=own["score"].to_numpy() * generator.uniform(0.4, 1.3, len(own)))
        for control in ("shuffled", "7x7")
    ]
    inputs = records.provenance["inputs"]
    controls = {"shuffled": {"null": True}, "7x7": {"null": False}}
    settings = [{**inputs["settings"][0], "controls": controls}, *inputs["settings"][1:]]
    return replace(
        records,
        scores=pd.concat([records.scores, *spoilt], ignore_index=True),
        provenance={**records.provenance, "inputs": {**inputs, "settings": settings}},
    )


def comparing_tables(records: Records) -> list[Table]:
    """All tables of differences, margins and changes of the first network."""

    def first(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["network"] == "vgg"]

    return [
        *tables.difference_tables(first(compare_pairs(read_columns(records)))),
        *margin_tables(first(measure_margins(records))),
        *resolution_tables(first(measure_resolution(records))),
    ]
