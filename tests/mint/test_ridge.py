import pytest
import torch
from torch import Tensor

from mint.ridge import ridge


def zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int64)


def test_ridge_finds_a_linear_answer_with_an_intercept() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(80, 5, generator=generator, dtype=torch.float64)
    effects = torch.tensor([1.0, 0.0, -2.0, 0.5, 0.0]).double()
    weights = 0.1 + torch.rand(80, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ridge(inputs, 3 + inputs @ effects, weights, zeros(80)), effects, atol=0.01, rtol=0)


def test_each_group_has_an_intercept_of_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(80) % 2
    # The first input tells the groups apart, so that one intercept for both would give it what is the groups'.
    inputs = torch.rand(80, 3, generator=generator, dtype=torch.float64)
    inputs[:, 0] += groups
    effects = torch.tensor([1.0, -2.0, 0.5]).double()
    answers = torch.tensor([3.0, -40.0]).double()[groups] + inputs @ effects
    weights = 0.1 + torch.rand(80, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ridge(inputs, answers, weights, groups), effects, atol=0.02, rtol=0)
    assert float((ridge(inputs, answers, weights, zeros(80)) - effects).abs().max()) > 5


def test_what_is_added_to_the_answers_of_a_group_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs, answers = torch.rand(40, 6, generator=generator).double(), torch.rand(40, generator=generator).double()
    groups, weights = torch.arange(40) % 3, torch.ones(40).double()
    moved = answers + torch.tensor([5.0, 0.0, -1.0]).double()[groups]
    torch.testing.assert_close(ridge(inputs, moved, weights, groups), ridge(inputs, answers, weights, groups))


def test_inputs_that_never_change_within_a_group_tell_nothing() -> None:
    groups = torch.arange(20) % 2
    inputs = groups[:, None].double().repeat(1, 3)
    assert ridge(inputs, torch.arange(20).double(), torch.ones(20).double(), groups).tolist() == [0, 0, 0]


@pytest.mark.parametrize("rounding", [0.0, 1e-8])
def test_answers_that_never_change_tell_nothing(rounding: float) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(40, 3, generator=generator, dtype=torch.float64)
    answers = 0.28890156 + rounding * torch.rand(40, generator=generator, dtype=torch.float64)
    weights = 0.1 + torch.rand(40, generator=generator, dtype=torch.float64)
    assert ridge(inputs, answers, weights, torch.arange(40) % 3).tolist() == [0, 0, 0]


def test_ridge_is_the_closed_form_at_the_penalty_of_the_least_cross_validation_score() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(30, 8, generator=generator, dtype=torch.float64)
    answers = inputs[:, 0] + 0.3 * torch.randn(30, generator=generator, dtype=torch.float64)
    weights = torch.ones(30).double() / 30
    centred, target = inputs - inputs.mean(dim=0), answers - answers.mean()
    gram = centred.T @ centred / 30

    def fit(penalty: float) -> tuple[Tensor, float]:
        inverse = torch.linalg.inv(gram + penalty * torch.eye(8, dtype=torch.float64))
        found = inverse @ centred.T @ target / 30
        freedom = float((inverse @ gram).trace()) + 1
        return found, float((target - centred @ found).square().sum()) / (1 - freedom / 30) ** 2

    # The grid's unit is the mean squared singular value, of which there are 8.
    grid = float(gram.trace()) / 8 * torch.logspace(-3, 2, 21, dtype=torch.float64)
    best = min((fit(float(penalty)) for penalty in grid), key=lambda each: each[1])
    torch.testing.assert_close(ridge(inputs, answers, weights, zeros(30)), best[0])
