"""A paper's own numbers: data that a plan carries into its records, so that a report can put them beside the run's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """One number of a paper, and which number of a run is its like."""

    # As a run names them; a method that this suite does not have goes by the paper's name.
    dataset: str
    network: str
    method: str
    metric: str
    called: str  # the paper's name of the method
    measure: str  # what is measured, in a word; a report has a table for each
    value: float  # as it was printed
    source: str  # where it was printed
    verified: bool = True  # whether somebody of this project has read the number there
    subset: str = "all"  # as a run names it


@dataclass(frozen=True)
class Paper:
    """What was published, and what a plan does otherwise."""

    numbers: tuple[Published, ...]
    departures: tuple[str, ...]  # what differs from the paper's protocol, a sentence each
    unit: str = ""  # "" for numbers as this suite's scores are, "%" for numbers that are a hundred times as large

    @property
    def factor(self) -> float:
        """By what a score is multiplied to be in the paper's unit."""
        return 100.0 if self.unit == "%" else 1.0


def read_paper(kept: Mapping[str, Any] | None) -> Paper | None:
    """Make a paper of what a run's provenance keeps of it, `dataclasses.asdict`; None where the plan had none."""
    if not kept:
        return None
    numbers = tuple(Published(**number) for number in kept["numbers"])
    return Paper(numbers, tuple(kept["departures"]), kept["unit"])
