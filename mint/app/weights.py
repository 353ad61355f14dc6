"""Weights files: state dicts read without running anything of the file, and fitted to a network or refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mint.parameters import InputError


def read_state(file: Path, name: str) -> dict[str, Tensor]:
    """Read a state dict.

    Parameters
    ----------
    file : pathlib.Path
        `.safetensors`, or anything that `torch.load` reads with `weights_only=True`. The wrappers
        `{"state_dict": ...}`, `{"model_state_dict": ...}` and `{"model": ...}` are taken off.
    name : str
        The network's, for the error's sentence.

    Returns
    -------
    dict of Tensor
        By parameter name as in the file, on the CPU, in the dtypes of the file.

    Raises
    ------
    InputError
        If the file does not exist, cannot be read, or holds no state dict.
    """
    if not file.is_file():
        raise InputError(f"the weights file {file} for {name} does not exist; check --weights.")
    try:
        state = _READERS.get(file.suffix, _read_pickle)(file)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the unpickler raise almost anything
        raise InputError(
            f"the weights file {file} for {name} cannot be read as a state dict (.pth, .pt or .safetensors): it is "
            "damaged, or it holds more than tensors."
        ) from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"the weights file {file} for {name} holds no state dict (a mapping from names to tensors).")
    return dict(state)


def _read_pickle(file: Path) -> Any:
    return torch.load(file, map_location="cpu", weights_only=True)


def _read_safetensors(file: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(f"reading {file} needs safetensors; install it with pip install safetensors.") from error
    return load_file(file)


_READERS: Mapping[str, Callable[[Path], Any]] = {".safetensors": _read_safetensors}


_PARALLEL = "module."


def fit_state(
    module: nn.Module, state: Mapping[str, Tensor], name: str, file: Path, unused: tuple[str, ...] = ()
) -> None:
    """Copy a state dict into a network, cast to the network's dtypes, or say what does not fit.

    Parameters
    ----------
    module : nn.Module
        The network.
    state : Mapping
        From :func:`read_state`. The prefix `module.` of `DataParallel` is taken off.
    name : str
        The network's, for the error's sentence.
    file : pathlib.Path
        Where the state is from, for the error's sentence.
    unused : tuple of str
        Prefixes of parameters that only training needs; the state may hold them or not.

    Raises
    ------
    InputError
        If parameters are missing, unknown or of another shape.
    """
    own = module.state_dict()
    # A network may have a submodule of that name, so the prefix is DataParallel's only where no name is the network's.
    if own.keys().isdisjoint(state) and all(key.startswith(_PARALLEL) for key in state):
        state = {key.removeprefix(_PARALLEL): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(unused)}
    # Files older than torch 0.4.1 lack the batch counters, which evaluation does not use.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own]
    reshaped = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{what} {len(keys)} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing:", missing), ("unknown:", unknown), ("of another shape:", reshaped))
        if keys
    ]
    if problems:
        raise InputError(f"the weights in {file} do not fit {name}; tensors {'; '.join(problems)}.")
    module.load_state_dict(state, strict=False)
