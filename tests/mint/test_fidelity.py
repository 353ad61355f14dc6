import pytest
import torch
from torch import Tensor

from mint.fidelity import measure_fidelity, rank_correlation, split_half_agreement, weighted_r_squared
from mint.perturbation import draw_states
from mint.surrogate import Fit, Solution

PARENT = torch.tensor([0, 0, 0, 1, 1, 1])
ONES_C, ONES_F = torch.ones(2).double(), torch.ones(6).double()


def linear_samples(noise: float = 0.0, count: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """Draw samples whose answers are linear in the fine states: 0.5 for each of the first two."""
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(count, 6, generator=generator) < 0.5
    states[0] = True
    answers = 0.5 * states[:, 0].double() + 0.5 * states[:, 1].double()
    answers = answers + noise * torch.randn(count, generator=generator).double()
    return states, answers, torch.ones(count).double() / count


def test_r_squared_of_perfect_mean_and_wrong_predictions() -> None:
    answers, weights = torch.tensor([0.0, 1.0, 2.0]).double(), torch.ones(3).double()
    assert weighted_r_squared(answers, answers, weights) == 1
    assert weighted_r_squared(answers, torch.ones(3).double(), weights) == 0
    assert weighted_r_squared(answers, 2 - answers, weights) == -3


def test_r_squared_weighs_the_samples() -> None:
    answers, predictions = torch.tensor([0.0, 1.0, 5.0]).double(), torch.tensor([0.0, 1.0, 0.0]).double()
    assert weighted_r_squared(answers, predictions, torch.tensor([1.0, 1.0, 0.0]).double()) == 1


def test_r_squared_of_answers_that_do_not_vary_is_undefined() -> None:
    same = torch.full((4,), 0.3).double()
    assert weighted_r_squared(same, same, torch.ones(4).double()) != weighted_r_squared(
        same, same, torch.ones(4).double()
    )


def test_a_linear_network_is_followed_by_the_fine_scale_and_not_by_the_coarse() -> None:
    states, answers, proximity = linear_samples()
    fit = Fit(alpha=0.0)
    solution = fit(states, answers, proximity, PARENT, ONES_C, ONES_F)
    fidelity = measure_fidelity(fit, solution, states, answers, proximity, PARENT, ONES_C, ONES_F)
    # With mu = 1 both scales pull on the weights, and only the fine one can be exact.
    assert 0.5 < fidelity.coarse < 0.8
    assert fidelity.fine > 0.97
    assert fidelity.fine_held_out == pytest.approx(fidelity.fine, abs=0.02)


def test_noise_is_not_explained_on_samples_held_out() -> None:
    generator = torch.Generator().manual_seed(3)
    states, _, proximity = linear_samples(count=30)
    answers = torch.rand(30, generator=generator).double()
    fit = Fit(alpha=0.0, intercept=True)
    solution = fit(states, answers, proximity, PARENT, ONES_C, ONES_F)
    fidelity = measure_fidelity(fit, solution, states, answers, proximity, PARENT, ONES_C, ONES_F)
    assert fidelity.fine > 0
    assert fidelity.fine_held_out < 0


def test_an_intercept_is_part_of_the_prediction() -> None:
    states, answers, proximity = linear_samples()
    fit = Fit(alpha=0.0, intercept=True, constraint="off")
    solution = fit(states, answers + 7, proximity, PARENT, ONES_C, ONES_F)
    fidelity = measure_fidelity(fit, solution, states, answers + 7, proximity, PARENT, ONES_C, ONES_F)
    assert fidelity.fine == pytest.approx(1)
    assert fidelity.fine_held_out == pytest.approx(1)


def test_rank_correlation() -> None:
    values = torch.tensor([0.1, 0.5, 0.2, 0.9])
    assert rank_correlation(values, values.exp()) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    # Ranks (1, 3, 2, 4) and (1, 2, 3, 4): 1 - 6 * 2 / (4 * 15).
    assert rank_correlation(values, torch.tensor([1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.8)
    assert rank_correlation(values, torch.ones(4)) == 0
    assert rank_correlation(torch.zeros(4), torch.ones(4)) == 1


def test_halves_agree_where_there_is_no_noise_and_less_where_there_is() -> None:
    fit = Fit()

    def agreement(noise: float) -> float:
        states, answers, proximity = linear_samples(noise)
        return split_half_agreement(fit, states, answers, proximity, PARENT, ONES_C, ONES_F)

    assert agreement(0.0) > 0.9
    assert agreement(5.0) < agreement(0.0) - 0.1


def test_a_state_and_its_complement_are_never_dealt_apart() -> None:
    states = draw_states(41, PARENT.repeat(3), "antithetic")
    a_f = torch.ones(18).double()
    dealt: list[set[tuple[bool, ...]]] = []

    def fit(kept: Tensor, *_rest: Tensor) -> Solution:
        dealt.append({tuple(state) for state in kept.tolist() if not all(state)})
        return Solution(ONES_C, torch.arange(18).double(), 0.0, 0.0, 1, True)

    fit.intercept = False  # type: ignore[attr-defined]
    weights = torch.ones(41).double()
    split_half_agreement(fit, states, weights, weights, PARENT.repeat(3), ONES_C, a_f)  # type: ignore[arg-type]
    measure_fidelity(
        fit,
        fit(states),
        states,
        weights,
        weights,
        PARENT.repeat(3),
        ONES_C,
        a_f,  # type: ignore[arg-type]
    )
    assert [len(each) for each in dealt] == [20, 20, 40, *[32] * 5]
    for each in dealt:
        assert {tuple(not present for present in state) for state in each} == each
