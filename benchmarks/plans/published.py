"""Published tables: the protocol of a paper, as near as this suite comes to it, and the paper's numbers.

The numbers lie in ``tables/``: ``torchray-pointing.csv`` is TorchRay's ``docs/pointing.csv``; ``srg-bluecher2024.csv``
has the ResNet50 rows of ``df_pixelwise_auc.csv`` and ``df_pixelwise_least_auc.csv`` in the authors' repository
bluecher31/pixel-flipping; ``rise-areas.csv`` has RISE's table as it is remembered, of which only the insertion of RISE
itself was read anywhere, and what the authors' notebook ``Evaluation.ipynb`` printed.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.metrics import PROFILES, Metric, RemovalProfile
from benchmarks.metrics.removal.curve import Inpainting, Removed
from benchmarks.metrics.removal.peers import BY_SEGMENTS
from benchmarks.metrics.removal.segments import Segments
from benchmarks.plans.methods import METHODS, PRESENT
from benchmarks.results.published import Paper, Published
from benchmarks.run.plan import Part, Plan
from mint.contract import Attributor

TABLES = Path(__file__).parent / "tables"
OURS = {
    "center": "centre",
    "gradient": "saliency",
    "gradients": "saliency",
    "gradients_nt": "smoothgrad",
    "ig": "integrated-gradients",
    "input_x_gradients": "input-x-gradient",
    "zennit": "lrp",
    "guided_backprop": "guided-backprop",
    "grad_cam": "gradcam",
    "sliding_window": "occlusion",
    "extremal_perturbation": "extremal-perturbation",
}
"""This suite's names of the methods that the papers call otherwise."""


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (TABLES / file).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _methods(names: Iterable[str], changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Attributor]:
    """Make methods by their names, some with other parameters; "rise, notebook" is RISE with parameters of its own.

    A method whose package is not installed is left out; the report says that it is missing.
    """
    bases: dict[str, str] = {name: name.partition(",")[0] for name in names}
    there: dict[str, Any] = {name: METHODS[base]() for name, base in bases.items() if base in PRESENT}
    return {name: replace(method, **changes[name]) if name in changes else method for name, method in there.items()}


# RISE's table: deletion and insertion.

RISE_SOURCES = {
    "paper": "Petsiuk, Das, Saenko, BMVC 2018, table of deletion and insertion",
    "notebook": "the authors' Evaluation.ipynb, ResNet50 on the first 10,000 pictures",
}
_RISE_METHODS = ("gradcam", "occlusion", "lime", "rise", "random", "centre")
_NOTEBOOK = "rise, notebook"
_RISE_DEPARTURES = (
    "The paper's pictures are ImageNet's validation set; ours are those of --data, as many as the table says.",
    "The authors' code resizes a picture to 224 x 224 whatever its shape; here its shorter side becomes 256, and the "
    "centre of 224 x 224 is cut out.",
    "The sliding window is Captum's occlusion by 32 x 32 pixels at a stride of 16; which window the paper took is not "
    "known here.",
    "LIME is Captum's, and hides super-pixels by zero, which is gray.",
    "Grad-CAM reads the last layer whose answers are maps.",
)


def _rise(areas: Mapping[str, Metric], departures: tuple[str, ...], networks: tuple[str, ...]) -> Paper:
    names = {name.removeprefix("rise-"): name for name in areas}
    numbers = tuple(
        Published(
            dataset="imagenet-predicted",
            network=row["network"],
            method=_NOTEBOOK if row["source"] == "notebook" else OURS.get(row["method"], row["method"]),
            metric=names[row["measure"]],
            called=row["method"],
            measure=row["measure"],
            value=float(row["value"]),
            source=RISE_SOURCES[row["source"]],
            verified=row["verified"] == "yes",
        )
        for row in _rows("rise-areas.csv")
        if row["network"] in networks
    )
    return Paper(numbers, (*departures, *_RISE_DEPARTURES))


