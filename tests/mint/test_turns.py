"""Threads that explain one network, or networks that share something, wait for each other."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from mint import MINT, InputError
from mint.turns import _HOLDER, turn

PATIENCE = 10  # seconds that nothing here takes


def sharing_a_weight(network: SmallCNN) -> nn.Module:
    other = SmallCNN()
    other.head.weight = network.head.weight
    return other


WRAPPERS: dict[str, Callable[[SmallCNN], object]] = {
    "itself": lambda network: network,
    "DataParallel": nn.DataParallel,
    "Sequential": lambda network: nn.Sequential(nn.Identity(), network),
    "a part": lambda network: network.trunk,
    "a weight": sharing_a_weight,
    "scripted": torch.jit.script,
    "a bound method": lambda network: network.forward,
}


def waits(one: object, other: object) -> bool:
    """Tell whether a second thread waits for ``other`` while this one holds ``one``."""
    entered = threading.Event()

    def enter() -> None:
        with turn(other):
            entered.set()

    thread = threading.Thread(target=enter)
    with turn(one):
        thread.start()
        waited = not entered.wait(0.2)
    thread.join(PATIENCE)
    assert entered.is_set()
    return waited


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_shares_a_part_waits(wrapper: str, small_cnn: SmallCNN) -> None:
    other = WRAPPERS[wrapper](small_cnn)
    assert waits(small_cnn, other)
    assert waits(other, small_cnn)
    assert not _HOLDER


def test_what_shares_nothing_does_not_wait(small_cnn: SmallCNN) -> None:
    assert not waits(small_cnn, SmallCNN())
    assert not waits(lambda images: images, lambda images: images)


def test_a_thread_enters_again_and_leaves_in_turn(small_cnn: SmallCNN) -> None:
    with turn(small_cnn):
        with turn(small_cnn.trunk), turn(nn.Sequential(small_cnn)):
            pass
        assert waits_elsewhere(small_cnn)
    assert not _HOLDER


def waits_elsewhere(network: nn.Module) -> bool:
    """Tell whether another thread would wait for a network that this one holds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: any(id(part) in _HOLDER for part in network.modules())).result(PATIENCE)


def test_an_error_gives_the_network_back(small_cnn: SmallCNN) -> None:
    with pytest.raises(ZeroDivisionError), turn(small_cnn):
        raise ZeroDivisionError
    assert not _HOLDER


def test_threads_in_a_circle_are_refused_and_not_left_waiting() -> None:
    count = 3
    networks, ready = [SmallCNN() for _ in range(count)], threading.Barrier(count)

    def nest(i: int) -> str:
        try:
            with turn(networks[i]):
                ready.wait(PATIENCE)
                with turn(networks[(i + 1) % count]):
                    return "both"
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(count) as pool:
        found = sorted(pool.map(nest, range(count), timeout=PATIENCE))
    assert found[:2] == ["both", "both"]
    assert found[2].startswith("two threads each explain a network")
    assert not _HOLDER


@pytest.mark.parametrize("training", [False, True])
def test_eight_threads_with_two_wrappers_find_the_right_maps(training: bool, small_cnn: SmallCNN) -> None:
    method, pictures, targets = MINT(samples=20), smooth_images(8, seed=3), torch.arange(8) % 5
    wrappers = nn.Sequential(small_cnn).train(training), nn.ModuleList([small_cnn]).train(training)
    wrappers[1].forward = lambda images: small_cnn(images)  # type: ignore[method-assign]

    def explain(i: int, network: nn.Module) -> Tensor:
        return method(network, pictures[i : i + 1], targets[i : i + 1])

    buffers = {name: value.clone() for name, value in small_cnn.state_dict().items()}
    expected = [explain(i, wrappers[0]) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: explain(i % 8, wrappers[i % 2]), range(24)))
    assert all(torch.equal(map_, expected[i % 8]) for i, map_ in enumerate(found))
    assert all(module.training == training for module in small_cnn.modules())
    assert all(torch.equal(value, small_cnn.state_dict()[name]) for name, value in buffers.items())
