import dataclasses
import hashlib
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from examples import SmallCNN
from torch import Tensor

from mint import MINT, Display, Explanation, InputError, archive

METHOD = MINT(samples=30, layers=("stem", "trunk"), shown=Display(minimal_importance=0.01))


@pytest.fixture
def explanation(small_cnn: SmallCNN, images: Tensor) -> Explanation:
    return METHOD.explain(small_cnn, images[0], 3)


def same(one: Any, other: Any) -> bool:
    """Compare two values through and through, types and bits included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("name", ["lion", "lion.npz", "lion.json"])
def test_what_is_saved_comes_back_to_the_bit(explanation: Explanation, tmp_path: Path, name: str) -> None:
    explanation.save(tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lion.json", "lion.npz"]
    loaded = Explanation.load(tmp_path / "lion")
    assert same(loaded, explanation)
    assert loaded.fidelity == explanation.fidelity
    assert torch.equal(loaded.saliency_map("both"), explanation.saliency_map("both"))


def test_none_tuples_and_odd_numbers_come_back(explanation: Explanation, tmp_path: Path) -> None:
    odd = replace(
        explanation,
        answer=0.1 + 0.2,
        chosen_coarse=None,
        abstention='why "not"? é',
        chosen_fine=(),
        solution=replace(explanation.solution, objective=-math.inf),
        parameters={"pair": (1, (2.5, None)), "width": math.inf, "nested": {"empty": ()}},
    )
    odd.save(tmp_path / "odd.v1")
    assert (tmp_path / "odd.v1.npz").is_file()
    assert same(Explanation.load(tmp_path / "odd.v1"), odd)


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is not JSON")


def test_numbers_that_json_lacks_are_strings_in_the_file(small_cnn: SmallCNN, images: Tensor, tmp_path: Path) -> None:
    odd = replace(replace(METHOD, proximity=math.inf).explain(small_cnn, images[0], 3), answer=math.nan)
    assert json.loads(json.dumps(odd.to_dict(), allow_nan=False)) == odd.to_dict()
    odd.save(tmp_path / "odd")
    file = tmp_path / "odd.json"
    record = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert (record["answer"], record["parameters"]["proximity"]) == ("nan", "inf")
    # Earlier releases wrote what Python's json does.
    for text in (file.read_text(encoding="utf-8"), json.dumps(record | {"answer": math.nan})):
        file.write_text(text.replace('"inf"', "Infinity"), encoding="utf-8")
        loaded = Explanation.load(tmp_path / "odd")
        assert math.isnan(loaded.answer)
        assert same(replace(loaded, answer=0.5), replace(odd, answer=0.5))


def test_numbers_of_numpy_s_are_saved_as_numbers(small_cnn: SmallCNN, images: Tensor, tmp_path: Path) -> None:
    given = {"samples": np.int64(30), "seed": np.int64(1), "fill": np.float32(0.5)}
    made = replace(METHOD, **given).explain(small_cnn, images[0], 3)
    made.save(tmp_path / "made")
    loaded = Explanation.load(tmp_path / "made")
    assert {name: loaded.parameters[name] for name in given} == {"samples": 30, "seed": 1, "fill": 0.5}
    assert same(replace(loaded, parameters=made.parameters), made)


def test_the_dictionary_is_plain_json(explanation: Explanation) -> None:
    found = explanation.to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len(json.dumps(found)) < 20_000
    assert found["target"] == 3
    assert found["size"] == [40, 48]
    assert found["samples"] == 30
    assert found["fine"]["importance"] == explanation.u_f.tolist()
    assert found["coarse"]["importance"] == explanation.u_c.tolist()
    assert sum(found["coarse"]["share"]) == pytest.approx(1)
    assert found["fine"]["parent"] == explanation.superpixels.parent.tolist()
    assert found["fidelity"]["fine"] == explanation.fidelity.fine
    assert found["parameters"]["seed"] == 0
    assert found["parameters"]["layers"] == ["stem", "trunk"]
    assert found["parameters"]["shown"]["minimal_importance"] == 0.01


def test_an_undefined_fidelity_is_null(explanation: Explanation) -> None:
    constant = replace(explanation, answers=torch.ones_like(explanation.answers))
    assert constant.to_dict()["fidelity"]["fine"] is None


def test_the_record_can_be_read_by_people(explanation: Explanation, tmp_path: Path) -> None:
    explanation.save(tmp_path / "lion")
    lines = (tmp_path / "lion.json").read_text(encoding="utf-8").splitlines()
    assert '  "target": 3,' in lines
    assert any(line.startswith('    "importance": [') for line in lines)
    assert len(lines) < 100


def test_files_that_cannot_be_used_are_named(explanation: Explanation, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lion\.json does not exist; an explanation is lion\.json and lion\.npz"):
        Explanation.load(tmp_path / "lion")
    explanation.save(tmp_path / "lion")
    (tmp_path / "lion.npz").rename(tmp_path / "kept.npz")
    with pytest.raises(InputError, match=r"lion\.npz does not exist"):
        Explanation.load(tmp_path / "lion")
    replace(explanation, answer=0.5, a_c=2 * explanation.a_c).save(tmp_path / "other")
    (tmp_path / "other.npz").rename(tmp_path / "lion.npz")
    with pytest.raises(InputError, match=r"lion\.npz is not the file that lion\.json was written with"):
        Explanation.load(tmp_path / "lion")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("not json", "is not JSON"),
        ("[1, 2]", r"is not an explanation that Explanation\.save wrote"),
        ('{"format": "something else"}', r"is not an explanation that Explanation\.save wrote"),
        ({"version": 1}, "of version 1, and this release reads version 2; use the release .* that wrote it"),
        ({"version": 99}, "of version 99, and this release reads version 2"),
        ({"solution": {}}, "hold no complete explanation"),
        ({"chosen_coarse": 99}, "hold no complete explanation"),
        ({"answer": "x"}, "hold no complete explanation"),
        ("[" * 100_000, "is not JSON"),
        ({"surrogate": {"nonsense": 1}}, "hold no complete explanation"),
    ],
)
def test_foreign_records_are_refused(
    explanation: Explanation, tmp_path: Path, change: str | dict[str, Any], sentence: str
) -> None:
    explanation.save(tmp_path / "lion")
    file = tmp_path / "lion.json"
    changed = change if isinstance(change, str) else json.dumps(json.loads(file.read_text()) | change)
    file.write_text(changed)
    with pytest.raises(InputError, match=sentence):
        Explanation.load(tmp_path / "lion")


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_foreign_arrays_are_refused(explanation: Explanation, tmp_path: Path, content: bytes | None) -> None:
    explanation.save(tmp_path / "lion")
    arrays, file = tmp_path / "lion.npz", tmp_path / "lion.json"
    if content is None:
        # Objects would have to be unpickled, and a pickle can run anything.
        np.savez(arrays, picture=np.array([{"an": "object"}], dtype=object))
    else:
        arrays.write_bytes(content)
    record = json.loads(file.read_text()) | {"arrays_sha256": hashlib.sha256(arrays.read_bytes()).hexdigest()}
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match="hold no complete explanation"):
        Explanation.load(tmp_path / "lion")


def bind(record: Path, arrays: Path, **changes: Any) -> None:
    """Write a record that has the arrays' checksum, as someone who means harm can."""
    found = json.loads(record.read_text()) | {"arrays_sha256": hashlib.sha256(arrays.read_bytes()).hexdigest()}
    record.write_text(json.dumps(found | changes))


