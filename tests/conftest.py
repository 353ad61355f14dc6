import os
from collections.abc import Iterator
from typing import TextIO

import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor

# Two libraries' thread pools on two cores slow each other down; tests are small.
torch.set_num_threads(1)


@pytest.fixture
def small_cnn() -> SmallCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallCNN()
        # Running statistics of a network that has seen something, so that evaluation and training mode differ.
        network.train()(smooth_images(8, seed=1))
    return network.eval()


@pytest.fixture
def images() -> Tensor:
    return smooth_images(3)


@pytest.fixture
def targets() -> Tensor:
    return torch.tensor([0, 3, 4])


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """Give a pipe that nobody reads any more, as standard output is one before ``| head``."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        yield pipe
