import json
import os
import string
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.run import store as store_module
from benchmarks.run.store import Store, key_of

IDENTITY = {"kind": "map", "method": {"class": "MINT", "parameters": {"samples": "500"}}, "cases": [["a", "0f"]]}
CELL = {"a": {"map": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b|c": {"score": np.array(np.nan)}}

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def cells(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*"))


def test_what_is_written_is_read_again_bit_by_bit(tmp_path: Path) -> None:
    Store(tmp_path).write(IDENTITY, CELL)
    found = Store(tmp_path).read(IDENTITY)
    assert found is not None
    assert found.keys() == CELL.keys()
    assert found["a"]["map"].dtype == np.float32
    np.testing.assert_array_equal(found["a"]["map"], CELL["a"]["map"])
    assert np.isnan(found["b|c"]["score"])
    assert found["b|c"]["score"].shape == ()


@settings(deadline=None)
@given(
    hnp.arrays(
        hnp.floating_dtypes(endianness="=") | hnp.integer_dtypes(endianness="="),
        hnp.array_shapes(min_dims=0, max_dims=3),
    ),
    st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=20),
)
def test_any_array_survives(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, case: str) -> None:
    directory = tmp_path_factory.mktemp("cells")
    Store(directory).write(IDENTITY, {case: {"map": array}})
    found = Store(directory).read(IDENTITY)
    assert found is not None
    assert found[case]["map"].tobytes() == array.tobytes()
    assert found[case]["map"].dtype == array.dtype


def test_an_identity_without_a_cell_reads_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "not-made-yet")
    assert store.read(IDENTITY) is None
    assert store.damaged == []


@settings(deadline=None)
@given(st.dictionaries(st.text(), plain, max_size=4), st.dictionaries(st.text(), plain, max_size=4))
def test_keys_agree_exactly_if_identities_do(one: dict[str, object], other: dict[str, object]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (key_of(one) == key_of(other)) == same
    assert key_of(dict(reversed(one.items()))) == key_of(one)


def test_what_cannot_be_spelled_exactly_is_no_identity() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        key_of({"parameter": float("nan")})
    with pytest.raises(TypeError, match="not JSON serializable"):
        key_of({"parameter": object()})


def test_a_cell_cut_off_anywhere_reads_as_none_and_is_reported(tmp_path: Path) -> None:
    Store(tmp_path).write(IDENTITY, CELL)
    (path,) = cells(tmp_path)
    whole = path.read_bytes()
    for length in [0, 1, 4, *range(30, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        store = Store(tmp_path)
        assert store.read(IDENTITY) is None
        assert store.damaged == [path]


def test_a_flipped_byte_is_never_read_as_data(tmp_path: Path) -> None:
    Store(tmp_path).write(IDENTITY, CELL)
    (path,) = cells(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = Store(tmp_path).read(IDENTITY)
        if found is not None:  # the byte was one that carries nothing, such as a time stamp
            assert found["a"]["map"].tobytes() == CELL["a"]["map"].tobytes()


def test_a_cell_under_another_name_is_not_believed(tmp_path: Path) -> None:
    Store(tmp_path).write(IDENTITY, CELL)
    (path,) = cells(tmp_path)
    other = {**IDENTITY, "kind": "score"}
    Store(tmp_path).write(other, CELL)
    (target,) = set(cells(tmp_path)) - {path}
    os.replace(path, target)
    assert Store(tmp_path).read(other) is None


def test_a_process_that_dies_while_writing_leaves_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module.os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).write(IDENTITY, CELL)
    assert Store(tmp_path).read(IDENTITY) is None
    assert [path.suffix for path in cells(tmp_path)] == [".partial"]


def test_old_temporary_files_are_removed_and_young_ones_left_to_their_writers(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, young = tmp_path / "ab" / "abc.1.partial", tmp_path / "ab" / "abd.2.partial"
    for path in (old, young):
        path.write_bytes(b"half a cell")
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    Store(tmp_path)
    assert cells(tmp_path) == [young]


def test_a_store_counts_what_it_wrote_and_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.read(IDENTITY)
    store.write(IDENTITY, CELL)
    store.read(IDENTITY)
    assert (store.written, store.reused) == (1, 1)
