"""Failures: what could not be computed, and why. And `Absent`: what is not in the store where nothing is computed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Failure:
    """What went wrong with which case, and in which step."""

    dataset: str
    network: str
    method: str
    step: str  # "data", "map", "pictures", "timing", or a metric's name
    case: str
    reason: str
    control: str = ""  # the control that it went wrong with; "" is the method's own map


def spelled_failure(failure: Failure) -> str:
    """Say in a sentence what failed."""
    where = filter(None, (failure.network, failure.method, failure.step, failure.control, failure.case))
    return f"failed, and the run goes on: {', '.join(where)}: {failure.reason}"


class Step(NamedTuple):
    """What is done with a case: for labels and failures."""

    method: str
    control: str  # the control whose maps they are; "" is the method's own
    what: str  # "map", "pictures", "second call", "timing", or a metric's name


@dataclass
class Absent:
    """What is not in the store, where nothing is to be computed: because workers have done it, or still do it."""

    failures: Collection[Failure] = ()  # what workers failed to compute
    # Why cases were given up: a sentence by data set, network, method and case; the case "" stands for all others, and
    # the step "timing" in its place for the method's timing.
    lost: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)
    # By data set and network, what timings were taken on, the last time at the end: device, and torch's threads.
    clocks: Mapping[tuple[str, str], Sequence[tuple[str, int]]] = field(default_factory=dict)
    count: int = 0  # how much is missing without a reason

    def __post_init__(self) -> None:
        self._known = {replace(each, reason=""): each for each in self.failures}

    def known(self, place: Failure) -> Failure | None:
        """Return why something is not there; None if nobody knows."""
        where = place.dataset, place.network, place.method
        lost = next(filter(None, (self.lost.get((*where, each)) for each in (place.case, place.step, ""))), "")
        return self._known.get(place) or (replace(place, reason=lost) if lost else None)

    def miss(self, place: Failure) -> Failure | None:
        """Return why a map or a score is not there; count it if nobody knows."""
        known = self.known(place)
        self.count += known is None
        return known
