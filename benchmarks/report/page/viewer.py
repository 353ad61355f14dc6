"""What the page's viewer knows of every case: scores, maps, curves, and how much the methods disagree.

The index (names, scores) is JSON. Maps and curves are PNGs, one file each for a case, so that the browser reads
only those that it shows: `pack` says what is in them.
"""

import io
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from benchmarks.analysis.disagreement import map_disagreement, score_disagreement
from benchmarks.analysis.scores import main_metrics
from benchmarks.report.plots import styles
from benchmarks.report.tables import place_of, where
from benchmarks.results.records import CaseMaps, Records, own_maps, place_in, rows_of

CURVE_POINTS = 57
"""At most so many points of a curve are drawn."""
DIGITS = 4
"""Significant digits of a score in the page."""
ROOM = 3_000_000
"""Bytes of cases and their pictures in the page, and in each file beside it."""
MOST_CASES = 500
"""Cases of a setting in all of these files, at most."""
FILES = ("drawn", "lines", "image")
Row = dict[str, Any]
File = tuple[bytes, str]  # a picture's bytes and its media type
Lines = dict[str, tuple[Sequence[float], Sequence[float]]]  # by method, the fractions and values of a curve


def gather(records: Records) -> tuple[Row, dict[int, File], list[Row]]:
    """Collect what the viewer shows: an index, plain data for JSON, its pictures, and what there is no room for.

    The index has the "settings", each with its methods, metrics and cases, and "inferno", the colours. A case names
    each of its files by a number. Of a setting with more than `MOST_CASES`, those are left out on which the methods
    disagree least. In the page are the cases on which the methods disagree most, as many as `ROOM` has;
    the others come in parts, each with its "cases", as (setting, case), and the "files" that are new in it.
    """
    files: list[File] = []
    pictures: dict[bytes, int] = {}
    settings = [_setting(setting, records, files, pictures) for setting in records.provenance["inputs"]["settings"]]
    # In turns, so that every setting has as many.
    ranked = [sorted(setting["cases"], key=lambda case: _agreement(*case["disagreement"])) for setting in settings]
    turns = [(n, case) for turn in zip_longest(*ranked) for n, case in enumerate(turn) if case]
    parts: list[Row] = [{"cases": [], "files": {}}]
    known: set[int] = set()
    room = ROOM
    for number, case in turns:
        new = {case[name] for name in FILES if name in case} - known
        size = len(json.dumps(case)) + sum(len(files[each][0]) * 4 // 3 for each in new)
        if size > room and parts[-1]["cases"]:
            parts.append({"cases": [], "files": {}})
            room = ROOM
        room -= size
        known |= new
        parts[-1]["cases"].append((number, case))
        parts[-1]["files"].update({each: files[each] for each in sorted(new)})
    first, *more = parts
    for number, setting in enumerate(settings):
        own = [case for place, case in first["cases"] if place == number]
        setting["cases"] = sorted(own, key=lambda case: case["place"])
    index = {
        "settings": settings,
        "more": [len(part["cases"]) for part in more],
        "inferno": (mpl.colormaps["inferno"](np.arange(256), bytes=True)[:, :3]).tobytes().hex(),
    }
    return index, first["files"], more


def _agreement(maps: float | None, scores: float | None) -> float:
    """Order cases: those on which the maps disagree most come first, then the scores; unknown is last."""
    return -(maps if maps is not None else scores if scores is not None else -1.0)


def _setting(setting: Row, records: Records, files: list[File], pictures: dict[bytes, int]) -> Row:
    place = place_in(setting)
    methods, metrics = list(setting["methods"]), list(setting["metrics"])
    own = rows_of(records.scores, place)
    scores, curves = own_maps(own), rows_of(records.curves, place)
    maps = {each.case: each for each in records.maps if (each.dataset, each.network) == place}
    failures: dict[str, list[list[str]]] = {}
    for failure in records.provenance["run"].get("failures", []):
        if place_of(failure) == place:
            said = [failure["method"], failure.get("control", ""), failure["step"], failure["reason"]]
            failures.setdefault(failure["case"], []).append(said)
    first_rows = scores.drop_duplicates("case")
    every = list(dict.fromkeys([*maps, *first_rows["case"]]))
    # Nulls disagree with everything; of the metrics, those count that judge a map, each with its first setting.
    nulls = setting["nulls"]
    judging = [name for name in main_metrics(setting) if setting["metrics"][name]["judges"]]
    spread = score_disagreement(scores[scores["metric"].isin(judging) & ~scores["method"].isin(nulls)])
    disagreement = {}
    for key in every:
        contested = [each for name, each in maps[key].maps.items() if name not in nulls] if key in maps else []
        disagreement[key] = [_rounded(map_disagreement(contested)), _rounded(spread.get(key))]
    kept = {*sorted(every, key=lambda key: _agreement(*disagreement[key]))[:MOST_CASES]}
    first_curves = own_maps(curves).drop_duplicates("metric")
    grids = {row["metric"]: _grid(row["fractions"]) for row in first_curves.to_dict("records")}
    of_case: dict[str, dict[str, Lines]] = {}
    for row in own_maps(curves[curves["case"].isin(kept)]).to_dict("records"):
        lines = of_case.setdefault(row["case"], {}).setdefault(row["metric"], {})
        lines.setdefault(row["method"], (row["fractions"], row["values"]))
    own = own[own["case"].isin(kept)]
    facts = {row["case"]: row for row in first_rows[first_rows["case"].isin(kept)].to_dict("records")}
    spoilt = own[own["control"] != ""]
    controls, under = list(spoilt["control"].unique()), set(spoilt["metric"])
    having = set(zip(spoilt["case"], spoilt["method"], strict=True))
    found = own.set_index(["case", "method", "control", "metric"])["score"].to_dict()

    def score(case: str, method: str, control: str, metric: str) -> float | str | None:
        """Return a score, or why there is none: "inapplicable", "failed", None where it was not measured."""
        if (value := found.get((case, method, control, metric))) is not None:
            return "inapplicable" if np.isnan(value) else _rounded(value)
        said = [[method, control, step] for step in ("map", metric)]
        return "failed" if any(failure[:3] in said for failure in failures.get(case, [])) else None

    cases = []
    for number, key in enumerate(every):
        if key not in kept:
            continue
        shown, fact = maps.get(key), facts.get(key, {})
        case: Row = {
            "key": key,
            "place": number,
            "picture": shown.picture if shown else fact["picture"],
            "target": shown.target_name if shown else fact["target_name"],
            "difficult": bool(fact.get("difficult")),
            "scores": [[score(key, method, "", metric) for metric in metrics] for method in methods],
            "failures": failures.get(key, []),
            "disagreement": disagreement[key],
        }
        if any((key, method) in having for method in methods):
            case["controls"] = [
                [[score(key, method, control, metric) for metric in metrics if metric in under] for control in controls]
                if (key, method) in having
                else None
                for method in methods
            ]
        case |= pack(files, shown, of_case.get(key), methods, grids)
        if shown and shown.picture_jpeg:
            if shown.picture_jpeg not in pictures:  # cases and networks share pictures
                pictures[shown.picture_jpeg] = len(files)
                files.append((shown.picture_jpeg, "image/jpeg"))
            case["image"] = pictures[shown.picture_jpeg]
        cases.append(case)
    looks, known = styles(methods), setting.get("controls", {})
    return {
        "title": where(place),
        "methods": [
            # Black is the ink's colour, which turns with dark mode.
            {"name": name, "colour": looks[name].colour.replace("#000000", "var(--ink)"), "dashes": looks[name].dashes}
            for name in methods
        ],
        "metrics": [
            {"name": name, "higher": about["direction"] == "higher"}
            | {key: about[key] for key in ("judges", "subsets")}
            for name, about in setting["metrics"].items()
        ],
        "controls": [{"name": name, "null": known.get(name, {}).get("null", True)} for name in controls],
        "controlled": [number for number, metric in enumerate(metrics) if metric in under],
        "grids": {metric: [round(float(each), 4) for each in grid] for metric, grid in grids.items()},
        "cases": cases,
        "all": len(every),
        **({"left": len(every) - len(cases)} if len(every) > len(cases) else {}),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(f"{value:.{DIGITS}g}")


def _grid(fractions: Sequence[float]) -> np.ndarray:
    """Thin the fractions of a curve, its ends kept."""
    points = np.unique(np.linspace(0, len(fractions) - 1, CURVE_POINTS).round().astype(int))
    return np.asarray(fractions, dtype=np.float64)[points]  # type: ignore[no-any-return]


def pack(
    files: list[File],
    shown: CaseMaps | None,
    curves: Mapping[str, Lines] | None,
    methods: list[str],
    grids: Mapping[str, np.ndarray],
) -> Row:
    """Draw a case's maps and curves as two gray PNGs, and say what is in them.

    The first, "drawn", has the maps below one another, then the region, of 0 and 1. The second, "lines", has a row for
    each metric and method with a curve: its values at the metric's grid, spread over 0 to 255 between the case's lowest
    and highest. Methods and files are named by their numbers.
    """
    about: Row = {}
    if shown and shown.maps:
        names = [name for name in methods if name in shown.maps]
        parts = [shown.maps[name] for name in names]
        about |= {"maps": [methods.index(name) for name in names], "shape": list(parts[0].shape)}
        if shown.region is not None and shown.region.shape == parts[0].shape:
            about["region"] = True
            parts.append(shown.region.astype(np.uint8))
        about["drawn"] = _keep(files, np.concatenate(parts))
    if curves is not None:
        rows = []
        about["curves"] = []
        for metric, own in curves.items():
            lines = np.stack([np.interp(grids[metric], *line) for line in own.values()])
            low, high = float(lines.min()), float(lines.max())
            lines = np.round(255 * (lines - low) / ((high - low) or 1))
            rows.append(np.pad(lines, ((0, 0), (0, max(map(len, grids.values())) - lines.shape[1]))))
            about["curves"].append([metric, _rounded(low), _rounded(high), [methods.index(name) for name in own]])
        about["lines"] = _keep(files, np.concatenate(rows).astype(np.uint8))
    return about


def _keep(files: list[File], pixels: np.ndarray) -> int:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    files.append((stream.getvalue(), "image/png"))
    return len(files) - 1
