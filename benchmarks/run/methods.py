"""Finding attribution methods: ours, those of installed packages, and one in a file of the user's."""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

import baselines
from benchmarks.networks.network import NetworkEntry
from benchmarks.registry import look_up
from benchmarks.results.provenance import code_digest
from mint import MINT, OverlayMINT
from mint.contract import Attributor, InputError

ENTRY_POINTS = "mint.attributors"
"""The entry-point group in which an installed package offers its methods."""


def registered() -> Mapping[str, Callable[[], Attributor]]:
    """Return every method that has a name: MINT, the baselines, and those of installed packages.

    Raises
    ------
    InputError
        If an installed package offers a name that is taken.
    """
    table: dict[str, Callable[[], Attributor]] = {"mint": MINT, "overlay": OverlayMINT, **baselines.METHODS}
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry_point.name in table:
            raise InputError(
                f"the entry point {entry_point.name!r} ({entry_point.value}) takes the name of another method; "
                "rename it in its package."
            )
        table[entry_point.name] = _from_entry_point(entry_point)
    return table


def _from_entry_point(entry_point: importlib.metadata.EntryPoint) -> Callable[[], Attributor]:
    def load() -> Attributor:
        try:
            found = entry_point.load()
        except Exception as error:  # an import can fail in any way
            raise InputError(
                f"the entry point {entry_point.name!r} ({entry_point.value}) cannot be imported: {error}"
            ) from error
        return _instance(found, entry_point.value)

    return load


def by_name(name: str) -> Attributor:
    """Make a registered method with its defaults; an `InputError` lists the nearest names."""
    return look_up("method", name, registered())()


def from_file(spec: str) -> tuple[str, Attributor]:
    """Load a method from ``FILE.py:NAME``.

    Parameters
    ----------
    spec : str
        NAME is a class whose parameters all have defaults, an instance, or a function
        ``(model, images, targets) -> maps``.

    Returns
    -------
    name : str
        NAME, which the tables call it.
    attributor : Attributor

    Raises
    ------
    InputError
        If the spec has no such form, there is no such file or name in it, the file cannot be imported, or what it
        names cannot be called without arguments of its own, or is not written in a file.
    """
    path, _, name = spec.rpartition(":")
    if not path.endswith(".py") or not name.isidentifier():
        raise InputError(f"--method takes FILE.py:NAME, for instance path/to/mine.py:MyMethod, not {spec!r}.")
    module = _import_file(Path(path))
    public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    method = _instance(look_up(f"name in {path}:", name, public), spec)
    try:
        code_digest(method)
    except ValueError as error:
        raise InputError(f"{spec}: {error}") from error
    return name, method


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"the file {path} given by --method does not exist.")
    # A name of its own, so that a mine.py can neither hide nor be hidden by an installed module.
    name = f"_method_file_{path.stem}_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's file can raise anything
        del sys.modules[name]
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _instance(found: Any, where: str) -> Attributor:
    if not callable(found):
        raise InputError(
            f"{where} is a {type(found).__name__}; it must be a class or an instance that is called as "
            "method(model, images, targets)."
        )
    if not inspect.isclass(found):
        attributor: Attributor = found
        return attributor
    if "__call__" not in {name for each in found.__mro__[:-1] for name in vars(each)}:
        raise InputError(f"the class {where} has no __call__(self, model, images, targets).")
    make: Any = found
    try:
        attributor = make()
    except TypeError as error:
        raise InputError(
            f"the class {where} cannot be made without arguments ({error}); give every parameter a default, or "
            "name an instance."
        ) from error
    return attributor


def bind(
    attributor: Attributor, entry: NetworkEntry, *, batch_size: int | None = None, seed: int | None = None
) -> Attributor:
    """Fill the fields that depend on the network or on the command line, where the method has them.

    Parameters
    ----------
    attributor : Attributor
        Left as it is; a method that is no dataclass is returned unchanged.
    entry : NetworkEntry
        Names the layers for ``layers``, a pair, and ``deep_layer``.
    batch_size, seed : int, optional
        For the fields of that name. A field that the method sets itself is kept, but for the seed.
    """
    if not dataclasses.is_dataclass(attributor) or isinstance(attributor, type):
        return attributor
    offered = {
        "layers": (entry.shallow_layer, entry.deep_layer),
        "deep_layer": entry.deep_layer,
        "batch_size": batch_size,
    }
    names = {field.name for field in dataclasses.fields(attributor) if field.init}
    filled = {
        name: value
        for name, value in offered.items()
        if name in names and getattr(attributor, name) is None and value is not None
    }
    if seed is not None and "seed" in names:
        filled["seed"] = seed
    bound: Attributor = dataclasses.replace(attributor, **filled)
    return bound


def parameters(attributor: Attributor) -> dict[str, str]:
    """Return the hyper-parameters that can change a map, by name: their ``repr``, and the hash of learned weights.

    Raises
    ------
    InputError
        If one prints as an address in memory or is cut short: two different ones could look alike.
    """
    if dataclasses.is_dataclass(attributor):
        values = {field.name: getattr(attributor, field.name) for field in dataclasses.fields(attributor)}
    else:
        values = dict(getattr(attributor, "__dict__", {}))
    values.pop("batch_size", None)
    for name, value in values.items():
        if " at 0x" in repr(value) or "..." in repr(value):
            raise InputError(
                f"{type(attributor).__name__}'s parameter {name} prints as {value!r}, which does not identify it; "
                "use numbers, strings or frozen dataclasses for parameters."
            )
    return {name: f"{value!r}{_weights(value)}" for name, value in values.items()}


def _weights(value: object) -> str:
    """Hash what a network prints nothing of, wherever it is in a parameter; "" where there is none."""
    held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if not isinstance(value, nn.Module):
        return "".join(map(_weights, held))
    digest = hashlib.sha256()
    for name, tensor in value.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    return f" {digest.hexdigest()}"


def identity(attributor: Attributor) -> dict[str, Any]:
    """Return all that determines a method's maps besides network and picture: class, parameters and code."""
    kind = attributor if inspect.isroutine(attributor) else type(attributor)
    # The module of a FILE.py has an invented name; the code's hash says which file it is.
    return {"class": kind.__qualname__, "parameters": parameters(attributor), "code": code_digest(attributor)}
