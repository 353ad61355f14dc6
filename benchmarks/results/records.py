"""What a run leaves behind for the report, and how it is read again.

* ``records.parquet``: the score of each case under each metric
* ``curves.parquet``: the points of its curve, where the metric has one
* ``timing.csv``: what each method costs on each network
* ``provenance.json``: "inputs", all that determines the numbers; "run", when, where and from which commit
* ``gallery/data.npz``: the pictures and maps that the gallery shows, 8 bits a pixel
* ``maps.npz``: every case's picture and maps, small, for the page
* ``SHA256SUMS``: the checksums of these, as ``sha256sum --check`` takes them; runs before there were any lack it

Beside them, ``run.json`` says where a run stands (see ``benchmarks.run.journal``).

Scores and curves have a column ``control``: "" for a method's own map, else the name of the derived control that
was scored in its place (see ``baselines.controls``).
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results.commit import finish, stamp, writing
from benchmarks.results.sums import check_sums, write_sums
from benchmarks.results.tables import joined, read_table, write_table

RECORD_COLUMNS = (
    "plan", "dataset", "network", "method", "control", "metric", "metric_id",
    "case", "picture", "target", "target_name", "difficult", "score",
)  # fmt: skip
CURVE_COLUMNS = ("dataset", "network", "method", "control", "metric", "case", "picture", "fractions", "values")
TIMING_COLUMNS = (
    "dataset", "network", "method", "device", "median_ms", "iqr_ms",
    "repeats", "forwards", "backwards", "peak_memory_mb",
)  # fmt: skip
DECLARED = {"id", "measure", "judges", "direction", "average", "subsets", "controls", "settings", "curve"}
"""What the provenance says of every metric."""

JOURNAL = "run.json"
REMOVAL = "insertion - deletion"
"""The name of what `with_removal` adds."""
MAP_SIZE = 56
"""Height and width in pixels to which the maps in ``maps.npz`` are reduced: enough to be looked at side by side."""
READINGS = 10
"""How often records are read anew that another process replaces meanwhile."""


class RecordsError(ValueError):
    """Records that are missing or cannot be read, in one sentence."""


@dataclass(frozen=True)
class Shown:
    """One case of the gallery."""

    dataset: str
    network: str
    case: str
    target_name: str
    image: np.ndarray  # uint8 (h, w, 3), RGB
    region: np.ndarray | None  # bool (h, w), the target's pixels
    maps: Mapping[str, np.ndarray]  # uint8 (h, w) by method: 0 is no evidence, 255 the map's strongest
    pictures: Mapping[str, np.ndarray]  # uint8 (h, w, 3) by "method: panel": what a method draws of itself


@dataclass(frozen=True)
class CaseMaps:
    """One case's picture and every method's own map, small, for the page: at most `MAP_SIZE` high and wide."""

    dataset: str
    network: str
    case: str
    picture: str
    target_name: str
    picture_jpeg: bytes  # a JPEG file of the picture at the network's input size
    region: np.ndarray | None  # bool (h, w), the target's pixels
    maps: Mapping[str, np.ndarray]  # uint8 (h, w) by method, as `evidence_bytes` has it


@dataclass(frozen=True)
class Records:
    """All that a report is made from."""

    # With the columns `RECORD_COLUMNS`, `CURVE_COLUMNS` and `TIMING_COLUMNS`. Of scores and curves that were read,
    # names and fractions are categories, and the values are Arrow lists (`benchmarks.results.tables`).
    scores: pd.DataFrame
    curves: pd.DataFrame
    timings: pd.DataFrame
    provenance: dict[str, Any]  # provenance.json
    gallery: list[Shown]
    # Every case, in the order of the run; none in a directory from before they were kept.
    maps: list[CaseMaps] = field(default_factory=list)


def with_removal(records: Records) -> Records:
    """Add insertion minus deletion, case by case, as a metric, wherever both were measured."""
    scores = records.scores
    index = [name for name in scores.columns if name not in ("metric", "metric_id", "score")]
    # Plain strings, which are put in order as words are, not as categories.
    plain = {name: str for name in index if isinstance(scores[name].dtype, pd.CategoricalDtype)}
    pair = [
        scores[scores["metric"] == metric].astype(plain).set_index(index)["score"]
        for metric in ("insertion", "deletion")
    ]
    difference = (pair[0] - pair[1]).dropna().reset_index().assign(metric=REMOVAL, metric_id=REMOVAL)
    categories = [name for name in scores.columns if isinstance(scores[name].dtype, pd.CategoricalDtype)]
    added = difference[list(scores.columns)].astype(dict.fromkeys(categories, "category"))
    settings = []
    for setting in records.provenance["inputs"]["settings"]:
        metrics = setting["metrics"]
        if {"insertion", "deletion"} <= metrics.keys():
            own = {"id": REMOVAL, "measure": REMOVAL, "judges": True, "settings": {}, "curve": None}
            metrics = {REMOVAL: {**metrics["insertion"], **own}, **metrics}
        settings.append({**setting, "metrics": metrics})
    inputs = {**records.provenance["inputs"], "settings": settings}
    return replace(records, scores=joined([scores, added]), provenance={**records.provenance, "inputs": inputs})


def evidence_bytes(saliency: np.ndarray) -> np.ndarray:
    """Turn a map into what the gallery stores: uint8, 0 for no evidence or evidence against, 255 for the strongest.

    The strongest hundredth of the positive values is cut off, so that one pixel does not darken the rest. What is below
    float32's smallest normal number only puts tied pixels in order (`mint.display.break_ties`), and is no evidence.
    """
    positive = np.where(saliency >= np.finfo(np.float32).tiny, saliency, 0)
    top = np.quantile(positive[positive > 0], 0.99) if (positive > 0).any() else 1.0
    shown: np.ndarray = np.round(255 * np.clip(positive / top, 0, 1)).astype(np.uint8)
    return shown


def save(records: Records, directory: Path) -> None:
    """Write all of it into a directory, which is made if need be.

    What is there already is replaced as a whole when everything is written: nothing is lost if the disk is full or the
    process is killed, and of several processes that write into one directory, the last one's records are there.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    try:
        with writing(directory) as new:
            (new / "gallery").mkdir()
            write_table(records.scores, new / "records.parquet")
            write_table(records.curves, new / "curves.parquet")
            records.timings.to_csv(new / "timing.csv", index=False, float_format="%.6g")
            text = json.dumps(records.provenance, indent=2, ensure_ascii=False)
            (new / "provenance.json").write_text(text + "\n", encoding="utf-8")
            _save_gallery(records.gallery, new / "gallery" / "data.npz")
            _save_maps(records.maps, new / "maps.npz")
            write_sums(new)
    except OSError as error:
        error.filename = error.filename or str(directory)
        raise


