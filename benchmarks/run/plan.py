"""What a plan is: data sets, networks, methods and metrics that are measured together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import baselines
from baselines.controls import Derived
from benchmarks.metrics import MethodMetric, Metric
from mint.contract import Attributor, InputError


@dataclass(frozen=True)
class Part:
    """One dataset, explained through some networks by some methods, and measured.

    Attributes
    ----------
    dataset : str
        A key of `benchmarks.datasets.DATASETS`.
    networks : tuple of str
        Keys of `benchmarks.networks.network.NETWORKS`.
    methods : Mapping
        The methods by the name the tables give them. Layers and batch sizes that are None come from the network
        and the command line.
    metrics : Mapping
        The metrics by the name the tables give them.
    limit : int or None
        How many of the dataset's cases, its first; None: all.
    timed : int
        On how many of these cases, the first, the methods are timed.
    shown : int
        How many of these cases, the first, the gallery shows.
    remembering : bool
        Answer a picture that a method or metric has shown to the network before from memory, as long as its case is
        at hand: for methods that perturb alike.
    nulls : tuple of str
        Which of the methods are nulls: they know nothing of the network. Names that the part does not have are
        passed over.
    controls : Mapping
        The derived controls by name (see `baselines.controls.DERIVED`): maps made from those of the methods that are
        no nulls, and scored under the metrics that judge a map, each with the first of its settings.
    controlled : int or None
        On how many of these cases, the first, the derived controls are scored; None: all.
    apart : bool
        Average every metric over the difficult cases alone as well.
    """

    dataset: str
    networks: tuple[str, ...]
    methods: Mapping[str, Attributor]
    metrics: Mapping[str, Metric | MethodMetric]
    limit: int | None = None
    timed: int = 0
    shown: int = 0
    remembering: bool = False
    nulls: tuple[str, ...] = baselines.NULLS
    controls: Mapping[str, Derived] = field(default_factory=dict)
    controlled: int | None = None
    apart: bool = False


@dataclass(frozen=True)
class Plan:
    """A named experiment.

    Attributes
    ----------
    name : str
        Its name on the command line; results go to ``results/<name>``.
    summary : str
        One line for ``python -m benchmarks list``.
    parts : tuple of Part
        No two of them have both the dataset and a network in common.
    """

    name: str
    summary: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        pairs = [(part.dataset, network) for part in self.parts for network in part.networks]
        if len(pairs) != len(set(pairs)):
            raise InputError(f"plan {self.name!r} has a dataset and a network together in two parts; join them.")
