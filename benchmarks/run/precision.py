"""The precision in which networks compute; it is part of every key."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mint.scores import read_answer

Precision = Literal["float32", "tf32", "bfloat16"]
"""IEEE's single precision; the same with a GPU's shorter products (TensorFloat-32); convolutions and products in
bfloat16 (torch's autocast), tf32 for the rest."""


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Set how a GPU multiplies float32 numbers; torch's own choice is set again at the end.

    Torch's default is tf32 in convolutions alone.
    """
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee" if precision == "float32" else "tf32"
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def lower(module: nn.Module, precision: Precision) -> None:
    """Let a network compute in bfloat16, and answer in float32 as before, if that is the precision."""
    if precision == "bfloat16":
        # A bound method: a copy of the module gets one of its own.
        module.forward = MethodType(_in_bfloat16, module)


def _in_bfloat16(module: nn.Module, images: Tensor) -> Tensor:
    forward: Any = type(module).forward
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = read_answer(forward(module, images), len(images))
    return logits.float()
