"""Records on paper: what a run would leave behind for scores that a test gives, and columns made of such scores."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.analysis import statistics
from benchmarks.analysis.scores import Column
from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS, TIMING_COLUMNS, CaseMaps, Records, Shown

NULLS = ("random", "centre")
DESCRIPTIONS = ("TiedPixels", "Gini")
CURVE = {"score": "area", "x": "share of the pixels", "y": "the target's answer"}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw 1,000 resamples instead of 5,000: the same numbers but for chance, in less time."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    statistics.draw.cache_clear()
    yield
    statistics.draw.cache_clear()


def metric(
    identity: str, direction: str = "higher", average: str = "cases", subsets: Sequence[str] = ("all",), **more: Any
) -> dict[str, Any]:
    """Declare a metric; its measure and settings are read off an identity such as "Insertion(steps=14)"."""
    measure = identity.partition("(")[0]
    about = {"id": identity, "measure": measure, "judges": measure not in DESCRIPTIONS, "direction": direction}
    settings = dict(re.findall(r"(\w+)=(\w+)", identity))
    about |= {"average": average, "subsets": list(subsets), "controls": True, "settings": settings}
    return about | {"curve": CURVE if measure in ("Deletion", "Insertion") else None} | more


def setting(names: Sequence[str], measured: Mapping[str, Any], asked: int, **more: Any) -> dict[str, Any]:
    about = {
        "dataset": "scenes",
        "network": {"name": "net", "input_size": 20, "weights_sha256": "0123456789abcdef"},
        "device": "cpu",
        "cases": {"all": asked, "difficult": 0},
        "data_sha256": "fedcba9876543210",
        "methods": {method: {"class": method, "parameters": {}} for method in names},
        "nulls": [method for method in names if method in NULLS],
        "metrics": dict(measured),
    }
    return about | more


def row(method: str, metric: str, case: str, score: float, **more: Any) -> dict[str, Any]:
    place = {"plan": "paper", "dataset": "scenes", "network": "net", "method": method, "control": ""}
    about = {"metric": metric, "metric_id": metric, "case": case, "picture": case.replace("case", "picture")}
    return {**place, **about, "target": 0, "target_name": "class-0", "difficult": False, "score": score, **more}


def records(
    rows: Sequence[Mapping[str, Any]],
    settings: Sequence[Mapping[str, Any]],
    *,
    curves: Sequence[Any] = (),
    timings: Sequence[Any] = (),
    gallery: Sequence[Shown] = (),
    maps: Sequence[CaseMaps] = (),
    **run: Any,
) -> Records:
    inputs = {"plan": "paper", "summary": "On paper.", "report": "comparison", "settings": list(settings)}
    return Records(
        pd.DataFrame(rows, columns=list(RECORD_COLUMNS)),
        pd.DataFrame(curves, columns=list(CURVE_COLUMNS)),
        pd.DataFrame(timings, columns=list(TIMING_COLUMNS)),
        {"inputs": inputs, "run": {"command": "python", **run}},
        list(gallery),
        list(maps),
    )


def column(
    scores: Mapping[str, Sequence[float]],
    pictures: Sequence[str] | None = None,
    targets: Sequence[int] | None = None,
    **about: Any,
) -> Column:
    """Make a column of cases that are a picture each, and of one class, unless said otherwise."""
    cases = len(next(iter(scores.values())))
    names = list(pictures or (f"picture-{i:03d}" for i in range(cases)))
    index = pd.MultiIndex.from_arrays(
        [names, list(targets or [0] * cases), [f"case-{i:03d}" for i in range(cases)]],
        names=["picture", "target", "case"],
    )
    declared = metric(about.get("metric_id", "Insertion()"))
    fields = {"dataset": "scenes", "network": "net", "metric": "insertion", "metric_id": "Insertion()", "subset": "all"}
    fields |= {name: declared[name] for name in ("measure", "direction", "average", "judges")}
    fields |= {
        "main": True,
        "headline": True,
        "methods": tuple(scores),
        "asked": cases,
        "answered": dict.fromkeys(scores, cases),
    }
    fields |= {"nulls": tuple(name for name in scores if name in NULLS)}
    fields |= {"scores": pd.DataFrame({name: np.asarray(each, float) for name, each in scores.items()}, index=index)}
    return Column(**fields | about)


STEPS = np.linspace(0, 0.2, 20)


def clear(**about: object) -> Column:
    """Best, middle and worst are apart on each of twenty pictures; twin is the middle but for noise; random is last."""
    noise = np.tile([0.01, -0.01], 10)
    scores = {"worst": STEPS, "middle": STEPS + 0.3, "best": STEPS + 0.6, "twin": STEPS + 0.3 + noise}
    return column({**scores, "random": STEPS - 0.5}, **about)


def of_columns(columns: Sequence[Column]) -> Records:
    """Write columns of one dataset and network down as a run does."""
    rows = [
        row(
            method, each.metric, case, score,
            metric_id=each.metric_id, picture=picture, target=target, target_name=f"class-{target}",
        )
        for each in columns
        for (picture, target, case), scores in each.scores.iterrows()
        for method, score in scores.items()
    ]  # fmt: skip
    metrics = {each.metric: metric(each.metric_id, each.direction, each.average, [each.subset]) for each in columns}
    return records(rows, [setting(columns[0].methods, metrics, columns[0].asked)])


def of_scores(
    scores: Mapping[tuple[str, str, str], Sequence[float | None]],
    *,
    average: str = "cases",
    failures: Sequence[Mapping[str, str]] = (),
    targets: Sequence[int] | None = None,
    **more: Any,
) -> Records:
    """Make records of scores by (method, control, metric), a case of a picture of its own each; None: failed."""
    rows = [
        row(method, name, f"case-{i}", score, control=control, target=targets[i] if targets else 0)
        for (method, control, name), values in scores.items()
        for i, score in enumerate(values)
        if score is not None
    ]
    metrics = {
        name: metric(
            "TiedPixels()" if name == "tiedpixels" else f"{name.title()}()",
            "lower" if name == "deletion" else "higher",
            average,
            controls=name not in ("stability", "tiedpixels"),
        )
        for name in dict.fromkeys(name for _, _, name in scores)
    }
    methods = list(dict.fromkeys(method for method, _, _ in scores))
    asked = max(map(len, scores.values()))
    return records(rows, [setting(methods, metrics, asked, **more)], failures=list(failures))


CONTROLS = {
    "blurred": {"id": "Blurred()", "null": True},
    "other-class": {"id": "OtherClass()", "null": True},
    "7x7": {"id": "Averaged(cells=7)", "null": False},
}


def of_controls(scores: Mapping[tuple[str, str, str], Sequence[float]], **more: Any) -> Records:
    """Make records of scores with the three controls that `CONTROLS` declares, on all cases."""
    return of_scores(scores, **{"controls": CONTROLS, "controlled": None} | more)


def known_controls(pairs: int = 8) -> Records:
    """Nulls win over mint under insertion, over nobody under deletion, and one draws under pointing."""
    scores = {
        ("mint", "", "insertion"): [0.5, 0.6],
        ("mint", "blurred", "insertion"): [0.6, 0.7],
        ("mint", "other-class", "insertion"): [0.1, 0.1],
        ("mint", "7x7", "insertion"): [0.4, 0.4],
        ("lime", "", "insertion"): [0.55, 0.65],
        ("lime", "blurred", "insertion"): [0.15, 0.25],
        ("lime", "other-class", "insertion"): [0.35, 0.45],
        ("lime", "7x7", "insertion"): [0.5, 0.5],
        ("centre", "", "insertion"): [0.53, 0.62],
        ("mint", "", "deletion"): [0.1, 0.2],
        ("mint", "other-class", "deletion"): [0.3, 0.4],
        ("centre", "", "deletion"): [0.5, 0.4],
        ("mint", "", "pointing"): [1.0, 1.0],
        ("mint", "blurred", "pointing"): [1.0, 1.0],
        ("centre", "", "pointing"): [0.0, 0.0],
    }
    return of_controls({name: pair * pairs for name, pair in scores.items()})


def jpeg(number: int, side: int) -> bytes:
    generator = np.random.default_rng(number)
    coarse = Image.fromarray(generator.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    stream = io.BytesIO()
    coarse.resize((side, side), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def blob(generator: np.random.Generator, size: int, width: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    centre = generator.uniform(0.2, 0.8, 2)
    bump = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / width**2)
    rough = generator.uniform(0, 0.25, (size, size))
    found: np.ndarray = np.round(255 * np.clip(bump + rough * bump, 0, 1)).astype(np.uint8)
    return found


def made_up(
    methods: Sequence[str],
    cases: int,
    *,
    networks: Sequence[str] = ("net",),
    side: int = 112,
    points: int = 113,
    classes: Sequence[str] = ("striped-disc", "dotted-star", "checked-cross"),
) -> Records:
    """Make records with maps: case number i has picture i // 2; pointing does not apply to every seventh case."""
    rows, lines, maps, settings, timings = [], [], [], [], []
    fractions = np.linspace(0, 1, points)
    pictures = {number: jpeg(number, side) for number in range((cases + 1) // 2)}
    for network in networks:
        generator = np.random.default_rng(len(network))
        for i in range(cases):
            target = i % len(classes)
            case, picture, name = f"case-{i:04d}", f"picture-{i // 2}", classes[target]
            about = {"network": network, "picture": picture, "target": target, "target_name": name}
            own = {}
            for j, method in enumerate(methods):
                own[method] = blob(generator, 56, 0.1 + 0.3 * (j + 1) / len(methods))
                quality = (j + generator.uniform(0, 2)) / (len(methods) + 2)
                hit = np.nan if i % 7 == 6 else float(generator.uniform() < quality)
                scores = {"deletion": 0.4 - 0.3 * quality, "insertion": 0.3 + 0.6 * quality, "pointing": hit}
                rows += [row(method, m, case, score, difficult=i % 2 == 0, **about) for m, score in scores.items()]
                falling = np.exp(-8 * fractions * (1 + quality))
                for m, values in (("deletion", falling), ("insertion", 1 - falling)):
                    lines.append(["scenes", network, method, "", m, case, picture, fractions, values])
            region = np.zeros((56, 56), dtype=bool)
            region[14 + target : 40, 10 : 30 + target] = True
            maps.append(CaseMaps("scenes", network, case, picture, name, pictures[i // 2], region, own))
        timings += [["scenes", network, m, "A CPU", 12.3, 0.5, 5, 501.0, 1.0, 30.0] for m in methods]
        metrics = {
            "deletion": metric("Deletion()", "lower"),
            "insertion": metric("Insertion()"),
            "pointing": metric("Pointing()", subsets=("all", "difficult")),
        }
        counts = {"all": cases, "difficult": (cases + 1) // 2}
        about = {"network": {"name": network, "input_size": 20, "weights_sha256": "0" * 64}, "cases": counts}
        settings.append(setting(methods, metrics, cases, nulls=[], **about))
    return records(rows, settings, curves=lines, timings=timings, maps=maps)
