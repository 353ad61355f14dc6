"""The sentences: who is ahead, who is not told apart, and the box on one method."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from paper import STEPS, clear, column

from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.reliability import sensitivity
from benchmarks.analysis.scores import Column
from benchmarks.analysis.verdicts import duels, leaders
from benchmarks.report.numbers import pictures_needed
from benchmarks.report.verdict import box, conclude, plain, settings_sentences


def words(columns: Sequence[Column]) -> list[str]:
    return conclude(columns, compare_pairs(columns))


def test_who_is_best_and_supported_is_said_in_five_sentences() -> None:
    best, alone, among, power, nulls = words([clear(), clear(network="other")])
    assert best == "The best mean: **best** by insertion."
    assert alone == "Ahead of every other method, supported by tests: **best** by insertion."
    assert among.endswith(": best in 2; middle, twin and worst in none.")
    assert power.startswith("10 of 12 differences are supported, on 20 pictures")
    assert "middle and twin by insertion (net), with more than 10,000 pictures" in power
    assert nulls == "Every method is ahead of every null, supported."


def test_a_method_without_a_score_in_the_first_column_is_among_the_others() -> None:
    first = column({"a": STEPS + 0.3, "b": STEPS, "c": STEPS * np.nan})
    second = column({"a": STEPS + 0.3, "b": STEPS, "c": STEPS}, metric="pointing", metric_id="Pointing()")
    assert words([first, second])[2].endswith(": a in 2; b and c in none.")


def test_settings_are_named_where_they_differ() -> None:
    said = words([clear(), clear(network="other", direction="lower")])
    assert said[0] == "The best mean: **best** by insertion (net); **worst** by insertion (other)."


def test_the_leading_group_is_the_best_and_what_is_not_told_apart_from_it() -> None:
    each = column({"a": STEPS, "b": STEPS + np.tile([0.01, -0.01], 10), "c": STEPS - 0.3, "random": STEPS - 1})
    assert {*leaders(each, compare_pairs([each]))} == {"a", "b"}
    assert leaders(clear(), compare_pairs([clear()])) == ("best",)
    assert leaders(clear(direction="lower"), compare_pairs([clear(direction="lower")])) == ("random",)
    assert "Ahead of every other method, supported by tests: none." in words([each])


def test_so_few_pictures_that_nothing_can_be_said() -> None:
    scores = {"a": [0.9, 0.8, 0.9, 1.0], "b": [0.1, 0.1, 0.2, 0.1], "c": [0, 0, 0, 0]}
    text = words([column(scores)])
    assert len(text) == 2
    assert "no p can be below 0.38" in text[1]


def test_one_picture_and_one_method_are_said_to_be_so() -> None:
    assert "No test can support" in words([column({"a": [1], "b": [0]})])[1]
    assert words([column({"a": [1, 2]})]) == ["Nothing to compare: no column has scores of two methods."]


def test_a_null_that_is_not_beaten_is_named() -> None:
    each = clear()
    each.scores["worst"] = each.scores["random"] - 0.1
    assert words([each])[-1].endswith(": worst by insertion.")
    assert words([each, clear(network="other")])[-1].endswith(": worst (net) by insertion.")
    every = column({"a": STEPS, "b": STEPS, "random": STEPS + 0.1})
    assert words([every])[-1].endswith(": every method by insertion.")


def test_settings_that_change_the_order_are_summed_up() -> None:
    base = clear(metric="rise", metric_id="Insertion(steps=14)")
    turned = replace(base, metric="turned", metric_id="Insertion(steps=28)", direction="lower", main=False)
    line = settings_sentences(sensitivity([base, turned]))
    assert line.startswith("- **Insertion**, net, 2 settings")
    assert "-1.00" in line
    assert line.endswith("the best is best (1) or worst (1).")


def test_pictures_needed_are_two_digits_or_hopeless() -> None:
    assert [pictures_needed(n) for n in (7, 87, 128, 1566, np.inf, np.nan)] == [
        "7", "87", "130", "1,600", "more than 10,000", "\N{EN DASH}",
    ]  # fmt: skip


TIMINGS = pd.DataFrame(
    [["scenes", "net", name, "A CPU", 50.0 * (i + 1), 100.0] for i, name in enumerate(("mine", "mint", "lime"))],
    columns=["dataset", "network", "method", "device", "median_ms", "forwards"],
)


def contest() -> list[Column]:
    """Mine is ahead of MINT and behind LIME by insertion; by deletion nothing is decided."""
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 20))
    down = dict(zip(("mine", "mint", "lime"), noise, strict=True))
    up = {"mine": STEPS + 0.3, "mint": STEPS, "lime": STEPS + 0.5}
    return [column(up), column(down, metric="deletion", metric_id="Deletion()", direction="lower")]


def test_the_box_says_where_a_method_is_ahead_behind_and_undecided() -> None:
    columns = contest()
    title, ahead, behind, undecided, cost = box("mine", (), columns, compare_pairs(columns), TIMINGS)
    assert title == "**mine** against the best of the others in each column and mint, on 20 pictures, net:"
    assert ahead == "**ahead of** mint by insertion (+0.300)."
    assert behind == "**behind** lime by insertion (-0.200)."
    assert re.search(r"undecided .*against\*\* .* by deletion \([> ]*[\d,]+\)", undecided)
    assert cost.startswith("**cost** net 100 forwards, 50 ms a picture (")
    assert "0.5 times mint's" in cost
    assert all(len(line) <= 80 for line in plain([title, ahead, behind, undecided, cost]).splitlines())


def test_a_cost_of_hundreds_of_times_has_no_exponent() -> None:
    columns = contest()
    dear = TIMINGS.assign(median_ms=TIMINGS["median_ms"] * (1 + 346 * (TIMINGS["method"] == "mine")))
    *_, cost = box("mine", (), columns, compare_pairs(columns), dear)
    assert "170 times mint's" in cost


def test_a_cost_names_its_network_where_no_rival_was_timed() -> None:
    columns = contest()
    alone = pd.concat([TIMINGS.iloc[:1], TIMINGS.iloc[:1].assign(network="other", forwards=50.0)])
    *_, cost = box("mine", (), columns, compare_pairs(columns), alone)
    assert cost == "**cost** net 100 forwards, 50 ms a picture; other 50 forwards, 50 ms a picture."


def test_the_box_can_be_narrowed_to_some_rivals() -> None:
    columns = contest()
    pairs = compare_pairs(columns)
    assert {*duels(columns, pairs, "mine", ("lime",))["rival"]} == {"lime"}
    title, ahead, *_ = box("mine", ("lime",), columns, pairs, TIMINGS.iloc[:0])
    assert title.startswith("**mine** against lime, on")
    assert ahead == "**ahead of** none."


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_lead_is_positive_where_the_method_is_better(direction: str) -> None:
    each = column({"mine": STEPS + 0.3, "mint": STEPS}, direction=direction)
    (row,) = duels([each], compare_pairs([each]), "mine").to_dict("records")
    sign = 1 if direction == "higher" else -1
    assert row["lead"] == pytest.approx(0.3 * sign)
    assert row["low"] <= row["lead"] <= row["high"]
    assert row["state"] == ("ahead" if sign > 0 else "behind")
    # The other way round it is the other way round.
    (turned,) = duels([each], compare_pairs([each]), "mint", ("mine",)).to_dict("records")
    assert turned["lead"] == pytest.approx(-row["lead"])
