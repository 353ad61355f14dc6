"""ImageNet's cases with the class that a network predicts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import Case
from benchmarks.datasets.predicted import PredictedCases

REGION = np.ones((4, 4), dtype=bool)


def network(answer: int) -> Any:
    def module(images: Tensor) -> Tensor:
        return torch.eye(3)[[answer] * len(images)]

    return SimpleNamespace(
        module=module, classes=("cat", "dog", "owl"), tensor=lambda image: torch.from_numpy(image).permute(2, 0, 1)
    )


CASES = [
    Case(f"picture-{i}.label", f"picture-{i}", i, ("cat", "dog", "owl")[i], np.zeros((4, 4, 3), np.uint8), REGION, True)
    for i in range(3)
]


def test_a_right_prediction_keeps_the_case_and_a_wrong_one_its_picture_alone() -> None:
    found = PredictedCases(CASES, network(answer=1))
    assert len(found) == 3
    assert found[1] is CASES[1]
    wrong = found[0]
    assert (wrong.key, wrong.picture, wrong.target, wrong.target_name) == ("picture-0.label", "picture-0", 1, "dog")
    assert (wrong.region, wrong.difficult) == (None, False)
    assert [case.target for case in found[:2]] == [1, 1]
