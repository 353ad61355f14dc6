import pytest

from benchmarks.datasets import DATASETS
from benchmarks.networks import NETWORKS
from benchmarks.plans import PLANS, select
from benchmarks.run.binding import bind
from benchmarks.run.identity import method_identity
from benchmarks.run.plan import Part, Plan
from mint import MINT, InputError


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_names_what_exists(plan: Plan) -> None:
    assert PLANS[plan.name] is plan
    for part in plan.parts:
        assert part.dataset in DATASETS
        assert set(part.networks) <= NETWORKS.keys()
        for network in part.networks:
            for method in part.methods.values():
                assert method_identity(bind(method, NETWORKS[network]))["parameters"] is not None


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_mint_and_lime_ask_the_network_equally_often(plan: Plan) -> None:
    for part in plan.parts:
        if "lime" in part.methods:
            assert part.methods["mint"].samples == part.methods["lime"].samples  # type: ignore[attr-defined]


def test_smoke_is_quick_with_less_of_everything() -> None:
    (smoke,), (quick,) = PLANS["smoke"].parts, PLANS["quick"].parts
    assert (smoke.dataset, smoke.networks) == (quick.dataset, quick.networks)
    assert smoke.methods.keys() == quick.methods.keys()
    assert smoke.metrics.keys() <= quick.metrics.keys()
    assert smoke.controls == quick.controls
    assert smoke.limit is not None
    assert quick.limit is not None
    assert smoke.limit < quick.limit


def test_the_photographs_of_the_main_job_are_shown_with_every_method() -> None:
    shown = {part.dataset: part.shown for part in PLANS["photos-small"].parts}
    assert shown["photos-single"] >= 3
    assert all("mint" in part.methods and len(part.methods) >= 7 for part in PLANS["photos-small"].parts)


def test_selecting_nothing_changes_nothing() -> None:
    assert select(PLANS["quick"]) == PLANS["quick"]


def test_selecting_keeps_what_is_named_as_the_plan_configures_it() -> None:
    (part,) = select(PLANS["smoke"], networks=["scenes-vgg"], methods=["lime", "mint"], metrics=["deletion"]).parts
    (whole,) = PLANS["smoke"].parts
    assert part.networks == ("scenes-vgg",)
    assert dict(part.methods) == {"lime": whole.methods["lime"], "mint": whole.methods["mint"]}
    assert list(part.methods) == ["lime", "mint"]
    assert dict(part.metrics) == {"deletion": whole.metrics["deletion"]}


def test_a_name_that_the_plan_lacks_is_added_with_its_defaults() -> None:
    (part,) = select(PLANS["imagenet"], networks=["resnet18"], methods=["occlusion-engine"]).parts
    assert part.networks == ("resnet18",)
    assert list(part.methods) == ["occlusion-engine"]


def test_a_part_without_any_of_the_networks_is_dropped() -> None:
    parts = select(PLANS["full"], networks=["efficientnet-lite0"]).parts
    assert [part.dataset for part in parts] == ["photos"]


def test_a_limit_never_widens_a_plan() -> None:
    assert select(PLANS["smoke"], limit=1000).parts[0].limit == PLANS["smoke"].parts[0].limit
    assert select(PLANS["smoke"], limit=1).parts[0].limit == 1
    assert select(PLANS["photos"], limit=3).parts[0].limit == 3


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"networks": ["scenes-vg"]}, "unknown network 'scenes-vg'; the nearest are scenes-vgg"),
        ({"methods": ["mnt"]}, "unknown method 'mnt'; the nearest are mint"),
        ({"metrics": ["deletoin"]}, "unknown metric 'deletoin'; the nearest are deletion"),
        ({"extra": [("mint", MINT())]}, "two methods are called 'mint'"),
    ],
)
def test_a_name_that_does_not_exist_or_is_taken_is_one_sentence(chosen: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        select(PLANS["quick"], **chosen)  # type: ignore[arg-type]


def test_a_dataset_and_a_network_stand_together_once() -> None:
    part = Part("scenes", ("scenes-vgg",), {}, {})
    with pytest.raises(InputError, match="together in two parts"):
        Plan("twice", "", (part, part))
