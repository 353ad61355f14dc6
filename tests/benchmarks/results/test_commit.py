"""Records are whole, whoever writes them and whenever a process is killed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import paper
import pytest

from benchmarks.results import commit, records
from benchmarks.results.records import Records, RecordsError
from benchmarks.results.sums import FILES, SUMS

WRITER = """
import time
import sys
from pathlib import Path
from benchmarks.results import records
one, other, out = map(Path, sys.argv[1:])
both = [records.load(one), records.load(other)]
print("ready", flush=True)
while True:
    time.sleep(0.2)
    for each in both:
        records.save(each, out)
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two directories of records that differ in every file."""
    folder = tmp_path_factory.mktemp("pair")
    for cases in (3, 5):
        made = paper.made_up(["mint", "lime"], cases)
        made.timings["median_ms"] = float(cases)
        records.save(made, folder / str(cases))
    return folder / "3", folder / "5"


def whole(found: Records) -> int:
    """Return how many cases there are, after a look at every file."""
    (cases,) = {
        found.scores["case"].nunique(),
        found.curves["case"].nunique(),
        len(found.maps),
        int(found.timings["median_ms"].iloc[0]),
        found.provenance["inputs"]["settings"][0]["cases"]["all"],
    }
    return cases


def _patiently(directory: Path) -> Records:
    """Read records while others write them: on a busy machine that may be refused, and is tried again."""
    while True:
        try:
            return records.load(directory)
        except RecordsError as error:
            if "change all the time" not in str(error):
                raise


def test_writers_at_the_same_time_that_are_killed_leave_whole_records(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    records.save(records.load(pair[0]), out)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, *map(str, pair), str(out)], stdout=-1, env=environment)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        seen = {whole(_patiently(out)) for _ in range(20)}
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    seen.add(whole(records.load(out)))
    assert seen <= {3, 5}
    # What the killed left does not disturb the next one, and goes when it is old.
    left = out / f"{commit.WRITING}left"
    left.mkdir()
    old = time.time() - commit.LEFT_SECONDS - 1
    os.utime(left, (old, old))
    records.save(records.load(pair[1]), out)
    assert whole(records.load(out)) == 5
    assert not left.exists()


@pytest.mark.parametrize("moved", range(len(FILES) + 2))
def test_a_process_killed_while_it_moves_files_is_finished_by_the_next_reader(
    pair: tuple[Path, Path], tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.save(records.load(pair[0]), tmp_path)
    monkeypatch.setattr(commit, "finish", lambda directory: None)
    with commit.writing(tmp_path) as new:
        for name in (*FILES, SUMS):
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_bytes((pair[1] / name).read_bytes())
    monkeypatch.undo()
    for name in (*FILES, SUMS)[:moved]:
        (tmp_path / commit.WRITTEN / name).replace(tmp_path / name)
    assert whole(records.load(tmp_path)) == 5
    assert not (tmp_path / commit.WRITTEN).exists()


def test_a_process_that_fails_before_all_is_written_changes_nothing(pair: tuple[Path, Path], tmp_path: Path) -> None:
    records.save(records.load(pair[0]), tmp_path)
    broken = replace(records.load(pair[1]), maps=[None])  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        records.save(broken, tmp_path)
    assert whole(records.load(tmp_path)) == 3
    assert not list(tmp_path.glob(f"{commit.WRITING}*"))


def test_damage_is_no_other_process(pair: tuple[Path, Path], tmp_path: Path) -> None:
    records.save(records.load(pair[0]), tmp_path)
    (tmp_path / "timing.csv").write_bytes((pair[1] / "timing.csv").read_bytes())
    with pytest.raises(RecordsError, match=r"timing\.csv is not as the run wrote it"):
        records.load(tmp_path)
