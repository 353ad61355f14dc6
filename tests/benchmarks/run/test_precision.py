import copy
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from small_runs import scores, with_part
from torch import nn

from baselines import Occlusion
from benchmarks.__main__ import main
from benchmarks.networks.network import load_network
from benchmarks.run.loop import run
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Options
from benchmarks.run.precision import Precision, computing_in, lower
from benchmarks.run.store import Store
from mint import MINT
from mint.contract import InputError


def test_bfloat16_answers_in_float32_and_nearly_the_same() -> None:
    network = load_network("scenes-vgg")
    images = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = network.module(images)
        lower(network.module, "bfloat16")
        found = network.module(images)
    assert found.dtype == torch.float32
    difference = float((found - exact).abs().max() / exact.abs().max())
    assert 1e-5 < difference < 5e-2


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_other_precisions_leave_the_network_alone(precision: str) -> None:
    network = nn.Linear(2, 2)
    lower(network, precision)  # type: ignore[arg-type]
    assert "forward" not in vars(network)


def test_a_copy_answers_by_its_own_weights_and_a_memory_leaves_the_precision_behind() -> None:
    network = nn.Sequential(nn.Linear(4, 4))
    lower(network, "bfloat16")
    copied = copy.deepcopy(network)
    with torch.no_grad():
        copied[0].weight.zero_()
        copied[0].bias.zero_()
        assert not copied(torch.ones(1, 4)).any()
        with remembering(network, Memory()):
            pass
        assert network[0](torch.ones(1, 4)).dtype == torch.float32
    assert network.forward.__func__ is copied.forward.__func__


def test_a_gpu_s_products_are_set_and_set_back() -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    for precision, expected in (("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "tf32")):
        with computing_in(precision):  # type: ignore[arg-type]
            assert [backend.fp32_precision for backend in backends] == [expected] * 2
        assert [backend.fp32_precision for backend in backends] == before


@pytest.mark.parametrize("method", [MINT(samples=20), Occlusion(window=32, stride=32)])
def test_methods_explain_a_network_in_bfloat16(method: MINT | Occlusion) -> None:
    network = load_network("scenes-vgg")
    lower(network.module, "bfloat16")
    image = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    saliency = method(network.module, image, torch.tensor([0]))
    assert saliency.dtype == torch.float32
    assert torch.isfinite(saliency).all()


def test_the_precision_is_part_of_every_key(world: ModuleType, tmp_path: Path) -> None:
    plan, store = world.plan(tmp_path / "calls.log"), Store(tmp_path / "cells")
    run(plan, Options(), store)
    written = store.written
    results = run(plan, Options(precision="bfloat16"), store)
    assert store.written == 2 * written
    assert results.inputs[0]["precision"] == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("remembering", [False, True])
def test_a_network_may_answer_in_another_form(
    world: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, remembering: bool, precision: Precision
) -> None:
    class Named(nn.Sequential):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": super().forward(images)}

    plan, how = with_part(world.plan(tmp_path / "log"), remembering=remembering), Options(precision=precision)
    plain, build = run(plan, how, Store(tmp_path / "plain")), world.build
    monkeypatch.setattr(world, "build", lambda: Named(*build()))
    named = run(plan, how, Store(tmp_path / "named"))
    assert named.failures == []
    np.testing.assert_equal(scores(named), scores(plain))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match=r"float32.*tf32.*bfloat16.*float16"):
        Options(precision="float16")  # type: ignore[arg-type]


def test_the_command_says_and_keeps_what_it_computed_on(
    world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--plan", "fake", "--limit", "2", "--device", "auto", "--precision", "bfloat16"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "in bfloat16" in capsys.readouterr().out.splitlines()[0]
    (setting,) = json.loads((tmp_path / "out" / "provenance.json").read_text())["inputs"]["settings"]
    assert setting["precision"] == "bfloat16"
    assert setting["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
