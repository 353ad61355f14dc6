"""A function of the user's is a score of every metric that reads the network's answer."""

from dataclasses import replace
from typing import Any

import contexts
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.metrics import ROAD, SRG, Context, Deletion, Infidelity, Insertion, LeRF, Metric
from benchmarks.metrics.removal.peers import PROFILES
from mint.contract import InputError


class Counting(nn.Module):
    """Logits that are linear in the pixels; counts the pictures."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        weights = torch.randn(outputs, 3 * 64, generator=torch.Generator().manual_seed(0))
        self.weights, self.pictures = nn.Parameter(weights / 10), 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        return images.flatten(1) @ self.weights.T


def twice(answers: Tensor) -> Tensor:
    return 2 * answers


IMAGE = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
MAP = torch.randn(8, 8, generator=torch.Generator().manual_seed(2))
METRICS: list[Any] = [
    *(kind(steps=4) for kind in (Deletion, Insertion, LeRF, SRG)),
    ROAD(percentiles=(20, 50)),
    PROFILES["rise-deletion"],
    PROFILES["pnpxai-abpc"],
]


def context_of(outputs: int = 3) -> Context:
    return contexts.context_of(IMAGE, None, Counting(outputs), 1)


def with_score(metric: Any, score: object) -> Metric:
    return replace(metric, score=score)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_it_is_followed_in_place_of_a_name(metric: Any) -> None:
    context = context_of()
    logit = with_score(metric, "logit")(context, MAP)
    found = with_score(metric, twice)(context, MAP)
    assert found.score == pytest.approx(2 * logit.score, rel=1e-5)
    assert abs(logit.score) > 1e-3
    assert found.curve is not None
    assert logit.curve is not None
    np.testing.assert_allclose(found.curve[1], 2 * logit.curve[1], rtol=1e-4, atol=1e-6)
    assert with_score(metric, "logit")(context, MAP).score == logit.score


def test_infidelity_follows_it() -> None:
    """The map is scaled to predict best, so that twice the drops are four times the error."""
    logit, found = (Infidelity(score=score)(context_of(), MAP).score for score in ("logit", twice))
    assert found == pytest.approx(4 * logit, rel=1e-4)


def test_metrics_of_one_function_share_their_pictures() -> None:
    context = context_of()
    module: Any = context.network.module
    Deletion(4, score=twice)(context, MAP)
    asked = module.pictures
    assert asked == 5
    Deletion(4, score=twice)(context, MAP)
    assert module.pictures == asked


def test_one_output_has_two_classes() -> None:
    context = context_of(outputs=1)
    with pytest.raises(InputError, match="one output is always 1"):
        Deletion(4)(context, MAP)
    p = torch.sigmoid(context.network.module(IMAGE[None]))[0, 0].detach()
    curve = Deletion(4, score="sigmoid")(context, MAP).curve
    assert curve is not None
    assert curve[1][0] == pytest.approx(float(1 - p), abs=1e-6)
    with pytest.raises(InputError, match="gave 1 classes, without number 1"):
        Deletion(4, score=twice)(context, MAP)


def test_one_that_fails_says_where() -> None:
    def fails(answers: Tensor) -> Tensor:
        raise RuntimeError("nothing\nhere")

    with pytest.raises(
        InputError, match=r"^the score fails failed: RuntimeError: nothing here \(in .*fails, .*\.py line \d+\)\.$"
    ):
        SRG(steps=4, score=fails)(context_of(), MAP)
