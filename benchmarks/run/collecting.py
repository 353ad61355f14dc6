"""Turn what came of cases into the rows, pictures and facts that a run leaves behind."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from benchmarks.metrics import Context
from benchmarks.metrics.metric import declaration
from benchmarks.results.records import MAP_SIZE, CaseMaps, Shown, evidence_bytes
from benchmarks.run.measuring import Measured
from benchmarks.run.setting import Setting

JPEG_QUALITY = 80

Row = dict[str, Any]


def rows_of(plan: str, setting: Setting, found: Measured) -> tuple[list[Row], list[Row]]:
    """Return the rows of records and of curves."""
    records, curves = [], []
    cases = {context.case.key: context.case for context in found.contexts.values()}
    for (method, control, metric), measured in found.scores.items():
        declared = repr(setting.part.metrics[metric])
        for case in (case for key, case in cases.items() if key in measured):
            arrays = measured[case.key]
            place = setting.names | {"method": method, "control": control, "metric": metric}
            place |= {"case": case.key, "picture": case.picture}
            records.append(
                place
                | {"plan": plan, "metric_id": declared, "target": case.target}
                | {"target_name": case.target_name, "difficult": case.difficult, "score": float(arrays["score"])}
            )
            # The controls' curves would take several times the room of all others.
            if "values" in arrays and not control:
                curve = {name: arrays[name].astype(np.float32) for name in ("fractions", "values")}
                curves.append(place | curve)
    return records, curves


def shown_of(setting: Setting, context: Context, found: Measured) -> Shown:
    """Return a case for the gallery."""
    case = context.case
    evidence = {name: evidence_bytes(maps[case.key]["map"]) for name, maps in found.maps.items() if case.key in maps}
    panels = {
        f"{name}: {panel}": picture
        for name in evidence
        for panel, picture in found.pictures.get((case.key, name), {}).items()
    }
    return Shown(*setting.cells.place, case.key, case.target_name, case.image, case.region, evidence, panels)


def small(setting: Setting, context: Context, found: Measured) -> CaseMaps:
    """Return a case with its maps, for the page."""
    case = context.case
    picture = io.BytesIO()
    Image.fromarray(case.image).save(picture, "JPEG", quality=JPEG_QUALITY)
    region = None if case.region is None else reduced(case.region) >= 0.5
    maps = {name: reduced(maps[case.key]["map"]) for name, maps in found.maps.items() if case.key in maps}
    evidence = {name: evidence_bytes(each) for name, each in maps.items()}
    return CaseMaps(
        *setting.cells.place, case.key, case.picture, case.target_name, picture.getvalue(), region, evidence
    )


def inputs_of(setting: Setting, counts: Mapping[str, int], data: str, repeated: Mapping[str, float]) -> Row:
    """Return all that determines a setting's numbers, for the provenance."""
    part, cells = setting.part, setting.cells
    return {
        "dataset": part.dataset,
        **({"own_ratio": True} if getattr(setting.cases, "own_ratio", False) else {}),
        "cases": dict(counts),
        "data_sha256": data,
        **cells.setting_identity,
        "devices": cells.devices,
        "methods": cells.method_identities,
        "nulls": setting.nulls,
        "not_deterministic": {name: found for name, found in repeated.items() if found},
        "controls": {name: {"id": repr(each), "null": each.null} for name, each in part.controls.items()},
        "controlled": None if part.controlled is None else setting.controlled - setting.first,
        **cells.uncontrolled,
        "metrics": {
            name: {
                **declaration(metric),
                "subsets": list(dict.fromkeys([*metric.subsets, *["difficult"] * part.apart])),
                "controls": name in setting.controlling,
                "code": cells.metric_identities[name]["code"],
            }
            for name, metric in part.metrics.items()
        },
    }


def reduced(plane: np.ndarray) -> np.ndarray:
    """Average a map or mask over areas, to at most `MAP_SIZE` pixels high and wide."""
    height, width = (min(length, MAP_SIZE) for length in plane.shape)
    return F.adaptive_avg_pool2d(torch.from_numpy(plane.astype(np.float64))[None], (height, width))[0].numpy()
