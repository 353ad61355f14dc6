"""How complex a map is: values known on paper, and other people's formulas."""

import math

import numpy as np
import pytest
import torch
from contexts import context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from benchmarks.metrics import Entropy, Gini


def test_complexity_of_the_simplest_and_of_constant_maps() -> None:
    context = context_of((10, 10))
    constant, single = torch.full((10, 10), -0.7), torch.zeros(10, 10)
    single[3, 4] = -2
    assert Gini()(context, constant).score == pytest.approx(0, abs=1e-12)
    assert Gini()(context, single).score == pytest.approx(1 - 1 / 100)
    assert Entropy()(context, constant).score == pytest.approx(math.log(100))
    assert Entropy()(context, single).score == 0
    quarter = torch.zeros(10, 10)
    quarter[:5, :5] = 1
    assert Gini()(context, quarter).score == pytest.approx(3 / 4)
    assert Entropy()(context, quarter).score == pytest.approx(math.log(25))
    for metric in (Gini(), Entropy()):
        assert math.isnan(metric(context, torch.zeros(10, 10)).score)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_complexity_by_other_formulas(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((5, 7)).round(1)
    values[0, 0] = 3
    sizes = np.abs(values).ravel()
    differences = np.abs(sizes[:, None] - sizes).mean()
    context, saliency = context_of((5, 7)), torch.from_numpy(values)
    # The Gini index is half the mean difference of two values, relative to their mean.
    assert Gini()(context, saliency).score == pytest.approx(differences / (2 * sizes.mean()))
    assert Entropy()(context, saliency).score == pytest.approx(entropy(sizes))
