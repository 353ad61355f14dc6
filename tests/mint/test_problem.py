import pytest
import torch

from mint.problem import Samples, build_problem


def test_gram_matrices_are_those_of_the_samples() -> None:
    generator = torch.Generator().manual_seed(3)
    parent = torch.tensor([0, 1, 0, 1, 1])
    states = torch.rand(30, 5, generator=generator) < 0.5
    answers = torch.rand(30, generator=generator, dtype=torch.float64)
    proximity = torch.rand(30, generator=generator, dtype=torch.float64)
    a_c, a_f = torch.tensor([0.5, 2.0]).double(), torch.tensor([1.0, 2.0, 3.0, 0.5, 0.1]).double()
    problem = build_problem(Samples(states, answers, proximity, parent, a_c, a_f), mu=2.0, alpha=0.1)
    coarse_states = torch.stack([states[:, parent == i].double().mean(dim=1) for i in range(2)], dim=1)
    z_c, z_f = coarse_states * a_c, states * a_f
    w_c, w_f = torch.tensor([0.3, -0.2]).double(), torch.tensor([0.1, 0.0, -0.4, 0.2, 1.0]).double()
    lambda_c = 0.1 * (z_c.T @ (proximity * answers)).abs().max()
    lambda_f = 0.1 * 2.0 * (z_f.T @ (proximity * answers)).abs().max()
    by_hand = (
        0.5 * (proximity * (z_c @ w_c - answers) ** 2).sum()
        + lambda_c * w_c.abs().sum()
        + 2.0 * 0.5 * (proximity * (z_f @ w_f - answers) ** 2).sum()
        + lambda_f * w_f.abs().sum()
    )
    assert problem.objective(w_c, w_f) == pytest.approx(float(by_hand), rel=1e-12)


def test_some_of_the_samples_are_taken_with_all_that_belongs_to_them() -> None:
    states, numbers = torch.eye(4).bool(), torch.arange(4.0)
    samples = Samples(states, numbers, numbers + 10, torch.zeros(4, dtype=torch.int64), torch.ones(1), torch.ones(4))
    kept = samples.take(torch.tensor([True, False, False, True]))
    assert (kept.answers.tolist(), kept.proximity.tolist()) == ([0, 3], [10, 13])
    assert torch.equal(kept.states, states[[0, 3]])
    assert kept.a_f is samples.a_f
    assert samples.take(slice(2)).answers.tolist() == [0, 1]
