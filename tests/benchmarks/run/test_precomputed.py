"""Maps from files: which file is whose, what is in it, and that it is scored as the method that wrote it."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_runs import rows_in

from baselines import GradCAM
from baselines.controls import DERIVED
from benchmarks.__main__ import main
from benchmarks.analysis.coverage import measure_coverage
from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.metrics import Insertion, MaxSensitivity, Pointing
from benchmarks.networks.network import load_network
from benchmarks.plans import PLANS
from benchmarks.results import records
from benchmarks.run.binding import bind
from benchmarks.run.folders import _listed, add_maps, check_maps, find_maps
from benchmarks.run.loop import run as run_plan
from benchmarks.run.plan import Options, Part, Plan
from benchmarks.run.precomputed import Precomputed, decoded
from benchmarks.run.store import Store
from mint.contract import InputError

SIZE = 16
CONTROLS = {name: DERIVED[name] for name in ("shuffled", "other-class", "randomised-network")}
METRICS: dict[str, Any] = {"insertion": Insertion(steps=4), "pointing": Pointing(tolerance=20.0)}


@pytest.fixture
def plan(world: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Grad-CAM on four cases of two pictures, with every control."""
    metrics = {**METRICS, "sensitivity": MaxSensitivity(samples=1)}
    part = Part("noise", ("tiny",), {"gradcam": GradCAM()}, metrics, limit=4, timed=1, controls=CONTROLS)
    plan = Plan("given", "For tests.", (part,))
    monkeypatch.setitem(PLANS, "given", plan)  # type: ignore[arg-type]
    return plan


def gradcam_of(world: ModuleType, numbers: range = range(4)) -> dict[str, np.ndarray]:
    network = load_network("tiny")
    method = bind(GradCAM(), network)
    maps = {}
    for case in map(world.case, numbers):
        image = network.tensor(case.image)[None]
        maps[case.key] = method(network.module, image, torch.tensor([case.target]))[0].numpy()
    return maps


def run(out: Path, *arguments: str) -> int:
    return main(["run", "--plan", "given", "--out", str(out), *arguments])


def scores(out: Path) -> pd.DataFrame:
    found = records.load(out).scores
    return found.set_index(["method", "control", "metric", "case"])["score"].sort_index()


def written(folder: Path, maps: dict[str, np.ndarray], write: Callable[[Path, np.ndarray], None]) -> Path:
    folder.mkdir()
    for key, each in maps.items():
        write(folder / key, each)
    return folder


def as_npy(place: Path, values: np.ndarray) -> None:
    np.save(f"{place}.npy", values)


def as_npz(place: Path, values: np.ndarray) -> None:
    np.savez_compressed(f"{place}.npz", saliency=values[None])


def as_png(place: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint16)).save(f"{place}.png")


def test_maps_of_gradcam_score_as_gradcam(plan: Plan, world: ModuleType, tmp_path: Path) -> None:
    maps = gradcam_of(world)
    # What 16 bits hold without rounding, so that the same values can be written in all three ways.
    steps = {key: np.round(65535 * each / each.max()).astype(np.float64) for key, each in maps.items()}
    folders = {
        "npy": written(tmp_path / "npy", maps, as_npy),
        "npz": written(tmp_path / "npz", maps, as_npz),
        "png": written(tmp_path / "png", steps, as_png),
        "steps": written(tmp_path / "steps", steps, as_npy),
    }
    out = tmp_path / "out"
    assert run(out, *[word for name, at in folders.items() for word in ("--maps", f"{name}={at}")]) == 0
    found = scores(out)
    own = found["gradcam"].drop("sensitivity", level="metric")
    for name in ("npy", "npz"):
        expected = own.drop(["other-class", "randomised-network"], level="control")
        pd.testing.assert_series_equal(found[name].drop("sensitivity", level="metric"), expected, atol=1e-6)
    pd.testing.assert_series_equal(found["png"], found["steps"])
    assert found["npy"].xs("sensitivity", level="metric").isna().all()
    assert found["gradcam"].xs("sensitivity", level="metric").notna().any()
    kept = records.load(out)
    assert list(kept.timings["method"]) == ["gradcam"]
    (setting,) = kept.provenance["inputs"]["settings"]
    assert setting["uncontrolled"]["npz"] == ["other-class", "randomised-network"]
    assert kept.provenance["run"]["failures"] == []
    assert measure_coverage(kept)["failed"].sum() == 0
    assert {"npy", "npz", "png"} <= set(pd.read_csv(out / "tables" / "scores.csv")["method"])


