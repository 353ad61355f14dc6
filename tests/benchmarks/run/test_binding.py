from dataclasses import dataclass

import pytest
from torch import Tensor, nn

import baselines
from benchmarks.networks.network import Network, load_network
from benchmarks.run.binding import bind
from mint import MINT


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("scenes-resnet")


@dataclass(frozen=True)
class Layered:
    layers: tuple[str, str] | None = None
    deep_layer: str | None = None
    batch_size: int | None = None
    seed: int = 0

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0]


def test_binding_fills_what_is_none_and_keeps_what_is_set(network: Network) -> None:
    assert bind(Layered(), network) == Layered(("relu", "layer4"), "layer4")
    bound = bind(Layered(deep_layer="layer3"), network, batch_size=8, seed=5)
    assert bound == Layered(("relu", "layer4"), "layer3", batch_size=8, seed=5)
    assert bind(Layered(batch_size=2), network, batch_size=8).batch_size == 2  # type: ignore[attr-defined]
    assert bind(baselines.Centre(), network, batch_size=8, seed=5) == baselines.Centre()


def test_the_layers_of_our_methods_are_filled(network: Network) -> None:
    assert bind(baselines.GradCAM(), network) == baselines.GradCAM(deep_layer="layer4")
    assert "'layer4'" in repr(bind(MINT(), network))


def test_binding_leaves_a_function_alone(network: Network) -> None:
    def method(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0]

    assert bind(method, network, batch_size=8) is method


def test_a_network_without_two_layers_leaves_them_open() -> None:
    assert bind(Layered(), Network("flat", nn.Flatten())) == Layered()
