from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.occlusion import cut
from benchmarks.datasets import DATASETS
from benchmarks.networks import NETWORKS
from benchmarks.plans import PLANS
from benchmarks.plans.methods import BUDGETED, GROUPS, METHODS, PRESENT, methods
from benchmarks.registry import DATASET, METHOD, METRIC, NETWORK, Kind
from benchmarks.run.identity import method_identity, object_identity
from benchmarks.run.plan import Part, Plan, select
from mint import InputError


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_names_what_exists(plan: Plan) -> None:
    assert PLANS[plan.name] is plan
    for part in plan.parts:
        assert part.dataset in DATASETS
        assert set(part.networks) <= NETWORKS.keys()
        assert all(method_identity(method)["parameters"] is not None for method in part.methods.values())
        assert all(object_identity("metric", metric)["code"] for metric in part.metrics.values())


def test_a_plan_says_what_its_report_is_about() -> None:
    reports = {name: plan.report for name, plan in PLANS.items() if plan.report != "comparison"}
    assert reports == {"ablations": "ablation", "ablations-imagenet": "ablation"}
    assert {name: plan.focus for name, plan in PLANS.items() if plan.focus} == {
        "variants": ("overlay",),
        "variants-imagenet": ("overlay",),
        "held-out": ("overlay", "250 samples"),
    }


def test_a_headline_has_at_most_six_columns_and_names_what_there_is() -> None:
    assert all(len(plan.headline) <= 6 for plan in PLANS.values())
    (part,) = PLANS["quick"].parts
    with pytest.raises(InputError, match=r"headline of plan .x., .inserton.; the nearest .* insertion"):
        Plan("x", "One.", (part,), headline=("inserton",))
    wider = select(PLANS["quick"], more={METRIC: ["gini", "entropy"]})
    assert wider.headline == ("entropy", *PLANS["quick"].headline)
    assert select(PLANS["quick"], only={METRIC: ["road", "gini"]}).headline == ("road",)


def test_what_is_added_is_what_a_report_says_the_most_of() -> None:
    added = select(PLANS["quick"], more={METHOD: ["random"]}, against=("mint",))
    assert (added.focus, added.against) == (("random",), ("mint",))