def load(directory: Path) -> Records:
    """Read what `save` wrote.

    Raises
    ------
    RecordsError
        If there are no records, or they cannot be read.
    """
    finish(directory)
    if not (directory / "records.parquet").is_file():
        there = sorted(each.parent.name for each in directory.parent.glob("*/records.parquet"))
        alike = difflib.get_close_matches(directory.name, there, cutoff=0.5)
        near = f" There are some in {', '.join(str(directory.parent / name) for name in alike)}." if alike else ""
        raise RecordsError(f"there are no records in {directory}; make them with `python -m benchmarks run`.{near}")
    for _ in range(READINGS):
        before = stamp(directory)
        found, failure = None, None
        try:
            found = _read(directory)
        except Exception as error:  # a damaged file makes its readers raise almost anything
            failure = error
        if stamp(directory) == before:
            if found:
                return found
            reason = " ".join(str(failure).split()) or type(failure).__name__
            said = f"the records in {directory} cannot be read ({reason}); run the plan again."
            raise RecordsError(said) from failure
        finish(directory)  # another process has replaced them meanwhile
    raise RecordsError(f"the records in {directory} change all the time; wait for the run that writes them.")


def _read(directory: Path) -> Records:
    check_sums(directory)
    provenance = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
    inputs, _ = provenance["inputs"], provenance["run"]
    declared = [about for setting in inputs["settings"] for about in setting["metrics"].values()]
    if "report" not in inputs or any(DECLARED - about.keys() for about in declared):
        raise ValueError("they are of an older form, which does not say what the metrics measure")
    return Records(
        _table(read_table(directory / "records.parquet"), RECORD_COLUMNS),
        _table(read_table(directory / "curves.parquet"), CURVE_COLUMNS),
        _table(pd.read_csv(directory / "timing.csv"), TIMING_COLUMNS),
        provenance,
        _load_gallery(directory / "gallery" / "data.npz"),
        _load_maps(directory / "maps.npz"),
    )


