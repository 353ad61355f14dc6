"""Explanations on disk: arrays in an ``.npz`` file, everything else in a ``.json`` file beside it that people can read.

Neither holds pickled objects, so a file from elsewhere can be opened without running anything of it.
"""

import dataclasses
import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mint.contract import InputError
from mint.explanation import Cost, Explanation
from mint.superpixels import SuperPixels
from mint.surrogate import Fit, Solution

FORMAT = "mint explanation"
VERSION = 1

_TENSORS = ("saliency", "feature", "states", "answers", "proximity", "a_c", "a_f")
_LABELS = ("coarse", "fine", "parent")
_WEIGHTS = ("w_c", "w_f")
_SOLVED = ("objective", "constraint_residual", "iterations", "certified")


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """Turn an explanation into plain numbers, strings, lists and dictionaries.

    What has a value for each pixel or sample is left out; :func:`save` keeps it.

    Returns
    -------
    dict
        ``coarse`` and ``fine`` hold a list for each property of the super-pixels: ``importance`` (Eqs. 43-44),
        ``weight``, ``representation``, ``share`` of the picture, ``centre`` ([x, y] in pixels, the mean of its
        pixels), and for fine ones the coarse ``parent``. A fidelity that is undefined is None; other numbers that
        JSON lacks are the strings "inf", "-inf" and "nan".
    """
    parts, solution = explanation.superpixels, explanation.solution
    fidelity = dataclasses.asdict(explanation.fidelity)
    found = {
        "target": explanation.target,
        "answer": explanation.answer,
        "size": list(explanation.picture.shape[:2]),
        "samples": len(explanation.states),
        "chosen_coarse": explanation.chosen_coarse,
        "abstention": explanation.abstention,
        "chosen_fine": list(explanation.chosen_fine),
        "fidelity": {name: None if math.isnan(value) else value for name, value in fidelity.items()},
        "route": parts.route,
        "solution": {name: getattr(solution, name) for name in _SOLVED},
        "cost": dataclasses.asdict(explanation.cost),
        "fit": dataclasses.asdict(explanation.fit),
        "parameters": explanation.parameters,
        "coarse": _columns(explanation.u_c, solution.w_c, explanation.a_c, parts.coarse),
        "fine": _columns(explanation.u_f, solution.w_f, explanation.a_f, parts.fine)
        | {"parent": parts.parent.tolist()},
    }
    return {name: _plain(value) for name, value in found.items()}


def _columns(importance: Tensor, weight: Tensor, representation: Tensor, labels: Tensor) -> dict[str, Any]:
    return {
        "importance": importance.tolist(),
        "weight": weight.tolist(),
        "representation": representation.tolist(),
        "share": shares(labels).tolist(),
        "centre": centres(labels).tolist(),
    }


def shares(labels: Tensor) -> Tensor:
    """Find the share of the picture that each label has.

    Parameters
    ----------
    labels : Tensor
        (h, w) int64, 0 to s - 1, none of them missing.

    Returns
    -------
    Tensor
        (s,) float32, summing to 1.
    """
    return torch.bincount(labels.flatten()) / labels.numel()


def centres(labels: Tensor) -> Tensor:
    """Find the mean position of each label's pixels.

    Parameters
    ----------
    labels : Tensor
        (h, w) int64, 0 to s - 1, none of them missing.

    Returns
    -------
    Tensor
        (s, 2) float64, x and y in pixels from the top left pixel.
    """
    flat = labels.flatten()
    y, x = (axis.flatten().double() for axis in torch.meshgrid(*map(torch.arange, labels.shape), indexing="ij"))
    sizes = torch.bincount(flat)
    return torch.stack([torch.bincount(flat, weights=axis) / sizes for axis in (x, y)], dim=1)


