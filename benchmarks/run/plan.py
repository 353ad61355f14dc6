"""What a plan is: data sets, networks, methods and metrics that are measured together; and how one is run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import baselines
from baselines.controls import DERIVED, Derived
from benchmarks.datasets import DataOptions
from benchmarks.metrics import MethodMetric, Metric
from benchmarks.registry import DATASET, METHOD, METRIC, NETWORK, Kind, expand, find, look_up, name_of
from benchmarks.results.published import Paper
from benchmarks.results.records import REMOVAL
from benchmarks.run.identity import code_digest, method_identity
from benchmarks.run.precision import Precision
from mint.contract import Attributor, InputError
from mint.parameters import require_count, require_word
from mint.scores import Score


@dataclass(frozen=True)
class Part:
    """One data set, explained through some networks by some methods, and measured.

    Data set and networks are registered names, ``FILE.py:NAME`` or ``module:NAME``; methods and metrics go by the name
    that the tables give them. Layers and batch sizes that are None come from the network and the command line.
    """

    dataset: str
    networks: tuple[str, ...]
    methods: Mapping[str, Attributor]
    metrics: Mapping[str, Metric | MethodMetric]
    # How many of the data set's cases, its first, are explained, timed and shown in the gallery; None: all.
    limit: int | None = None
    timed: int = 0
    shown: int = 0
    # Answer a picture that a method or metric has shown to the network before from memory, as long as its case is at
    # hand: for methods that perturb alike.
    remembering: bool = False
    # Which of the methods know nothing of the network; names that the part does not have are passed over.
    nulls: tuple[str, ...] = baselines.NULLS
    # Maps made from those of the methods that are no nulls (`baselines.controls.DERIVED`), scored under the metrics
    # that judge a map, each with the first of its settings; and on how many of the cases, the first (None: all).
    controls: Mapping[str, Derived] = field(default_factory=dict)
    controlled: int | None = None
    apart: bool = False  # average every metric over the difficult cases alone as well
    # Methods that are run only if they are asked for by name or group, with settings that go with those of `methods`.
    others: Mapping[str, Attributor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.limit is not None:
            require_count("the limit of a plan's part", self.limit, 1)


@dataclass(frozen=True)
class Plan:
    """A named experiment."""

    name: str  # on the command line; results go to results/<name>
    summary: str  # one line for `python -m benchmarks list`
    parts: tuple[Part, ...]  # no two of them have both the data set and a network in common
    # A comparison of methods, or an ablation of one method's choices against its default.
    report: Literal["comparison", "ablation"] = "comparison"
    published: Paper | None = None  # a paper's numbers, beside which a report puts the run's
    # The metrics that a report shows first, at most six, of which parts may lack some; (): the first that judge maps.
    headline: tuple[str, ...] = ()
    # Methods that a report says the most of, and whom they are compared with; (): the best of the others, and MINT.
    focus: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    # Methods that belong to the plan and are not run, and why: the package that they need is not installed.
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError(f"plan {self.name!r} has no part; give it one or more.")
        pairs = [(name_of(part.dataset), name_of(each)) for part in self.parts for each in part.networks]
        if len(pairs) != len(set(pairs)):
            raise InputError(f"plan {self.name!r} has a data set and a network together in two parts; join them.")
        methods = {name: None for part in self.parts for name in part.methods}
        metrics = {name: None for part in self.parts for name in part.metrics}
        for name in self.headline:
            look_up(f"metric in the headline of plan {self.name!r},", name, {**metrics, REMOVAL: None})
        for name in (*self.focus, *self.against):
            look_up("method to compare,", name, methods)
        if self.against and not self.focus:
            raise InputError("--against says with what the method of --method is compared; give --method, too.")


@dataclass(frozen=True)
class Options:
    """How to run a plan, as the command line says it."""

    data: Path | None = None  # folder of a data set that is not shipped
    weights: Mapping[str, Path] = field(default_factory=dict)  # files by network name, in place of the networks' own
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # names by network name, in place of its own
    score: Score | None = None  # replaces the score of every method and metric; None: each its own
    device: str = "cpu"
    precision: Precision = "float32"
    batch_size: int | None = None  # pictures through a network at a time; None: found. Results do not depend on it.
    seed: int | None = None  # replaces the seed of every method and data set; None: each its own
    skipped: int = 0  # how many cases of each data set, its first, are left to another run
    without_data: frozenset[str] = frozenset()  # data sets that the folder is not for

    def data_options(self, dataset: str) -> DataOptions:
        """Return what a data set of this name is told."""
        return DataOptions(None if dataset in self.without_data else self.data, self.seed or 0)

    def __post_init__(self) -> None:
        require_word("precision", self.precision, get_args(Precision))


Names = Mapping[Kind, Sequence[str]]
"""Names of things as the command line takes them, by their kind."""


def select(
    plan: Plan,
    *,
    only: Names = MappingProxyType({}),
    more: Names = MappingProxyType({}),
    limit: int | None = None,
    controls: Mapping[str, Derived] | None = None,
    against: Sequence[str] = (),
) -> Plan:
    """Narrow a plan down, or widen it by what it does not have.

    Parameters
    ----------
    only : Mapping
        Of a kind that is here, what to keep, in this order. A name that the plan does not have is added with its
        defaults: a method, metric or network to every part; a data set as a part like the plan's first. (A method that
        waits among a part's ``others`` has the settings it has there.) A part without any of the networks, or whose
        data set is not here, is dropped. ``@GROUP`` among the methods stands for those of the group that can be run.
    more : Mapping
        What to add to all that is kept; what the plan has anyway changes nothing. The report says the most of the
        methods here.
    limit : int, optional
        How many cases each part has at most.
    controls : Mapping, optional
        The controls of every part; by default its own.
    against : sequence of str
        Methods with which the report compares those that are added.

    Raises
    ------
    InputError
        If there is nothing of a given name (the sentence has the nearest), or two things have one name.
    """
    only, kept_out = _expanded(only)
    more, also_out = _expanded(more)
    against, _ = expand(METHOD, against)
    networks = [name for part in plan.parts for name in part.networks]
    own = [name for name in only.get(NETWORK, ()) if name not in networks] + [*more.get(NETWORK, ())]
    for name in own:
        find(NETWORK, name)
    parts = []
    for part in _parts(plan, only.get(DATASET), more.get(DATASET, ())):
        kept = [name for name in only.get(NETWORK, part.networks) if name in part.networks]
        chosen = tuple(dict.fromkeys([*kept, *own]))
        _refuse_namesakes(NETWORK, map(name_of, chosen))
        if chosen:
            limits = [each for each in (part.limit, limit) if each is not None]
            parts.append(
                replace(
                    part,
                    networks=chosen,
                    methods=_chosen(METHOD, part.methods, only, more, part.others),
                    metrics=_chosen(METRIC, part.metrics, only, more),
                    limit=min(limits, default=None),
                    controls=part.controls if controls is None else controls,
                )
            )
    measured = {REMOVAL, *(name for part in parts for name in part.metrics)}
    known = {name for part in plan.parts for name in part.metrics}
    added = [name_of(name) for name in more.get(METRIC, ()) if name not in known]
    headline = tuple(dict.fromkeys(name for name in (*added, *plan.headline) if plan.headline and name in measured))
    focus = tuple(dict.fromkeys(map(name_of, more.get(METHOD, ())))) or plan.focus
    explained = {name for part in parts for name in part.methods}
    focus = tuple(name for name in focus if name in explained)
    return replace(
        plan,
        parts=tuple(parts),
        headline=headline,
        focus=focus,
        against=tuple(map(name_of, against)) or tuple(name for name in plan.against if focus and name in explained),
        left_out={**({} if METHOD in only else plan.left_out), **kept_out, **also_out},
    )


def controls_of(names: Sequence[str]) -> dict[str, Derived]:
    """Return the controls of these names: `baselines.controls.DERIVED` has them, or ``all`` or ``none`` of them."""
    if [*names] == ["none"]:
        return {}
    return {name: look_up("control", name, DERIVED) for name in (DERIVED if [*names] == ["all"] else names)}


def _parts(plan: Plan, only: Sequence[str] | None, more: Sequence[str]) -> list[Part]:
    has = {part.dataset: None for part in plan.parts}
    added = [name for name in dict.fromkeys([*(only or ()), *more]) if name not in has]
    for name in added:
        find(DATASET, name)
    _refuse_namesakes(DATASET, map(name_of, [*has, *added]))
    kept = [part for part in plan.parts if only is None or part.dataset in only or part.dataset in more]
    return [*kept, *(replace(plan.parts[0], dataset=name) for name in added)]


def _expanded(names: Names) -> tuple[Names, dict[str, str]]:
    """Put the names of groups in their place; return those that cannot be used as well, with the reason."""
    expanded = {kind: expand(kind, each) for kind, each in names.items()}
    left_out = {name: why for _, absent in expanded.values() for name, why in absent.items()}
    return {kind: found for kind, (found, _) in expanded.items()}, left_out


def _chosen(
    kind: Kind, has: Mapping[str, Any], only: Names, more: Names, others: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    names = dict.fromkeys([*only.get(kind, has), *more.get(kind, ())])
    known = {**others, **has}
    shown = {name: name if name in known else name_of(name) for name in names}
    _refuse_namesakes(kind, shown.values())
    return {shown[name]: known[name] if name in known else _added(kind, name) for name in names}


def _added(kind: Kind, name: str) -> Any:
    found = find(kind, name)
    try:
        # The results of what has no code in a file, or no name of its own, could not be told from other results.
        (method_identity if kind is METHOD else code_digest)(found)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return found


def _refuse_namesakes(kind: Kind, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"two {kind.word}s are called {name!r}; rename the one given by --{kind.word}.")
