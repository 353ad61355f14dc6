import numpy as np
import pandas as pd
import pytest

from benchmarks.plans import PLANS
from benchmarks.variant_report import challenge_table, compare
from mint import MINT


def test_everything_that_samples_samples_equally_often() -> None:
    for name in ("variants", "variants-imagenet"):
        for part in PLANS[name].parts:
            counts = {method.samples for method in part.methods.values() if hasattr(method, "samples")}
            assert counts == {500}
            assert next(iter(part.methods)) == "overlay"
            assert isinstance(part.methods["mint"], MINT)


def test_a_constant_advantage_is_significant_and_its_interval_has_no_width() -> None:
    found = compare(np.full(20, 0.1))
    assert found["difference"] == pytest.approx(0.1)
    assert (found["low"], found["high"]) == (pytest.approx(0.1), pytest.approx(0.1))
    # Two of the 2^20 sign patterns are as extreme: the estimate is at its floor, 1 in 10,000 on either side.
    assert found["p"] == pytest.approx(2e-4)


def test_few_pairs_are_tested_exactly() -> None:
    # Five equal signs of 2^5, on either side.
    assert compare(np.array([0.1, 0.2, 0.3, 0.2, 0.1]))["p"] == pytest.approx(2 / 32)


def test_equal_methods_do_not_differ() -> None:
    found = compare(np.zeros(10))
    assert (found["difference"], found["p"]) == (0, 1)


def test_the_same_differences_give_the_same_test() -> None:
    differences = np.random.default_rng(0).normal(0.02, 0.1, 30)
    assert compare(differences) == compare(differences)


def test_bold_is_what_is_significant_after_correction() -> None:
    row = {"network": "n", "dataset": "d", "criterion": "c", "pictures": 9, "difference": 0.1, "low": 0.0, "high": 0.2}
    found = pd.DataFrame(
        [row | {"rival": "a", "p": 0.01, "p_holm": 0.04}, row | {"rival": "b", "p": 0.04, "p_holm": 0.06}]
    )
    assert [line[4].bold for line in challenge_table(found).rows] == [True, False]
