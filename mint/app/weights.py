"""Weights files: state dicts read without running anything of the file, and fitted to a network or refused."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mint.parameters import InputError, no_file


def read_state(file: Path, name: str) -> dict[str, Tensor]:
    """Read a state dict.

    Parameters
    ----------
    file : pathlib.Path
        `.safetensors`, or anything that `torch.load` reads with `weights_only=True`. What training frameworks wrap
        around a state dict is taken off, such as `{"state_dict": ...}` or `{"model": ...}`.
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
        raise InputError(f"the weights file {file} for {name} {no_file(file)}; check --weights.")
    try:
        if file.suffix == ".safetensors":
            state = _read_safetensors(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes the unpickler raise almost anything
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise InputError(
                f"the weights file {file} for {name} cannot be read as a state dict: it holds more than tensors, and "
                "reading that would run code of the file. If you trust it, read it by torch.load(FILE, "
                "weights_only=False) and save the state_dict() of what it holds by torch.save."
            ) from error
        exported = file.suffix == ".pt2"
        if exported or "TorchScript" in str(error):
            kind = "torch.export" if exported else "TorchScript"
            state = "torch.export.load(FILE).state_dict" if exported else "torch.jit.load(FILE).state_dict()"
            raise InputError(
                f"the weights file {file} for {name} is a {kind} archive; save {state} by torch.save."
            ) from error
        raise InputError(
            f"the weights file {file} for {name} cannot be read as a state dict (.pth, .pt or .safetensors): it is "
            "damaged, or it holds more than tensors."
        ) from error
    for _ in range(3):  # a wrapper may lie in a wrapper
        inside = [state[each] for each in _WRAPPERS if isinstance(state, Mapping) and each in state]
        state = next((each for each in inside if isinstance(each, Mapping)), state)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"the weights file {file} for {name} holds no state dict (a mapping from names to tensors).")
    return dict(state)


# What frameworks call the state dict in a checkpoint; averages of the weights come last.
_WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params"),
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema", "params_ema"),
)


def _read_safetensors(file: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(f"reading {file} needs safetensors; install it with pip install safetensors.") from error
    return load_file(file)


# What compiling, sharding and checkpointing put inside names.
_INSIDE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
# Of these, what is missing in a file does not matter: files older than torch 0.4.1 lack the batch counters.
_COUNTERS = "num_batches_tracked"


OTHER_CLASSES = (
    "If it was trained for other classes, name them, a line each, with --classes FILE (python -m benchmarks run: "
    "--classes NETWORK=FILE); a function of yours that builds the network gets them as its parameter class_names, "
    "where it has one."
)


def fit_state(
    module: nn.Module, state: Mapping[str, Tensor], name: str, file: Path, unused: tuple[str, ...] = ()
) -> None:
    """Copy a state dict into a network, cast to the network's dtypes, or say what does not fit.

    Parameters
    ----------
    module : nn.Module
        The network.
    state : Mapping
        From :func:`read_state`. What wraps a network in training puts before its names, such as the `module.` of
        `DataParallel` or the `model.` of Lightning modules, is taken off; what such a wrapper has besides is left out.
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
    state = _without_wrappers(state, own)
    state = {key: value for key, value in state.items() if not key.startswith(unused)}
    missing = [key for key in own if key not in state and not key.endswith(_COUNTERS)]
    unknown = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and state[key].shape != own[key].shape]
    shapes = [f"{key} is {tuple(state[key].shape)} instead of {tuple(own[key].shape)}" for key in reshaped]
    problems = [
        f"{what} {len(keys)} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing:", missing), ("unknown:", unknown), ("of another shape:", shapes))
        if keys
    ]
    if problems:
        # Another head: of another shape are tensors of the last layers alone.
        head = not missing and not unknown and set(reshaped) <= set(list(own)[-4:])
        hint = f" {OTHER_CLASSES}" if head else ""
        raise InputError(f"the weights in {file} do not fit {name}; tensors {'; '.join(problems)}.{hint}")
    try:
        module.load_state_dict(state, strict=False)
    except Exception as error:  # sparse and quantised tensors, and others that are no plain numbers
        raise InputError(
            f"the weights in {file} cannot be copied into {name}; save the state_dict() of plain, dense tensors."
        ) from error


def _without_wrappers(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Take off what was put inside names, and the one prefix that makes all the network's names appear."""
    needed = [key for key in own if not key.endswith(_COUNTERS)]
    for inside in _INSIDE:
        if not any(inside in key for key in own):
            state = {key.replace(inside, ""): value for key, value in state.items()}
    if not needed or all(key in state for key in needed):
        return state
    prefixes = {key.removesuffix(needed[0]) for key in state if key.endswith(f".{needed[0]}")}
    # The shortest that fits, so that a wrapper's own copies of the network, further in, are not taken for it.
    for prefix in sorted(prefixes, key=lambda each: (len(each), each)):
        if all(prefix + key in state for key in needed):
            return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return state
