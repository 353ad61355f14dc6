"""A setting: a data set of a plan with one of its networks, opened, and how its cases are taken a few at a time."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tqdm import tqdm

from benchmarks.datasets import Case
from benchmarks.datasets.case import faults, without_region
from benchmarks.metrics import Context
from benchmarks.metrics.metric import controlling
from benchmarks.networks.network import Network, load_network
from benchmarks.registry import DATASET, find, name_of
from benchmarks.run.cases import cases_of
from benchmarks.run.cells import Cells
from benchmarks.run.failure import Absent, Failure, Step
from benchmarks.run.folders import find_maps
from benchmarks.run.plan import Options, Part, Plan
from benchmarks.run.precision import lower
from benchmarks.run.scoring import check_scores, scored
from benchmarks.run.store import Store
from mint.app.pictures import spelled
from mint.contract import InputError

FEWEST, MOST = 4, 64  # cases at a time
PICTURES_AT_A_TIME = 1024  # through the network, as far as that leaves a number of cases between these


@dataclass
class Setting:
    """The data set of one part of a plan, with one of its networks."""

    part: Part
    network: Network
    cases: Sequence[Case]
    cells: Cells
    first: int  # number of the first case that is wanted
    keys: dict[str, int] = field(default_factory=dict)  # of the cases seen so far: their numbers by key
    sizes: list[tuple[int, int]] = field(default_factory=list)  # height and width of their pictures

    @property
    def names(self) -> dict[str, str]:
        """The columns that say which setting a row is of."""
        return {"dataset": self.part.dataset, "network": self.network.name}

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.part.dataset}, {self.network.name}"

    @property
    def end(self) -> int:
        """Number of the case after the last one wanted."""
        return len(self.cases) if self.part.limit is None else min(self.part.limit, len(self.cases))

    @property
    def controlled(self) -> int:
        """Number of the case after the last one that derived controls are made of."""
        return self.end if self.part.controlled is None else min(max(self.first, self.part.controlled), self.end)

    @property
    def nulls(self) -> list[str]:
        """Methods that know nothing of the network."""
        return [name for name in self.cells.methods if name in self.part.nulls]

    @property
    def spoilt(self) -> list[tuple[str, str]]:
        """Method and control of all maps that are made from a method's own."""
        own = [method for method in self.cells.methods if method not in self.nulls]
        return [(method, control) for method in own for control in self.cells.controls_of(method)]

    @property
    def controlling(self) -> list[str]:
        """The metrics under which controls are scored."""
        return [*controlling(self.part.metrics)]

    @property
    def passed_over(self) -> dict[str, int]:
        """How many of a data set's files were passed over, by what they are."""
        return dict(getattr(self.cases, "passed_over", {}))

    def announce(self, known: Collection[str] = ()) -> None:
        """Say what was passed over, unless the data set is ``known``, and which metrics lack annotations."""
        if self.passed_over and self.part.dataset not in known:
            say(f"passed over in {self.part.dataset}: {spelled(self.passed_over)}.")
        numbers = range(self.first, self.end)
        bare = without_region(self.cases, numbers)
        regional = [name for name, metric in self.part.metrics.items() if metric.regional]
        if bare and regional:
            left = f"are of the other {len(numbers) - bare}" if bare < len(numbers) else "do not apply and stay empty"
            counts = f"{bare} of {len(numbers)} cases have no annotated region"
            say(f"{self.title}: {counts}: the columns {', '.join(regional)} {left}.")

    def first_chunk(self) -> range:
        """Return the numbers of the first few cases, whose cost says how many come at a time after them."""
        return range(self.first, min(self.end, self.first - self.first % FEWEST + FEWEST))

    def chunks(self, after: int, cost: float) -> Iterator[range]:
        """Yield the numbers of the cases from ``after`` on, several at a time: the more, the less a case costs.

        ``cost`` is that of the first chunk, in pictures through the network for a case, and not in seconds: so every
        run has the same chunks, and nothing hangs on who computes how fast.
        """
        size = FEWEST
        while size < MOST and 2 * size * cost <= PICTURES_AT_A_TIME:
            size *= 2
        while after < self.end:
            stop = min(self.end, after - after % size + size)
            yield range(after, stop)
            after = stop

    def read(self, numbers: Iterable[int]) -> dict[int, Context]:
        """Read cases, by number; one that cannot be read fails, and does not move the others up."""
        contexts = {}
        for number in numbers:
            try:
                case = self.cases[number]
                if broken := faults(case, self.network):
                    raise InputError("; ".join(broken.values()) + ".")
                if self.keys.setdefault(case.key, number) != number:
                    raise InputError(f"its key {case.key!r} is that of number {self.keys[case.key] + 1}, too.")
                image = self.network.tensor(case.image)
            except Exception as error:
                self.cells.fail(Step("", "", "data"), f"number {number + 1}", error)
            else:
                contexts[number] = Context(self.network, case, image, self.cells.batch_size)
                self.sizes.append(case.image.shape[:2])
        return contexts

    def maps_of(self, numbers: range, methods: Collection[str] | None = None) -> int:
        """Count the maps of some cases, the derived ones as well: by some methods, or by all."""
        chosen = self.cells.methods if methods is None else methods
        derived = sum(method in chosen for method, _ in self.spoilt)
        return len(numbers) * len(chosen) + max(0, min(numbers.stop, self.controlled) - numbers.start) * derived


def settings_of(plan: Plan) -> list[tuple[Part, str]]:
    """List the settings of a plan: part, and the name of the network."""
    return [(part, name) for part in plan.parts for name in part.networks]


def say(sentence: str) -> None:
    """Say something on the terminal without disturbing a progress bar."""
    tqdm.write(sentence, file=sys.stderr)


def open_setting(
    part: Part,
    source: str,
    options: Options,
    store: Store,
    failures: list[Failure],
    absent: Absent | None = None,
    tell: Callable[[str], None] = say,
) -> Setting:
    """Load the network, read the data set, and check what was asked for.

    Parameters
    ----------
    part, source
        The part of the plan, and the name of one of its networks.
    failures
        What goes wrong from here on is added to it.
    absent
        If given, nothing is computed, see `Cells`, and the network is on the CPU, whatever device was asked for.
    tell
        Is called with sentences for the user.

    Raises
    ------
    InputError
        If network or data set cannot be had, or there is no case from the first one wanted on.
    """
    dataset = find(DATASET, part.dataset)
    part = scored(replace(part, dataset=name_of(part.dataset)), options.score)
    shown = name_of(source)
    weights, classes = options.weights.get(shown), options.classes.get(shown, ())
    device = options.device if absent is None else "cpu"
    network = load_network(source, weights=weights, classes=classes, device=device)
    check_scores(part, network)
    lower(network.module, options.precision)
    cases = cases_of(dataset, part.dataset, network, options.data_options(part.dataset))
    part = find_maps(part, cases, options.skipped, tell)
    cells = Cells(part, network, source, options, store, failures, absent, tell)
    setting = Setting(part, network, cases, cells, options.skipped)
    if setting.first >= setting.end:
        raise InputError(
            f"of {part.dataset}, the plan has {setting.end} cases, none from the one numbered {setting.first + 1} on; "
            "give --cases a smaller number."
        )
    return setting
