import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paper import column, of_columns
from PIL import Image

from benchmarks.analysis.comparisons import compare_pairs, order_methods
from benchmarks.analysis.reliability import agreement_of_metrics, reliability_card, sensitivity
from benchmarks.analysis.scores import Column
from benchmarks.report import report
from benchmarks.report.comparison_plots import draw_comparisons
from benchmarks.report.comparison_tables import beaten_tables, order_table, reliability_table
from benchmarks.report.numbers import pictures_needed
from benchmarks.report.sentences import conclude
from benchmarks.report.tables import latex
from benchmarks.results.records import save

STEPS = np.linspace(0, 0.2, 20)


def clear(**about: object) -> Column:
    """Best, middle and worst are apart on each of twenty pictures; twin is the middle but for noise; random is last."""
    noise = np.tile([0.01, -0.01], 10)
    scores = {"worst": STEPS, "middle": STEPS + 0.3, "best": STEPS + 0.6, "twin": STEPS + 0.3 + noise}
    return column({**scores, "random": STEPS - 0.5}, **about)


def words(columns: Sequence[Column]) -> list[str]:
    pairs = compare_pairs(columns)
    shown = [each for each in columns if each.headline]
    return conclude(shown, pairs, order_methods(columns, pairs), sensitivity(columns))


def test_what_is_supported_and_what_is_not_is_said_once() -> None:
    first, empty, line, nulls = words([clear()])
    assert first.startswith("5 of 6 differences between 4 methods (6 pairs, 1 column) are supported")
    assert empty == ""
    # Six pairs are corrected for: 2 / 10,000 * 6.
    assert re.match(r"- \*\*insertion\*\* ↑: best is best, .*; 5 of 6 pairs supported", line)
    assert "best > middle by 0.300 [0.300, 0.300], p = 0.001" in line
    assert "twin > worst" in line
    assert "middle > twin" not in line
    assert "(random)" in nulls


def test_what_the_best_is_not_told_apart_from_is_named_with_the_pictures_needed() -> None:
    line = words([column({"a": STEPS, "b": STEPS + np.tile([0.01, -0.01], 10), "c": STEPS - 0.3})])[2]
    assert re.search(r"not told apart from [ab] \(more than 10,000 pictures", line)
    assert "2 of 3 pairs" in line


def test_differences_are_in_favour_of_the_better_whatever_the_direction() -> None:
    higher, lower = words([clear()])[2], words([clear(direction="lower")])[2]
    assert "best > middle by 0.300 [0.300, 0.300]" in higher
    assert "worst > middle by 0.300 [0.300, 0.300]" in lower


def test_small_differences_keep_two_digits() -> None:
    line = words([column({"a": STEPS + 0.00012, "b": STEPS})])[2]
    assert "a > b by 0.000120 [0.000120, 0.000120], p < 0.001" in line


def test_pictures_needed_are_two_digits_or_hopeless() -> None:
    assert [pictures_needed(n) for n in (7, 87, 128, 1566, np.inf, np.nan)] == [
        "7", "87", "130", "1,600", "more than 10,000", "\N{EN DASH}",
    ]  # fmt: skip


def test_a_difference_that_only_the_correction_takes_away_says_so() -> None:
    # a is ahead of b by .07 +- .13: p is .03, and ten pairs are corrected for. The others are noise.
    others = {name: np.random.default_rng(ord(name)).normal(-3, 1, 20) for name in "cde"}
    line = words([column({"a": STEPS + np.tile([0.20, -0.06], 10), "b": STEPS, **others})])[2]
    assert re.search(r"\(\d+ pictures would be needed, p = 0\.0\d\d before correction\)", line)


def test_so_few_pictures_that_nothing_can_be_said() -> None:
    scores = {"a": [0.9, 0.8, 0.9, 1.0], "b": [0.1, 0.1, 0.2, 0.1], "c": [0, 0, 0, 0]}
    text = words([column(scores)])
    assert text[0].startswith("0 of 3 differences between 3 methods (3 pairs, 1 column)")
    assert "p below 0.38" in text[0]
    assert text[1:] == [""]


def test_one_picture_and_one_method_are_said_to_be_so() -> None:
    assert words([column({"a": [1], "b": [0]})])[0].endswith("none can be: with one picture, there is no test.")
    assert words([column({"a": [1, 2]})]) == ["One method: nothing to compare."]


def test_a_null_that_is_not_beaten_is_named() -> None:
    each = clear()
    each.scores["worst"] = each.scores["random"] - 0.1
    assert words([each])[-1] == "- **Not supported over a null** (insertion): worst over random (which is better)."


