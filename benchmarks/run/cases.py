"""Calling a data set, which can be a user's."""

from collections.abc import Collection, Sequence

from benchmarks.datasets import DATASETS, Case, DataOptions, Dataset, check_options
from benchmarks.datasets.case import as_sequence
from benchmarks.networks.network import Network
from benchmarks.registry import DATASET, find
from mint.contract import InputError
from mint.parameters import said


def cases_of(dataset: Dataset, name: str, network: Network, options: DataOptions) -> Sequence[Case]:
    """Call a data set; refuse what is no sequence of cases."""
    try:
        found = as_sequence(dataset(network, options))
    except InputError:
        raise
    except Exception as error:  # a user's data set can raise anything
        raise InputError(f"the data set {name} cannot be read: {said(error, dataset)}.") from error
    if not len(found):
        raise InputError(f"the data set {name} gives no case for the network {network.name}.")
    return found


def without_folder(datasets: Collection[str]) -> frozenset[str]:
    """Name the data sets that ``--data`` is not for: the suite's that do without, where another cannot."""

    def needs(name: str) -> bool:
        try:
            check_options(find(DATASET, name), DataOptions())
        except InputError:
            return True
        return False

    needy = {name for name in datasets if needs(name)}
    return frozenset({*datasets} & {*DATASETS} - needy) if needy else frozenset()
