"""One page of all results: which methods are among the best, by data set and network, and what each row measures."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from benchmarks.report.circumstances import unfinished
from benchmarks.report.comparison_tables import score_entries
from benchmarks.report.page import Folded
from benchmarks.report.page.build import lay_out, render
from benchmarks.report.page.markdown import inline_html
from benchmarks.report.report import measure_headlines
from benchmarks.report.tables import Entry, Metric, Table, by_metric, markdown, terminal
from benchmarks.results import records as record_files
from benchmarks.results.records import RecordsError

READING = """Each number says in how many of the headline columns of a result a method is among the best: it is the
best, or no test tells it apart from the best, so that methods that tie count alike. Rows do not compare with each
other: they are of other pictures, networks and metrics."""
OF = "\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}"
KEYS = ["result", "dataset", "network"]


def make_leaderboard(directory: Path) -> str:
    """Compare the comparisons in a folder's subfolders in ``index.html`` and ``leaderboard.md``.

    Returns
    -------
    str
        The first table, for the terminal.

    Raises
    ------
    RecordsError
        If there are no such results, or some cannot be read.
    """
    loaded = {file.parent.name: record_files.load(file.parent) for file in sorted(directory.glob("*/records.parquet"))}
    found = {name: each for name, each in loaded.items() if each.provenance["inputs"]["report"] != "ablation"}
    frames = [measure_headlines(records).assign(result=name) for name, records in found.items()]
    # A table without rows would make all numbers mere objects.
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        raise RecordsError(f"there is no result of a comparison in {directory}; make one: `python -m benchmarks run`.")
    rows = pd.concat(frames)
    rows = rows[~rows["null"]]
    first = _first_table(rows)
    about = {
        name: " ".join(filter(None, [unfinished(each.provenance), each.provenance["inputs"]["summary"]]))
        + f" {_made(each.provenance['run']['command'])}"
        for name, each in found.items()
    }
    # The folders' own pages are large: a repository that keeps results may leave them out, and links the texts.
    texts = [f"- [{name}]({quote(name)}/README.md): {said}" for name, said in about.items()]
    pages = [
        text.replace("/README.md", "/index.html", 1) if (directory / name / "index.html").is_file() else text
        for name, text in zip(about, texts, strict=True)
    ]
    folded = [
        Folded(str(metric), "Means by result; bold: among the best of the row.", [_metric_table(metric, each)])
        for metric, each in by_metric(rows)
    ]
    page = [f"# Leaderboard\n\n{READING}\n", markdown(first), *texts, ""]
    (directory / "leaderboard.md").write_text("\n".join(page), encoding="utf-8")
    results = Folded("Results", "What each of them measured, and how it is made again.", ["\n".join(pages)])
    render(
        directory / "index.html",
        title="Leaderboard",
        summary=inline_html(READING),
        blocks=[lay_out(first, "", ()), *(lay_out(section, "", ()) for section in (results, *folded))],
        scripts=[],
        index="",
        files={},
        more=False,
    )
    # What each row measures is too long for a terminal.
    return terminal(replace(first, header=first.header[:-1], rows=[row[:-1] for row in first.rows]))


def _made(command: str) -> str:
    """Say how results are made again; those that were joined have many commands."""
    joined = command.count("; ")
    return f"Joined from {joined + 1} runs; its page has their commands." if joined else f"Made by `{command}`."


def _first_table(rows: pd.DataFrame) -> Table:
    methods, lines = list(rows["method"].unique()), []
    for keys, group in rows.groupby(KEYS, sort=False):
        own = group.groupby("method", sort=False)["leading"].agg(["sum", "size"])
        most = own["sum"].max()
        counts = [
            Entry(OF.join(map(str, own.loc[m])), bold=0 < own.loc[m, "sum"] == most) if m in own.index else Entry("")
            for m in methods
        ]
        by = ", ".join(dict.fromkeys(group["metric"]))
        lines.append([*map(Entry, map(str, keys)), Entry(int(group["n"].max())), *counts, Entry(by)])
    return Table("leaderboard", "Among the best", [*KEYS, "cases", *methods, "headline columns"], lines)


def _metric_table(metric: Metric, rows: pd.DataFrame) -> Table:
    methods, lines = list(rows["method"].unique()), []
    for keys, group in rows.groupby(KEYS, sort=False):
        found = dict(zip(group["method"], score_entries(metric, group), strict=True))
        means = [found.get(method, Entry(np.nan)) for method in methods]
        about = Entry(group["metric_id"].iloc[0])
        lines.append([*map(Entry, map(str, keys)), Entry(int(group["n"].max())), *means, about])
    return Table(metric.name, str(metric), [*KEYS, "cases", *methods, "measured with"], lines)