@pytest.mark.parametrize(("budget", "windows"), [(60, 64), (200, 225), (500, 441), (1000, 1089), (5000, 4225)])
def test_occlusion_asks_as_often_as_the_others_as_nearly_as_its_windows_allow(budget: int, windows: int) -> None:
    method = methods(samples=budget)["occlusion"]
    one_axis = len(cut(224, method.window, method.stride)[1])  # type: ignore[attr-defined]
    assert one_axis**2 == windows
    if budget < 5000:  # and on scenes of half the size
        assert len(cut(112, method.window // 2, method.stride // 2)[1]) == one_axis  # type: ignore[attr-defined]


def test_every_method_has_a_budget_or_its_defaults() -> None:
    assert BUDGETED.keys() <= METHODS.keys()
    for name, method in methods(samples=64, kernel_size=2.0, names=BUDGETED.keys() & set(PRESENT)).items():
        assert type(method) is type(METHODS[name]())
        assert method != METHODS[name](), name


@pytest.mark.parametrize(("budget", "forwards"), [(50, 40), (200, 200), (500, 520), (2000, 2080), (5000, 4736)])
def test_sobol_asks_as_often_as_the_others_as_nearly_as_its_grids_allow(budget: int, forwards: int) -> None:
    found: Any = methods(samples=budget, names=["sobol"])["sobol"]
    assert found.designs * (found.cells**2 + 1) == forwards


def test_quick_compares_a_dozen_that_need_no_package_of_their_own() -> None:
    (part,) = PLANS["quick"].parts
    compared = part.methods.keys() - {*part.nulls}
    assert len(compared) == 12
    assert not any(hasattr(METHODS[name], "needs") for name in compared)
    asking = {name: getattr(part.methods[name], "samples", 500) for name in GROUPS["perturbation"] if name in compared}
    assert set(asking.values()) == {500}
    assert compared <= {name for group in ("gradient", "cam", "perturbation") for name in GROUPS[group]}


def test_full_has_every_method_and_says_which_are_left_out() -> None:
    for part in PLANS["full"].parts:
        assert {*part.methods, *PLANS["full"].left_out} == METHODS.keys()
    assert select(PLANS["full"], only={METHOD: ["mint"]}).left_out == {}


@pytest.mark.parametrize("group", [group for group in GROUPS if {*GROUPS[group]} & {*PRESENT}])
def test_every_group_can_be_run_by_every_plan(group: str) -> None:
    for name in ("smoke", "quick", "full"):
        plan = select(PLANS[name], only={METHOD: [f"@{group}"]})
        assert all({*part.methods, *plan.left_out} == set(GROUPS[group]) for part in plan.parts)
    assert {"mint", "overlay", "lime"} <= set(GROUPS["perturbation"]) <= set(GROUPS["all"])


def test_a_method_that_is_asked_for_has_the_plan_s_budget() -> None:
    (part,) = select(PLANS["quick"], more={METHOD: ["@perturbation"]}).parts
    assert part.methods["occlusion-engine"].stride == part.methods["occlusion"].stride == 10  # type: ignore[attr-defined]
    assert part.methods["lime"] is PLANS["quick"].parts[0].methods["lime"]


def test_groups_and_names_and_files_mix(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def mine(*_): ...\n")
    (part,) = select(PLANS["quick"], only={METHOD: ["@null", "mint", "sobel", f"{tmp_path / 'mine.py'}:mine"]}).parts
    assert list(part.methods) == ["random", "constant", "centre", "sobel", "mint", "mine"]
    plan = select(PLANS["quick"], more={METHOD: [f"{tmp_path / 'mine.py'}:mine"]}, against=("@null",))
    assert plan.against == ("random", "constant", "centre", "sobel")


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_mint_and_lime_ask_the_network_equally_often(plan: Plan) -> None:
    for part in plan.parts:
        if {"lime", "mint"} <= part.methods.keys():
            assert part.methods["mint"].samples == part.methods["lime"].samples  # type: ignore[attr-defined]


def test_smoke_is_quick_with_less_of_everything() -> None:
    (smoke,), (quick,) = PLANS["smoke"].parts, PLANS["quick"].parts
    assert (smoke.dataset, smoke.networks) == (quick.dataset, quick.networks)
    assert smoke.methods.keys() <= quick.methods.keys()
    assert smoke.metrics.keys() <= quick.metrics.keys()
    assert smoke.controls == PLANS["trust"].parts[0].controls
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
    only = {NETWORK: ["scenes-vgg"], METHOD: ["lime", "mint"], METRIC: ["deletion"]}
    (part,) = select(PLANS["smoke"], only=only).parts
    (whole,) = PLANS["smoke"].parts
    assert part.networks == ("scenes-vgg",)
    assert dict(part.methods) == {"lime": whole.methods["lime"], "mint": whole.methods["mint"]}
    assert list(part.methods) == ["lime", "mint"]
    assert dict(part.metrics) == {"deletion": whole.metrics["deletion"]}


def test_a_method_whose_name_has_a_colon_is_kept_by_its_name() -> None:
    (part,) = select(PLANS["ablations"], only={METHOD: ["default", "pooling: raw"]}).parts
    assert list(part.methods) == ["default", "pooling: raw"]


def test_a_name_that_the_plan_lacks_is_added_with_its_defaults() -> None:
    (part,) = select(PLANS["imagenet"], only={NETWORK: ["resnet18"], METHOD: ["occlusion-engine"]}).parts
    assert part.networks == ("resnet18",)
    assert list(part.methods) == ["occlusion-engine"]


def test_what_is_added_comes_beside_all_that_the_plan_has() -> None:
    (whole,) = PLANS["smoke"].parts
    more = {NETWORK: ["densenet121"], DATASET: ["photos"], METHOD: ["occlusion-engine"], METRIC: ["entropy"]}
    own, added = select(PLANS["smoke"], more=more).parts
    assert (own.dataset, added.dataset) == ("scenes", "photos")
    for part in (own, added):
        assert part.networks == (*whole.networks, "densenet121")
        assert list(part.methods) == [*whole.methods, "occlusion-engine"]
        assert list(part.metrics) == [*whole.metrics, "entropy"]
        assert part.limit == whole.limit


def test_only_the_named_data_sets_are_kept() -> None:
    assert [part.dataset for part in select(PLANS["photos"], only={DATASET: ["photos-single"]}).parts] == [
        "photos-single"
    ]
    (part,) = select(PLANS["quick"], only={DATASET: ["photos"], NETWORK: ["efficientnet-lite0"]}).parts
    assert (part.dataset, part.networks) == ("photos", ("efficientnet-lite0",))


def test_a_part_without_any_of_the_networks_is_dropped() -> None:
    parts = select(PLANS["full"], only={NETWORK: ["efficientnet-lite0"]}).parts
    assert [part.dataset for part in parts] == ["photos"]


def test_a_limit_never_widens_a_plan() -> None:
    assert select(PLANS["smoke"], limit=1000).parts[0].limit == PLANS["smoke"].parts[0].limit
    assert select(PLANS["smoke"], limit=1).parts[0].limit == 1
    assert select(PLANS["photos"], limit=3).parts[0].limit == 3


def test_a_part_has_a_case_at_least() -> None:
    with pytest.raises(InputError, match="the limit of a plan's part is a whole number, 1 or more, not 0"):
        Part("scenes", ("scenes-vgg",), {}, {}, limit=0)


def test_without_the_methods_that_a_report_is_about_there_is_nobody_to_compare_with_them() -> None:
    plan = select(PLANS["held-out"], only={METHOD: ["lime", "gradcam"]})
    assert (plan.focus, plan.against) == ((), ())
    plan = select(PLANS["held-out"], only={METHOD: ["overlay", "lime"]})
    assert (plan.focus, plan.against) == (("overlay",), ("lime",))


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        (NETWORK, "scenes-vg", "scenes-vgg"),
        (METHOD, "mnt", "mint"),
        (METRIC, "deletoin", "deletion"),
        (DATASET, "scens", "scenes"),
    ],
)
def test_a_name_that_does_not_exist_is_one_sentence(kind: Kind, name: str, nearest: str) -> None:
    for chosen in ({"only": {kind: [name]}}, {"more": {kind: [name]}}):
        with pytest.raises(InputError, match=f"unknown {kind.word} '{name}'; the nearest are {nearest}"):
            select(PLANS["quick"], **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "name"), [(METHOD, "own"), (METRIC, "own"), (NETWORK, "own"), (DATASET, "own")])
