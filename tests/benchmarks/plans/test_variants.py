import dataclasses

import pytest

from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks import load_network
from benchmarks.plans.variants import HELD_OUT, METRICS, PEERS, SAMPLES, VARIANTS, VARIANTS_IMAGENET
from benchmarks.run.plan import Plan
from mint import OverlayMINT


@pytest.mark.parametrize("plan", [VARIANTS, VARIANTS_IMAGENET], ids=lambda plan: plan.name)
def test_each_variant_differs_from_the_default_in_one_idea(plan: Plan) -> None:
    (part,) = plan.parts
    default = part.methods["overlay"]
    assert isinstance(default, OverlayMINT)
    assert default == OverlayMINT(samples=SAMPLES, segmentation=default.segmentation)
    variants = {name: each for name, each in part.methods.items() if name not in (*PEERS, "overlay")}
    changed = {
        name: {
            field.name
            for field in dataclasses.fields(OverlayMINT)
            if getattr(each, field.name) != getattr(default, field.name)
        }
        for name, each in variants.items()
    }
    # The grids take SLIC's place: one idea, two parameters.
    assert changed.pop("grids alone") == {"grids", "slic_segments"}
    assert all(len(fields) == 1 for fields in changed.values()), changed
    ideas = {"hiding", "gate", "floor", "grids", "slic_segments", "edge", "windows", "samples"}
    assert set().union(*changed.values()) == ideas


def test_a_plan_removes_by_more_than_the_variant_hides_by() -> None:
    removed = {getattr(metric, "baseline", "imputation") for name, metric in METRICS.items() if "pointing" not in name}
    assert removed == {"zero", "blur", "mean", "imputation"}


def test_the_held_out_scenes_are_none_that_variants_has() -> None:
    (part,), (before,) = HELD_OUT.parts, VARIANTS.parts
    assert part.methods.items() <= before.methods.items()
    assert part.metrics == before.metrics
    network = load_network("scenes-vgg")
    seen = {case.image.tobytes() for case in DATASETS[before.dataset](network, DataOptions())}
    assert part.limit is not None
    assert not seen & {case.image.tobytes() for case in DATASETS[part.dataset](network, DataOptions())[: part.limit]}
