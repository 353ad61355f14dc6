"""A run on pictures that are not square, from the folder to the report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layouts import VOC_CASES, write_voc

from benchmarks.__main__ import main
from benchmarks.results.records import load

NETWORK = """
import torch
from torch import nn

from benchmarks.networks.object_classes import VOC_CLASSES
from mint.app.classifiers import Classifier, Preprocessing


def tiny():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, len(VOC_CLASSES)),
    )
    return Classifier(module, Preprocessing(20), VOC_CLASSES)
"""
PLAN = """
from baselines import Centre, GradCAM
from baselines.controls import DERIVED
from benchmarks.metrics import PROFILES, ROAD, EnergyPointing, Insertion, Pointing, RelevanceRank
from benchmarks.run.plan import Part, Plan
from mint import MINT

METHODS = {"mint": MINT(samples=64), "gradcam": GradCAM(), "centre": Centre()}
METRICS = {
    "insertion": Insertion(steps=4),
    "pointing": Pointing(),
    "torchray": PROFILES["torchray-pointing"],
    "relevance-rank": RelevanceRank(),
    "energy": EnergyPointing(),
    "road": ROAD(percentiles=(50,)),
}
PART = Part("voc", ("NETWORK",), METHODS, METRICS, timed=2, shown=6, remembering=True, controls=DERIVED)
shapes = Plan("shapes", "Pictures of their own shape.", (PART,))
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "net.py").write_text(NETWORK)
    (folder / "plan.py").write_text(PLAN.replace("NETWORK", f"{folder / 'net.py'}:tiny"))
    options = ["--score", "sigmoid", "--device", "cpu", "--data", str(write_voc(folder))]
    assert main(["run", "--plan", f"{folder / 'plan.py'}:shapes", *options, "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_every_case_is_scored_by_every_method_metric_and_control(out: Path) -> None:
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["run"]["failures"] == []
    assert provenance["run"]["passed_over"] == {
        "voc": {"a class whose boxes are all marked difficult, such as cat in 000003.jpg": 1}
    }
    (setting,) = provenance["inputs"]["settings"]
    assert setting["cases"] == {"all": 6, "difficult": 4}
    assert setting["own_ratio"]
    scores = pd.read_parquet(out / "records.parquet")
    assert sorted(scores["case"].unique()) == VOC_CASES
    assert np.isfinite(scores.loc[scores["control"] == "", "score"]).all()
    own = scores[scores["control"] == ""].groupby(["method", "metric"]).size()
    assert set(own) == {6}
    assert len(own) == 3 * 6
    assert scores["control"].nunique() > 5
    assert set(pd.read_csv(out / "timing.csv")["method"]) == {"mint", "gradcam", "centre"}


def test_small_maps_and_the_report_keep_the_shapes(out: Path) -> None:
    records = load(out)
    shapes = {each.picture: next(iter(each.maps.values())).shape for each in records.maps}
    assert shapes == {"000001": (20, 30), "000002": (26, 20), "000003": (20, 20), "000004": (20, 32)}
    assert all(each.region is not None and each.region.shape == shapes[each.picture] for each in records.maps)
    assert len(records.gallery) == 6
    assert (out / "README.md").is_file()
    assert "the shorter side has 20 pixels" in (out / "index.html").read_text(encoding="utf-8")


def test_the_same_run_again_computes_nothing(out: Path, tmp_path: Path) -> None:
    options = ["--score", "sigmoid", "--device", "cpu", "--data", str(out.parent)]
    assert main(["run", "--plan", f"{out.parent / 'plan.py'}:shapes", *options, "--out", str(out)]) == 0
    assert json.loads((out / "provenance.json").read_text())["run"]["cells"]["computed"] == 0