def place_in(setting: Mapping[str, Any]) -> tuple[str, str]:
    """Return the data set and the network of a setting in the provenance."""
    return setting["dataset"], setting["network"]["name"]


def rows_of(frame: pd.DataFrame, place: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of one setting, given as (dataset, network)."""
    return frame[(frame["dataset"] == place[0]) & (frame["network"] == place[1])]


def own_maps(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of scores or curves that are of methods' own maps, without the derived controls."""
    return frame[frame["control"] == ""]


def _table(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    if missing := [name for name in columns if name not in frame]:
        raise ValueError(f"a table lacks the column {missing[0]}")
    return frame


def _save_gallery(gallery: list[Shown], file: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    index = []
    for number, shown in enumerate(gallery):
        arrays[f"{number}|image"] = shown.image
        if shown.region is not None:
            arrays[f"{number}|region"] = shown.region
        arrays |= {f"{number}|map|{name}": array for name, array in shown.maps.items()}
        arrays |= {f"{number}|picture|{name}": array for name, array in shown.pictures.items()}
        index.append([shown.dataset, shown.network, shown.case, shown.target_name])
    np.savez_compressed(file, **{"index": np.array(json.dumps(index)), **arrays})  # type: ignore[arg-type]


def _load_gallery(file: Path) -> list[Shown]:
    index, arrays = _load_arrays(file)
    gallery = []
    for number, (dataset, network, case, target_name) in enumerate(index):
        maps, pictures = (
            {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            for prefix in (f"{number}|map|", f"{number}|picture|")
        )
        image, region = arrays[f"{number}|image"], arrays.get(f"{number}|region")
        gallery.append(Shown(dataset, network, case, target_name, image, region, maps, pictures))
    return gallery


def _load_arrays(file: Path) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Return the entries of a file's index and its arrays; none of a file that is not there."""
    if not file.is_file():
        return [], {}
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        return json.loads(str(stored["index"])), dict(stored)


def _save_maps(cases: list[CaseMaps], file: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    index = []
    # A picture that several cases or networks share is written once.
    pictures: dict[bytes, int] = {}
    for number, each in enumerate(cases):
        picture = pictures.setdefault(each.picture_jpeg, len(pictures))
        arrays[f"picture|{picture}"] = np.frombuffer(each.picture_jpeg, dtype=np.uint8)
        if each.region is not None:
            arrays[f"{number}|region"] = each.region
        if each.maps:
            arrays[f"{number}|maps"] = np.stack(list(each.maps.values()))
        names = [each.dataset, each.network, each.case, each.picture, each.target_name]
        index.append([*names, picture, list(each.maps)])
    np.savez_compressed(file, **{"index": np.array(json.dumps(index)), **arrays})  # type: ignore[arg-type]


def _load_maps(file: Path) -> list[CaseMaps]:
    index, arrays = _load_arrays(file)
    cases = []
    for number, (dataset, network, case, picture, target_name, file_number, methods) in enumerate(index):
        jpeg = arrays[f"picture|{file_number}"].tobytes()
        region = arrays.get(f"{number}|region")
        maps = dict(zip(methods, arrays.get(f"{number}|maps", ()), strict=True))
        cases.append(CaseMaps(dataset, network, case, picture, target_name, jpeg, region, maps))
    return cases
