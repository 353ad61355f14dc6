"""What the tests of the HTML page share: sections made from records, and records with controls."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.controls import measure_margins, measure_resolution
from benchmarks.analysis.scores import summarise
from benchmarks.report.comparison_tables import cost_table, margin_tables, resolution_table, score_tables
from benchmarks.report.page.build import write_html
from benchmarks.report.tables import Table
from benchmarks.results.records import Records

METHODS = ("mint", "gradcam", "lime", "random")
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
PLACES = (("scenes", "vgg"), ("scenes", "resnet"))


def write(records: Records, blocks: list[Any], file: Path) -> Path:
    write_html(records, blocks, file)
    return file


def blocks(records: Records) -> list[Any]:
    return [*score_tables(summarise(records)), cost_table(records.timings)]


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
    """All tables of margins and changes."""
    return [*margin_tables(measure_margins(records)), *resolution_table(measure_resolution(records))]
