"""What the page's viewer knows of every case: scores, maps, curves, and how much the methods disagree. Knows no torch.

The index (names, scores) is JSON. Maps and curves are packed case by case, so that the browser unpacks only those it
shows: `pack` says how, ``viewer.js`` undoes it.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benchmarks.analysis.scores import first_settings, judges
from benchmarks.report.plots import styles
from benchmarks.results.records import CURVE_COLUMNS, CaseMaps, Records, own_maps

CURVE_POINTS = 57
"""At most so many points of a curve are drawn."""

DIGITS = 4
"""Significant digits of a score in the page."""

Row = dict[str, Any]


@dataclass
class Viewer:
    """All that the page embeds.

    Attributes
    ----------
    index : dict
        Plain data for JSON: "settings", each with its methods, metrics and cases, and "inferno", the colours.
    pictures : list of bytes
        JPEG; a case names its picture by the place in this list.
    blobs : list of bytes
        What `pack` made of a case; a case names its blob by the place in this list.
    """

    index: Row = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)


def gather(records: Records) -> Viewer:
    """Collect what the viewer shows of every case of every dataset and network."""
    viewer = Viewer()
    places: dict[bytes, int] = {}
    viewer.index = {
        "settings": [
            _setting(setting, records, viewer, places) for setting in records.provenance["inputs"]["settings"]
        ],
        "inferno": (mpl.colormaps["inferno"](np.arange(256), bytes=True)[:, :3]).tobytes().hex(),
    }
    return viewer


def _setting(setting: Row, records: Records, viewer: Viewer, places: dict[bytes, int]) -> Row:
    dataset, network = setting["dataset"], setting["network"]["name"]
    methods, metrics = list(setting["methods"]), list(setting["metrics"])
    frames = (records.scores, records.curves.reindex(columns=list(CURVE_COLUMNS)))
    scores, curves = (own_maps(_here(frame, dataset, network)) for frame in frames)
    maps = {each.case: each for each in records.maps if (each.dataset, each.network) == (dataset, network)}
    failures: dict[str, list[list[str]]] = {}
    for failure in records.provenance["run"].get("failures", []):
        if (failure["dataset"], failure["network"]) == (dataset, network):
            said = [failure["method"], failure.get("control", ""), failure["step"], failure["reason"]]
            failures.setdefault(failure["case"], []).append(said)
    facts = {row["case"]: row for row in scores.drop_duplicates("case").to_dict("records")}
    keys = list(dict.fromkeys([*maps, *facts]))
    found = scores.set_index(["case", "method", "metric"])["score"].to_dict()
    spread = score_disagreement(_contest(scores, setting))
    grids = {metric: _grid(own["fractions"].iloc[0]) for metric, own in curves.groupby("metric", sort=False)}
    of_case = dict(iter(curves.groupby("case", sort=False)))
    controls, controlled, spoilt = control_scores(_here(records.scores, dataset, network), methods, metrics)
    cases = []
    for key in keys:
        shown, fact = maps.get(key), facts.get(key, {})
        case: Row = {
            "key": key,
            "picture": shown.picture if shown else fact["picture"],
            "target": shown.target_name if shown else fact["target_name"],
            "difficult": bool(fact.get("difficult")),
            "scores": [
                [_score(found, failures.get(key, []), key, method, metric) for metric in metrics] for method in methods
            ],
            "failures": failures.get(key, []),
            "disagreement": [_rounded(map_disagreement(_contested(shown, setting))), _rounded(spread.get(key))],
        }
        if key in spoilt:
            case["controls"] = spoilt[key]
        case |= pack(viewer, shown, of_case.get(key), methods, grids)
        if shown and shown.picture_jpeg:
            if shown.picture_jpeg not in places:
                places[shown.picture_jpeg] = len(viewer.pictures)
                viewer.pictures.append(shown.picture_jpeg)
            case["image"] = places[shown.picture_jpeg]
        cases.append(case)
    looks = styles(methods)
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
            {
                "name": name,
                "id": about["id"],
                "higher": about["direction"] == "higher",
                "judges": judges(about["id"]),
                "subsets": about["subsets"],
            }
            for name, about in setting["metrics"].items()
        ],
        "controls": [
            {"name": name, "null": setting.get("controls", {}).get(name, {}).get("null", True)} for name in controls
        ],
        "controlled": controlled,
        "grids": {metric: [round(float(each), 4) for each in grid] for metric, grid in grids.items()},
        "cases": cases,
    }


def _here(frame: pd.DataFrame, dataset: str, network: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["network"] == network)]


def control_scores(
    scores: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]
) -> tuple[list[str], list[int], dict[str, list[Any]]]:
    """Collect the scores of the derived controls.

    Returns
    -------
    controls : list of str
        Their names, in the order of the records.
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