_RISE_AREAS = {name: PROFILES[name] for name in ("rise-deletion", "rise-insertion")}
PUBLISHED_RISE = Plan(
    "published-rise",
    "RISE's table of deletion and insertion, on a folder in ImageNet's layout (--data): the paper's numbers and ours.",
    (
        Part(
            "imagenet-predicted",
            ("resnet50",),
            _methods(
                (*_RISE_METHODS, _NOTEBOOK),
                {"rise": {"samples": 8000}, _NOTEBOOK: {"samples": 6000, "cells": 8, "keep": 0.1}},
            ),
            _RISE_AREAS,
            limit=1000,
        ),
        Part(
            "imagenet-predicted",
            ("vgg16",),
            _methods(_RISE_METHODS, {"rise": {"samples": 4000}}),
            _RISE_AREAS,
            limit=1000,
        ),
    ),
    headline=tuple(_RISE_AREAS),
    published=_rise(_RISE_AREAS, (), ("resnet50", "vgg16")),
)
_RISE_FEWER = {
    name: replace(area, points="eight picture rows a step")  # type: ignore[arg-type]
    for name, area in _RISE_AREAS.items()
}
PUBLISHED_RISE_SMALL = Plan(
    "published-rise-small",
    "RISE's table through ResNet50 (--data), with fewer pictures, samples and points: under an hour of a CPU's core.",
    (
        Part(
            "imagenet-predicted",
            ("resnet50",),
            _methods(_RISE_METHODS, {"lime": {"samples": 300}, "rise": {"samples": 500}}),
            _RISE_FEWER,
            limit=12,
            shown=3,
        ),
    ),
    headline=tuple(_RISE_FEWER),
    published=_rise(
        _RISE_FEWER,
        (
            "RISE averages 500 masks in place of the paper's 8000, and LIME 300 samples in place of 1000.",
            "A curve has 29 points in place of 225, as in the batch run of the authors' notebook.",
        ),
        ("resnet50",),
    ),
)

# Bluecher et al.: the symmetric relevance gain on super-pixels.

SRG_SOURCE = (
    "Bluecher, Vielhaben, Strodthoff, TMLR 2024, the authors' df_pixelwise_auc.csv and df_pixelwise_least_auc.csv"
)
_FLIPPING = RemovalProfile(
    tool="pixel-flipping",
    version="2c6af4f",
    points=BY_SEGMENTS,
    area="trapezoid",
    segments=Segments(25),
    call="pixel_flipping(cfg, image, attribution, imputer, model), scale_spacing log, n_measurements 15",
)
_PATHS: Mapping[str, RemovalProfile] = {
    "srg": replace(_FLIPPING, direction="higher", curve="LeRF - MoRF"),
    "mif": _FLIPPING,
    "lif": replace(_FLIPPING, direction="higher", curve="LeRF"),
}
_IMPUTERS: Mapping[str, tuple[str, Removed]] = {
    "ConstantValueImputer": ("zero", "zero"),
    "cv2": ("inpainted", Inpainting()),
}
_SUPERPIXELS = (25, 100, 500, 5000)


def _flipped(measure: str, number: int | str, imputer: str) -> str:
    return f"{measure}, {number} {_IMPUTERS[imputer][0]}"


