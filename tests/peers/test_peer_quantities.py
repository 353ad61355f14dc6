"""Average drop, increase, complexity and muFidelity, computed by the tools that publish them, and by this suite."""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.metrics import AverageDrop, Complexity, Increase, MuFidelity
from benchmarks.metrics.average_drop import scaled
from benchmarks.metrics.cells import cell_of

TARGET = 2

pytestmark = pytest.mark.filterwarnings("ignore")


def maps_of(subject) -> list[Tensor]:
    """Maps of both signs: the drop is large for one of them, and the answer rises for another."""
    steep = subject.fine.square().square() - 0.3
    return [subject.fine, subject.coarse - 0.5, -subject.fine, steep, -steep, subject.picture.mean(0)]


def test_average_drop_and_increase_are_torchcam_s(load: Callable[..., ModuleType], subject) -> None:
    metrics = load("torchcam.metrics", "torchcam", "torchcam-deletion")
    seen = []
    for target in range(5):
        for saliency in maps_of(subject):

            class Extractor(SimpleNamespace):
                """Answers with the scaled map, as an extractor of class activation maps would."""

                model = subject.network
                map = scaled(saliency)
                disable_hooks = enable_hooks = staticmethod(lambda: None)
                _hooks_off = staticmethod(nullcontext)

                def __call__(self, *_args: object, **_kwargs: object) -> list[Tensor]:
                    return [self.map[None].clone()]

                def fuse_cams(self, cams: list[Tensor]) -> Tensor:
                    return cams[0]

            metric = metrics.ClassificationMetric(Extractor(), partial(torch.softmax, dim=-1))
            metric.update(subject.picture[None], target)
            theirs = metric.summary()
            context = subject.context()
            object.__setattr__(context.case, "target", target)
            answer = float(subject.network(subject.picture[None]).softmax(1)[0, target])
            if answer > 1e-3:  # torchcam adds 1e-7 to what it divides by
                assert AverageDrop()(context, saliency).score == pytest.approx(100 * theirs["avg_drop"], abs=0.02)
            assert Increase()(context, saliency).score == 100 * theirs["conf_increase"]
            seen.append((answer > 1e-3 and theirs["avg_drop"] > 0.05, theirs["conf_increase"]))
    assert {True, False} == {drop for drop, _ in seen}
    assert {0.0, 1.0} == {increase for _, increase in seen}


def test_a_map_is_scaled_as_torchcam_and_grad_cam_scale_theirs(load: Callable[..., ModuleType], subject) -> None:
    load("torchcam.metrics", "torchcam", "torchcam-deletion")
    core = importlib.import_module("torchcam.methods.core")
    load("pytorch_grad_cam", "grad-cam", "gradcam-road")
    image = importlib.import_module("pytorch_grad_cam.utils.image")
    for saliency in maps_of(subject):
        ours = scaled(saliency).numpy()
        np.testing.assert_allclose(ours, core._CAM._normalize(saliency[None].clone())[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(ours, image.scale_cam_image(saliency.numpy()[None])[0], atol=1e-5)
        # The authors of ADCC sum the sizes of the scaled map over its pixels, and divide by their number.
        assert Complexity()(subject.context(), saliency).score == pytest.approx(float(np.abs(ours).mean()), abs=1e-5)


def test_mu_fidelity_is_xplique_s_on_the_same_subsets(
    load: Callable[..., ModuleType], subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("xplique.metrics", "xplique", "xplique-deletion")
    tf = importlib.import_module("tensorflow")

    def network(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return subject.network(torch.tensor(np.asarray(images)).permute(0, 3, 1, 2)).numpy()

    picture = subject.picture.permute(1, 2, 0)[None].numpy()
    ours = MuFidelity(correlation="spearman", samples=64)
    theirs = module.MuFidelity(network, picture, np.eye(5, dtype=np.float32)[[TARGET]], nb_samples=64, batch_size=64)
    assert (theirs.grid_size, theirs.subset_percent) == (ours.cells, ours.share)
    chosen = ours._removals().float().numpy()
    shown = tf.image.resize(1 - chosen.reshape(64, 9, 9, 1), picture.shape[1:3], method="nearest").numpy()
    rows, columns = (cell_of(length, 9) for length in picture.shape[1:3])
    # The cells are where theirs are.
    np.testing.assert_array_equal(shown[..., 0], 1 - chosen[:, rows[:, None] * 9 + columns])
    monkeypatch.setattr(theirs, "_perturb_samples", lambda inputs, _count: (inputs * shown, shown[None]))
    for saliency in maps_of(subject):
        expected = theirs.evaluate(saliency[None].numpy())
        assert subject.ours(ours, saliency) == pytest.approx(expected, abs=2e-3)
        assert abs(expected) > 0.005


def test_mu_fidelity_is_quantus_s_faithfulness_correlation_on_the_same_subsets(
    load: Callable[..., ModuleType], subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantus = load("quantus", "quantus", "quantus-pixel-flipping")
    ours = MuFidelity(samples=40)
    rows, columns = (cell_of(length, 9) for length in subject.fine.shape)
    gone = ours._removals()[:, rows[:, None] * 9 + columns].flatten(1)
    features = [torch.nonzero(each.repeat(3))[:, 0].numpy() for each in gone]  # Quantus removes values of channels
    for saliency in maps_of(subject):
        subsets = iter(features)
        metric = quantus.FaithfulnessCorrelation(
            nr_runs=40, subset_size=3, perturb_baseline=0.0, normalise=False, disable_warnings=True
        )
        with monkeypatch.context() as patched:
            patched.setattr(np.random, "choice", lambda *_args, subsets=subsets, **_kwargs: next(subsets))
            (theirs,) = metric(
                model=subject.network,
                x_batch=subject.picture[None].numpy(),
                y_batch=np.array([TARGET]),
                a_batch=saliency[None, None].numpy(),
                softmax=False,
                device="cpu",
            )
        assert subject.ours(ours, saliency) == pytest.approx(float(theirs), abs=1e-4)