def test_a_name_that_is_taken_is_one_sentence(kind: Kind, name: str, tmp_path: Path) -> None:
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for file in files:
        file.write_text(f"def {name}(*_): ...\n")
    sentence = f"two {kind.word}s are called '{name}'; rename the one given by --{kind.word}"
    with pytest.raises(InputError, match=sentence):
        select(PLANS["quick"], more={kind: [f"{file}:{name}" for file in files]})


def test_adding_what_the_plan_has_changes_nothing_but_whom_the_report_is_about() -> None:
    more = {NETWORK: ["scenes-vgg"], DATASET: ["scenes"], METHOD: ["mint"], METRIC: ["deletion"]}
    assert select(PLANS["quick"], more=more) == replace(PLANS["quick"], focus=("mint",))


def test_a_method_that_no_file_defines_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import functools\nmine = functools.partial(print, end='')\n")
    with pytest.raises(InputError, match=r"mine.py:mine: the source of .* cannot be found; define it as a class"):
        select(PLANS["quick"], more={METHOD: [f"{tmp_path / 'mine.py'}:mine"]})


@pytest.mark.parametrize("names", [("scenes-vgg", "scenes-vgg"), ("a.py:net", "b.py:net")])
def test_a_data_set_and_a_network_stand_together_once(names: Sequence[str]) -> None:
    with pytest.raises(InputError, match="together in two parts"):
        Plan("twice", "", tuple(Part("scenes", (name,), {}, {}) for name in names))