def test_a_changed_file_is_scored_anew_and_no_other(world: ModuleType, tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", gradcam_of(world), as_npy)

    def measured(place: Path) -> tuple[int, dict[str, float]]:
        part = Part("noise", ("tiny",), {}, {"pointing": Pointing(tolerance=1.0)}, limit=4)
        store = Store(tmp_path / "cells")
        found = run_plan(add_maps(Plan("given", "For tests.", (part,)), [("theirs", place)]), Options(), store)
        assert not found.failures
        return store.written, {row["case"]: row["score"] for row in rows_in(found.records)}

    assert measured(folder)[0] == 2 * 4  # four maps, and their scores
    written_again, before = measured(folder)
    assert written_again == 0
    key = world.case(1).key
    aside = np.zeros((SIZE, SIZE))
    aside[-1 if before[key] else 5, -1 if before[key] else 5] = 1
    np.save(folder / f"{key}.npy", aside)
    written_again, after = measured(folder)
    assert written_again == 2
    assert {case for case in after if after[case] != before[case]} == {key}
    folder.rename(tmp_path / "elsewhere")
    assert measured(tmp_path / "elsewhere") == (0, after)


def test_what_is_missing_is_said_first_and_fails(
    plan: Plan, world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [world.case(number).key for number in range(4)]
    folder = written(tmp_path / "maps", {keys[0]: np.eye(4), keys[2]: np.eye(SIZE), "other.red": np.eye(2)}, as_npy)
    (folder / f"{keys[2]}.npy").write_bytes(b"no map")
    assert run(tmp_path / "out", "--maps", f"theirs={folder}", "--controls", "none") == 1
    said = capsys.readouterr().err
    first = said.index(f"theirs: 2 of 4 cases have no map in {folder}: {keys[1]}, {keys[3]}; of the files")
    assert "there, 1 belong to none, such as other.red.npy." in said
    assert said.index("has 4 x 4 pixels; maps are enlarged bilinearly to the picture's 16 x 16") > first
    assert said.index("failed, and the run goes on") > first
    failures = json.loads((tmp_path / "out" / "provenance.json").read_text())["run"]["failures"]
    reasons = {each["case"]: each["reason"] for each in failures if each["step"] == "map"}
    assert reasons.keys() == {keys[1], keys[2], keys[3]}
    assert reasons[keys[1]] == f"there is no map of this case in {folder}."
    assert "is damaged or of another kind" in reasons[keys[2]]
    coverage = measure_coverage(records.load(tmp_path / "out"))
    own = coverage[(coverage["method"] == "theirs") & (coverage["metric"] == "insertion") & (coverage["control"] == "")]
    assert own[["asked", "scored", "failed"]].to_numpy().tolist() == [[4, 1, 3]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--maps", "theirs"], "is not of the form NAME=PATH"),
        (["--maps", "gradcam={maps}"], "another method of given is called gradcam"),
        (["--maps", "a={maps}", "--maps", "a={maps}"], "another method of given is called a"),
        (["--maps", "a:b={maps}"], "the name is of letters"),
        (["--maps", "a={maps}/none"], "does not exist; it holds a file for each case"),
        (["--maps", "a={maps}/odd.npy"], "is a file; it holds a file for each case"),
        (["--maps", "a={maps}"], "no file in {maps} is the map of a case; that of the first is 000.red.npy, .npz or"),
        (["--maps", "a={maps}", "--network", "scenes-vgg"], "has tiny on noise, scenes-vgg on noise; name one"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    maps = written(tmp_path / "maps", {"odd": np.eye(3)}, as_npy)
    try:
        status = run(tmp_path / "out", *[each.format(maps=maps) for each in arguments])
    except SystemExit as exit:
        status = exit.code  # type: ignore[assignment]
    assert status == 2
    assert sentence.format(maps=maps) in capsys.readouterr().err


def test_maps_are_what_the_report_says_the_most_of(plan: Plan, world: ModuleType, tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", gradcam_of(world, range(1)), as_npy)
    arguments = ("--maps", f"theirs={folder}", "--against", "random", "--methods", "random", "--limit", "1")
    assert run(tmp_path / "out", *arguments, "--controls", "none", "--metrics", "pointing") == 0
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (provenance["inputs"]["focus"], provenance["inputs"]["against"]) == (["theirs"], ["random"])
    assert {method for method, *_ in scores(tmp_path / "out").index} == {"random", "theirs"}


def a_case(number: int, picture: str, target: int, name: str) -> Case:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    return Case(f"case-{number}", picture, target, name, image, None, False)


TABBY, DOG, CAT = a_case(0, "a", 281, "tabby cat"), a_case(1, "a", 3, "dog"), a_case(2, "b", 281, "tabby cat")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["case-0", "case-1", "case-2"], ["case-0", "case-1", "case-2"]),
        (["a.281", "a.dog", "b.tabby-cat"], ["a.281", "a.dog", "b.tabby-cat"]),
        (["a.tabby cat", "a.3", "b"], ["a.tabby cat", "a.3", "b"]),
        (["a", "b"], [None, None, "b"]),  # there are two cases of a
        (["case-0", "a.281", "a", "b.281", "b"], ["case-0", None, "b.281"]),
    ],
)
def test_a_file_is_found_by_case_or_picture_and_class(
    tmp_path: Path, names: list[str], expected: list[str | None]
) -> None:
    folder = written(tmp_path / "maps", dict.fromkeys(names, np.eye(SIZE)), as_npy)
    for limit in (None, 1):  # whether a picture has other cases does not hang on the limit
        part = Part("d", ("n",), {"theirs": Precomputed(folder)}, METRICS, limit=limit)
        wanted = [each and f"{each}.npy" for each in expected[:limit]]
        if not any(wanted):
            with pytest.raises(InputError, match="as the data set has several cases of the picture a"):
                find_maps(part, [TABBY, DOG, CAT], 0, print)
            continue
        method: Any = find_maps(part, [TABBY, DOG, CAT], 0, print).methods["theirs"]
        found = [method.files.get(case.key) for case in (TABBY, DOG, CAT)[:limit]]
        assert [each and each.name for each in found] == wanted


def test_the_picture_that_is_said_to_have_several_cases_has_them(tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", {"a": np.eye(SIZE)}, as_npy)
    part = Part("d", ("n",), {"theirs": Precomputed(folder)}, METRICS)
    with pytest.raises(InputError, match=r"of the first is case-2\.npy.* has several cases of the picture a\."):
        find_maps(part, [CAT, TABBY, DOG], 0, print)


def test_a_pipe_in_the_folder_is_no_map_and_nothing_waits_for_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", {"case-0": np.eye(SIZE)}, as_npy)
    os.mkfifo(folder / "case-0.png")
    found = _listed(folder)
    assert found == {"case-0": [folder / "case-0.npy"]}


def test_two_files_of_one_case_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", {"case-0": np.eye(SIZE)}, as_npy)
    as_npz(folder / "case-0", np.eye(SIZE))
    part = Part("d", ("n",), {"theirs": Precomputed(folder)}, METRICS)
    with pytest.raises(InputError, match=r"case-0\.npy and case-0\.npz are both maps of the case case-0; remove one"):
        find_maps(part, [TABBY], 0, print)


def saved(write: Callable[[Any], None]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def npy(values: Any) -> bytes:
    return saved(lambda stream: np.save(stream, values))


def png(values: np.ndarray) -> bytes:
    return saved(lambda stream: Image.fromarray(values).save(stream, "PNG"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.npy", npy(np.ones((3, 8, 8))), r"has shape \(3, 8, 8\); write one value for each pixel"),
        ("a.npy", npy(np.ones(8)), r"has shape \(8,\)"),
        ("a.npy", npy(np.array([[1, np.nan]])), "holds NaN or infinite values"),
        ("a.npy", npy(np.array([[1e300, 0]])), "holds NaN or infinite values"),
        ("a.npy", npy(np.array([[1e-300, 0]])), "differs by so little that it is constant in float32"),
        ("a.npy", npy(np.array([[1, 1 + 1e-9]])), "differs by so little that it is constant in float32"),
        ("a.npy", npy(np.array([[1j]])), "holds complex128; write real numbers"),
        ("a.npy", npy(np.array([["x"]])), "holds <U1; write real numbers"),
        ("a.npy", npy(np.ones((8, 8)))[:-9], "is damaged or of another kind"),
        ("a.npy", b"", "is damaged or of another kind"),
        ("a.npy", saved(lambda stream: np.savez(stream, a=1)), "is an archive of arrays; name it .npz"),
        ("a.npz", saved(lambda stream: np.savez(stream, a=1, b=2)), "holds the arrays a, b; write one array"),
        ("a.npz", npy(np.ones((8, 8))), "is damaged or of another kind"),
        ("a.png", png(np.ones((8, 8, 3), np.uint8)), r"is a picture in colour or with transparency \(RGB\)"),
        ("a.png", png(np.ones((8, 8), np.uint8))[:40], "is damaged or of another kind"),
    ],
)
def test_what_is_no_map_is_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"the map {tmp_path / name} {sentence}"):
        decoded(tmp_path / name, content)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    content = saved(lambda stream: np.save(stream, np.array([{}]), allow_pickle=True))
    with pytest.raises(InputError, match="is damaged or of another kind"):
        decoded(tmp_path / "a.npy", content)


def test_values_are_taken_as_they_are(tmp_path: Path) -> None:
    values = np.arange(12).reshape(3, 4)
    for content, name in [
        (npy(values), "a.npy"),
        (npy(values[None].astype(np.float16)), "a.NPY"),
        (npy(values[:, :, None]), "a.npy"),
        (png(values.astype(np.uint8)), "a.png"),
    ]:
        found = decoded(tmp_path / name, content)
        assert found.dtype == np.float32
        assert found.tolist() == values.tolist()
    assert decoded(tmp_path / "a.png", png((values * 5000).astype(np.uint16))).tolist() == (values * 5000).tolist()


def test_sizes(tmp_path: Path) -> None:
    folder = written(tmp_path / "maps", {"small": np.array([[0.0, 1.0]]), "large": np.eye(9)}, as_npy)
    method = Precomputed(folder, {name: folder / f"{name}.npy" for name in ("small", "large")})
    assert method.read("small", (1, 4)).tolist() == [[0, 0.25, 0.75, 1]]
    with pytest.raises(InputError, match=r"large\.npy has 9 x 9 pixels; write it .* 8 x 9, or smaller"):
        method.read("large", (8, 9))
    assert method.read("large", (9, 9)).tolist() == np.eye(9).tolist()
    as_npy(folder / "large", np.ones((9, 9)))
    with pytest.raises(InputError, match="was changed while the run went on"):
        method.read("large", (9, 9))
    (folder / "small.npy").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        method.read("small", (1, 4))


def test_shipped_scenes_have_the_names_that_the_docs_give() -> None:
    cases = DATASETS["scenes"](load_network("scenes-vgg"), DataOptions())
    assert cases[0].key == f"{cases[0].picture}.{cases[0].target_name}"
    plan = add_maps(PLANS["quick"], [])
    check_maps(plan)  # nothing is refused where no maps are given
