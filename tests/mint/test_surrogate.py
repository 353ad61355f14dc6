from typing import Any

import pytest
import torch

from mint.parameters import InputError
from mint.problem import Samples, build_problem
from mint.solver import solve
from mint.surrogate import Surrogate


def test_a_fit_is_its_problem_solved() -> None:
    generator = torch.Generator().manual_seed(3)
    parent = torch.tensor([0, 1, 0, 1, 1])
    states = torch.rand(30, 5, generator=generator) < 0.5
    answers = torch.rand(30, generator=generator, dtype=torch.float64)
    weights, a_c, a_f = torch.ones(30).double() / 30, torch.ones(2).double(), torch.ones(5).double()
    samples = Samples(states, answers, weights, parent, a_c, a_f)
    found = Surrogate(mu=2.0, alpha=0.1, constraint="soft")(samples)
    problem = build_problem(samples, mu=2.0, alpha=0.1, constraint="soft")
    assert problem.coupling == pytest.approx(float(problem.gram_c.diagonal().mean()))
    torch.testing.assert_close(found.w_f, solve(problem).w_f)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"alpha": 1.5}, "alpha is a number 0 or more, at most 1, not 1.5"),
        ({"mu": -1}, "mu is a number 0 or more, not -1"),
        ({"intercept": "off"}, "intercept is one of False, True, not 'off'"),
        ({"constraint": "x"}, "constraint is one of 'hard', 'soft', 'off', not 'x'"),
        ({"solver": "x"}, "solver is one of 'admm', 'cvxpy', not 'x'"),
    ],
)
def test_choices_are_checked_when_they_are_made(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Surrogate(**change)
