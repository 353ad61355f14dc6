import json
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.run import cellfile
from benchmarks.run import store as store_module
from benchmarks.run.store import Store, key_of

IDENTITY = {"kind": "map", "method": {"class": "MINT", "parameters": {"samples": "500"}}, "cases": [["a", "0f"]]}
CELL = {"a": {"map": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b|c": {"score": np.array(np.nan)}}

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*"))


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


def test_cells_lie_in_one_file_that_a_second_process_of_this_machine_takes_over(tmp_path: Path) -> None:
    for number in range(300):
        Store(tmp_path).write({"number": number}, CELL)
    assert [path.suffix for path in files(tmp_path)] == [".sqlite", ".lock"]


def test_a_file_that_is_large_gets_no_more_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FULL_BYTES", 20_000)
    for number in range(30):
        Store(tmp_path).write({"number": number}, {"a": {"map": np.random.default_rng(number).random((16, 16))}})
    assert len(list(tmp_path.glob("*.sqlite"))) > 2
    assert all(Store(tmp_path).has({"number": number}) for number in range(30))


def test_every_writer_has_its_own_file_and_reads_those_of_the_others(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    first.write({"by": "first"}, CELL)
    second.write({"by": "second"}, CELL)
    assert len(list(tmp_path.glob("*.sqlite"))) == 2
    assert first.read({"by": "second"}) is not None
    assert second.has({"by": "first"})


def test_a_reader_finds_what_is_written_while_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOOK_SECONDS", 0.0)
    reader, writer = Store(tmp_path), Store(tmp_path)
    for number in range(20):
        assert reader.read({"number": number}) is None
        writer.write({"number": number}, CELL)
        assert reader.read({"number": number}) is not None


def test_cells_of_former_versions_are_read(tmp_path: Path) -> None:
    key = key_of(IDENTITY)
    (tmp_path / key[:2]).mkdir()
    np.savez_compressed(tmp_path / key[:2] / f"{key}.npz", **{"a|map": CELL["a"]["map"], "identity": np.array("{}")})
    store = Store(tmp_path)
    assert store.has(IDENTITY)
    found = store.read(IDENTITY)
    assert found is not None
    np.testing.assert_array_equal(found["a"]["map"], CELL["a"]["map"])
    (tmp_path / key[:2] / f"{key}.npz").write_bytes(b"PK half a file")
    assert store.read(IDENTITY) is None
    assert [path.name for path in store.damaged] == [f"{key}.npz"]


def filled(directory: Path, cells: int = 12) -> Path:
    store = Store(directory)
    for number in range(cells):
        store.write({"number": number}, {"a": {"map": np.full((9, 9), number, np.float32)}})
    store.close()
    (path,) = directory.glob("*.sqlite")
    return path


def found_in(directory: Path, cells: int = 12) -> tuple[int, list[Path]]:
    """Read every cell; none may hold another one's numbers. Then what is missing is computed again and found."""
    store = Store(directory)
    missing = 0
    for number in range(cells):
        cell = store.read({"number": number})
        missing += cell is None
        if cell is None:
            store.write({"number": number}, {"a": {"map": np.full((9, 9), number, np.float32)}})
        else:
            np.testing.assert_array_equal(cell["a"]["map"], np.full((9, 9), number, np.float32))
    again = Store(directory)
    # At most what lay beside the damage, and was read before it was found, is lost with it.
    assert sum(not again.has({"number": number}) for number in range(cells)) <= 2
    return missing, store.damaged


def damage(whole: bytes, generator: np.random.Generator) -> bytes:
    """Cut a file short, or flip a byte or a run of bytes, at a random place."""
    place, length = int(generator.integers(len(whole))), int(generator.integers(1, 600))
    kind = generator.integers(3)
    if kind == 0:
        return whole[:place]
    flipped = bytes(
        each ^ int(generator.integers(1, 256)) for each in whole[place : place + (1 if kind == 1 else length)]
    )
    return whole[:place] + flipped + whole[place + len(flipped) :]


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_damage_is_never_read_as_data_and_what_is_lost_is_named(tmp_path: Path, rounds: int) -> None:
    whole = filled(tmp_path).read_bytes()
    (path,) = tmp_path.glob("*.sqlite")
    generator = np.random.default_rng(rounds)
    unnamed = lost = 0
    for _ in range(rounds):
        for each in tmp_path.glob("*"):
            each.unlink()
        path.write_bytes(damage(whole, generator))
        missing, named = found_in(tmp_path)
        lost += missing > 0
        unnamed += missing > 0 and not named
    assert lost > rounds / 4
    assert unnamed == 0


def test_a_damaged_file_keeps_its_whole_cells(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    place = whole.index(b"PK", len(whole) // 2) + 60  # inside one of the cells
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    missing, named = found_in(tmp_path)
    assert (missing, named) == (1, [path])


def test_a_writer_that_is_killed_at_any_moment_leaves_whole_cells(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from benchmarks.run.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for number in range(100000):\n"
        "    store.write({'number': number}, {'a': {'map': np.full((99, 99), number, np.float32)}})\n"
        "    print(number, flush=True)\n"
    )
    for wait in (0, 5, 17):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(wait + 1):
            written = int(writer.stdout.readline())
        writer.kill()
        written += len(writer.stdout.readlines())
        writer.stdout.close()
        writer.wait()
        store = Store(tmp_path)
        for number in range(written):
            cell = store.read({"number": number})
            assert cell is not None
            assert (cell["a"]["map"] == number).all()
        assert store.damaged == []
    assert len(list(tmp_path.glob("*.sqlite"))) == 1


def test_what_is_not_kept_is_removed_and_gives_its_room_back(tmp_path: Path) -> None:
    path = filled(tmp_path, 400)
    before = path.stat().st_size
    store = Store(tmp_path)
    assert store.keep([key_of({"number": 3}), key_of({"number": 5})]) == 398
    store.close()
    assert path.stat().st_size < before / 10
    assert [number for number in range(400) if store.has({"number": number})] == [3, 5]


def test_a_network_file_system_gets_a_rollback_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cellfile, "_is_local", lambda _directory: False)
    store = Store(tmp_path)
    store.write(IDENTITY, CELL)
    assert {path.suffix for path in files(tmp_path)} == {".lock", ".sqlite", ".sqlite-journal"}
    assert Store(tmp_path).read(IDENTITY) is not None


def test_a_store_counts_what_it_wrote_and_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.read(IDENTITY)
    store.write(IDENTITY, CELL)
    store.read(IDENTITY)
    assert (store.written, store.reused) == (1, 1)
