"""One door for everything that a user names: methods, metrics, networks, data sets and plans.

Each is a registered name (of the suite's own table, or of an entry point that an installed package offers),
``FILE.py:NAME``, or ``module:NAME``; ``@GROUP`` stands for several methods.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import mint.app.torchvision_ops  # noqa: F401  (a user's module may import torchvision)
from mint.parameters import InputError, nearest, said
from mint.scores import named_score

Value = TypeVar("Value")

USERS_FILE = "_users_file_"  # what the names of the modules made from a FILE.py begin with


def look_up(word: str, name: str, table: Mapping[str, Value]) -> Value:
    """Return ``table[name]``; ``word`` says what the table holds: "plan", "method", ...

    Raises
    ------
    InputError
        If there is none of that name; the sentence has the nearest names.
    """
    if name not in table:
        alike = nearest(name, table)
        raise InputError(f"unknown {word} {name!r}; {f'the nearest are {alike}' if alike else 'there is none'}.")
    return table[name]


def _function(found: Any, where: str, call: str) -> Any:
    if not callable(found):
        raise InputError(f"{where} is a {type(found).__name__}; it must be a function or class called as {call}.")
    return found


def _instance(found: Any, where: str, call: str) -> Any:
    """Take an instance or a function as it is; make an instance of a class."""
    function = call.rpartition("(")[0]
    if not callable(found) and not hasattr(found, "examine"):
        raise InputError(
            f"{where} is a {type(found).__name__}; it must be a function, a class or an instance that is called as "
            f"{call}."
        )
    if not inspect.isclass(found):
        return found
    if not {"__call__", "examine"} & {name for each in found.__mro__[:-1] for name in vars(each)}:
        raise InputError(f"the class {where} has no __call__(self, {call.removeprefix(function + '(')}.")
    try:
        return found()
    except Exception as error:  # a user's class can raise anything
        raise InputError(
            f"the class {where} cannot be made without arguments ({said(error)}); give every parameter a default, or "
            "name an instance."
        ) from error


def _metric(found: Any, where: str, call: str) -> Any:
    """Refuse what does not say what its scores mean, before anything is computed."""
    found = _instance(found, where, call)
    known: bool = isinstance(found, _at("benchmarks.metrics.metric:Declared"))
    if not known or "__dataclass_fields__" not in vars(type(found)):
        raise InputError(f"{where} is no frozen dataclass that inherits from benchmarks.metrics.Metric.")
    if wrong := _at("benchmarks.metrics.check:misdeclared")(found):
        raise InputError(f"{where} declares what cannot be used: {wrong}.")
    return found


def _score(found: Any, where: str, call: str) -> Any:
    return named_score(_instance(found, where, call))


def _plan(found: Any, where: str, call: str) -> Any:
    # Imported by its name: the code of whatever uses this module does not hang on the plans' code.
    if not isinstance(found, _at("benchmarks.run.plan:Plan")):
        raise InputError(f"{where} is a {type(found).__name__}; it must be a {call}.")
    return found


@dataclass(frozen=True)
class Kind:
    """A kind of thing that has a name on the command line."""

    word: str  # "method", ...: the option is --method
    group: str  # the entry-point group in which an installed package offers its own
    table: str  # the suite's own table, as module:NAME; it is imported when it is asked for
    call: str  # what an object of this kind is, or how it is called: for sentences
    # From a user's object, where it was found, and ``call``, to what the suite uses, or an `InputError`.
    usable: Callable[[Any, str, str], Any]
    made: bool = False  # the suite's own table has functions that make the objects, not the objects
    beyond: str | None = None  # a function, as module:NAME, that returns a table of more names than `list` shows
    groups: str | None = None  # a table, as module:NAME, of the registered names that ``@GROUP`` stands for


METHOD = Kind(
    "method",
    "mint.attributors",
    "benchmarks.plans.methods:METHODS",
    "method(model, images, targets)",
    _instance,
    made=True,
    groups="benchmarks.plans.methods:GROUPS",
)
METRIC = Kind("metric", "mint.metrics", "benchmarks.metrics:METRICS", "metric(context, saliency)", _metric, True)
NETWORK = Kind(
    "network",
    "mint.networks",
    "benchmarks.networks:NETWORKS",
    "network()",
    _function,
    beyond="benchmarks.networks.torchvision:every_network",
)
DATASET = Kind("dataset", "mint.datasets", "benchmarks.datasets:DATASETS", "dataset(network, options)", _function)
PLAN = Kind("plan", "mint.plans", "benchmarks.plans:PLANS", "benchmarks.run.plan.Plan", _plan)
SCORE = Kind("score", "mint.scores", "mint.scores:SCORES", "score(answers)", _score)
KINDS = {kind.word: kind for kind in (PLAN, NETWORK, DATASET, METHOD, METRIC)}


def registered(kind: Kind) -> dict[str, Any]:
    """Return everything of a kind that has a name: the suite's own, as its table has it, and entry points.

    Raises
    ------
    InputError
        If an installed package offers a name that is taken.
    """
    table = dict(_at(kind.table))
    for point in importlib.metadata.entry_points(group=kind.group):
        if point.name in table:
            raise InputError(
                f"the entry point {point.name!r} ({point.value}) takes the name of another {kind.word}; "
                "rename it in its package."
            )
        table[point.name] = point
    return table


def absent(found: Any) -> str | None:
    """Say what to install for a thing whose package, its attribute ``needs``, is not there; None if nothing lacks."""
    needs = getattr(found, "needs", None)
    if needs is None or not needs.absent:
        return None
    return f"needs the package {needs.module}, which is not installed; install it by: {needs.cure}"


def groups_of(kind: Kind) -> dict[str, tuple[str, ...]]:
    """Return the names that each ``@GROUP`` of a kind stands for."""
    return {f"@{name}": tuple(members) for name, members in _at(kind.groups).items()} if kind.groups else {}


def described(kind: Kind) -> dict[str, str]:
    """Say in a line what each registered thing and each group of a kind is.

    That is the first sentence of its summary, or the first line of its docstring.
    """
    lines = {}
    for name, found in registered(kind).items():
        if isinstance(found, importlib.metadata.EntryPoint):
            lines[name] = f"of an installed package: {found.value}"
        elif why := absent(found):
            lines[name] = f"absent: it {why}"
        else:
            thing = found() if kind.made else found
            sentence, end, _ = getattr(thing, "summary", "").partition(". ")
            lines[name] = (sentence + end).rstrip() or (thing.__doc__ or "").strip().partition("\n")[0]
    for group, members in groups_of(kind).items():
        lines[group] = ", ".join(members)
    return lines


def expand(kind: Kind, names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Put in place of ``@GROUP`` the names of the group.

    Returns
    -------
    tuple of str
        The names, each once; those of a group without the ones whose package is not installed.
    dict
        The latter, and what to install for each.

    Raises
    ------
    InputError
        If there is no such group, or nothing of it can be used.
    """
    groups = groups_of(kind)
    found: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if not groups or not name.startswith("@"):
            found[name] = None
            continue
        members, table = look_up(f"group of {kind.word}s", name, groups), registered(kind)
        lacking = {each: why for each in members if (why := absent(table[each]))}
        if len(lacking) == len(members):
            reasons = "".join(f" {each} {why}." for each, why in lacking.items())
            raise InputError(f"no {kind.word} of {name} can be used.{reasons}")
        found |= dict.fromkeys(each for each in members if each not in lacking)
        left_out |= lacking
    return tuple(found), left_out


