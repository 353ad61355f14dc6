"""What a method, a metric or a network is: all that determines its numbers, code included, as plain data."""

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.networks.network import Network, hash_state
from benchmarks.registry import USERS_FILE
from benchmarks.results.provenance import PACKAGES
from mint.contract import Attributor, InputError


def method_identity(attributor: Attributor) -> dict[str, Any]:
    """Return all that determines a method's maps besides network and picture: class, parameters and code.

    What these cannot tell from others is an InputError: a lambda, a function made by a function, a bound method.
    """
    routine = inspect.isroutine(attributor)
    kind: Any = attributor if routine else type(attributor)
    if not (_is_named(attributor) if routine else hasattr(attributor, "__dict__")):
        raise InputError(
            f"the method {kind.__qualname__} cannot be told from others; use a function that is defined by its name "
            "outside of other functions, or an instance of a frozen dataclass with __call__(self, model, images, "
            "targets)."
        )
    # The module of a FILE.py has an invented name; the code's hash says which file it is.
    return {"class": kind.__qualname__, "parameters": parameters(attributor), "code": code_digest(attributor)}


def _is_named(function: Any) -> bool:
    """Tell whether a function is what its name stands for in its module."""
    first, *rest = function.__qualname__.split(".")
    found = getattr(inspect.unwrap(function), "__globals__", {}).get(first)
    for name in rest:
        found = getattr(found, name, None)
    return bool(found == function)


def object_identity(word: str, instance: object) -> dict[str, str]:
    """Return all that determines what a metric or a control answers: its ``repr``, under ``word``, and its code."""
    return {word: repr(instance), "code": code_digest(instance)}


def network_identity(network: Network, function: object) -> dict[str, Any]:
    """Return all that determines a network's answers; ``function`` is what made it.

    The code counts where it is a user's. Of the suite's own networks, weights and architecture tell everything.
    """
    preprocess = network.preprocess
    ours = getattr(function, "__module__", "").partition(".")[0] in PACKAGES
    return {
        "name": network.name,
        "weights_sha256": network.weights_sha256,
        "architecture_sha256": hashlib.sha256(repr(network.module).encode()).hexdigest(),
        **({} if ours else {"code": code_digest(function)}),
        "input_size": preprocess.size,
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
    }


def code_digest(instance: object) -> str:
    """Hash the code an object's class stands on: hexadecimal SHA-256.

    That is the file of the class and of each class it inherits from, and every file of this repository (or of the
    class's own package) that those import, followed through; and the same for the dataclasses and functions in its
    fields, such as a metric made from another one, or a score. Of a user's ``FILE.py``, the modules beside it count as
    its package. Libraries are not read: their versions are part of every key.

    Raises
    ------
    InputError
        If it has no such file: then its results could not be told from those of another version.
    """
    files = set(_files_of(instance))
    if not files:
        raise InputError(f"the source of {instance!r} cannot be found; define it as a class or function in a file.")
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _files_of(instance: object) -> Iterator[Path]:
    kind: Any = instance if inspect.isroutine(instance) or inspect.isclass(instance) else type(instance)
    for each in inspect.getmro(kind) if inspect.isclass(kind) else (kind,):
        if _is_ours(each):
            yield from _files_behind(each.__module__)
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        for field in dataclasses.fields(instance):
            value = getattr(instance, field.name)
            if dataclasses.is_dataclass(value) or inspect.isfunction(value):
                yield from _files_of(value)


def _is_ours(kind: Any) -> bool:
    top = kind.__module__.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ("torch", "captum")


@cache
def _files_behind(module: str) -> frozenset[Path]:
    """Return the module's file and those it imports, through all packages of ours and the modules beside a FILE.py."""
    tops = {*PACKAGES, module.partition(".")[0]}
    users = _file_of(module) if module.startswith(USERS_FILE) or "." not in module else None
    found: set[Path] = set()
    waiting = [module]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = users and _beside(users, name)
        if file is None and name.partition(".")[0] in tops:
            file = _file_of(name)
        if file is None:
            continue
        found.add(file)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(_imports_of(file.read_bytes(), package))
    return frozenset(found)


@cache
def _imports_of(source: bytes, package: str) -> tuple[str, ...]:
    return tuple(_imported(ast.parse(source), package))  # of bytes, Python finds the encoding


def _file_of(module: str) -> Path | None:
    # A module loaded from a FILE.py is in sys.modules only; a submodule not imported yet is on the path only.
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except Exception:  # it imports the package, which can raise anything, or is none: `from module import name`
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _beside(file: Path, module: str) -> Path | None:
    path = file.parent.joinpath(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with suppress(ImportError):  # `try: from .parts import used`, in a file that belongs to no package
                name = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                yield name
                yield from (f"{name}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imported(node, package)


def parameters(attributor: Attributor) -> dict[str, str]:
    """Return the hyper-parameters that can change a map, by name: their ``repr``, and the hash of learned weights.

    A field of a dataclass with the metadata ``{"identity": False}`` is none of them.

    One that prints as an address in memory or is cut short is an `InputError`: two different ones could look alike.
    """
    if dataclasses.is_dataclass(attributor):
        fields = [field for field in dataclasses.fields(attributor) if field.metadata.get("identity", True)]
        values = {field.name: getattr(attributor, field.name) for field in fields}
    else:
        values = dict(getattr(attributor, "__dict__", {}))
    for name in ("batch_size", "__wrapped__"):  # the latter is what a decorator decorates
        values.pop(name, None)
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
    return f" {hash_state(value.state_dict())}"
