"""Lending a network out with random weights, for the sanity checks of J. Adebayo et al., NeurIPS 2018.

Each weight is drawn from the normal distribution that has the mean and the standard deviation of the trained tensor
in its place. The running statistics are kept. So the layers keep their scales: the random network still answers
different pictures differently, and its probabilities are not all zeros and ones. Two other ways were tried on the
networks of this suite. With torch's own initial weights, EfficientNet-Lite0 answers all pictures alike up to 1e-9. With
He's, ResNet-50 answers every picture with probability 1. In both cases every method would explain a constant.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mint.contract import InputError


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of the modules with parameters of their own, in the order of their definition."""
    return [name for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]


@contextmanager
def randomised(model: nn.Module, seed: int = 0, layers: Collection[str] | None = None) -> Iterator[None]:
    """Lend a network out with random weights; hand parameters and buffers back bit for bit, also after an error.

    Every tensor is drawn on the CPU by a generator of its own, seeded by ``seed`` and the tensor's name. So its values
    depend neither on the device nor on which other layers are randomised.

    Parameters
    ----------
    model : nn.Module
        Any network.
    seed : int
        Another seed gives other weights.
    layers : collection of str, optional
        The names of the modules whose own parameters are randomised, as `layer_names` gives them; None: all.

    Raises
    ------
    InputError
        If a layer has no parameters of its own, or does not exist.
    """
    names = layer_names(model)
    chosen = set(names if layers is None else layers)
    if not chosen <= set(names):
        unknown = ", ".join(sorted(chosen - set(names)))
        raise InputError(f"{unknown}: no layer with parameters has this name; choose from {', '.join(names)}.")
    kept = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]
    try:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.rpartition(".")[0] in chosen:
                    parameter.copy_(_draw(name, parameter, seed))
        yield
    finally:
        with torch.no_grad():
            for tensor, original in kept:
                tensor.copy_(original)


def _draw(name: str, trained: Tensor, seed: int) -> Tensor:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    values = trained.detach().double().cpu()
    noise = torch.randn(trained.shape, generator=generator, dtype=torch.float64)
    return (values.mean() + values.std(correction=0) * noise).to(trained)
