"""What workers are told, and what they answer: plain data that travels between processes and machines."""

from dataclasses import dataclass, replace

from benchmarks.run.failure import Failure


@dataclass(frozen=True)
class Job:
    """What a worker has to know before it can compute."""

    # "module:function". The function takes the job, and returns the one that computes: it takes a Unit, returns a Done.
    maker: str
    words: tuple[str, ...]  # the command line of the run
    plan: str  # the name of the plan among those of the command line
    directory: str  # where the results are; all workers share its folder "cells"
    device: str = "cpu"  # "cpu", "cuda", ...
    threads: int | None = None  # torch's threads in a worker; None: torch's own number


@dataclass(frozen=True)
class Unit:
    """A few cases of one setting, explained by some methods and measured: what a worker computes at a time."""

    setting: int  # place among the plan's settings
    start: int  # number of the first case
    stop: int  # number of the one after the last
    methods: tuple[str, ...]
    timing: bool = False  # these cases' explanations are timed, on a device that does nothing else meanwhile

    @property
    def size(self) -> int:
        """How much it is: maps, or methods that are timed. The parts of a unit are as much as the whole."""
        return max(1, len(self.methods)) if self.timing else (self.stop - self.start) * len(self.methods)

    def parts(self) -> "tuple[Unit, ...]":
        """Divide by method; what has one method, by case; () if it cannot be divided."""
        if len(self.methods) > 1:
            return tuple(replace(self, methods=(name,)) for name in self.methods)
        if self.stop - self.start > 1 and not self.timing:
            return tuple(replace(self, start=number, stop=number + 1) for number in range(self.start, self.stop))
        return ()


@dataclass(frozen=True)
class Done:
    """What came of a unit. What was computed is in the cells."""

    unit: Unit
    worker: str = ""  # who computed it, for people
    failures: tuple[Failure, ...] = ()
    lost: str = ""  # why it was given up as a whole, in a sentence; "" if it was not
    seconds: float = 0.0  # that it took the worker
    pictures: int = 0  # sent through the network for it
    asked: int = 0  # where a part is remembering: pictures that the network was asked for,
    forwarded: int = 0  # and those that were not answered from memory
    written: int = 0  # cells that were computed for it
    reused: int = 0  # and those that were found
    # If timings were taken: seconds that a picture takes the network alone, the device, and torch's number of threads.
    bare_seconds: float = 0.0
    clock: tuple[str, int] = ("", 0)