def test_a_small_file_cannot_fill_the_memory(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.MOST_BYTES == 2**31
    monkeypatch.setattr(archive, "MOST_BYTES", 2**22)
    explanation.save(tmp_path / "lion")
    arrays, record = tmp_path / "lion.npz", tmp_path / "lion.json"
    with zipfile.ZipFile(arrays, "a", zipfile.ZIP_DEFLATED) as stored, stored.open("zeros.npy", "w") as member:
        for _ in range(4):
            member.write(bytes(2**20))
    bind(record, arrays)
    assert arrays.stat().st_size < 2**17
    with pytest.raises(InputError, match="the arrays take more than"):
        Explanation.load(tmp_path / "lion")


@pytest.mark.parametrize(
    "change",
    [
        {"a_f": lambda a: a[:-1]},
        {"coarse": lambda a: a + 10},
        {"fine": lambda a: -a},
        {"states": lambda a: a.astype(float)},
        {"proximity": lambda a: -a},
        {"saliency": lambda a: a.astype(complex)},
        {"picture": lambda a: a[..., :2]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_do_not_fit_together_are_refused(
    explanation: Explanation, tmp_path: Path, change: dict[str, Any]
) -> None:
    explanation.save(tmp_path / "lion")
    arrays, record = tmp_path / "lion.npz", tmp_path / "lion.json"
    with np.load(arrays) as stored:
        kept = dict(stored)
    np.savez(arrays, **(kept | {name: make(kept[name]) for name, make in change.items()}))
    bind(record, arrays)
    with pytest.raises(InputError, match="hold no complete explanation"):
        Explanation.load(tmp_path / "lion")


def test_a_folder_that_does_not_exist_is_named(explanation: Explanation, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written to .*nowhere"):
        explanation.save(tmp_path / "nowhere" / "lion")


def test_a_folder_is_not_taken_for_a_file(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        InputError, match=r"^folder is a folder; name a file in it, such as folder/explanation\.json\.$"
    ):
        explanation.save("folder")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
    explanation.save("folder.json")
    assert same(Explanation.load("folder"), explanation)


def test_an_empty_path_is_refused(explanation: Explanation) -> None:
    for use in (explanation.save, Explanation.load):
        with pytest.raises(InputError, match=r"^the path '' names no file; "):
            use("")
