"""The datasets: each is a function from a network and options to a sequence of cases."""

from benchmarks.datasets.cases import Case, DataOptions

__all__ = ["Case", "DataOptions"]