FLIPPED: Mapping[str, Metric] = {
    _flipped(measure, number, imputer): replace(profile, segments=Segments(number), removed=removed)
    for measure, profile in _PATHS.items()
    for imputer, (_, removed) in _IMPUTERS.items()
    for number in _SUPERPIXELS
}
"""MIF, LIF and SRG by the number of super-pixels, and by what becomes of those that are removed."""
PUBLISHED_SRG = Plan(
    "published-srg",
    "Bluecher et al.'s SRG on super-pixels, ResNet50 on a folder in ImageNet's layout (--data): theirs and ours.",
    (
        Part(
            "imagenet",
            ("resnet50",),
            _methods(
                ("saliency", "smoothgrad", "integrated-gradients", "input-x-gradient", "lrp", "mint", "random"),
                {"saliency": {"channels": "sum-abs"}, "smoothgrad": {"samples": 5, "noise": 0.2}},
            ),
            FLIPPED,
            limit=100,
        ),
    ),
    headline=("srg, 25 zero", "srg, 500 zero", "srg, 25 inpainted", "srg, 500 inpainted"),
    published=Paper(
        tuple(
            Published(
                dataset="imagenet",
                network="resnet50",
                method=OURS.get(row["method"], row["method"]),
                metric=_flipped(measure, row["superpixels"], row["imputer"]),
                called=row["method"],
                measure=measure.upper(),
                value=float(row[measure]),
                source=SRG_SOURCE,
            )
            for measure in _PATHS
            for row in _rows("srg-bluecher2024.csv")
        ),
        (
            "Their 100 pictures are drawn from ImageNet's validation set by numpy's generator with seed 0, and resized "
            "to a shorter side of 224 before the cut; ours are the first of --data, resized to 256.",
            "They cut the three colour channels as a volume, so that a super-pixel's border may differ by channel; "
            "here SLIC cuts the picture in colours, with the same compactness of 1.",
            "They ask at numbers up to the number that SLIC is asked for, we up to the number that it finds.",
            "They average the curves of all pictures and take the area of the mean; here each picture's own area is "
            "averaged.",
            "Their noise tunnel averages absolute gradients under noise with a standard deviation of 1; here gradients "
            "are averaged with their signs, under noise of a fifth of the picture's range, which is about 1.",
            "Their LRP has no canonizers, so that ResNet50's batch norms stay apart from its convolutions.",
        ),
    ),
)

# TorchRay: the pointing game.

TORCHRAY_SOURCE = "TorchRay, docs/pointing.csv"
_DATASETS = {"voc_2007": "voc", "coco": "coco"}
_POINTING = {"torchray-pointing": PROFILES["torchray-pointing"]}
_AREAS = {"voc": (0.025, 0.05, 0.1, 0.2), "coco": (0.018, 0.025, 0.05, 0.1)}


def _pointing(dataset: str) -> Part:
    names = ("saliency", "guided-backprop", "gradcam", "rise", "extremal-perturbation", "mint", "centre", "random")
    changes: Mapping[str, Mapping[str, Any]] = {
        "saliency": {"channels": "max-abs"},
        "rise": {"samples": 8000, "score": "sigmoid"},
        "mint": {"response": "sigmoid"},
        "extremal-perturbation": {"areas": _AREAS[dataset]},
    }
    networks = f"torchray-vgg16-{dataset}", f"torchray-resnet50-{dataset}"
    return Part(dataset, networks, _methods(names, changes), _POINTING)


PUBLISHED_TORCHRAY = Plan(
    "published-torchray",
    "TorchRay's pointing game on VOC 2007 and COCO 2014 (--datasets voc --data DIR): its numbers and ours.",
    tuple(_pointing(dataset) for dataset in _DATASETS.values()),
    published=Paper(
        tuple(
            Published(
                dataset=_DATASETS[row["dataset"]],
                network=f"torchray-{row['network']}-{_DATASETS[row['dataset']]}",
                method=OURS.get(row["method"], row["method"]),
                metric="torchray-pointing",
                called=row["method"],
                measure="pointing",
                value=float(row["pointing_percent"]),
                source=TORCHRAY_SOURCE,
                subset=row["subset"],
            )
            for row in _rows("torchray-pointing.csv")
        ),
        (
            "TorchRay smooths the maps of gradient and guided backprop by a Gaussian of 2 % of the picture's shorter "
            "side before it looks for the maximum; ours stay as they are.",
            "TorchRay's RISE sees the whole picture resized to 224 x 224, ours sees what every other method sees.",
        ),
        unit="%",
    ),
)
PUBLISHED = (PUBLISHED_TORCHRAY, PUBLISHED_SRG, PUBLISHED_RISE, PUBLISHED_RISE_SMALL)
