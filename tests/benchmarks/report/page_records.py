"""Made-up records of any size for the page's tests: blobs for maps, scores that follow from the methods' numbers."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.results.records import CURVE_COLUMNS, RECORD_COLUMNS, TIMING_COLUMNS, CaseMaps, Records

DIRECTIONS = {"deletion": "lower", "insertion": "higher", "pointing": "higher"}


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
    """Make records: the case with number i has picture i // 2; no method applies pointing to every seventh case."""
    rows, lines, maps, settings, timings = [], [], [], [], []
    fractions = np.linspace(0, 1, points)
    pictures = {number: jpeg(number, side) for number in range((cases + 1) // 2)}
    for network in networks:
        generator = np.random.default_rng(len(network))
        for i in range(cases):
            target = i % len(classes)
            case, picture, name = f"case-{i:04d}", f"picture-{i // 2}", classes[target]
            own = {}
            for j, method in enumerate(methods):
                own[method] = blob(generator, 56, 0.1 + 0.3 * (j + 1) / len(methods))
                quality = (j + generator.uniform(0, 2)) / (len(methods) + 2)
                scores = {
                    "deletion": 0.4 - 0.3 * quality,
                    "insertion": 0.3 + 0.6 * quality,
                    "pointing": np.nan if i % 7 == 6 else float(generator.uniform() < quality),
                }
                for metric, score in scores.items():
                    place = ["made-up", "scenes", network, method, "", metric, f"{metric.title()}()"]
                    rows.append([*place, case, picture, target, name, i % 2 == 0, score])
                for metric, values in (
                    ("deletion", np.exp(-8 * fractions * (1 + quality))),
                    ("insertion", 1 - np.exp(-8 * fractions * (1 + quality))),
                ):
                    lines.append(["scenes", network, method, "", metric, case, picture, fractions, values])
            region = np.zeros((56, 56), dtype=bool)
            region[14 + target : 40, 10 : 30 + target] = True
            maps.append(CaseMaps("scenes", network, case, picture, name, pictures[i // 2], region, own))
        timings += [["scenes", network, m, "A CPU", 12.3, 0.5, 5, 501.0, 1.0, 30.0] for m in methods]
        about = {
            metric: {
                "id": f"{metric.title()}()",
                "direction": direction,
                "average": "cases",
                "subsets": ["all", "difficult"] if metric == "pointing" else ["all"],
            }
            for metric, direction in DIRECTIONS.items()
        }
        settings.append(
            {
                "dataset": "scenes",
                "network": {"name": network},
                "cases": {"all": cases, "difficult": (cases + 1) // 2},
                "methods": {method: {} for method in methods},
                "metrics": about,
            }
        )
    inputs = {"plan": "made-up", "summary": "Made-up records, to try the page on.", "settings": settings}
    return Records(
        pd.DataFrame(rows, columns=list(RECORD_COLUMNS)),
        pd.DataFrame(lines, columns=list(CURVE_COLUMNS)),
        pd.DataFrame(timings, columns=list(TIMING_COLUMNS)),
        {"inputs": inputs, "run": {"command": "python -m benchmarks run --plan made-up"}},
        [],
        maps,
    )
