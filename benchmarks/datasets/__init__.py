"""The datasets: each is a function from a network and options to a sequence of cases."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.datasets.cases import Case, DataOptions
from benchmarks.datasets.imagenet import imagenet
from benchmarks.datasets.photos import photos, photos_single
from benchmarks.models import Network

__all__ = ["DATASETS", "Case", "DataOptions", "Dataset"]

Dataset = Callable[[Network, DataOptions], Sequence[Case]]

DATASETS: Mapping[str, Dataset] = {
    "photos": photos,
    "photos-single": photos_single,
    "imagenet": imagenet,
}
"""Every dataset by name."""