# No text of an explanation reads so, unless someone calls a layer "inf".
_NOT_FINITE = {str(value): value for value in (math.inf, -math.inf, math.nan)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _restored(value: Any) -> Any:
    """Undo :func:`_plain`: what an explanation holds beside its arrays are tuples, never lists."""
    if isinstance(value, Mapping):
        return {key: _restored(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(_restored(each) for each in value)
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _paths(path: str | PathLike[str]) -> tuple[Path, Path]:
    file = Path(path)
    if not file.name:
        raise InputError(f"the path {str(path)!r} names no file; an explanation needs one, such as explanation.json.")
    stem = file.name.removesuffix(".npz").removesuffix(".json")
    return file.with_name(f"{stem}.npz"), file.with_name(f"{stem}.json")


def save(explanation: Explanation, path: str | PathLike[str]) -> None:
    """Write ``PATH.npz``, the arrays, and ``PATH.json``, :func:`to_dict` and what binds the two files together.

    Parameters
    ----------
    explanation : Explanation
        What to write.
    path : path-like
        With or without one of the two suffixes.

    Raises
    ------
    InputError
        If the path is a folder, or the files cannot be written.
    """
    arrays_file, record_file = _paths(path)
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name a file in it, such as {Path(path) / 'explanation.json'}.")
    arrays = {name: getattr(explanation, name) for name in _TENSORS}
    arrays |= {name: getattr(explanation.superpixels, name) for name in _LABELS}
    arrays |= {name: getattr(explanation.solution, name) for name in _WEIGHTS}
    record = {"format": FORMAT, "version": VERSION}
    try:
        np.savez_compressed(
            arrays_file, picture=explanation.picture, **{name: tensor.numpy() for name, tensor in arrays.items()}
        )
        record |= {"arrays_sha256": _digest(arrays_file), **to_dict(explanation)}
        record_file.write_text(_json(record) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"the explanation cannot be written to {arrays_file} and {record_file} ({error}).") from error


def _json(value: Any, indent: str = "") -> str:
    """Write JSON with a line for each entry of a dictionary, and lists in one line."""
    if not isinstance(value, dict):
        return json.dumps(value, allow_nan=False)
    lines = ",\n".join(f"{indent}  {json.dumps(key)}: {_json(each, indent + '  ')}" for key, each in value.items())
    return f"{{\n{lines}\n{indent}}}"


def load(path: str | PathLike[str]) -> Explanation:
    """Read what :func:`save` wrote.

    Parameters
    ----------
    path : path-like
        As given to :func:`save`.

    Returns
    -------
    Explanation
        Equal to the one saved, bit for bit.

    Raises
    ------
    InputError
        If a file is missing, damaged, or not of an explanation, or the two do not belong together.
    """
    arrays_file, record_file = _paths(path)
    for file in (record_file, arrays_file):
        if not file.is_file():
            raise InputError(f"{file} does not exist; an explanation is {record_file.name} and {arrays_file.name}.")
    record = _restored(_read_record(record_file))
    if record["arrays_sha256"] != _digest(arrays_file):
        raise InputError(f"{arrays_file} is not the file that {record_file.name} was written with; save both again.")
    try:
        with np.load(arrays_file, allow_pickle=False) as stored:
            picture = stored["picture"]
            tensors = {name: torch.from_numpy(stored[name]) for name in (*_TENSORS, *_LABELS, *_WEIGHTS)}
        return Explanation(
            target=record["target"],
            answer=record["answer"],
            picture=picture,
            superpixels=SuperPixels(**{name: tensors[name] for name in _LABELS}, route=record["route"]),
            **{name: tensors[name] for name in _TENSORS},
            fit=Fit(**record["fit"]),
            solution=Solution(tensors["w_c"], tensors["w_f"], **record["solution"]),
            chosen_coarse=record["chosen_coarse"],
            abstention=record["abstention"],
            chosen_fine=tuple(record["chosen_fine"]),
            cost=Cost(**record["cost"]),
            parameters=record["parameters"],
        )
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{record_file} and {arrays_file} hold no complete explanation ({error}).") from error


def _read_record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON ({error}).") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT or "arrays_sha256" not in record:
        raise InputError(f"{file} is not an explanation that Explanation.save wrote.")
    if record.get("version") != VERSION:
        raise InputError(
            f"{file} is an explanation of version {record.get('version')}, and this release reads version {VERSION}; "
            "use the release of mint-attribution that wrote it."
        )
    return record


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
