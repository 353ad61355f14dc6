"""Noticing that a network was changed, and putting it back as it was.

A method or a metric borrows the network. One that leaves a hook, or runs the network in training mode, would change the
numbers of everything that borrows it afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mint.parameters import InputError

Copies = Mapping[str, Tensor]
"""A copy of every parameter and buffer, by name, on its device."""

_MOST_NAMES = 3  # that a sentence lists of what changed


def copies_of(model: nn.Module) -> Copies:
    """Copy every parameter and buffer of a network, on its own device."""
    return {name: tensor.detach().clone() for name, tensor in _tensors(model).items()}


@contextmanager
def unchanged(model: nn.Module, by: str, copies: Copies | None = None) -> Iterator[None]:
    """Lend a network out; if it comes back changed, put it back as it was and refuse what was done with it.

    See :class:`Fingerprint` for what is noticed. After an error, the network is put back, too, and the error goes on.

    Parameters
    ----------
    model : nn.Module
        Any network.
    by : str
        Who borrows it, for the error's sentence: "the method LIME".
    copies : Copies, optional
        From :func:`copies_of`, where a network is lent out many times.

    Raises
    ------
    InputError
        If the network has changed; the sentence names what.
    """
    before = fingerprint(model, copies)
    try:
        yield
    except BaseException:
        before.restore()
        raise
    changes = before.restore()
    if changes:
        raise InputError(
            f"{by} changed the network and did not put it back: {'; '.join(changes)}. It was put back, so that nothing "
            "else is affected; let it work on a copy, or undo what it does."
        )


def fingerprint(model: nn.Module, copies: Copies | None = None) -> "Fingerprint":
    """Note the state of a network, to tell later what has changed.

    Parameters
    ----------
    model : nn.Module
        Any network.
    copies : Copies, optional
        From :func:`copies_of`, to save making them again.
    """
    return Fingerprint(
        model,
        copies_of(model) if copies is None else copies,
        {name: _Part.of(module) for name, module in model.named_modules()},
        {name: _Gradient.of(parameter) for name, parameter in model.named_parameters()},
        {name: (table, dict(table)) for name, table in _hooks_of_all_modules().items()},
        torch.get_default_dtype(),
    )


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The state of a network at one time: its modules, modes, hooks, tensors, ``requires_grad`` and gradients.

    Tensors are compared bit by bit on their own device, and the answer is read once, so a GPU is waited for once.
    Counters of versions would be cheaper, but they miss what is written to ``parameter.data``.

    Attributes
    ----------
    model : nn.Module
        The network.
    copies : Copies
        Its parameters and buffers.
    parts, gradients : Mapping
        What is kept of each module and of each parameter besides, by name.
    hooks : Mapping
        Torch's tables of hooks that run for all modules, each with a copy, by name.
    dtype : torch.dtype
        Torch's default.
    """

    model: nn.Module
    copies: Copies
    parts: Mapping[str, "_Part"]
    gradients: Mapping[str, "_Gradient"]
    hooks: Mapping[str, tuple[dict[Any, Any], dict[Any, Any]]]
    dtype: torch.dtype

    def changes(self) -> list[str]:
        """Say what has changed since: a phrase for each kind of change, with the first few names; empty if nothing."""
        now, tensors = dict(self.model.named_modules()), _tensors(self.model)
        parameters = dict(self.model.named_parameters())
        same = {name: part for name, part in self.parts.items() if now.get(name) is part.module}
        shared = {name: (kept, parameters[name]) for name, kept in self.gradients.items() if name in parameters}
        pairs = {name: (copy, tensors.get(name)) for name, copy in self.copies.items()}
        gradients = {name: (kept.copy, parameter.grad) for name, (kept, parameter) in shared.items()}
        found = {
            "the modules": [
                *(name for name in [*now, *self.parts] if name not in same),
                *(name for name, part in same.items() if part.rebuilt()),
            ],
            "the training mode": [name for name, part in same.items() if part.module.training != part.training],
            "the hooks": [
                *(name for name, part in same.items() if part.hooked()),
                *(name for name, (kept, parameter) in shared.items() if _hooks_of(parameter) != kept.hooks),
                *(["those of all modules"] if any(_other(*pair) for pair in self.hooks.values()) else []),
            ],
            "the parameters or buffers": [*_different(pairs), *(name for name in tensors if name not in self.copies)],
            "requires_grad": [
                name for name, (kept, parameter) in shared.items() if parameter.requires_grad != kept.requires_grad
            ],
            "the gradients": _different(gradients),
            "torch's default dtype": [str(torch.get_default_dtype())] * (torch.get_default_dtype() != self.dtype),
        }
        return [f"{what} ({_listed(names)})" for what, names in found.items() if names]

    def restore(self) -> list[str]:
        """Put the network back as it was; return what had changed, as :meth:`changes` does."""
        changes = self.changes()
        if changes:
            torch.set_default_dtype(self.dtype)
            for table, hooks in self.hooks.values():
                table.clear()
                table.update(hooks)
            for part in self.parts.values():
                part.restore()
            tensors = _tensors(self.model)
            for name, copy in self.copies.items():
                _write(tensors[name], copy)
            for name, parameter in self.model.named_parameters():
                self.gradients[name].restore(parameter)
        return changes


