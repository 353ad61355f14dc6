"""RISE and extremal perturbation in TorchRay, the Sobol method in Xplique, and here."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines import RISE, ExtremalPerturbation, extremal
from baselines.rise import Masks
from baselines.sobol import replicated_designs, total_indices

TARGET, HEIGHT, WIDTH = 2, 48, 40

pytestmark = pytest.mark.filterwarnings("ignore")


def test_rise_with_the_same_masks(load: Callable[..., ModuleType], subject) -> None:
    module = load("torchray.attribution.rise", "torchray", "torchray-pointing")
    masks = Masks.draw(60, 7, 0.5, (HEIGHT, WIDTH), seed=0).expand(0, 60).float()[:, None]
    theirs = module.rise(subject.network, subject.picture[None], num_masks=60, filter_masks=masks)[0, TARGET]
    found = RISE(samples=60, score="sigmoid")(subject.network, subject.picture[None], torch.tensor([TARGET]))[0]
    torch.testing.assert_close(found * 0.5, theirs, atol=1e-6, rtol=0)  # TorchRay doesn't divide by p


@pytest.mark.parametrize("steps", [1, 40])
def test_extremal_perturbation_from_a_start_without_ties(
    load: Callable[..., ModuleType], subject, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("torchray.attribution.extremal_perturbation", "torchray", "torchray-pointing")
    start = 0.5 + 0.5 * torch.rand(24, 20, generator=torch.Generator().manual_seed(0))
    ones = torch.ones

    def parameters(*shape: Any, **options: Any) -> Tensor:
        grid = len(shape) > 2 and shape[-2:] == start.shape
        return start.expand(shape).clone() if grid else ones(*shape, **options)

    # In pixels of this picture: spacing 2, sigma 6, and the strongest blur TorchRay's 20, which it doesn't let choose.
    ours = ExtremalPerturbation(steps=steps, spacing=11.2, sigma=33.6, blur=112.0)
    monkeypatch.setattr(extremal, "TIE", 1e-7)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "ones", parameters)
        options: dict[str, Any] = {"areas": list(ours.areas), "max_iter": steps, "step": 2, "sigma": 6}
        theirs = module.extremal_perturbation(
            subject.network, subject.picture[None], TARGET, smooth=ours.smooth, **options
        )[0]
        found = ours(subject.network, subject.picture[None], torch.tensor([TARGET]))[0]
    torch.testing.assert_close(found, theirs.sum(0)[0], atol=1e-4, rtol=0)


def test_the_sobol_method_s_designs_and_estimator(load: Callable[..., ModuleType]) -> None:
    package = "xplique.attributions.global_sensitivity_analysis"
    designs = load(f"{package}.replicated_designs", "xplique", "xplique-deletion")
    estimators = load(f"{package}.sobol_estimators", "xplique", "xplique-deletion")
    theirs = np.asarray(designs.TFSobolSequenceRS()(64, 32))
    first, second = replicated_designs(64, 32)
    np.testing.assert_array_equal(theirs[:64], torch.cat([first, second]))
    for i in (0, 63):
        swapped = torch.where(torch.arange(64) == i, second, first)
        np.testing.assert_array_equal(theirs[64 + 32 * i : 96 + 32 * i], swapped)
    answers = np.random.default_rng(0).random(32 * 66)
    expected = np.asarray(estimators.JansenEstimator()(theirs.reshape(-1, 8, 8, 1), answers.astype(np.float32), 32))
    drawn = torch.from_numpy(answers)
    found = total_indices(drawn[:32], drawn[64:].view(64, 32))
    np.testing.assert_allclose(found.view(8, 8), expected.reshape(8, 8), atol=1e-5)
