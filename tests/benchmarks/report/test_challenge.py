from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paper import column, of_columns

from benchmarks.analysis.comparisons import compare_pairs
from benchmarks.analysis.scores import read_columns, summarise
from benchmarks.analysis.statistics import holm
from benchmarks.plans import PLANS
from benchmarks.report.challenge import challenge, challenge_table, make_challenge_report
from benchmarks.results.records import REMOVAL, Records, with_removal
from mint import MINT


def test_everything_that_samples_samples_equally_often() -> None:
    for name in ("variants", "variants-imagenet"):
        for part in PLANS[name].parts:
            counts = {method.samples for method in part.methods.values() if hasattr(method, "samples")}
            assert counts == {500}
            assert next(iter(part.methods)) == "overlay"
            assert isinstance(part.methods["mint"], MINT)


def contest(**changes: object) -> Records:
    generator = np.random.default_rng(0)
    scores = {name: generator.random(12) for name in ("overlay", "mint", "lime")}
    hits = {name: generator.integers(0, 2, 12) for name in scores}
    about = {"average": "classes", "subset": "difficult", "targets": [i % 3 for i in range(12)], **changes}
    each = [
        column(scores, metric="insertion", metric_id="Insertion()"),
        column({name: 0.5 * row for name, row in scores.items()}, metric="deletion", metric_id="Deletion()"),
        column(hits, metric="pointing", metric_id="Pointing()", **about),
    ]
    made = of_columns(each)
    made.scores["difficult"] = made.scores["case"].str.endswith(("1", "2", "3", "4", "5"))
    return with_removal(made)


def test_the_challenger_meets_every_rival_by_every_criterion_and_all_are_corrected_together() -> None:
    found = challenge(contest())
    assert list(zip(found["rival"], found["criterion"], strict=True))[:2] == [
        ("mint", "insertion \N{MINUS SIGN} deletion"),
        ("lime", "insertion \N{MINUS SIGN} deletion"),
    ]
    assert list(found["pictures"]) == [12, 12, 6, 6]
    assert found["p_holm"].to_numpy() == pytest.approx(holm(found["p"].to_numpy()))


def test_the_difference_tested_is_the_one_printed() -> None:
    made = contest(subset="all")
    summary = summarise(made).set_index(["metric", "method"])["mean"]
    columns = {each.metric: compare_pairs([each]) for each in read_columns(made)}
    (row,) = challenge(made).query("rival == 'lime' and criterion.str.startswith('insertion')").to_dict("records")
    assert row["difference"] == pytest.approx(summary[REMOVAL, "overlay"] - summary[REMOVAL, "lime"])
    assert row["p"] == columns[REMOVAL].query("first == 'overlay' and second == 'lime'")["p"].item()


def test_a_plan_cut_down_to_nothing_that_is_tested_still_has_a_report(tmp_path: Path) -> None:
    alone = of_columns([column({"overlay": [0.1, 0.2]}, metric="gini", metric_id="Gini()")])
    assert challenge(alone).empty
    assert make_challenge_report(alone, tmp_path)


def test_bold_is_what_is_significant_after_correction() -> None:
    row = {"network": "n", "dataset": "d", "criterion": "c", "pictures": 9, "difference": 0.1, "low": 0.0, "high": 0.2}
    found = pd.DataFrame(
        [row | {"rival": "a", "p": 0.01, "p_holm": 0.04}, row | {"rival": "b", "p": 0.04, "p_holm": 0.06}]
    )
    assert [line[4].bold for line in challenge_table(found).rows] == [True, False]
