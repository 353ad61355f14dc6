from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mint.app.weights import fit_state, read_state
from mint.contract import InputError


class Wrapping(nn.Module):
    """A network that has a submodule called as DataParallel calls the network."""

    def __init__(self, head: bool) -> None:
        super().__init__()
        self.module = nn.Linear(2, 2)
        if head:
            self.head = nn.Linear(2, 2)


def fitted(module: nn.Module, content: Any, folder: Path) -> nn.Module:
    file = folder / "weights.pth"
    torch.save(content, file)
    fit_state(module, read_state(file, "mine"), "mine", file)
    return module


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


NETWORKS = [lambda: nn.Sequential(nn.Linear(2, 2)), lambda: Wrapping(head=False), lambda: Wrapping(head=True)]


@pytest.mark.parametrize("build", NETWORKS, ids=["no module", "only a module", "a module among others"])
@pytest.mark.parametrize("parallel", [False, True])
def test_only_data_parallels_prefix_is_taken_off(tmp_path: Path, build: Any, parallel: bool) -> None:
    trained = build()
    state = (nn.DataParallel(trained) if parallel else trained).state_dict()
    assert_equal(fitted(build(), state, tmp_path), trained)


def test_a_prefix_of_some_names_stays(tmp_path: Path) -> None:
    state = {"module.weight": torch.zeros(2, 2), "bias": torch.zeros(2)}
    with pytest.raises(InputError, match=r"missing: 1 \(weight\); unknown: 1 \(module\.weight\)"):
        fitted(nn.Linear(2, 2), state, tmp_path)


@pytest.mark.parametrize(
    "content",
    [{0: torch.zeros(1)}, OrderedDict({("a", 1): torch.zeros(1)}), {"a": 1}, torch.zeros(1), [1, 2, 3]],
    ids=["numbers as names", "tuples as names", "numbers as tensors", "a tensor", "a list"],
)
def test_what_is_no_state_dict_is_refused_in_a_sentence(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match="holds no state dict"):
        fitted(nn.Linear(2, 2), content, tmp_path)


def small() -> nn.Module:
    return nn.Sequential(OrderedDict(features=nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), head=nn.Linear(4, 2)))


def renamed(state: Any, rename: Any, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**{rename(key): value for key, value in state.items()}, **more}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: renamed(s, lambda key: f"_orig_mod.{key}"),
        lambda s: renamed(s, lambda key: f"module._orig_mod.{key}"),
        lambda s: renamed(s, lambda key: key.replace("features.", "features._orig_mod.")),
        lambda s: renamed(s, lambda key: f"_fsdp_wrapped_module.{key}"),
        lambda s: {"state_dict": renamed(s, lambda key: f"model.{key}", criterion=torch.ones(1)), "epoch": 1},
        lambda s: {"state_dict": {**renamed(s, "net.{}".format), **renamed(s, "ema.net.{}".format)}},
        lambda s: renamed(s, lambda key: f"module.{key}", n_averaged=torch.tensor(3)),
        lambda s: {"checkpoint": 1, "model": {"state_dict": s}},
        lambda s: {"model_state_dict": s, "epoch": 3},
        lambda s: {"model_state": s, "optimizer_state": {"lr": 0.1}},
        lambda s: {"model_ema": renamed(s, lambda key: key, **{}), "model": renamed(s, "module.{}".format)},
        lambda s: {"net": {key: value for key, value in s.items() if "tracked" not in key}, "acc": 93.1},
    ],
)
def test_what_frameworks_wrap_around_weights_is_seen_through(tmp_path: Path, wrap: Any) -> None:
    trained = small()
    found = fitted(small(), wrap(trained.state_dict()), tmp_path)
    assert_equal(trained, found)


def test_of_weights_and_their_average_the_weights_are_taken(tmp_path: Path) -> None:
    trained, average = small(), small()
    content = {"state_dict_ema": average.state_dict(), "state_dict": trained.state_dict()}
    assert_equal(trained, fitted(small(), content, tmp_path))


def test_a_file_that_would_run_code_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"torch.load\(FILE, weights_only=False\) and save"):
        fitted(small(), small(), tmp_path)


def test_a_head_of_another_size_says_how_to_name_the_classes(tmp_path: Path) -> None:
    other = {**small().state_dict(), "head.weight": torch.zeros(7, 4), "head.bias": torch.zeros(7)}
    with pytest.raises(InputError, match=r"head.weight is \(7, 4\) instead of \(2, 4\).*--classes FILE"):
        fitted(small(), other, tmp_path)
    with pytest.raises(InputError) as caught:
        fitted(small(), {**small().state_dict(), "features.0.weight": torch.zeros(9, 3)}, tmp_path)
    assert "--classes" not in str(caught.value)


def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path: Path) -> None:
    state = {**small().state_dict(), "head.bias": torch.ones(2).to_sparse()}
    with pytest.raises(InputError, match=r"cannot be copied into .*; save the state_dict"):
        fitted(small(), state, tmp_path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:'torch.load' received a zip file")
def test_an_archive_of_a_whole_network_is_named(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1)).eval()
    torch.jit.save(torch.jit.script(network), tmp_path / "net.pt")
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 4, 4),)), tmp_path / "net.pt2")
    for file, load in (
        ("net.pt", r"TorchScript .* torch\.jit\.load\(FILE\)\.state_dict\(\) by"),
        ("net.pt2", r"torch\.export .* torch\.export\.load\(FILE\)\.state_dict by"),
    ):
        with pytest.raises(InputError, match=f"is a {load}"):
            read_state(tmp_path / file, "mine")
