"""Counting how often the host waits for the device, on any device: copies to the host, and what needs one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

READS = {
    *(Tensor.item, Tensor.tolist, Tensor.cpu, Tensor.numpy, Tensor.nonzero, torch.nonzero, Tensor.unique, torch.unique),
    *(Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__, torch.equal, Tensor.equal, Tensor.bincount),
    *(torch.masked_select, Tensor.masked_select, torch.linalg.cholesky, torch.bincount),
}
FACTORIES = {torch.tensor, torch.arange, torch.zeros, torch.ones, torch.eye, torch.empty, torch.full, torch.from_numpy}
FACTORIES |= {torch.rand, torch.randn, torch.randint}


class Synchronisations(TorchFunctionMode):
    """Count what would make the host wait for a GPU. The device is that of all tensors that no rule calls the host's.

    The host has what a factory makes without a device, what ``.cpu()`` answers, and what is computed from these alone,
    until ``.to`` takes it to the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._on_host: dict[int, Tensor] = {}  # kept, so that no other tensor gets the same id

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors([*args, *kwargs.values()]))
        on_host = all(id(each) in self._on_host for each in given)
        if given and not on_host and (func in READS or _indexes_by_a_mask(func, args)):
            self.count += 1
        found = func(*args, **kwargs)
        moves = func is Tensor.to and any(isinstance(each, torch.device) for each in [*args, *kwargs.values()])
        if func is Tensor.cpu or (not given and func in FACTORIES and kwargs.get("device") is None):
            return self._hosted(found)
        if given and on_host and not moves:
            return self._hosted(found)
        # On a CPU, what is moved may be the same object.
        return found.clone() if moves and found is args[0] and on_host else found

    def _hosted(self, found: Any) -> Any:
        if isinstance(found, Tensor):
            found = found.alias() if hasattr(found, "alias") else found.view_as(found)
        for each in _tensors([found]):
            self._on_host[id(each)] = each
        return found


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _indexes_by_a_mask(func: Any, args: Any) -> bool:
    if func not in (Tensor.__getitem__, Tensor.__setitem__):
        return False
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    return any(isinstance(each, Tensor) and (each.dtype == torch.bool or each.ndim == 0) for each in index)


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Count inside the block."""
    mode = Synchronisations()
    with mode:
        yield lambda: mode.count