def _hooks_of_all_modules() -> dict[str, dict[Any, Any]]:
    tables = vars(torch.nn.modules.module)
    return {name: each for name, each in tables.items() if name.startswith("_global_") and isinstance(each, dict)}


@dataclass(frozen=True, eq=False)
class _Gradient:
    """What is kept of one parameter besides its value."""

    requires_grad: bool
    gradient: Tensor | None
    copy: Tensor | None
    hooks: Mapping[int, Any]

    @staticmethod
    def of(parameter: nn.Parameter) -> "_Gradient":
        gradient = parameter.grad
        copy = None if gradient is None else gradient.detach().clone()
        return _Gradient(parameter.requires_grad, gradient, copy, dict(_hooks_of(parameter)))

    def restore(self, parameter: nn.Parameter) -> None:
        if self.gradient is not None and self.copy is not None:
            _write(self.gradient, self.copy)
        parameter.requires_grad_(self.requires_grad).grad = self.gradient
        table = _hooks_of(parameter)
        if table != self.hooks:
            table.clear()
            table.update(self.hooks)


def _hooks_of(parameter: nn.Parameter) -> dict[int, Any]:
    return getattr(parameter, "_backward_hooks", None) or {}


@dataclass(frozen=True, eq=False)
class _Part:
    """What is kept of one module: its class and mode, what it consists of, and its hooks."""

    module: nn.Module
    kind: type
    training: bool
    forward: Any  # a forward of its own in place of its class's; None in most modules
    tables: Mapping[str, tuple[dict[Any, Any], dict[Any, Any]]]  # by name: the table itself, and a copy

    @staticmethod
    def of(module: nn.Module) -> "_Part":
        # Scripted modules keep some of these elsewhere, and not in dictionaries.
        tables = {
            name: (table, dict(table))
            for name, table in vars(module).items()
            if isinstance(table, dict) and (name in _CONTENTS or "_hooks" in name)
        }
        return _Part(module, type(module), module.training, vars(module).get("forward"), tables)

    def rebuilt(self) -> bool:
        """Tell whether it has another class, other parts, or another forward."""
        module = self.module
        return (
            type(module) is not self.kind
            or vars(module).get("forward") is not self.forward
            or any(_other(*self.tables[name]) for name in _CONTENTS if name in self.tables)
        )

    def hooked(self) -> bool:
        """Tell whether it has other hooks."""
        return any(_other(*pair) for name, pair in self.tables.items() if name not in _CONTENTS)

    def restore(self) -> None:
        if type(self.module) is not self.kind:
            self.module.__class__ = self.kind
        if vars(self.module).get("forward") is not self.forward:
            vars(self.module).pop("forward", None)
            if self.forward is not None:
                vars(self.module)["forward"] = self.forward
        if self.module.training != self.training:
            self.module.training = self.training
        for table, copy in self.tables.values():
            table.clear()
            table.update(copy)


