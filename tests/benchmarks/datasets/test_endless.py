import numpy as np

from benchmarks.datasets import DataOptions
from benchmarks.datasets.scenes.endless import CASES, endless_scenes
from benchmarks.networks.network import load_network


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


def test_all_classes_occur() -> None:
    cases = endless_scenes(load_network("scenes-resnet"), DataOptions())
    assert len({case.target for case in cases[:120]}) == 12
