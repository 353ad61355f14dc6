"""MINT and its variant meet the contract, one test for each method and clause."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from examples import SmallCNN, smooth_images

from mint import MINT, Display, OverlayMINT, Surrogate
from mint.contract import Attributor, attributor_checks

PAIR = ("stem", "trunk")
METHODS: dict[str, Attributor] = {
    "mint": MINT(samples=60, layers=PAIR),
    "mint, other choices": MINT(
        samples=60, layers=PAIR, sampling="hierarchical", pooling="raw", shown=Display(scale="both")
    ),
    "mint, cvxpy": MINT(
        samples=60,
        layers=PAIR,
        response="logit",
        surrogate=Surrogate(intercept=True, solver="cvxpy"),
        shown=Display(scale="coarse"),
    ),
    "overlay": OverlayMINT(samples=60, deep_layer="trunk", slic_segments=(6, 9)),
    "overlay, gated": OverlayMINT(samples=60, deep_layer="trunk", slic_segments=(6, 9), gate=0.1),
    "overlay, soft": OverlayMINT(
        samples=60,
        deep_layer="trunk",
        grids=(4, 5),
        hiding=(0.5, "mean", "blur", "super-pixel mean"),
        edge=0.03,
        floor=0.2,
    ),
}


def network() -> SmallCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SmallCNN()
        # Running statistics of a network that has seen something, so that evaluation and training mode differ.
        model.train()(smooth_images(8, seed=1))
    # Untrained, it answers all pictures nearly alike; the rounding by the batch size would not be small beside that.
    model.head.weight.data *= 20
    return model.eval()


def clauses() -> Iterator[Any]:
    for name, method in METHODS.items():
        for clause, check in attributor_checks(method, network(), smooth_images(3), torch.tensor([0, 3, 4])):
            yield pytest.param(check, id=f"{name} {clause}")


@pytest.mark.parametrize("check", list(clauses()))
def test_the_method_meets_the_contract(check: Callable[[], None]) -> None:
    check()
