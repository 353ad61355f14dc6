import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mint import solver
from mint.problem import Problem, Samples, build_problem
from mint.solver import soft, solve, solve_admm, solve_cvxpy

pytest.importorskip("cvxpy")

CASES = {
    "plain": {},
    "one coarse super-pixel": {"p": 1},
    "one super-pixel": {"p": 1, "q": 1},
    "constant response": {"constant": True},
    "constant response, intercept": {"constant": True, "intercept": True},
    "all-zero fine feature": {"zero_fine": True},
    "all-zero coarse feature": {"zero_coarse": True},
    "ill-scaled": {"decades": 3.0},
    "two layers of very different size": {"coarse_size": 900.0, "fine_size": 15.0},
    "intercept": {"intercept": True},
    "fewer samples than super-pixels": {"samples": 10},
}


def draw_problem(
    seed: int,
    p: int = 5,
    q: int = 40,
    samples: int = 200,
    decades: float = 0.0,
    coarse_size: float = 1.0,
    fine_size: float = 1.0,
    constant: bool = False,
    zero_fine: bool = False,
    zero_coarse: bool = False,
    intercept: bool = False,
    alpha: float = 0.02,
) -> Problem:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    parent = torch.cat([torch.arange(p), torch.randint(0, p, (q - p,), generator=generator)])
    states = draw(samples, q) < 0.5
    states[0] = True
    effect = (draw(q) - 0.3) * (draw(q) < 0.3)
    answers = torch.sigmoid(states.double() @ effect * 4 - 1) + 0.02 * draw(samples)
    a_c = coarse_size * (0.2 + draw(p)) * 10 ** (decades * (draw(p) - 0.5))
    a_f = fine_size * (0.2 + draw(q)) * 10 ** (decades * (draw(q) - 0.5))
    if zero_fine:
        a_f[0] = 0
    if zero_coarse:
        a_c[0] = 0
    if constant:
        answers = torch.full_like(answers, 0.7)
    proximity = draw(samples) ** 2
    drawn = Samples(states, answers, proximity / proximity.sum(), parent, a_c, a_f)
    return build_problem(drawn, alpha=alpha, intercept=intercept)


def assert_agrees_with_cvxpy(problem: Problem) -> None:
    with warnings.catch_warnings():
        # The interior-point solver warns when it stops short of the 1e-11 asked of it; 1e-6 is what is compared.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        reference = solve_cvxpy(problem)
    found = solve_admm(problem)
    assert abs(found.objective - reference.objective) <= 1e-6 * max(abs(reference.objective), 1e-12)
    assert float((found.w_f @ problem.relation - found.w_c).abs().max()) <= 1e-6
    assert found.certified


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_admm_agrees_with_the_interior_point_reference(case: str, seed: int) -> None:
    assert_agrees_with_cvxpy(draw_problem(seed, **CASES[case]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 8),
    more=st.integers(0, 60),
    samples=st.integers(2, 300),
    decades=st.floats(0, 3),
    alpha=st.floats(1e-3, 0.5),
    intercept=st.booleans(),
)
def test_admm_agrees_on_random_problems(
    seed: int, p: int, more: int, samples: int, decades: float, alpha: float, intercept: bool
) -> None:
    assert_agrees_with_cvxpy(
        draw_problem(seed, p, p + more, samples, decades=decades, alpha=alpha, intercept=intercept)
    )


def test_one_super_pixel_has_the_lasso_solution_known_on_paper() -> None:
    # min (G/2) w^2 - b w + lambda |w|, twice with w shared: w = (b_c + b_f - lambda_c - lambda_f) / (G_c + G_f).
    states = torch.tensor([[True], [True], [False]])
    answers = torch.tensor([0.9, 0.7, 0.1])
    proximity = torch.tensor([0.5, 0.25, 0.25])
    one = torch.ones(1, dtype=torch.float64)
    problem = build_problem(Samples(states, answers, proximity, torch.tensor([0]), one, one), alpha=0.1)
    moment = 0.5 * 0.9 + 0.25 * 0.7
    expected = 2 * (moment - 0.1 * moment) / (2 * 0.75)
    assert float(solve_admm(problem).w_f) == pytest.approx(expected, abs=1e-7)


def test_a_penalty_of_the_largest_moment_leaves_nothing() -> None:
    solution = solve_admm(draw_problem(0, alpha=1.0))
    assert not solution.w_c.any()
    assert not solution.w_f.any()


def test_zeros_are_exact() -> None:
    solution = solve_admm(draw_problem(1, alpha=0.1))
    small = solution.w_f.abs() < 1e-6 * solution.w_f.abs().max()
    assert small.any()
    assert not solution.w_f[small].any()


def test_running_out_of_iterations_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_exact_finish", lambda *_: None)
    problem = draw_problem(2, q=80, decades=3.0, coarse_size=100.0, alpha=1e-3)
    for most, run in ((0, 0), (30, 50)):  # the second round of 25 begins before the thirtieth
        with pytest.warns(RuntimeWarning, match=f"did not converge in {run} iterations"):
            solution = solve_admm(problem, tolerance=0, max_iterations=most)
        assert (solution.iterations, solution.certified) == (run, False)


@given(st.floats(-10, 10), st.floats(0, 5))
def test_soft_threshold_is_the_proximal_map_of_the_absolute_value(value: float, threshold: float) -> None:
    result = float(soft(torch.tensor(value), torch.tensor(threshold)))
    grid = torch.linspace(-10, 10, 2001)
    costs = 0.5 * (grid - value) ** 2 + threshold * grid.abs()
    assert 0.5 * (result - value) ** 2 + threshold * abs(result) <= float(costs.min()) + 1e-5


@pytest.mark.parametrize("constraint", ["soft", "off"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 6),
    more=st.integers(0, 30),
    alpha=st.floats(1e-3, 0.5),
    big=st.booleans(),
)
def test_scales_coupled_softly_or_not_agree_with_the_reference(
    constraint: str, seed: int, p: int, more: int, alpha: float, big: bool
) -> None:
    hard = draw_problem(seed, p, p + more, alpha=alpha, coarse_size=30.0 if big else 1.0)
    coupling = {"soft": float(hard.gram_c.diagonal().mean()), "off": 0.0}[constraint]
    problem = replace(hard, coupling=coupling)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        reference = solve_cvxpy(problem)
    found = solve(problem)
    assert found.certified
    assert abs(found.objective - reference.objective) <= 1e-6 * max(abs(reference.objective), 1e-12)


def test_without_the_constraint_the_scales_do_not_know_of_each_other() -> None:
    problem = replace(draw_problem(5), coupling=0.0)
    other = replace(problem, moment_c=2 * problem.moment_c)
    torch.testing.assert_close(solve(problem).w_f, solve(other).w_f)


def test_a_softer_coupling_strays_further_from_the_constraint() -> None:
    problem = draw_problem(6)
    residuals = [solve(replace(problem, coupling=coupling)).constraint_residual for coupling in (1e3, 1.0, 1e-2)]
    assert residuals == sorted(residuals)
    assert residuals[0] < 0.01 * residuals[-1]
