"""What identifies a case."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks.datasets import Case
from benchmarks.datasets.case import slug


def _case(**changes: Any) -> Case:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    region = np.eye(4, dtype=bool)
    case = Case("a.b", "a", target=1, target_name="b", image=image, region=region, difficult=False)
    return dataclasses.replace(case, **changes)


def test_digest_is_the_same_for_equal_content() -> None:
    assert _case().digest == _case().digest
    assert _case(key="other.b", picture="other").digest == _case().digest
    column_major = np.asfortranarray(_case().image)
    assert _case(image=column_major).digest == _case().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"image": np.zeros((4, 4, 3), np.uint8)},
        {"image": np.arange(48, dtype=np.uint8).reshape(2, 8, 3)},
        {"region": np.zeros((4, 4), bool)},
        {"region": None},
        {"target": 2},
        {"difficult": True},
        {"original": np.eye(4, dtype=bool)},
        {"original": np.zeros((4, 5), bool)},
    ],
    ids=["pixels", "shape", "region", "no region", "target", "difficult", "original", "its shape"],
)
def test_digest_changes_with_all_that_determines_a_score(changes: dict[str, Any]) -> None:
    assert _case(**changes).digest != _case().digest


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bull mastiff", "bull-mastiff"), ("jack-o'-lantern", "jack-o-lantern"), ("Loafer", "loafer")],
)
def test_slug_is_safe_in_a_file_name(name: str, expected: str) -> None:
    assert slug(name) == expected
