"""What ``study speed --peers`` times side by side is the same: each tool's scores are the suite's."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from benchmarks.networks.network import load_network
from benchmarks.studies.speed import peers
from benchmarks.studies.speed.contestants import Tuning, Work, subject_of

PROFILES = {
    "torch-cam": ("torchcam.metrics", "torchcam", "torchcam-deletion"),
    "Quantus": ("quantus", "quantus", "quantus-pixel-flipping"),
    "pytorch-grad-cam": ("pytorch_grad_cam.metrics.road", "grad-cam", "gradcam-road"),
}


@pytest.mark.filterwarnings("ignore")
def test_the_suite_and_the_tools_are_timed_at_the_same_scores(load: Callable[..., ModuleType]) -> None:
    for each in PROFILES.values():
        load(*each)
    subject = subject_of(load_network("scenes-vgg"), 1)
    contestants = peers.beside_peers(subject, Work(samples=20), Tuning(torch.channels_last, 8, 8))
    ours = {each.task: each for each in contestants if each.name == peers.OWN}
    theirs = {each.name: (each.task, each.run()) for each in contestants if each.name in PROFILES}
    task, found = theirs["torch-cam"]
    assert ours[task].run() == pytest.approx(found, abs=1e-4)
    # Quantus's steps have length 1, its curve has no start, and its steps end inside pixels.
    task, (area,) = theirs["Quantus"]
    assert ours[task].run() == pytest.approx([area / ours[task].forwards], abs=0.02)
    # The noise is drawn from another seed.
    task, found = theirs["pytorch-grad-cam"]
    assert ours[task].run() == pytest.approx(found, abs=0.03)
