"""Xplique's deletion and insertion, computed by itself and by the profiles.

Xplique ranks pixels by ``np.argsort(...)[:, ::-1]`` with numpy's default sort, which leaves the order of tied pixels
open: it depends on numpy's version and on the processor. So on a map with ties the curves agree where a point of the
curve takes whole plateaus, and everywhere once numpy is told to sort stably, as the profile does.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.metrics import PROFILES

TARGET = 2

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.parametrize(
        ("name", "profile"), [("Deletion", "xplique-deletion"), ("Insertion", "xplique-insertion")]
    ),
]


@pytest.fixture
def theirs(load: Callable[..., ModuleType], subject, name: str, profile: str) -> Any:
    module = load("xplique.metrics", "xplique", profile)

    def network(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return subject.network(torch.tensor(np.asarray(images)).permute(0, 3, 1, 2)).numpy()

    picture = subject.picture.permute(1, 2, 0)[None].numpy()
    return getattr(module, name)(network, picture, np.eye(5, dtype=np.float32)[[TARGET]])


def test_causal_fidelity(theirs, subject, profile: str) -> None:
    expected = theirs.evaluate(subject.fine[None].numpy())
    assert subject.ours(PROFILES[profile], subject.fine) == pytest.approx(expected, abs=1e-4)


def test_of_tied_pixels_the_last_goes_first_where_the_sort_is_stable(
    theirs, subject, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(np, "argsort", partial(np.argsort, kind="stable"))
        expected = theirs.evaluate(subject.coarse[None].numpy())
    assert subject.ours(PROFILES[profile], subject.coarse) == pytest.approx(expected, abs=1e-4)


def test_whole_plateaus_are_the_same_however_numpy_sorts(theirs, subject, profile: str) -> None:
    curve = theirs.detailed_evaluate(subject.coarse[None].numpy())
    whole = np.array(list(curve)) % subject.plateau == 0
    assert 3 < whole.sum() < len(curve)
    expected = np.array(list(curve.values()))
    np.testing.assert_allclose(subject.curve(PROFILES[profile], subject.coarse)[whole], expected[whole], atol=1e-4)
