"""The datasets: each is a function from a network and options to a sequence of cases."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.datasets.case import Case, DataOptions
from benchmarks.datasets.imagenet import imagenet_folder, require_folder
from benchmarks.datasets.photos import mosaics, whole_photographs
from benchmarks.datasets.scenes.read import evaluation_scenes
from benchmarks.networks.network import Network

__all__ = ["DATASETS", "REQUIREMENTS", "Case", "DataOptions", "Dataset"]

Dataset = Callable[[Network, DataOptions], Sequence[Case]]

DATASETS: Mapping[str, Dataset] = {
    "scenes": evaluation_scenes,
    "photos": mosaics,
    "photos-single": whole_photographs,
    "imagenet": imagenet_folder,
}
"""Every dataset by name."""

REQUIREMENTS: Mapping[str, Callable[[DataOptions], object]] = {"imagenet": require_folder}
"""Of datasets that need options: the check of them, an `InputError`, before a network is loaded or downloaded."""
