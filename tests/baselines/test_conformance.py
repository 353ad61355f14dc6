"""Every registered method meets the contract, and a table of methods stays a table of configurations."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from quick_methods import AT_A_LAYER, quick
from torch import Tensor, nn

from baselines import METHODS
from mint.contract import Attributor, InputError, attribute, attributor_checks

LAYER = "2"  # of the small network


def small_network() -> nn.Module:
    """A network with batch norm, dropout and in-place ReLUs: much that a careless method leaves changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(32, 5),
        )
    with torch.no_grad():
        list(model.parameters())[-2].mul_(20)  # answers that differ by far more than float32's rounding
    return model


def noise(*shape: int) -> Tensor:
    coarse = torch.randn(*shape[:-2], 6, 6, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(coarse, shape[-2:], mode="bilinear")


def clauses() -> Iterator[Any]:
    for name in METHODS:
        images, targets = noise(3, 3, 32, 28), torch.tensor([0, 4, 2])
        for clause, check in attributor_checks(quick(name, LAYER), small_network(), images, targets):
            yield pytest.param(check, id=f"{name} {clause}")


@pytest.mark.parametrize("check", list(clauses()))
def test_the_method_meets_the_contract(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", METHODS)
def test_frozen_weights_and_channels_last_change_nothing(name: str) -> None:
    images, targets = noise(2, 3, 32, 28), torch.tensor([3, 1])
    expected = attribute(quick(name, LAYER), small_network(), images, targets)
    frozen = small_network().eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = attribute(quick(name, LAYER), frozen, images.to(memory_format=torch.channels_last), targets)
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("name", [name for name in METHODS if hasattr(METHODS[name](), "batch_size")])
@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused(name: str, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"batch_size is a whole number, 1 or more, not {batch_size}"):
        replace(METHODS[name](), batch_size=batch_size)  # type: ignore[type-var]


@pytest.mark.parametrize("name", [name for name in METHODS if vars(METHODS[name]())])
def test_numbers_may_be_numpy_s(name: str) -> None:
    method: Any = quick(name, LAYER)
    chosen = {
        **vars(method),
        **{field: value for field, value in (("seed", 1), ("batch_size", 2)) if hasattr(method, field)},
    }
    numpys = {field: np.int64(value) for field, value in chosen.items() if isinstance(value, int)}
    numpys |= {field: np.float32(value) for field, value in chosen.items() if isinstance(value, float)}
    arguments = small_network(), noise(2, 3, 32, 28), torch.tensor([3, 1])
    expected = replace(method, **{field: value.item() for field, value in numpys.items()})(*arguments)
    torch.testing.assert_close(replace(method, **numpys)(*arguments), expected)


class Brighter(nn.Module):
    """Adds to a picture, in place or not, on behalf of a network that does this itself."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, images: Tensor) -> Tensor:
        return images.add_(0.25) if self.in_place else images + 0.25


@pytest.mark.parametrize("name", METHODS)
def test_a_network_may_write_on_its_input(name: str) -> None:
    images, targets = noise(2, 3, 32, 28), torch.tensor([3, 1])
    kept = images.clone()
    plain, writing = (nn.Sequential(Brighter(in_place), small_network()) for in_place in (False, True))
    expected = attribute(quick(name, f"1.{LAYER}"), plain, images, targets)
    found = attribute(quick(name, f"1.{LAYER}"), writing, images, targets)
    assert torch.equal(images, kept)
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_answers_with_nan_is_refused(name: str) -> None:
    model = small_network()
    with torch.no_grad():
        list(model.parameters())[-2].fill_(torch.nan)
    with pytest.raises(InputError, match="the network answered with NaN or infinite values"):
        quick(name, LAYER)(model, noise(2, 3, 32, 28), torch.tensor([3, 1]))


@pytest.mark.parametrize("name", METHODS)
def test_images_that_are_no_tensor_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"images must be a tensor of shape .*, not list"):
        quick(name, LAYER)(small_network(), [*noise(2, 3, 32, 28)], torch.tensor([3, 1]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", AT_A_LAYER)
def test_a_layer_is_named_by_a_text(name: str) -> None:
    with pytest.raises(InputError, match="deep_layer is the name of a module, or None, not 4"):
        quick(name, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_a_method_is_its_hyper_parameters(make: Callable[[], Attributor]) -> None:
    method: Any = make()
    assert make() == method
    assert repr(make()) == repr(method)
    for field in fields(method):
        with pytest.raises(AttributeError):
            setattr(method, field.name, None)