def _contested(shown: CaseMaps | None, setting: Row) -> list[np.ndarray]:
    """List the maps of the methods that look at the network: nulls disagree with everything."""
    nulls = setting.get("nulls", [])
    return [each for name, each in shown.maps.items() if name not in nulls] if shown else []


def _contest(scores: pd.DataFrame, setting: Row) -> pd.DataFrame:
    """Keep the scores of these methods alone, under the metrics that judge a map, each with its first setting."""
    ids = {name: about["id"] for name, about in setting["metrics"].items() if judges(about["id"])}
    return scores[scores["metric"].isin(first_settings(ids)) & ~scores["method"].isin(setting.get("nulls", []))]


def map_disagreement(maps: Sequence[np.ndarray]) -> float:
    """Measure how differently maps rank the pixels: 1 minus the mean of Spearman's correlation over all pairs.

    0 where all agree, about 1 where they have nothing in common; NaN for fewer than two maps that are not constant.

    Parameters
    ----------
    maps : sequence of numpy.ndarray
        (h, w) each, of one shape.
    """
    ranked = [rankdata(each) for each in maps if np.ptp(each)]
    if len(ranked) < 2:
        return float("nan")
    pairs = np.corrcoef(ranked)[np.triu_indices(len(ranked), 1)]
    return float(1 - pairs.mean())


def score_disagreement(scores: pd.DataFrame) -> dict[str, float]:
    """Measure, by case, how far the methods' scores lie apart: the mean over metrics of the range of their ranks.

    Ranks are among all scores of a metric, from 0 to 1, so that metrics of any scale count alike. A case without two
    scores under any metric is left out.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns case, method, metric and score, of one dataset and network.
    """
    kept = scores[scores["score"].notna()]
    ranks = kept["score"].groupby(kept["metric"]).rank(pct=True)
    ranges = ranks.groupby([kept["case"], kept["metric"]]).agg(["max", "min", "size"])
    ranges = ranges[ranges["size"] > 1]
    spread = (ranges["max"] - ranges["min"]).groupby("case").mean()
    return {str(case): float(value) for case, value in spread.items()}


def _grid(fractions: np.ndarray) -> np.ndarray:
    """Thin the fractions of a curve, its ends kept."""
    points = np.unique(np.linspace(0, len(fractions) - 1, CURVE_POINTS).round().astype(int))
    thinned: np.ndarray = np.asarray(fractions, dtype=np.float64)[points]
    return thinned


def pack(
    viewer: Viewer,
    shown: CaseMaps | None,
    curves: pd.DataFrame | None,
    methods: Sequence[str],
    grids: Mapping[Any, np.ndarray],
) -> Row:
    """Pack a case's maps, region and curves into a blob, and say what is in it.

    A blob is a zlib stream of bytes: the maps, (h, w) each, every row as differences from the pixel to the left modulo
    256; the region, (h, w) of 0 and 1; for each metric with curves and each method, the values at the metric's grid,
    spread over 0 to 255 between the case's lowest and highest under this metric.

    Returns
    -------
    dict
        "maps", the methods' numbers in order; "shape", (h, w) of a map; "region", whether there is one; "curves",
        (metric, low, high, the methods' numbers) for each metric; "blob", its place. Empty for an empty case.
    """
    parts: list[np.ndarray] = []
    about: Row = {}
    if shown and shown.maps:
        drawn = [name for name in methods if name in shown.maps]
        stack = np.stack([shown.maps[name] for name in drawn])
        about |= {"maps": [methods.index(name) for name in drawn], "shape": list(stack.shape[1:])}
        # Differences wrap around, as uint8 does: the sums do, too.
        parts.append(np.diff(stack, axis=2, prepend=np.uint8(0)))
        if shown.region is not None and shown.region.shape == stack.shape[1:]:
            about["region"] = True
            parts.append(shown.region.astype(np.uint8))
    if curves is not None and len(curves):
        about["curves"] = []
        for metric, own in curves.groupby("metric", sort=False):
            own = own[own["method"].isin(methods)].drop_duplicates("method")
            pairs = zip(own["fractions"], own["values"], strict=True)
            lines = np.stack([np.interp(grids[metric], fractions, values) for fractions, values in pairs])
            low, high = float(lines.min()), float(lines.max())
            parts.append(np.round(255 * (lines - low) / ((high - low) or 1)).astype(np.uint8))
            numbers = [methods.index(name) for name in own["method"]]
            about["curves"].append([metric, _rounded(low), _rounded(high), numbers])
    if parts:
        about["blob"] = len(viewer.blobs)
        viewer.blobs.append(zlib.compress(b"".join(part.tobytes() for part in parts)))
    return about


def base64_text(data: bytes) -> str:
    """Spell bytes so that they can stand in HTML."""
    return base64.b64encode(data).decode("ascii")
