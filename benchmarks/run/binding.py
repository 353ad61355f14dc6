"""Filling in what a method leaves open: the network's layers, the batch size, the seed."""

import dataclasses

from benchmarks.networks.network import Network
from mint.contract import Attributor


def bind(
    attributor: Attributor, network: Network, *, batch_size: int | None = None, seed: int | None = None
) -> Attributor:
    """Fill ``layers``, ``deep_layer``, ``batch_size`` and ``seed`` of a copy of a method, where it has such fields.

    A field that the method sets itself is kept, but for the seed; a method that is no dataclass is returned as it is.
    """
    if not dataclasses.is_dataclass(attributor) or isinstance(attributor, type):
        return attributor
    names = {field.name for field in dataclasses.fields(attributor) if field.init}
    unset = {name for name in names if getattr(attributor, name) is None}
    offered: dict[str, object] = {"batch_size": batch_size}
    if unset & {"layers", "deep_layer"} and network.layers is not None:
        offered |= {"layers": network.layers, "deep_layer": network.layers[1]}
    filled = {name: value for name, value in offered.items() if name in unset and value is not None}
    if seed is not None and "seed" in names:
        filled["seed"] = seed
    bound: Attributor = dataclasses.replace(attributor, **filled)
    return bound