def find(kind: Kind, name: str) -> Any:
    """Return what a name stands for: an instance of a method or metric, a function of a network or data set, a plan.

    Raises
    ------
    InputError
        If there is no such thing, it cannot be imported, or it is of no use as one of its kind.
    """
    place, colon, inside = name.rpartition(":")
    if colon:
        if not place or not inside.isidentifier():
            raise InputError(f"--{kind.word} takes a name, FILE.py:NAME or module:NAME, not {name!r}.")
        module = _from_file(Path(place), kind) if place.endswith(".py") else _from_module(place, kind)
        public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        return kind.usable(look_up(f"name in {place}:", inside, public), name, kind.call)
    if name.endswith(".py"):
        module = _from_file(Path(name), kind)
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise InputError(f"--{kind.word} takes FILE.py:NAME; {name} has {', '.join(own) or 'no class or function'}.")
    table = registered(kind)
    if name not in table and kind.beyond:
        table = {**table, **_at(kind.beyond)()}
    found = look_up(kind.word, name, table)
    if isinstance(found, importlib.metadata.EntryPoint):
        try:
            loaded = found.load()
        except Exception as error:  # an import can fail in any way
            raise InputError(f"the entry point {name!r} ({found.value}) cannot be imported: {said(error)}.") from error
        return kind.usable(loaded, found.value, kind.call)
    if why := absent(found):
        raise InputError(f"the {kind.word} {name!r} {why}")
    return found() if kind.made else found


def name_of(name: str) -> str:
    """Return what the tables call a thing: its registered name, or NAME of ``FILE.py:NAME`` and ``module:NAME``."""
    return name.rpartition(":")[2]


def _at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _from_module(name: str, kind: Kind) -> ModuleType:
    try:
        with _importable(Path.cwd()):
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the user's module can raise anything
        raise InputError(f"the module {name!r} of --{kind.word} cannot be imported: {said(error)}.") from error


def _from_file(path: Path, kind: Kind) -> ModuleType:
    """Run a user's file, or find what it was when it ran, if it has not changed since."""
    try:
        if not path.is_file():
            raise InputError(f"the file {path} given by --{kind.word} does not exist.")
        path, content = path.resolve(), path.read_bytes()
    except OSError as error:
        raise InputError(f"the file {path} given by --{kind.word} cannot be read ({error.strerror}).") from error
    # A name of its own, so that a mine.py can neither hide nor be hidden by an installed module.
    name = f"{USERS_FILE}{path.stem}_{sha256(os.fsencode(path) + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    _forget_namesakes(path.parent)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's file can raise anything
        del sys.modules[name]
        raise InputError(f"{path} cannot be imported: {said(error)}.") from error
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the modules of a folder be imported, as those beside a script are."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _forget_namesakes(folder: Path) -> None:
    """Drop modules that lay beside another user's file and have the name of one in this folder."""
    folders = {name: os.path.dirname(getattr(each, "__file__", None) or "") for name, each in sys.modules.items()}
    others = {where for name, where in folders.items() if name.startswith(USERS_FILE)} - {"", str(folder)}
    for name, where in folders.items():
        if where in others and (folder / f"{name}.py").is_file():
            del sys.modules[name]
