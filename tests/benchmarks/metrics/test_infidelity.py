"""Infidelity: values known on paper."""

import numpy as np
import pytest
import torch
from contexts import Linear, context_of

from benchmarks.metrics import Context, Infidelity
from mint.contract import InputError


def linear_context() -> tuple[Context, Linear]:
    generator = torch.Generator().manual_seed(0)
    image, weights = (torch.randn(3, 16, 20, generator=generator) for _ in range(2))
    model = Linear(weights)
    return context_of(image, model=model), model


def test_contributions_to_a_linear_network_have_no_infidelity() -> None:
    context, model = linear_context()
    contributions = (context.image * model.weights.detach()).sum(0)
    infidelity = Infidelity(score="logit")
    scale = infidelity(context, torch.zeros(16, 20)).score
    assert scale > 1
    assert infidelity(context, contributions).score == pytest.approx(0, abs=1e-9 * scale)
    assert infidelity(context, -30 * contributions).score == pytest.approx(0, abs=1e-9 * scale)
    assert infidelity(context, contributions + torch.randn(16, 20)).score > 1e-4 * scale


def test_infidelity_square_by_square() -> None:
    context, model = linear_context()
    saliency = torch.rand(16, 20, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(5)
    tops = torch.randint(16 - 8 + 1, (10, 1), generator=generator).flatten().tolist()
    lefts = torch.randint(20 - 8 + 1, (10, 1), generator=generator).flatten().tolist()
    predicted, dropped = [], []
    for top, left in zip(tops, lefts, strict=True):
        where = (slice(top, top + 8), slice(left, left + 8))
        changed = context.image.clone()
        changed[:, *where] = 0
        answers = torch.softmax(model(torch.stack([context.image, changed])), dim=1)[:, 0].detach()
        predicted.append(float(saliency[where].sum()))
        dropped.append(float(answers[0] - answers[1]))
    best = np.dot(predicted, dropped) / np.dot(predicted, predicted)
    expected = np.mean((best * np.array(predicted) - dropped) ** 2)
    found = Infidelity(side=0.5, samples=10, seed=5)(context, saliency).score
    assert found == pytest.approx(expected, rel=1e-4)
    assert Infidelity(side=0.5, samples=10, seed=5)(context, torch.zeros(16, 20)).score == pytest.approx(
        np.mean(np.square(dropped)), rel=1e-4
    )


def test_the_network_is_asked_once_for_all_maps() -> None:
    context, model = linear_context()
    for seed in range(3):
        Infidelity(samples=5)(context, torch.rand(16, 20, generator=torch.Generator().manual_seed(seed)))
    assert model.pictures == 6


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="side is a number above 0, at most 1, not 2"):
        Infidelity(side=2)
    with pytest.raises(InputError, match="samples is a whole number, 2 or more, not 1"):
        Infidelity(samples=1)
    with pytest.raises(InputError, match="score is one of"):
        Infidelity(score="loss")  # type: ignore[arg-type]