_CONTENTS = ("_modules", "_parameters", "_buffers")


def _other(table: Mapping[Any, Any], copy: Mapping[Any, Any]) -> bool:
    # A buffer's tensor may be another one, as long as its values are the same: some networks make theirs anew.
    return table.keys() != copy.keys() or any(
        table[key] is not copy[key] and not (isinstance(copy[key], Tensor) and not isinstance(copy[key], nn.Parameter))
        for key in copy
    )


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@torch.no_grad()
def _different(pairs: Mapping[str, tuple[Tensor | None, Tensor | None]]) -> list[str]:
    """Name the pairs of tensors that are not equal bit by bit, or of which one is missing."""
    unlike, away = [], {}
    for name, (one, other) in pairs.items():
        if one is None or other is None or not _comparable(one, other):
            unlike += [name] if one is not other else []
        elif one.is_cpu:
            unlike += [] if torch.equal(*_bits(*_lines(one, other))) else [name]
        elif not one.is_meta:
            away[name] = _lines(one, other)
    return unlike + _different_on_device(away)


def _different_on_device(lines: Mapping[str, tuple[Tensor, Tensor]]) -> list[str]:
    """Name the pairs that differ, waiting for the device once; small tensors are joined, so that few kernels start."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, (one, _) in lines.items():
        alone = [name] if one.numel() > _SMALL else []
        groups.setdefault((one.device, one.dtype, *alone), []).append(name)
    flags = []
    for names in groups.values():
        ones, others = zip(*(lines[name] for name in names), strict=True)
        flags.append(_differ(torch.cat(ones), torch.cat(others)) if len(names) > 1 else _differ(ones[0], others[0]))
    if not flags:
        return []
    differ = torch.stack([flag.to(flags[0].device) for flag in flags]).tolist()
    among = [name for names, flag in zip(groups.values(), differ, strict=True) if flag for name in names]
    return [name for name in among if _differ(*lines[name])]


def _differ(one: Tensor, other: Tensor) -> Tensor:
    return torch.ne(*_bits(one, other)).any()


def _comparable(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)


def _lines(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of two tensors of one shape in one order, that of memory where it is the same."""
    if one.dim() == 4 and all(each.is_contiguous(memory_format=torch.channels_last) for each in (one, other)):
        one, other = one.permute(0, 2, 3, 1), other.permute(0, 2, 3, 1)
    return one.flatten().contiguous(), other.flatten().contiguous()


def _bits(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    # As integers, because NaN differs from itself; the widest are compared fastest.
    if one.is_complex():
        one, other = torch.view_as_real(one).flatten(), torch.view_as_real(other).flatten()
    size = one.element_size()
    bounds = (each for line in (one, other) for each in (line.data_ptr(), line.storage_offset() * size))
    kind = _INTEGERS[size] if one.numel() * size % 8 or any(each % 8 for each in bounds) else torch.int64
    return one.view(kind), other.view(kind)


_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SMALL = 2**20  # values: larger tensors are compared where they are, without a copy


def _write(tensor: Tensor, copy: Tensor) -> None:
    # What is expanded cannot be written to.
    if not _comparable(tensor, copy) or 0 in tensor.stride():
        tensor.data = copy.clone()
    elif not tensor.is_meta:
        tensor.data.copy_(copy)


def _listed(names: Sequence[str]) -> str:
    distinct = [name or "the network itself" for name in dict.fromkeys(names)]
    more = f", and {len(distinct) - _MOST_NAMES} more" if len(distinct) > _MOST_NAMES else ""
    return f"{', '.join(distinct[:_MOST_NAMES])}{more}"
