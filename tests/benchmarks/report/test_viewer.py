"""What the page's viewer is given."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages import write
from paper import made_up
from PIL import Image

from benchmarks.analysis.disagreement import map_disagreement, score_disagreement
from benchmarks.report.page import viewer
from benchmarks.report.page.viewer import CURVE_POINTS, gather
from benchmarks.results.records import Records


def pixels(file: tuple[bytes, str]) -> np.ndarray:
    assert file[1] == "image/png"
    return np.asarray(Image.open(io.BytesIO(file[0])))


def test_maps_regions_and_curves_come_back(some: Records) -> None:
    index, files, more = gather(some)
    assert more == []
    setting = index["settings"][1]
    item = setting["cases"][3]
    (given_maps,) = [each for each in some.maps if each.network == "resnet" and each.case == item["key"]]
    *maps, region = pixels(files[item["drawn"]]).reshape(-1, *item["shape"])
    for method, found in zip(item["maps"], maps, strict=True):
        assert np.array_equal(found, given_maps.maps[setting["methods"][method]["name"]])
    assert given_maps.region is not None
    assert np.array_equal(region, given_maps.region)
    (_, (metric, low, high, methods)), rows = item["curves"], pixels(files[item["lines"]])
    assert (metric, methods, len(rows)) == ("insertion", [0, 1, 2, 3], 8)
    line = some.curves.query("network == 'resnet' and case == @item['key'] and metric == 'insertion'").iloc[1]
    expected = np.interp(setting["grids"]["insertion"], line["fractions"], line["values"])
    assert len(expected) == CURVE_POINTS
    assert np.abs(low + (high - low) * rows[5] / 255 - expected).max() < 1 / 255


def test_a_picture_is_embedded_once_however_often_it_is_shown(some: Records) -> None:
    index, files, more = gather(some)
    assert more == []
    assert [media for _, media in files.values()].count("image/jpeg") == 7  # of 2 networks x 14 cases, two to a picture
    first, second = (setting["cases"][4]["image"] for setting in index["settings"])
    assert first == second
    assert files[first][0] == some.maps[4].picture_jpeg


def test_scores_are_numbers_or_words_for_their_absence(some: Records) -> None:
    dropped = some.scores[~((some.scores["method"] == "lime") & (some.scores["case"] == "case-0002"))]
    failures = [{"dataset": "scenes", "network": "vgg", "method": "lime", "case": "case-0002"}]
    failures[0] |= {"step": "map", "reason": "RuntimeError: no"}
    run = {**some.provenance["run"], "failures": failures}
    records = replace(some, scores=dropped, provenance={**some.provenance, "run": run})
    vgg, resnet = gather(records)[0]["settings"]
    assert vgg["cases"][2]["scores"][2] == ["failed"] * 3
    assert vgg["cases"][2]["failures"] == [["lime", "", "map", "RuntimeError: no"]]
    # No failure was recorded there: nobody asked.
    assert resnet["cases"][2]["scores"][2] == [None] * 3
    assert vgg["cases"][6]["scores"][0][2] == "inapplicable"
    assert isinstance(vgg["cases"][0]["scores"][0][0], float)


def test_derived_controls_are_not_taken_for_the_method(some: Records) -> None:
    shuffled = some.scores.assign(control="shuffled", score=123.0)
    both = replace(some, scores=pd.concat([shuffled, some.scores], ignore_index=True))
    for with_control, without in zip(gather(both)[0]["settings"], gather(some)[0]["settings"], strict=True):
        assert [control["name"] for control in with_control["controls"]] == ["shuffled"]
        for key in ("scores", "disagreement", "maps", "curves"):
            assert [case[key] for case in with_control["cases"]] == [case[key] for case in without["cases"]]
            assert with_control["cases"][0]["controls"][0] == [[123.0] * 3]
            assert "controls" not in without["cases"][0]


def test_scores_of_controls_are_nested_by_method_control_and_metric(some: Records) -> None:
    cells = [
        ("case-0000", "mint", "shuffled", "deletion", 1.0), ("case-0000", "gradcam", "7x7", "pointing", 2.0),
        ("case-0000", "gradcam", "shuffled", "pointing", np.nan), ("case-0001", "mint", "7x7", "deletion", 3.00001),
    ]  # fmt: skip
    own = some.scores[some.scores["network"] == "vgg"].set_index(["case", "method", "metric"], drop=False)
    rows = [
        own.loc[[(case, method, metric)]].assign(control=control, score=score)
        for case, method, control, metric, score in cells
    ]
    scores = pd.concat([some.scores, *rows], ignore_index=True)
    setting, other = gather(replace(some, scores=scores))[0]["settings"]
    assert [control["name"] for control in setting["controls"]] == ["shuffled", "7x7"]
    assert [setting["metrics"][number]["name"] for number in setting["controlled"]] == ["deletion", "pointing"]
    one, two, *rest = setting["cases"]
    assert one["controls"] == [[[1, None], [None, None]], [[None, "inapplicable"], [None, 2]], None, None]
    assert two["controls"] == [[[None, None], [3, None]], None, None, None]
    assert not any("controls" in case for case in [*rest, *other["cases"]])


def test_a_control_that_failed_is_said_to_have_failed(some: Records) -> None:
    own = some.scores[(some.scores["network"] == "vgg") & (some.scores["method"] == "mint")]
    spoilt = own[own["metric"] == "insertion"].assign(control="shuffled")
    failure = {"dataset": "scenes", "network": "vgg", "method": "mint", "control": "shuffled", "case": "case-0000"}
    run = {**some.provenance["run"], "failures": [{**failure, "step": "insertion", "reason": "RuntimeError: no"}]}
    kept = pd.concat([spoilt[spoilt["case"] != "case-0000"], spoilt.iloc[:1].assign(metric="deletion")])
    scores = pd.concat([some.scores, kept], ignore_index=True)
    setting, _ = gather(replace(some, scores=scores, provenance={**some.provenance, "run": run}))[0]["settings"]
    assert [setting["metrics"][number]["name"] for number in setting["controlled"]] == ["deletion", "insertion"]
    ((deletion, insertion),) = setting["cases"][0]["controls"][0]
    assert isinstance(deletion, float)
    assert insertion == "failed"
    assert setting["cases"][1]["controls"][0][0][0] is None  # nobody asked for its deletion


def test_nulls_do_not_count_as_disagreeing(some: Records) -> None:
    with_nulls, without = (setting["cases"][0] for setting in gather(some)[0]["settings"])
    (own,) = [each for each in some.maps if each.network == "vgg" and each.case == "case-0000"]
    expected = map_disagreement([own.maps[name] for name in ("mint", "gradcam", "lime")])
    assert with_nulls["disagreement"][0] == pytest.approx(expected, rel=1e-3)
    assert with_nulls["disagreement"][0] != without["disagreement"][0]
    nulls = some.provenance["inputs"]["settings"][0]["nulls"]
    scores = some.scores[(some.scores["network"] == "vgg") & ~some.scores["method"].isin(nulls)]
    assert with_nulls["disagreement"][1] == pytest.approx(score_disagreement(scores)["case-0000"], rel=1e-3)


def test_the_page_has_the_cases_on_which_methods_disagree_most(some: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [{case["key"]: case["disagreement"][0] for case in each["cases"]} for each in gather(some)[0]["settings"]]
    monkeypatch.setattr(viewer, "ROOM", 60_000)
    index, files, more = gather(some)
    assert index["more"] == [len(part["cases"]) for part in more]
    assert len(more) > 1
    seen, known = [[case["key"] for case in each["cases"]] for each in index["settings"]], {*files}
    for part in more:
        known |= part["files"].keys()
        for number, case in part["cases"]:
            assert case["key"] not in seen[number]
            assert {case[name] for name in ("drawn", "lines", "image")} <= known
    for first, all_, part in zip(seen, whole, index["settings"], strict=True):
        assert part["all"] == len(all_) == 14
        left = [value for key, value in all_.items() if key not in first]
        assert min(all_[key] for key in first) >= max(left)
        assert first == [key for key in all_ if key in first], "as in the data set"


def test_the_page_does_not_grow_with_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 cases make a page of 3.1 MB and files of 3 MB beside it: as much as there is room, and 120 kB."""
    monkeypatch.setattr(viewer, "ROOM", 40_000)
    sizes = []
    for cases in (20, 60):
        (tmp_path / str(cases)).mkdir()
        page = write(made_up(["mint", "lime"], cases), [], tmp_path / str(cases) / "index.html")
        sizes.append(page.stat().st_size)
        files = [file.stat().st_size for file in (page.parent / "pictures").iterdir()]
        assert max(sizes[-1] - 120_000, *files) < 45_000
    assert abs(sizes[1] - sizes[0]) < 5_000
    assert len(files) > 1


def test_of_very_many_cases_those_are_kept_on_which_methods_disagree(
    some: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = gather(some)[0]["settings"]
    assert not any("left" in setting for setting in every)
    monkeypatch.setattr(viewer, "MOST_CASES", 5)
    for setting, whole in zip(gather(some)[0]["settings"], every, strict=True):
        assert (setting["all"], setting["left"]) == (14, 9)
        ranked = sorted(whole["cases"], key=lambda case: -case["disagreement"][0])
        assert {case["key"] for case in setting["cases"]} == {case["key"] for case in ranked[:5]}
        scores = {case["key"]: case["scores"] for case in whole["cases"]}
        assert all(case["scores"] == scores[case["key"]] for case in setting["cases"])


def test_bytes_are_ranked_as_other_numbers() -> None:
    maps = [np.random.default_rng(seed).integers(0, 9, (7, 8), dtype=np.uint8) for seed in range(3)]
    assert map_disagreement(maps) == map_disagreement([each.astype(float) for each in maps])
