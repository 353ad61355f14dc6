"""The same curves of the same map, through the same network, by the suite and by the tools that it mirrors.

What a tool computes, and at how many points, is what its profile says: :mod:`benchmarks.metrics.removal.peers`.
"""

import importlib
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
from torch import Tensor

import mint.app.torchvision_ops  # noqa: F401  (before torchvision, which the tools import)
from benchmarks.metrics import PROFILES, Deletion
from benchmarks.studies.speed.contestants import Subject, Tuning, Work, captum_methods, own_methods, own_occlusion
from benchmarks.studies.speed.rounds import BARE, Contestant
from mint.contract import InputError

MODULES: Mapping[str, str] = {
    "torch-cam": "torchcam.metrics",
    "Quantus": "quantus",
    "pytorch-grad-cam": "pytorch_grad_cam.metrics.road",
}
COMMAND = "python -m tox exec -e peers -- python -m benchmarks study speed --peers"
OWN = "this suite"
TIMES = "times this suite's"
DELETION, FLIPPING, ROAD = "deletion + insertion", "pixel flipping", "ROAD"
CURVES = PROFILES["torchcam-deletion"], PROFILES["torchcam-insertion"]


def load_peers() -> dict[str, ModuleType]:
    """Import the tools.

    Raises
    ------
    InputError
        If one is not installed.
    """
    found = {}
    for tool, module in MODULES.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[tool] = importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"{tool} cannot be imported ({error}); its environment has it: `{COMMAND}`.") from error
    return found


def beside_peers(subject: Subject, work: Work, tuning: Tuning) -> list[Contestant]:
    """List what the suite and the tools both compute: of each task, the suite's own comes first."""
    tools = load_peers()
    steps = _steps(subject, work)
    flips = Deletion(steps, "minimum")
    mint, _ = own_methods(subject, work)
    own = [
        replace(mint, name=f"{OWN}, MINT"),
        replace(own_occlusion(subject, work), name=OWN),
        Contestant(OWN, partial(subject.score, *CURVES), 41, "20 intervals", DELETION),
        Contestant(OWN, partial(subject.score, flips), steps, f"{steps} steps", FLIPPING),
        Contestant(OWN, partial(subject.score, PROFILES["gradcam-road"]), 18, "9 percentiles", ROAD),
    ]
    torch_cam, quantus, grad_cam = (
        partial(call, tools[name], subject, work)
        for name, call in (("torch-cam", _torch_cam), ("Quantus", _quantus), ("pytorch-grad-cam", _grad_cam))
    )
    return [
        *own,
        Contestant("torch-cam", torch_cam, 41, "20 intervals", DELETION),
        Contestant("Quantus", quantus, steps, f"{steps} steps", FLIPPING),
        Contestant("pytorch-grad-cam", grad_cam, 37, "9 percentiles", ROAD, once=True),
        *captum_methods(subject, work, tuning),
    ]


def _steps(subject: Subject, work: Work) -> int:
    """Take about as many steps as the picture has rows: Quantus's steps must divide its height times its width."""
    pixels = subject.saliency.numel()
    features = 3 * pixels // (work.steps or len(subject.saliency))
    divisors = (each for each in range(1, pixels + 1) if pixels % each == 0)
    return 3 * pixels // min(divisors, key=lambda each: abs(each - features))


def _torch_cam(metrics: Any, subject: Subject, _work: Work) -> list[float]:
    class Extractor(SimpleNamespace):
        """Answers with the map, as an extractor of class activation maps would."""

        model = subject.network.module
        _hooks_off = staticmethod(nullcontext)

        def __call__(self, *_args: object, **_kwargs: object) -> list[Tensor]:
            return [subject.saliency[None]]

        def fuse_cams(self, cams: list[Tensor]) -> Tensor:
            return cams[0]

    metric = metrics.DeletionInsertionMetric(Extractor())
    metric.update(subject.images[:1], int(subject.targets[0]))
    found = metric.summary()
    return [found["deletion_auc"], found["insertion_auc"]]


def _quantus(quantus: Any, subject: Subject, work: Work) -> list[float]:
    # A feature is one channel of a pixel.
    features = 3 * subject.saliency.numel() // _steps(subject, work)
    flip = quantus.PixelFlipping(features_in_step=features, return_auc_per_sample=True, disable_warnings=True)
    picture, target, saliency = (
        each.cpu().numpy() for each in (subject.images[:1], subject.targets[:1], subject.saliency[None, None])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.trapz is deprecated
        network, device = subject.network.module, str(subject.network.device)
        return [float(each) for each in flip(network, picture, target, saliency, device=device)]


def _grad_cam(road: Any, subject: Subject, work: Work) -> list[float]:
    follow = importlib.import_module("pytorch_grad_cam.utils.model_targets").ClassifierOutputSoftmaxTarget
    metric = road.ROADCombined() if work.steps is None else road.ROADCombined([90])
    saliency, target = subject.saliency[None].cpu().numpy(), follow(int(subject.targets[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, of a matrix in an inefficient format
        return [float(each) for each in metric(subject.images[:1], saliency, [target], subject.network.module)]


def table_of(summed: pd.DataFrame) -> pd.DataFrame:
    """Divide what each contestant takes, in bare forward passes, by what the suite's own takes for the same task."""
    asked = summed[summed["contestant"] != BARE]
    bare = asked["forwards"] * asked["ratio to bare forwards"]
    # Not of whichever came first: the suite's own may have been left out for want of time.
    own = bare.where(asked["contestant"].str.startswith(OWN)).groupby(asked["task"]).transform("first")
    table = asked[["task", "contestant", "setting", "forwards", "median s"]].assign(**{TIMES: bare / own})
    return table.sort_values("task", kind="stable")


def faster(table: pd.DataFrame) -> str:
    """Name the peers that are faster than the suite."""
    names = [
        f"{row['contestant']} ({row['task']}: {row[TIMES]:.2f} {TIMES} time)"
        for _, row in table[table[TIMES] < 1].iterrows()
    ]
    return f"Faster than this suite: {'; '.join(names)}." if names else "No peer is faster than this suite."