def test_each_column_names_the_nulls_that_a_method_does_not_beat() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (4, 20))
    scores = dict(zip(("a", "b", "random", "centre"), noise, strict=True))
    nothing = column({**scores, "sobel": noise[0] + STEPS - 5}, nulls=("random", "centre", "sobel"))
    same = replace(nothing, metric="pointing", metric_id="Pointing()")
    one = replace(nothing, metric="road", metric_id="ROAD()", scores=nothing.scores.assign(a=noise[0] + 5))
    assert [line.partition("(")[2] for line in words([nothing, same, one]) if "null" in line] == [
        "insertion): a over random and centre; b over random and centre.",
        "pointing): a over random and centre; b over random and centre.",
        "road): b over random and centre.",
    ]


def test_columns_that_contradict_each_other_are_named() -> None:
    other = clear(metric="pointing", metric_id="Pointing()", direction="lower")
    (line,) = [line for line in words([clear(), other]) if "contradict" in line]
    assert "best > worst by insertion, but worst > best by pointing" in line


def test_settings_that_change_the_order_are_summed_up() -> None:
    base = clear(metric="rise", metric_id="Insertion(steps=14)")
    turned = replace(base, metric="turned", metric_id="Insertion(steps=28)", direction="lower", headline=False)
    line = words([base, turned])[-1]
    assert line.startswith("- **Insertion** with 2 settings")
    assert "-1.00" in line
    assert line.endswith("the best is best (1) or worst (1).")


def test_tables_of_comparisons() -> None:
    columns = [clear(), clear(metric="pointing", metric_id="Pointing()")]
    # What is not shown does not count.
    pairs = compare_pairs([*columns, clear(metric="insertion-28", metric_id="Insertion(steps=28)")])
    (beaten,) = beaten_tables(columns, pairs)
    assert list(beaten.header) == ["", "worst", "middle", "best", "twin", "random"]
    assert [[entry.text for entry in row] for row in beaten.rows] == [
        ["worst", "\N{EN DASH}", "0 : 2", "0 : 2", "0 : 2", "2 : 0"],
        ["middle", "2 : 0", "\N{EN DASH}", "0 : 2", "", "2 : 0"],
        ["best", "2 : 0", "2 : 0", "\N{EN DASH}", "2 : 0", "2 : 0"],
        ["twin", "2 : 0", "", "0 : 2", "\N{EN DASH}", "2 : 0"],
    ]
    order = order_table(columns, order_methods(columns, pairs))
    title, chain, whole, _, needed = (entry.text for entry in order.rows[0])
    assert (title, chain, needed) == ("insertion ↑", "best > middle = twin > worst", "5, > 10,000, 5")
    assert float(whole.rstrip("%")) == pytest.approx(50, abs=4)
    assert beaten_tables(columns, pairs.assign(better="")) == []
    card = reliability_table(columns, pairs, reliability_card(columns))
    assert [entry.text for entry in card.rows[1][:3]] == ["pointing ↑", "20", "5"]
    assert card.rows[1][2].small == "of 6"
    assert all(latex(table).isascii() for table in (beaten, order, card))


@pytest.mark.parametrize(("cases", "methods"), [(1, 1), (1, 3), (2, 2), (20, 1), (20, 5)])
def test_a_report_of_any_size_is_made(cases: int, methods: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(cases)
    scores = {name: generator.random(cases).round(1) for name in ["random", *"abcde"][:methods]}
    hits = {name: np.ones(cases) for name in scores}
    hits["random"] = np.full(cases, np.nan)
    columns = [
        column(scores, metric="insertion", metric_id="Insertion(steps=14)"),
        column(scores, metric="insertion-28", metric_id="Insertion(steps=28)", headline=False),
        column(
            hits, metric="pointing", metric_id="Pointing()", average="classes", targets=[i % 3 for i in range(cases)]
        ),
    ]
    save(of_columns(columns), tmp_path)
    report.make_report(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b", page)
    assert ("### What the data support" in page) == (methods > 1)
    assert ("### Reliability card" in page) == (methods > 1)


def test_every_plot_is_drawn(tmp_path: Path) -> None:
    columns = [
        clear(),
        *(clear(metric=f"insertion-{n}", metric_id=f"Insertion(steps={n})", headline=False) for n in (14, 28)),
        clear(metric="pointing", metric_id="Pointing()", subset="difficult"),
        clear(metric="deletion", metric_id="Deletion()", direction="lower"),
    ]
    shown = [each for each in columns if each.headline]
    pairs = compare_pairs(columns)
    settings = {each.metric: each.settings for each in columns}
    frames = {"comparisons": pairs, "metrics": agreement_of_metrics(columns), "settings": sensitivity(columns)}
    found = draw_comparisons(shown, frames, settings, tmp_path)
    assert {kind: file.name for kind, file in found.items()} == {
        kind: f"net-on-scenes.{kind}.png" for kind in ("ranks", "wins", "metrics", "settings")
    }
    assert all(Image.open(io.BytesIO(file.read_bytes())).width > 300 for file in found.values())
