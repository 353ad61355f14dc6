"""Calling a data set, which can be a user's."""

from collections.abc import Sequence

from benchmarks.datasets import Case, DataOptions, Dataset
from benchmarks.networks.network import Network
from mint.contract import InputError
from mint.parameters import said


def cases_of(dataset: Dataset, name: str, network: Network, options: DataOptions) -> Sequence[Case]:
    """Call a data set; refuse what is no sequence of cases."""
    try:
        found = dataset(network, options)
        if not (hasattr(found, "__len__") and hasattr(found, "__getitem__")):
            found = list(found)
    except InputError:
        raise
    except Exception as error:  # a user's data set can raise anything
        raise InputError(f"the data set {name} cannot be read: {said(error, dataset)}.") from error
    if not len(found):
        raise InputError(f"the data set {name} gives no case for the network {network.name}.")
    return found
