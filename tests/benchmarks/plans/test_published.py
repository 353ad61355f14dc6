"""The published plans: each number belongs to a column of its plan, and the numbers are those of the papers."""

from collections import Counter
from dataclasses import asdict

import pytest

from benchmarks.plans import PLANS, published
from benchmarks.results.published import Paper, read_paper
from benchmarks.run.plan import Plan

EVERY = {plan.name: plan for plan in published.PUBLISHED}


def paper_of(plan: Plan) -> Paper:
    assert plan.published is not None
    return plan.published


@pytest.mark.parametrize("plan", EVERY.values(), ids=EVERY)
def test_every_number_has_a_column_of_its_own(plan: Plan) -> None:
    numbers = paper_of(plan).numbers
    columns = {
        (part.dataset, network, metric, subset)
        for part in plan.parts
        for network in part.networks
        for metric, about in part.metrics.items()
        for subset in about.subsets
    }
    assert {(each.dataset, each.network, each.metric, each.subset) for each in numbers} == columns
    places = Counter((each.dataset, each.network, each.metric, each.subset, each.method) for each in numbers)
    assert set(places.values()) == {1}
    assert paper_of(plan).departures


@pytest.mark.parametrize("plan", EVERY.values(), ids=EVERY)
def test_a_paper_survives_the_provenance(plan: Plan) -> None:
    assert read_paper(asdict(paper_of(plan))) == plan.published


def test_the_numbers_are_the_papers() -> None:
    def value(plan: str, method: str, metric: str, network: str, subset: str = "all") -> float:
        (found,) = [
            each.value
            for each in paper_of(EVERY[plan]).numbers
            if (each.method, each.metric, each.network, each.subset) == (method, metric, network, subset)
        ]
        return found

    assert value("published-rise", "rise", "rise-insertion", "resnet50") == 0.7267
    assert value("published-rise", "rise, notebook", "rise-deletion", "resnet50") == 0.10483
    assert value("published-rise", "occlusion", "rise-deletion", "vgg16") == 0.1158
    assert value("published-srg", "lrp", "srg, 25 zero", "resnet50") == 0.3742
    assert value("published-srg", "smoothgrad", "mif, 5000 inpainted", "resnet50") == 0.1973
    assert value("published-torchray", "gradcam", "torchray-pointing", "torchray-resnet50-voc", "difficult") == 82.3
    assert value("published-torchray", "centre", "torchray-pointing", "torchray-vgg16-coco") == 27.8


def test_what_nobody_could_verify_is_marked() -> None:
    numbers = paper_of(PLANS["published-rise"]).numbers
    assert [(each.method, each.measure) for each in numbers if each.verified] == [
        ("rise, notebook", "deletion"),
        ("rise", "insertion"),
        ("rise, notebook", "insertion"),
    ]
    for name in ("published-srg", "published-torchray"):
        assert all(each.verified for each in paper_of(EVERY[name]).numbers)


def test_methods_that_are_not_there_are_left_out() -> None:
    made = published._methods(("lime", "deconvnet", "lime, few"), {"lime, few": {"samples": 7}})
    assert [(name, method.samples) for name, method in made.items()] == [("lime", 1000), ("lime, few", 7)]  # type: ignore[attr-defined]
