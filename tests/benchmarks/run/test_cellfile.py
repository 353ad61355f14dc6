"""Files of cells: damaged, cut off by a killed writer, shared by many processes, or not to be written."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_cells import ARRAYS, KEYS, LABEL, cell_files, entries, files, filled, flip, number_of

from benchmarks.run import cellfile
from benchmarks.run.cellfile import Tally
from benchmarks.run.store import Store, key_of


def found_in(directory: Path, cells: int = 12) -> tuple[int, list[Path]]:
    """Read every cell; none may hold another one's numbers. Then what is missing is computed again and found."""
    with closing(Store(directory)) as store:
        found = store.read(KEYS[:cells])
        for number in range(cells):
            if KEYS[number] in found:
                assert found[KEYS[number]].device == LABEL.device
                np.testing.assert_array_equal(found[KEYS[number]].arrays["map"], number_of(number)["map"])
        missing = [number for number in range(cells) if KEYS[number] not in found]
        store.write(entries({KEYS[number]: number_of(number) for number in missing}))
    with closing(Store(directory)) as again:
        # At most what lay beside the damage, and was read before it was found, is lost with it.
        assert len(again.read(KEYS[:cells])) >= cells - 2
    return len(missing), store.damaged


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
    path = filled(tmp_path)
    whole = path.read_bytes()
    generator = np.random.default_rng(rounds)
    unnamed = lost = 0
    for _ in range(rounds):
        for each in tmp_path.glob("*"):
            each.unlink()
        path.write_bytes(damage(whole, generator))
        missing, named = found_in(tmp_path)
        lost += missing > 0
        unnamed += missing > 0 and not named
    assert lost > rounds / 5
    assert unnamed == 0


def test_a_damaged_file_keeps_its_whole_cells_with_their_times(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = Store(tmp_path).counts()[LABEL]
    flip(path, number_of(5)["map"].tobytes()[:50])
    store = Store(tmp_path)
    assert [key in store.read(KEYS[:12]) for key in KEYS[4:7]] == [True, False, True]
    assert store.counts() == {LABEL: Tally(11, before.first, before.last)}
    assert found_in(tmp_path)[0] == 1
    assert store.damaged == [path]


def test_a_file_whose_labels_are_damaged_is_named_by_who_counts(tmp_path: Path) -> None:
    path = filled(tmp_path)
    flip(path, b'"scenes", "')
    store = Store(tmp_path)
    assert store.counts() == {}
    assert store.damaged == [path]


def test_a_file_whose_columns_are_damaged_is_named_by_who_counts(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    assert b"first REAL, last" in whole
    path.write_bytes(whole.replace(b"first REAL, last", b"first REAL  last"))
    store = Store(tmp_path)
    store.counts()
    assert store.damaged == [path]


def test_what_is_damaged_in_the_file_of_a_process_that_still_writes_costs_no_other_cell(tmp_path: Path) -> None:
    path = filled(tmp_path)
    writer = Store(tmp_path)
    writer.write(entries({KEYS[20]: ARRAYS}))
    flip(path, number_of(5)["map"].tobytes()[:50])
    reader = Store(tmp_path)
    assert [key in reader.read(KEYS[:12]) for key in KEYS[4:7]] == [True, False, True]
    reader.write(entries({KEYS[5]: number_of(5)}))
    writer.write(entries({KEYS[21]: ARRAYS}))
    assert len(reader.read([*KEYS[:12], KEYS[21]])) == 13
    assert reader.damaged == [path]


@pytest.fixture
def guarded() -> Iterator[Path]:
    """Yield a folder; nothing in it can be written once it is made read-only (which does not bind root)."""
    directory = Path(tempfile.mkdtemp())
    yield directory
    os.seteuid(os.getuid())
    directory.chmod(0o755)
    shutil.rmtree(directory)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no such users")
def test_a_folder_that_can_only_be_read_is_read(guarded: Path) -> None:
    path = filled(guarded)
    flip(path, number_of(5)["map"].tobytes()[:50])
    guarded.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)
    store = Store(guarded)
    assert len(store.read(KEYS[:12])) == 11
    assert store.damaged == [path]
    with pytest.raises(OSError, match=guarded.name):
        store.write(entries({KEYS[5]: ARRAYS}))


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_leaves_whole_commits(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from benchmarks.run.store import Entry, Label, Store, key_of\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for number in range(100000):\n"
        "    keys = [key_of({'number': number, 'part': part}) for part in range(3)]\n"
        "    arrays = {'map': np.random.default_rng(number).random((99, 99), np.float32)}\n"
        "    labels = [Label('d', 'n', f'method {part}', '', 'map', 'cpu') for part in range(3)]\n"
        "    store.write([Entry(key, label, arrays) for key, label in zip(keys, labels)])\n"
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
        for number in range(written + 1):
            found = store.read([key_of({"number": number, "part": part}) for part in range(3)])
            assert len(found) == 3
            for cell in found.values():
                assert (cell.arrays["map"] == np.random.default_rng(number).random((99, 99), np.float32)).all()
        assert len(store.read([key_of({"number": written + 1, "part": part}) for part in range(3)])) in (0, 3)
        assert store.damaged == []
        counts = [count.cells for count in store.counts().values()]
        assert counts == counts[:1] * 3
    assert len(cell_files(tmp_path)) == 1


WORKER = (
    "import sys, numpy as np\n"
    "from pathlib import Path\n"
    "from benchmarks.run.store import Entry, Label, Store, key_of\n"
    "store = Store(Path(sys.argv[1]))\n"
    "print('ready', flush=True)\n"
    "sys.stdin.readline()\n"
    "for start in range(0, 600, 20):\n"
    "    keys = [key_of({'worker': sys.argv[2], 'number': number}) for number in range(start, start + 20)]\n"
    "    assert not store.read(keys)\n"
    "    label = Label('d', 'n', 'm', '', 'map', sys.argv[2])\n"
    "    store.write([Entry(key, label, {'score': np.array(0.5)}) for key in keys])\n"
    "store.close()\n"
)


@pytest.mark.slow
def test_many_processes_write_at_once_into_few_files(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=120)
        assert worker.returncode == 0
    store = Store(tmp_path)
    assert {label.device: count.cells for label, count in store.counts().items()} == {str(n): 600 for n in range(8)}
    for number in range(8):
        found = store.read([key_of({"worker": str(number), "number": each}) for each in range(600)])
        assert len(found) == 600
        assert {cell.device for cell in found.values()} == {str(number)}
    assert store.damaged == []
    store.close()
    assert len(files(tmp_path)) <= 8 * 600 / 100


def test_a_network_file_system_gets_a_rollback_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cellfile, "_is_local", lambda _directory: False)
    store = Store(tmp_path)
    store.write(entries({KEYS[0]: ARRAYS}))
    assert {path.suffix for path in files(tmp_path)} == {".lock", ".cells", ".cells-journal"}
    assert Store(tmp_path).read([KEYS[0]])
