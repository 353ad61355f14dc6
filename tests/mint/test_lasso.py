import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mint.lasso import solve_lasso


@settings(deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), price=st.floats(0, 2))
def test_independent_coordinates_are_soft_thresholds(seed: int, price: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    curvature = 0.1 + torch.rand(6, generator=generator).double()
    moment = torch.randn(6, generator=generator).double()
    weights, _, certified = solve_lasso(torch.diag(curvature), moment, torch.full((6,), price, dtype=torch.float64))
    assert certified
    torch.testing.assert_close(weights, moment.sign() * (moment.abs() - price).clamp(min=0) / curvature)


def random_gram(seed: int, samples: int, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = (torch.rand(samples, count, generator=generator) < 0.5).double()
    answers = torch.rand(samples, generator=generator).double()
    return states.T @ states / samples, states.T @ answers / samples


@given(seed=st.integers(0, 10_000), samples=st.integers(3, 60), price=st.sampled_from([0.001, 0.01, 0.1]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_optimality_conditions_hold(seed: int, samples: int, price: float) -> None:
    gram, moment = random_gram(seed, samples, 15)
    weights, _, certified = solve_lasso(gram, moment, torch.full((15,), price, dtype=torch.float64))
    assert certified
    pull = moment - gram @ weights
    assert float(pull.abs().max()) <= price * (1 + 1e-6)
    active = weights != 0
    torch.testing.assert_close(pull[active], price * weights[active].sign(), rtol=1e-6, atol=1e-9)


def test_fewer_samples_than_coordinates_are_certified_too() -> None:
    # Many solutions: the least-norm one on the support reached has other signs than those reached.
    gram, moment = random_gram(seed=1, samples=6, count=15)
    _, iterations, certified = solve_lasso(gram, moment, torch.full((15,), 0.001, dtype=torch.float64))
    assert certified
    assert iterations < 20_000


def test_a_coordinate_without_curvature_stays_zero() -> None:
    weights, _, certified = solve_lasso(
        torch.diag(torch.tensor([1.0, 0.0])).double(), torch.tensor([1.0, 0.0]).double(), torch.zeros(2).double()
    )
    assert certified
    assert weights.tolist() == [1.0, 0.0]


def test_running_out_of_iterations_is_told() -> None:
    gram, moment = random_gram(0, 40, 15)
    weights, iterations, certified = solve_lasso(gram, moment, torch.full((15,), 0.01).double(), max_iterations=0)
    assert (iterations, certified) == (0, False)
    assert not np.any(weights.numpy())


def test_a_price_above_every_moment_leaves_nothing() -> None:
    gram, moment = random_gram(1, 40, 15)
    weights, _, certified = solve_lasso(gram, moment, torch.full((15,), float(moment.abs().max()) * 1.01).double())
    assert certified
    assert weights.abs().max() == pytest.approx(0)
