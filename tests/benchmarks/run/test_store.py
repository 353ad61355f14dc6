import json
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_cells import ARRAYS, KEYS, LABEL, cell_files, entries, files, filled, has

from benchmarks.run import cellfile
from benchmarks.run import store as store_module
from benchmarks.run.cellfile import CellFile
from benchmarks.run.store import Entry, Label, Store, key_of, packed, unpacked

IDENTITY = {"kind": "map", "method": {"class": "MINT", "parameters": {"samples": "500"}}, "case": ["a", "0f"]}
KEY = key_of(IDENTITY)
OTHER = Label("scenes", "bagnet", "mint", "", "deletion", "another device")

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def test_what_is_written_is_read_again_bit_by_bit_with_its_device(tmp_path: Path) -> None:
    Store(tmp_path).write(entries({KEY: ARRAYS, KEYS[0]: {"score": np.array(0.25)}}))
    found = Store(tmp_path).read([KEYS[1], KEY, KEYS[0], KEY])
    assert found.keys() == {KEY, KEYS[0]}
    assert found[KEY].device == "a device"
    arrays = found[KEY].arrays
    assert arrays["map"].dtype == np.float32
    np.testing.assert_array_equal(arrays["map"], ARRAYS["map"])
    assert np.isnan(arrays["score"])
    assert arrays["score"].shape == ()
    assert has(Store(tmp_path), [KEYS[1], KEY, KEYS[0], KEY]) == [False, True, True, True]


@settings(deadline=None)
@given(
    hnp.arrays(
        hnp.floating_dtypes(endianness="=") | hnp.integer_dtypes(endianness="=") | st.just(np.dtype(bool)),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40),
    ),
    st.booleans(),
)
def test_any_array_survives(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, turned: bool) -> None:
    directory = tmp_path_factory.mktemp("cells")
    array = array.T[::-1] if turned and array.ndim else array  # not one piece of memory any more
    Store(directory).write(entries({KEY: {"map": array}}))
    found = Store(directory).read([KEY])[KEY].arrays["map"]
    assert found.tobytes() == array.tobytes()
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.flags.writeable


@settings(deadline=None)
@given(st.floats(min_value=0, allow_nan=False), st.sampled_from([2, 99]))
def test_pictures_come_back_exactly_whether_the_cell_is_compressed_or_not(pictures: float, side: int) -> None:
    assert unpacked(packed({"map": np.zeros((side, side))}, pictures))[1] == pictures


def test_pictures_lie_beside_the_arrays_and_are_none_unless_given(tmp_path: Path) -> None:
    Store(tmp_path).write([Entry(KEYS[0], LABEL, ARRAYS, 500 / 3), Entry(KEYS[1], LABEL, {}), Entry(KEY, LABEL, {}, 7)])
    found = Store(tmp_path).read([*KEYS[:2], KEY])
    assert {key: each.pictures for key, each in found.items()} == {KEYS[0]: 500 / 3, KEYS[1]: 0, KEY: 7}
    assert found[KEYS[0]].arrays.keys() == ARRAYS.keys()
    assert found[KEYS[1]].arrays == {}


@pytest.mark.parametrize("side", [2, 224])
def test_a_map_survives_whether_it_can_be_compressed_or_not(tmp_path: Path, side: int) -> None:
    noise = np.random.default_rng(0).random((side, side), np.float32)
    with closing(Store(tmp_path)) as store:
        store.write(entries({KEYS[0]: {"map": noise}, KEYS[1]: {"map": np.zeros((side, side))}}))
        found = store.read(KEYS[:2])
    assert found[KEYS[0]].arrays["map"].tobytes() == noise.tobytes()
    assert found[KEYS[1]].arrays["map"].tobytes() == bytes(8 * side * side)
    assert sum(path.stat().st_size for path in files(tmp_path)) < 4 * side * side + 60_000


