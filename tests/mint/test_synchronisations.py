"""How often a method waits for the device: counted on a CPU, where no device is at hand."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from examples import SmallCNN
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from baselines.occlusion import EngineOcclusion
from mint import MINT, OverlayMINT, ahead
from mint.contract import Attributor, explaining
from mint.perturbation import masked_scores

WAITS = {"item", "tolist", "cpu", "numpy", "nonzero", "unique", "__bool__", "__float__", "__int__"}


class Counting(TorchFunctionMode):
    """Count the calls that make the host wait for a device.

    A CPU stands for the device: a tensor made there (``device=...``, ``.to(device)``) or from a tensor that is there is
    marked, until ``.cpu()`` gives one without a mark.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        leaves = tree_leaves((args, kwargs))
        marked = any(hasattr(each, "marked") for each in leaves if isinstance(each, Tensor))
        placed = name != "__get__" and any(isinstance(each, torch.device) for each in leaves)
        to_host = name == "cpu" or (name == "to" and "cpu" in (each for each in leaves if isinstance(each, str)))
        by_mask = name == "__getitem__" and isinstance(args[1], Tensor) and args[1].dtype == torch.bool
        if marked and (name in WAITS or to_host or by_mask):
            self.calls["cpu" if to_host else name] += 1
        result = func(*args, **kwargs)
        if name in ("to", "cpu"):  # on a CPU it gives the tensor itself
            result = result.view_as(result)
        if to_host:
            return result
        if name == "__iter__":
            result = list(result)
        if marked or placed:
            for each in tree_leaves(result):
                if isinstance(each, Tensor):
                    each.marked = True  # type: ignore[attr-defined]
        return iter(result) if name == "__iter__" else result


def counted(run: Callable[[], object]) -> Counter[str]:
    with Counting() as counting:
        run()
    return counting.calls


def each_picture(method: Attributor, network: SmallCNN, images: Tensor) -> dict[str, int]:
    """Count the calls that each further picture adds."""

    def calls(count: int) -> Counter[str]:
        batch = images[:1].repeat(count, 1, 1, 1)
        targets = torch.zeros(count, dtype=torch.int64)
        for each in (batch, targets):
            each.marked = True  # type: ignore[attr-defined]
        return counted(lambda: method(network, batch, targets))

    one, three = calls(1), calls(3)
    return {name: (three[name] - one[name]) // 2 for name in three if three[name] > one[name]}


@pytest.mark.parametrize(
    ("method", "most"),
    [
        (MINT(samples=40, layers=("stem", "trunk")), {"__bool__": 1, "cpu": 3}),
        (OverlayMINT(samples=40, deep_layer="trunk", slic_segments=(6, 9)), {"__bool__": 1, "cpu": 2}),
        (EngineOcclusion(), {"cpu": 1}),
    ],
    ids=lambda value: type(value).__name__ if callable(value) else "",
)
def test_a_picture_makes_the_host_wait_at_most_so_often(
    method: Attributor,
    most: dict[str, int],
    small_cnn: SmallCNN,
    images: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A mode of torch's sees its own thread alone.
    monkeypatch.setattr(ahead, "has_spare_core", lambda _device: False)
    found = each_picture(method, small_cnn, images)
    assert found.get("cpu", 0) >= 1  # the count counts
    assert all(count <= most.get(name, 0) for name, count in found.items()), found


def test_the_engine_waits_once_however_many_batches_there_are(small_cnn: SmallCNN, images: Tensor) -> None:
    labels = torch.arange(images[0, 0].numel()).view_as(images[0, 0]) % 7
    image = images[0]
    image.marked = True  # type: ignore[attr-defined]
    states = torch.rand(50, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    for size in (50, 5):
        calls = counted(
            lambda size=size: masked_scores(
                small_cnn.eval(), image, torch.zeros(()), labels, states, [0, 1], batch_size=size
            )
        )
        assert calls == {"cpu": 1}  # the answers, and whether they are probabilities already


def test_the_guards_around_a_call_wait_once(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    for each in (images, targets):
        each.marked = True  # type: ignore[attr-defined]

    def call() -> None:
        with explaining(small_cnn, images, targets):
            pass

    assert counted(call) == {"tolist": 1}
