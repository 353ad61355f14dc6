"""``pytest benchmarks/`` records what every method costs on the embedded networks, with pytest-benchmark.

Few samples and few rounds: these numbers show a slip in speed, not the methods' standing. The tables' timings come
from :mod:`benchmarks.run.timing` through ``python -m benchmarks run``. The engines are measured beside bare forward
passes, too, and the summary at the end compares these ratios with those kept for the same machine.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import SMALL_NETWORKS
from benchmarks.plans.methods import ABSENT, BUDGETED
from benchmarks.registry import METHOD, find, registered
from benchmarks.results.provenance import device_name
from benchmarks.run.binding import bind
from benchmarks.run.plan import Options
from benchmarks.studies.speed.ratios import machine_of, measure
from mint.contract import Attributor, attribute
from mint.partitions import forget_cuts

SAMPLES = 50  # of the methods that perturb


@cache
def network_and_case(name: str, device: str) -> tuple[Network, Case]:
    network = load_network(name, device=device)
    return network, DATASETS["scenes"](network, DataOptions())[0]


def quick(name: str) -> Attributor:
    """Make a method with a small number of forward passes; skip one whose package is not installed."""
    if name in ABSENT:
        pytest.skip(ABSENT[name])
    if name in BUDGETED:
        return BUDGETED[name](SAMPLES, 2.0)
    attributor: Attributor = find(METHOD, name)
    return attributor


@pytest.mark.parametrize("method", registered(METHOD))
@pytest.mark.parametrize("network", SMALL_NETWORKS)
def test_cost_of_one_explanation(benchmark: Any, network: str, method: str, options: Options) -> None:
    loaded, case = network_and_case(network, options.device)
    attributor = bind(quick(method), loaded)
    image = loaded.tensor(case.image).unsqueeze(0)
    target = torch.tensor([case.target], device=loaded.device)

    def explain() -> Tensor:
        forget_cuts()
        maps = attribute(attributor, loaded.module, image, target)
        if loaded.device.type == "cuda":
            torch.cuda.synchronize()  # pytest-benchmark's clock is the host's
        return maps

    benchmark.group = network
    benchmark.extra_info |= {
        "device": device_name(loaded.device),
        "torch": torch.__version__,
        "method": repr(attributor),
        "case": case.key,
    }
    maps = benchmark.pedantic(explain, rounds=3, warmup_rounds=1)
    assert maps.shape == (1, *case.image.shape[:2])


def test_engines_beside_bare_forward_passes(ratios: dict[str, dict[str, float]], options: Options) -> None:
    network, _ = network_and_case("scenes-resnet", options.device)
    found = measure(network)
    ratios[machine_of(network.device)] = found
    assert all(ratio > 0 for ratio in found.values())
