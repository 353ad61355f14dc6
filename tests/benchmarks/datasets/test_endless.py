import numpy as np
import pytest

from benchmarks.datasets import DataOptions, check_dataset
from benchmarks.datasets.scenes.endless import CASES, endless_scenes
from benchmarks.networks.network import load_network
from mint.contract import InputError


def test_every_case_is_drawn_by_its_number() -> None:
    network = load_network("scenes-resnet")
    cases = endless_scenes(network, DataOptions())
    assert len(cases) == CASES
    last = cases[CASES - 1]
    assert last.key.startswith("endless-999999.")
    assert last.digest == cases[999_990:][9].digest
    assert last.region.any()
    assert network.classes[last.target] == last.target_name
    other = endless_scenes(network, DataOptions(seed=1))[CASES - 1]
    assert not np.array_equal(other.image, last.image)
    check_dataset(endless_scenes, network, limit=3)


def test_all_classes_occur() -> None:
    cases = endless_scenes(load_network("scenes-resnet"), DataOptions())
    assert len({case.target for case in cases[:120]}) == 12


def test_another_network_is_refused() -> None:
    with pytest.raises(InputError, match="choose from scenes-vgg, scenes-resnet"):
        endless_scenes(load_network("efficientnet-lite0"), DataOptions())
