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


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_wrappers_are_taken_off(tmp_path: Path, wrapper: str) -> None:
    trained = nn.Linear(2, 2)
    assert_equal(fitted(nn.Linear(2, 2), {"epoch": 3, wrapper: trained.state_dict()}, tmp_path), trained)


@pytest.mark.parametrize(
    "content",
    [{0: torch.zeros(1)}, OrderedDict({("a", 1): torch.zeros(1)}), {"a": 1}, torch.zeros(1)],
    ids=["numbers as names", "tuples as names", "numbers as tensors", "a tensor"],
)
def test_what_is_no_state_dict_is_refused_in_a_sentence(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match="holds no state dict"):
        fitted(nn.Linear(2, 2), content, tmp_path)
