"""pytorch-grad-cam's ROAD, computed by itself and by the profile."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from benchmarks.metrics import PROFILES, RemovalProfile
from benchmarks.metrics.removal.curve import Imputation

TARGET = 2

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def theirs(load: Callable[..., ModuleType], subject) -> Callable[[torch.Tensor], float]:
    mirrored = ("grad-cam", "gradcam-road")
    road = load("pytorch_grad_cam.metrics.road", *mirrored)
    follow = load("pytorch_grad_cam.utils.model_targets", *mirrored).ClassifierOutputSoftmaxTarget(TARGET)

    def score(saliency: torch.Tensor) -> float:
        found = road.ROADCombined()(subject.picture[None], saliency[None].numpy(), [follow], subject.network)
        return float(found[0])

    return score


@pytest.fixture
def silent() -> RemovalProfile:
    profile = PROFILES["gradcam-road"]
    assert isinstance(profile, RemovalProfile)
    return replace(profile, removed=Imputation(noise=0))


@pytest.mark.parametrize("saliency", ["fine", "coarse", "rectified"])
def test_without_noise_the_scores_are_equal(
    theirs, silent: RemovalProfile, subject, saliency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    # Over a tenth of a rectified map is its minimum, so that at the tenth percentile the whole picture goes.
    maps = {"fine": subject.fine, "coarse": subject.coarse, "rectified": (subject.fine - 0.25).clamp(min=0)}
    assert subject.ours(silent, maps[saliency]) == pytest.approx(theirs(maps[saliency]), abs=1e-4)


def test_noise_drawn_from_another_seed_is_the_difference_otherwise(theirs, silent: RemovalProfile, subject) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = [theirs(subject.fine) for _ in range(3)]
    assert len(set(drawn)) == 3  # theirs depends on the global generator
    ours = [subject.ours(replace(silent, removed=Imputation(seed=seed)), subject.fine) for seed in range(3)]
    spread = max(*drawn, *ours) - min(*drawn, *ours)
    assert 0 < spread < 0.02
    assert subject.ours(PROFILES["gradcam-road"], subject.fine) == ours[0]


def test_one_minus_a_small_map_is_a_plateau_there_and_a_ranking_here(silent: RemovalProfile, subject) -> None:
    small = subject.fine * 2.0**-30
    assert len((1 - small).unique()) == 1
    assert subject.ours(silent, small) == subject.ours(silent, subject.fine)
