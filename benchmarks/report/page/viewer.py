"""What the page's viewer knows of every case: scores, maps, curves, and how much the methods disagree.

The index (names, scores) is JSON. Maps and curves are PNGs, one file each for a case, so that the browser reads
only those that it shows: `pack` says what is in them.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.analysis.disagreement import map_disagreement, score_disagreement
from benchmarks.analysis.scores import headlines
from benchmarks.report.plots import styles
from benchmarks.results.records import CaseMaps, Records, own_maps, rows_of

CURVE_POINTS = 57
"""At most so many points of a curve are drawn."""
DIGITS = 4
"""Significant digits of a score in the page."""
Row = dict[str, Any]
File = tuple[bytes, str]
"""A picture's bytes and its media type."""


def gather(records: Records) -> tuple[Row, list[File]]:
    """Collect what the viewer shows of every case of every dataset and network.

    Returns
    -------
    index : dict
        Plain data for JSON: "settings", each with its methods, metrics and cases, and "inferno", the colours.
    files : list
        The pictures, maps and curves; a case names each of its own by the place in this list.
    """
    files: list[File] = []
    index = {
        "settings": [_setting(setting, records, files) for setting in records.provenance["inputs"]["settings"]],
        "inferno": (mpl.colormaps["inferno"](np.arange(256), bytes=True)[:, :3]).tobytes().hex(),
    }
    return index, files


def _setting(setting: Row, records: Records, files: list[File]) -> Row:
    dataset, network = setting["dataset"], setting["network"]["name"]
    methods, metrics = list(setting["methods"]), list(setting["metrics"])
    own = rows_of(records.scores, (dataset, network))
    scores, curves = own_maps(own), own_maps(rows_of(records.curves, (dataset, network)))
    maps = {each.case: each for each in records.maps if (each.dataset, each.network) == (dataset, network)}
    failures: dict[str, list[list[str]]] = {}
    for failure in records.provenance["run"].get("failures", []):
        if (failure["dataset"], failure["network"]) == (dataset, network):
            said = [failure["method"], failure.get("control", ""), failure["step"], failure["reason"]]
            failures.setdefault(failure["case"], []).append(said)
    facts = {row["case"]: row for row in scores.drop_duplicates("case").to_dict("records")}
    keys = list(dict.fromkeys([*maps, *facts]))
    found = scores.set_index(["case", "method", "metric"])["score"].to_dict()
    # Nulls disagree with everything; of the metrics, those count that judge a map, each with its first setting.
    nulls = setting.get("nulls", [])
    judging = [name for name in headlines(setting) if setting["metrics"][name]["judges"]]
    spread = score_disagreement(scores[scores["metric"].isin(judging) & ~scores["method"].isin(nulls)])
    grids = {metric: _grid(each["fractions"].iloc[0]) for metric, each in curves.groupby("metric", sort=False)}
    of_case = dict(iter(curves.groupby("case", sort=False)))
    controls, controlled, spoilt = control_scores(own, methods, metrics)
    cases = []
    for key in keys:
        shown, fact = maps.get(key), facts.get(key, {})
        contested = [each for name, each in shown.maps.items() if name not in nulls] if shown else []
        case: Row = {
            "key": key,
            "picture": shown.picture if shown else fact["picture"],
            "target": shown.target_name if shown else fact["target_name"],
            "difficult": bool(fact.get("difficult")),
            "scores": [
                [_score(found, failures.get(key, []), key, method, metric) for metric in metrics] for method in methods
            ],
            "failures": failures.get(key, []),
            "disagreement": [_rounded(map_disagreement(contested)), _rounded(spread.get(key))],
        }
        if key in spoilt:
            case["controls"] = spoilt[key]
        case |= pack(files, shown, of_case.get(key), methods, grids)
        if shown and shown.picture_jpeg:
            picture = (shown.picture_jpeg, "image/jpeg")
            if picture not in files:  # cases and networks share pictures
                files.append(picture)
            case["image"] = files.index(picture)
        cases.append(case)
    looks, known = styles(methods), setting.get("controls", {})
    return {
        "title": f"{network} on {dataset}",
        "network": network,
        "dataset": dataset,
        "methods": [
            # Black is the ink's colour, which turns with dark mode.
            {"name": name, "colour": looks[name].colour.replace("#000000", "var(--ink)"), "dashes": looks[name].dashes}
            for name in methods
        ],
        "metrics": [
            {"name": name, "higher": about["direction"] == "higher"}
            | {key: about[key] for key in ("id", "judges", "subsets")}
            for name, about in setting["metrics"].items()
        ],
        "controls": [{"name": name, "null": known.get(name, {}).get("null", True)} for name in controls],
        "controlled": controlled,
        "grids": {metric: [round(float(each), 4) for each in grid] for metric, grid in grids.items()},
        "cases": cases,
    }


