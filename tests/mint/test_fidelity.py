import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mint.fidelity import UntilSettled, measure_fidelity, rank_correlation, split_half_agreement, weighted_r_squared
from mint.parameters import InputError
from mint.perturbation import draw_states
from mint.problem import Samples, Solution
from mint.surrogate import Surrogate

PARENT = torch.tensor([0, 0, 0, 1, 1, 1])
ONES_C, ONES_F = torch.ones(2).double(), torch.ones(6).double()


def linear_samples(noise: float = 0.0, count: int = 200) -> Samples:
    """Draw samples whose answers are linear in the fine states: 0.5 for each of the first two."""
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(count, 6, generator=generator) < 0.5
    states[0] = True
    answers = 0.5 * states[:, 0].double() + 0.5 * states[:, 1].double()
    answers = answers + noise * torch.randn(count, generator=generator).double()
    return Samples(states, answers, torch.ones(count).double() / count, PARENT, ONES_C, ONES_F)


def test_r_squared_of_perfect_mean_and_wrong_predictions() -> None:
    answers, weights = torch.tensor([0.0, 1.0, 2.0]).double(), torch.ones(3).double()
    assert weighted_r_squared(answers, answers, weights) == 1
    assert weighted_r_squared(answers, torch.ones(3).double(), weights) == 0
    assert weighted_r_squared(answers, 2 - answers, weights) == -3


def test_r_squared_weighs_the_samples() -> None:
    answers, predictions = torch.tensor([0.0, 1.0, 5.0]).double(), torch.tensor([0.0, 1.0, 0.0]).double()
    assert weighted_r_squared(answers, predictions, torch.tensor([1.0, 1.0, 0.0]).double()) == 1


def test_r_squared_of_answers_that_do_not_vary_is_undefined() -> None:
    same, weights = torch.full((4,), 0.3).double(), torch.ones(4).double()
    assert math.isnan(weighted_r_squared(same, same, weights))
    # So it is where only one answer has a weight, as with a kernel so narrow that all others underflow.
    alone = torch.tensor([1.0, 0.0, 0.0, 0.0]).double()
    assert math.isnan(weighted_r_squared(torch.arange(4).double(), same, alone))


def test_a_linear_network_is_followed_by_the_fine_scale_and_not_by_the_coarse() -> None:
    samples = linear_samples()
    surrogate = Surrogate(alpha=0.0)
    fidelity = measure_fidelity(surrogate, surrogate(samples), samples)
    # With mu = 1 both scales pull on the weights, and only the fine one can be exact.
    assert 0.5 < fidelity.coarse < 0.8
    assert fidelity.fine > 0.97
    assert fidelity.fine_held_out == pytest.approx(fidelity.fine, abs=0.02)


def test_noise_is_not_explained_on_samples_held_out() -> None:
    generator = torch.Generator().manual_seed(3)
    samples = replace(linear_samples(count=30), answers=torch.rand(30, generator=generator).double())
    surrogate = Surrogate(alpha=0.0, intercept=True)
    fidelity = measure_fidelity(surrogate, surrogate(samples), samples)
    assert fidelity.fine > 0
    assert fidelity.fine_held_out < 0


def test_an_intercept_is_part_of_the_prediction() -> None:
    samples = linear_samples()
    surrogate = Surrogate(alpha=0.0, intercept=True, constraint="off")
    raised = replace(samples, answers=samples.answers + 7)
    fidelity = measure_fidelity(surrogate, surrogate(raised), raised)
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
    surrogate = Surrogate()

    def agreement(noise: float) -> float:
        return split_half_agreement(surrogate, linear_samples(noise))

    assert agreement(0.0) > 0.9
    assert agreement(5.0) < agreement(0.0) - 0.1


def test_a_state_and_its_complement_are_never_dealt_apart() -> None:
    weights, a_f = torch.ones(41).double(), torch.ones(18).double()
    states = draw_states(41, PARENT.repeat(3), "antithetic")
    samples = Samples(states, weights, weights, PARENT.repeat(3), ONES_C, a_f)
    dealt: list[set[tuple[bool, ...]]] = []

    class Dealing(Surrogate):
        def __call__(self, kept: Samples) -> Solution:
            dealt.append({tuple(state) for state in kept.states.tolist() if not all(state)})
            return Solution(ONES_C, torch.arange(18).double(), 0.0, 0.0, 1, True)

    split_half_agreement(Dealing(), samples)
    measure_fidelity(Dealing(), Dealing()(samples), samples)
    assert [len(each) for each in dealt] == [20, 20, 40, *[32] * 5]
    for each in dealt:
        assert {tuple(not present for present in state) for state in each} == each


@pytest.mark.parametrize(("most", "rounds"), [(250, [100, 100, 50]), (200, [100, 100]), (60, [60])])
def test_rounds_are_of_100_samples_and_the_last_is_the_most(most: int, rounds: list[int]) -> None:
    samples = linear_samples(count=most)
    asked = []

    def ask(states: Tensor) -> Tensor:
        asked.append(states)
        return samples.answers[sum(map(len, asked)) - len(states) :][: len(states), None]

    unasked = replace(samples, answers=torch.empty((0, 1), dtype=torch.float64))
    taken = UntilSettled(level=2.0, most=most).take(Surrogate(), unasked, ask)  # which they never reach
    assert [*map(len, asked)] == rounds
    assert torch.equal(torch.cat(asked), samples.states)
    assert torch.equal(taken.answers[:, 0], samples.answers)


def test_every_class_must_have_settled() -> None:
    one, noise = linear_samples(), linear_samples(noise=5.0)
    both = replace(one, answers=torch.stack([one.answers, noise.answers], dim=1))
    surrogate = Surrogate()
    worst = split_half_agreement(surrogate, noise)
    assert worst < split_half_agreement(surrogate, one)
    assert UntilSettled(level=worst).reached(surrogate, both)
    assert not UntilSettled(level=worst + 1e-6).reached(surrogate, both)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"most": True}, "most is a whole number"), ({"level": float("nan")}, "level is a number -1 or more, not nan")],
)
def test_the_rule_is_checked_when_it_is_made(change: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        UntilSettled(**change)