def test_a_key_without_a_cell_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "not-made-yet")
    assert store.read([KEY]) == {}
    assert has(store, [KEY]) == [False]
    assert store.counts() == {}
    assert store.damaged == []
    assert store.read([]) == {}
    store.write([])
    assert not store.directory.exists()


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
    for number in range(100):
        Store(tmp_path).write(entries({KEYS[number]: ARRAYS}))
    assert [path.suffix for path in files(tmp_path)] == [".cells", ".lock"]


def test_a_file_that_is_large_gets_no_more_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FULL_BYTES", 50_000)
    monkeypatch.setattr(cellfile, "_is_local", lambda _directory: False)  # where a file grows with each commit
    store = Store(tmp_path)
    for number in range(60):
        store.write(entries({KEYS[number]: {"map": np.random.default_rng(number).random((16, 16))}}))
        assert all(has(store, KEYS[: number + 1]))
    assert len(cell_files(tmp_path)) > 2
    assert all(has(Store(tmp_path), KEYS[:60]))


def test_every_writer_has_its_own_file_and_reads_those_of_the_others(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    first.write(entries({KEYS[0]: ARRAYS}))
    second.write(entries({KEYS[1]: ARRAYS}))
    assert len(cell_files(tmp_path)) == 2
    assert has(first, KEYS[:3]) == has(second, KEYS[:3]) == [True, True, False]


def test_a_reader_finds_what_is_written_while_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOOK_SECONDS", 1e9)
    reader, writer = Store(tmp_path), Store(tmp_path)
    assert reader.read(KEYS[:1]) == {}
    writer.write(entries({KEYS[0]: ARRAYS}))
    assert reader.read(KEYS[:1]) == {}  # nobody told it of the file
    reader.refresh()
    assert reader.read(KEYS[:1])
    for key in KEYS[1:20]:
        assert reader.read([key]) == {}
        writer.write(entries({key: ARRAYS}))
        assert reader.read([key])
    monkeypatch.setattr(store_module, "LOOK_SECONDS", 0.0)
    Store(reader.directory).write(entries({KEYS[20]: ARRAYS}))
    assert has(reader, [KEYS[20]]) == [True]


def test_a_reader_follows_a_file_that_was_replaced_under_its_name(tmp_path: Path) -> None:
    path = filled(tmp_path)
    reader, other = Store(tmp_path), Store(tmp_path)
    assert all(has(reader, KEYS[:12]))
    cellfile.mend(path)
    other.write(entries({KEYS[50]: ARRAYS}))
    reader.refresh()
    assert all(has(reader, [*KEYS[:12], KEYS[50]]))
    path.unlink()
    other.write(entries({KEYS[51]: ARRAYS}))
    reader.refresh()
    assert has(reader, [KEYS[50], KEYS[51]]) == [False, True]
    other.close()
    assert has(Store(tmp_path), [KEYS[51]]) == [True]


def test_all_cells_of_a_commit_are_written_or_none_whatever_their_labels(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Exception, match="dtype"):
        store.write([Entry(KEYS[0], LABEL, ARRAYS), Entry(KEYS[1], OTHER, {"text": np.array(["text"])})])
    store.write(entries({KEYS[2]: ARRAYS}))
    with closing(CellFile(tmp_path / "small.cells", writing=True)) as small:
        small._execute("PRAGMA max_page_count=20")  # which SQLite answers as it does a full disk
        with pytest.raises(OSError, match=r"No space left on device: .*small\.cells'"):
            small.write({b"[1]": {b"one": bytes(10)}, b"[2]": {b"two": bytes(100_000)}})
        assert small.read([b"one", b"two"]) == {}
        assert small.tallies() == {}
        small.write({b"[1]": {b"two": bytes(10)}, b"[2]": {b"three": bytes(10), b"four": bytes(10)}})
        assert small.read([b"one", b"two"])[b"two"].payload == bytes(10)
        assert {words: tally.cells for words, tally in small.tallies().items()} == {b"[1]": 1, b"[2]": 2}
    assert has(Store(tmp_path), KEYS[:3]) == [False, False, True]
    assert store.written == 1


def test_cells_of_several_labels_come_back_with_their_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    labels = [LABEL, OTHER, LABEL, OTHER, LABEL]
    store.write([Entry(key, label, ARRAYS) for key, label in zip(KEYS, labels, strict=False)])
    assert {label: count.cells for label, count in store.counts().items()} == {LABEL: 3, OTHER: 2}
    found = Store(tmp_path).read(KEYS[:5])
    assert [found[key].device for key in KEYS[:5]] == [label.device for label in labels]
    assert store.written == 5


def test_more_keys_than_one_query_takes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(entries({key: {"score": np.array(float(number))} for number, key in enumerate(KEYS[:1300])}))
    found = store.read(KEYS)
    assert [found[key].arrays["score"] for key in KEYS[:1300]] == list(range(1300))
    assert len(found) == 1300
    assert sum(has(store, KEYS)) == 1300


def test_cells_are_counted_by_label_over_all_files(tmp_path: Path) -> None:
    before = time.time()
    first, second = Store(tmp_path), Store(tmp_path)
    first.write(entries(dict.fromkeys(KEYS[:5], ARRAYS)))
    first.write(entries(dict.fromkeys(KEYS[3:7], ARRAYS)))  # two of them are there
    middle = time.time()
    second.write(entries(dict.fromkeys(KEYS[7:10], ARRAYS)))
    second.write(entries({KEYS[10]: ARRAYS}, OTHER))
    counts = Store(tmp_path).counts()
    assert {label: count.cells for label, count in counts.items()} == {LABEL: 10, OTHER: 1}
    assert before <= counts[LABEL].first <= middle <= counts[LABEL].last <= counts[OTHER].last <= time.time()
    second.write(entries({KEYS[11]: ARRAYS}, OTHER))
    assert first.counts()[OTHER].cells == 2


def test_what_is_asked_for_is_noted_if_it_is_to_be(tmp_path: Path) -> None:
    store = Store(tmp_path, asked=set())
    store.write(entries({KEYS[0]: ARRAYS}))
    store.read(KEYS[:2])
    has(store, KEYS[5:6])
    assert store.asked == {KEYS[0], KEYS[1], KEYS[5]}


def test_what_is_not_kept_is_removed_and_gives_its_room_back(tmp_path: Path) -> None:
    path = filled(tmp_path, 400)
    before = path.stat().st_size
    store = Store(tmp_path)
    times = store.counts()[LABEL]
    assert store.keep([KEYS[3], KEYS[5], KEY]) == 398
    assert path.stat().st_size < before / 5
    assert [number for number in range(400) if has(store, [KEYS[number]])[0]] == [3, 5]
    count = store.counts()[LABEL]
    assert count.cells == 2
    assert times.first <= count.first <= count.last < times.last
    assert store.keep([KEYS[3], KEYS[5]]) == 0
    assert len(store.read(KEYS[:9])) == 2


def test_nothing_is_removed_while_another_process_writes(tmp_path: Path) -> None:
    filled(tmp_path, 40)
    first, second = Store(tmp_path), Store(tmp_path)
    first.write(entries({KEYS[40]: ARRAYS}))
    second.write(entries({KEYS[41]: ARRAYS}))
    first.close()
    with pytest.raises(BlockingIOError):
        Store(tmp_path).keep([])
    with pytest.raises(BlockingIOError):
        Store(tmp_path).check_idle()
    second.close()
    Store(tmp_path).check_idle()
    assert all(has(Store(tmp_path), KEYS[:42]))


def test_a_store_counts_what_it_wrote_and_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.read([KEY])
    store.write(entries({KEY: ARRAYS, KEYS[0]: ARRAYS}))
    store.read([KEY, KEY, KEYS[1]])
    assert (store.written, store.reused) == (2, 1)