def control_scores(
    scores: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]
) -> tuple[list[str], list[int], dict[str, list[Any]]]:
    """Collect the scores of the derived controls.

    Returns
    -------
    controls : list of str
    controlled : list of int
        The metrics' numbers that any has a score under.
    found : dict
        By case, the scores of each method, control and metric of these two lists, nested in this order: "inapplicable"
        where the metric does not apply, None where there is no score; None for a method without any.
    """
    derived = scores[scores["control"] != ""]
    controls = list(derived["control"].unique())
    scored = set(derived["metric"])
    controlled = [number for number, metric in enumerate(metrics) if metric in scored]
    found = {}
    for case, own in derived.groupby("case", sort=False):
        known = own.set_index(["method", "control", "metric"])["score"].to_dict()
        having = set(own["method"])
        found[str(case)] = [
            [[_spelt(known.get((method, control, metrics[number]))) for number in controlled] for control in controls]
            if method in having
            else None
            for method in methods
        ]
    return controls, controlled, found


def _score(
    found: Mapping[Any, float], failures: Sequence[Sequence[str]], case: str, method: str, metric: str
) -> float | str | None:
    """Return a score, or why there is none: "inapplicable", "failed", None where it was not measured."""
    score = found.get((case, method, metric))
    if score is None:
        failed = any([name, control] == [method, ""] and step in ("map", metric) for name, control, step, _ in failures)
        return "failed" if failed else None
    return _spelt(score)


def _spelt(score: float | None) -> float | str | None:
    return "inapplicable" if score is not None and np.isnan(score) else _rounded(score)


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(f"{value:.{DIGITS}g}")


def _grid(fractions: np.ndarray) -> np.ndarray:
    """Thin the fractions of a curve, its ends kept."""
    points = np.unique(np.linspace(0, len(fractions) - 1, CURVE_POINTS).round().astype(int))
    return np.asarray(fractions, dtype=np.float64)[points]  # type: ignore[no-any-return]


def pack(
    files: list[File],
    shown: CaseMaps | None,
    curves: pd.DataFrame | None,
    methods: Sequence[str],
    grids: Mapping[Any, np.ndarray],
) -> Row:
    """Draw a case's maps and curves as two gray PNGs, and say what is in them.

    The first has the maps below one another, then the region, of 0 and 1. The second has a row for each metric with
    curves and each method: the values at the metric's grid, spread over 0 to 255 between the case's lowest and highest.

    Returns
    -------
    dict
        "maps", the methods' numbers in order; "shape", (h, w) of a map; "region", whether there is one; "drawn", the
        file's place; "curves", (metric, low, high, the methods' numbers) for each metric; "lines", the file's place.
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
    if curves is not None and len(curves):
        rows = []
        about["curves"] = []
        for metric, own in curves.groupby("metric", sort=False):
            own = own[own["method"].isin(methods)].drop_duplicates("method")
            pairs = zip(own["fractions"], own["values"], strict=True)
            lines = np.stack([np.interp(grids[metric], fractions, values) for fractions, values in pairs])
            low, high = float(lines.min()), float(lines.max())
            lines = np.round(255 * (lines - low) / ((high - low) or 1))
            rows.append(np.pad(lines, ((0, 0), (0, max(map(len, grids.values())) - lines.shape[1]))))
            numbers = [methods.index(name) for name in own["method"]]
            about["curves"].append([metric, _rounded(low), _rounded(high), numbers])
        about["lines"] = _keep(files, np.concatenate(rows).astype(np.uint8))
    return about


def _keep(files: list[File], pixels: np.ndarray) -> int:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    files.append((stream.getvalue(), "image/png"))
    return len(files) - 1
