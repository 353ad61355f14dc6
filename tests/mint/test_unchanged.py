"""Whatever is done to a network that was lent out is noticed, named and undone."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from unittest import mock

import pytest
import torch
from examples import SmallCNN, smooth_images
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import mint.unchanged as lending
from mint.contract import InputError, fingerprint, unchanged
from mint.unchanged import copies_of


def train(model: SmallCNN) -> None:
    model.train()


def run_in_training_mode(model: SmallCNN) -> None:
    model.train()(smooth_images(2))
    model.eval()


def write_to_data(model: SmallCNN) -> None:
    model.head.weight.data[0, 0] += 1e-6


def replace_a_parameter(model: SmallCNN) -> None:
    model.head.weight = nn.Parameter(torch.zeros(5, 16))


def leave_a_hook(model: SmallCNN) -> None:
    model.trunk[1].register_forward_hook(lambda _module, _inputs, output: output * 0)


def leave_a_hook_on_a_parameter(model: SmallCNN) -> None:
    model.head.weight.register_hook(lambda gradient: gradient * 0)


def replace_a_module(model: SmallCNN) -> None:
    model.trunk[2] = nn.ELU()


def add_a_module(model: SmallCNN) -> None:
    model.extra = nn.Dropout()


def replace_a_forward(model: SmallCNN) -> None:
    model.head.forward = lambda features: features[:, :5]


def parametrize(model: SmallCNN) -> None:
    nn.utils.parametrizations.weight_norm(model.head)


def leave_a_gradient(model: SmallCNN) -> None:
    model(smooth_images(1)).sum().backward()


def cast(model: SmallCNN) -> None:
    model.double()


def freeze(model: SmallCNN) -> None:
    model.stem.requires_grad_(False)


def fill_with_nan(model: SmallCNN) -> None:
    model.stem[1].running_mean.fill_(float("nan"))


CHANGES: dict[str, tuple[Callable[[SmallCNN], None], str]] = {
    "mode": (train, "the training mode (the network itself, stem, stem.0, and 10 more)"),
    "statistics": (run_in_training_mode, "the parameters or buffers (stem.1.running_mean, stem.1.running_var, stem.1."),
    "data": (write_to_data, "the parameters or buffers (head.weight)"),
    "parameter": (replace_a_parameter, "the modules (head); the parameters or buffers (head.weight)"),
    "hook": (leave_a_hook, "the hooks (trunk.1)"),
    "hook on a parameter": (leave_a_hook_on_a_parameter, "the hooks (head.weight)"),
    "module": (replace_a_module, "the modules (trunk.2, trunk)"),
    "one module more": (add_a_module, "the modules (extra, the network itself)"),
    "forward": (replace_a_forward, "the modules (head)"),
    "parametrization": (parametrize, "the modules (head.parametrizations, "),
    "gradient": (leave_a_gradient, "the gradients (stem.0.weight, stem.0.bias, stem.1.weight, and 7 more)"),
    "dtype": (cast, "the parameters or buffers (stem.0.weight, stem.0.bias, stem.1.weight, and 9 more)"),
    "flag": (freeze, "requires_grad (stem.0.weight, stem.0.bias, stem.1.weight, and 1 more)"),
    "nan": (fill_with_nan, "the parameters or buffers (stem.1.running_mean)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_and_undone(change: str, small_cnn: SmallCNN, images: Tensor) -> None:
    small_cnn.head.bias.register_hook(lambda gradient: gradient)  # of the owner's: it stays
    expected = small_cnn(images)
    disturb, sentence = CHANGES[change]
    with pytest.raises(InputError) as caught, unchanged(small_cnn, "the method mine"):
        disturb(small_cnn)
    assert str(caught.value).startswith("the method mine changed the network and did not put it back: ")
    assert sentence in str(caught.value)
    assert not any(module.training for module in small_cnn.modules())
    assert torch.equal(small_cnn(images), expected)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in small_cnn.parameters())
    assert len(small_cnn.head.bias._backward_hooks or {}) == 1
    assert not small_cnn.head.weight._backward_hooks
    assert small_cnn.state_dict().keys() == SmallCNN().state_dict().keys()
    small_cnn(images).sum().backward()  # and it can be trained on


def test_an_error_goes_on_and_the_network_is_put_back(small_cnn: SmallCNN, images: Tensor) -> None:
    expected = small_cnn(images)

    def disturb() -> None:
        with unchanged(small_cnn, "mine"):
            write_to_data(small_cnn)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        disturb()
    assert torch.equal(small_cnn(images), expected)


def test_gradients_that_were_there_are_put_back(small_cnn: SmallCNN, images: Tensor) -> None:
    leave_a_gradient(small_cnn)
    gradient = small_cnn.head.weight.grad
    assert gradient is not None
    before = gradient.clone()
    noted = fingerprint(small_cnn)
    assert noted.changes() == []
    leave_a_gradient(small_cnn)
    assert noted.restore() == ["the gradients (stem.0.weight, stem.0.bias, stem.1.weight, and 7 more)"]
    assert small_cnn.head.weight.grad is gradient
    assert torch.equal(gradient, before)


def test_what_is_put_back_in_time_is_no_change(small_cnn: SmallCNN) -> None:
    copies = copies_of(small_cnn)
    kept = deepcopy(small_cnn.state_dict())
    with unchanged(small_cnn, "mine", copies):
        handle = small_cnn.stem.register_forward_hook(lambda *_: None)
        write_to_data(small_cnn.train())
        handle.remove()
        small_cnn.eval().load_state_dict(kept)


def test_a_network_may_make_a_buffer_anew() -> None:
    class Grid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("grid", torch.arange(3.0))

        def forward(self, images: Tensor) -> Tensor:
            self.grid = torch.arange(3.0)
            return images.mean(dim=(2, 3)) * self.grid

    network = Grid()
    with unchanged(network, "mine"):
        network(torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    "buffer",
    [
        torch.ones(1).expand(4),
        torch.arange(8.0)[::2],
        torch.eye(4)[:, 1],
        torch.frombuffer(bytearray(64), dtype=torch.float32, count=5, offset=4)[1:],
        torch.frombuffer(bytearray(64), dtype=torch.complex128, count=2, offset=4),
    ],
    ids=["expanded", "step", "column", "offset", "unaligned"],
)
def test_buffers_that_lie_scattered_in_memory_are_compared(small_cnn: SmallCNN, buffer: Tensor) -> None:
    small_cnn.register_buffer("scattered", buffer)
    with unchanged(small_cnn, "mine"):
        pass
    with pytest.raises(InputError, match=r"buffers \(scattered\)"), unchanged(small_cnn, "mine"):
        small_cnn.scattered = buffer + 1


def test_half_precision_and_complex_numbers_are_compared(small_cnn: SmallCNN) -> None:
    small_cnn.half().register_buffer("phases", torch.ones(2, dtype=torch.complex128))
    with unchanged(small_cnn, "mine"):
        pass
    with pytest.raises(InputError, match=r"buffers \(phases\)"), unchanged(small_cnn, "mine"):
        small_cnn.phases[0] = 1j
    assert torch.equal(small_cnn.phases, torch.ones(2, dtype=torch.complex128))


def test_hooks_of_all_modules_and_the_default_dtype_are_put_back() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    images = torch.ones(1, 3, 4, 4)
    before = model(images)

    def careless() -> None:
        nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 0)
        torch.set_default_dtype(torch.float64)

    expected = r"hooks \(those of all modules\).*default dtype \(torch.float64\)"
    with pytest.raises(InputError, match=expected), unchanged(model, "the method mine"):
        careless()
    assert torch.equal(model(images), before)
    assert torch.get_default_dtype() == torch.float32


DTYPES = (torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64)
SHAPES = ((), (0,), (3,), (2, 3, 4, 5), (2, 4, 3, 3))
FORMATS = (torch.contiguous_format, torch.channels_last)
PAIRS = st.tuples(st.sampled_from(SHAPES), st.sampled_from(DTYPES), *[st.sampled_from(FORMATS)] * 2, st.booleans())


@given(st.lists(PAIRS, max_size=8))
def test_what_differs_is_found_on_the_host_and_on_a_device(drawn: list[tuple[Any, ...]]) -> None:
    pairs, expected = {}, set()
    for number, (shape, dtype, memory, other_memory, differs) in enumerate(drawn):
        one = (torch.arange(math.prod(shape)) % 2).to(dtype)
        if dtype.is_floating_point:
            one[:1] = math.nan  # equal to itself here
        other = one.clone()
        if differs and len(shape):
            other[-1:] = not one[-1:].eq(1).any()
            expected |= {str(number)} if other.numel() else set()
        formats = (memory, other_memory) if len(shape) == 4 else FORMATS[:1] * 2
        both = (each.view(shape).contiguous(memory_format=way) for each, way in zip((one, other), formats, strict=True))
        pairs[str(number)] = tuple(both)
    lines = {name: lending._lines(*pair) for name, pair in pairs.items()}
    with mock.patch.object(lending, "_SMALL", 8):
        assert set(lending._different_on_device(lines)) == expected
    assert set(lending._different(pairs)) == expected
