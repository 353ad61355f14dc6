import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import baselines
from benchmarks.metrics import Deletion, Pointing
from benchmarks.networks.network import load_network
from benchmarks.registry import METHOD, NETWORK, find
from benchmarks.results.provenance import ROOT
from benchmarks.run import identity
from benchmarks.run.identity import method_identity, network_identity
from mint import MINT, Display, InputError
from mint.contract import Attributor


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose class stands on one helper, and not on two others."""
    folder = tmp_path / "their_method"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "used.py").write_text("from . import deeper\n")
    (folder / "parts" / "deeper.py").write_text("FACTOR = 1\n")
    (folder / "parts" / "unused.py").write_text("FACTOR = 1\n")
    (folder / "only_for_types.py").write_text("FACTOR = 1\n")
    (folder / "method.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from their_method.only_for_types import FACTOR\n"
        "class Method:\n"
        "    def __call__(self, model, images, targets):\n"
        "        from .parts import used\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    identity._files_behind.cache_clear()
    yield folder
    identity._files_behind.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_method"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("method.py", True),
        ("parts/used.py", True),
        ("parts/deeper.py", True),
        ("parts/unused.py", False),
        ("only_for_types.py", False),
    ],
)
def test_a_classs_code_is_what_it_imports_followed_through(package: Path, file: str, matters: bool) -> None:
    from their_method.method import Method  # type: ignore[import-not-found]

    before = identity.code_digest(Method())
    assert identity.code_digest(Method()) == before
    with (package / file).open("a") as stream:
        stream.write("# another version\n")
    assert (identity.code_digest(Method()) != before) == matters


@pytest.mark.parametrize(
    "head",
    [
        b"try:\n    from .helper import FACTOR\nexcept ImportError:\n    FACTOR = 1\n",
        b"try:\n    from their_method.broken import kernels\nexcept RuntimeError:\n    kernels = None\n",
        b"# -*- coding: latin-1 -*-\n# caf\xe9\n",
        b"\xef\xbb\xbf",
    ],
    ids=["relative import", "package that raises", "another encoding", "byte order mark"],
)
def test_whatever_python_can_import_has_a_digest(package: Path, tmp_path: Path, head: bytes) -> None:
    (package / "broken").mkdir()
    (package / "broken" / "__init__.py").write_text("raise RuntimeError('there is no GPU')\n")
    body = b"class Method:\n    def __call__(self, model, images, targets):\n        return images.mean(1)\n"
    (tmp_path / "mine.py").write_bytes(head + body)
    (package / "other.py").write_bytes(head + body)
    for name in (f"{tmp_path / 'mine.py'}:Method", "their_method.other:Method"):
        assert len(identity.code_digest(find(METHOD, name))) == 64


def files_behind(instance: object) -> set[str]:
    files = identity._files_behind(type(instance).__module__)
    return {str(file.relative_to(ROOT)) for file in files}


def test_methods_and_metrics_of_ours_stand_on_the_files_one_expects() -> None:
    assert {"mint/method.py", "mint/surrogate.py", "mint/superpixels.py"} <= files_behind(MINT())
    lime = files_behind(baselines.LIME())
    assert {"baselines/lime.py", "mint/superpixels.py", "mint/perturbation.py"} <= lime
    assert "mint/surrogate.py" not in files_behind(baselines.GradCAM())
    assert {"benchmarks/metrics/removal/curve.py", "mint/perturbation.py"} <= files_behind(Deletion())
    assert "mint/method.py" not in files_behind(Pointing())


def test_code_that_cannot_be_found_is_refused() -> None:
    with pytest.raises(InputError, match=r"the source of .* cannot be found"):
        identity.code_digest(functools.partial(print))


class Signed:
    """A method whose parameter is in no ``__dict__``."""

    __slots__ = ("sign",)

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return self.sign * images.mean(dim=1)


def made(sign: float) -> Attributor:
    def method(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return sign * images.mean(dim=1)

    return method


@torch.no_grad()
def decorated(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.mean(dim=1)


@pytest.mark.parametrize("method", [made(1), lambda model, images, targets: images, Signed(1), Signed(1).__call__])
def test_a_method_that_looks_like_another_is_refused(method: Attributor) -> None:
    with pytest.raises(InputError, match="cannot be told from others; use a function that is defined by its name"):
        method_identity(method)


def test_a_function_is_known_by_its_name_also_if_it_is_decorated() -> None:
    assert method_identity(decorated)["class"] == "decorated"
    assert method_identity(decorated)["parameters"] == {}


def test_the_batch_size_is_not_part_of_an_identity_but_every_other_parameter_is() -> None:
    plain = method_identity(MINT())
    assert method_identity(MINT(batch_size=7)) == plain
    for other in (MINT(samples=10), MINT(seed=1), MINT(shown=Display(scale="coarse")), MINT(layers=("relu", "layer3"))):
        assert method_identity(other) != plain
    assert method_identity(baselines.Random()) != method_identity(baselines.Centre())


@dataclass(frozen=True)
class Holds:
    value: object

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images[:, 0]


@pytest.mark.parametrize("value", [object(), np.arange(5000), lambda: 0])
def test_a_parameter_that_prints_alike_for_different_values_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="Holds's parameter value prints as"):
        method_identity(Holds(value))


class Learned:
    """A method with weights of its own."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.nets = [nn.Linear(2, 2), nn.BatchNorm1d(2).double()]

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images.mean(dim=1)


def test_learned_weights_are_part_of_what_a_method_is() -> None:
    one, same, other = (method_identity(Learned(seed)) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_a_network_of_a_user_s_is_told_by_its_code_and_its_state(tmp_path: Path) -> None:
    text = (
        "import torch\nfrom torch import nn\nfrom mint.app.classifiers import Classifier\n"
        "def net():\n"
        "    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    module[0].weight.data.fill_(1.0)\n    module[0].bias.data.zero_()\n"
        "    return Classifier(module, classes=('a', 'b'))\n"
    )
    found = []
    for changed in (text, text, text.replace("fill_(1.0)", "fill_(2.0)"), text + "# another version\n"):
        file = tmp_path / f"net{len(found)}.py"
        file.write_text(changed)
        network = load_network(f"{file}:net")
        found.append(network_identity(network, find(NETWORK, f"{file}:net")))
    one, same, weights, code = found
    assert one == same
    assert one["weights_sha256"] != weights["weights_sha256"]
    assert one["weights_sha256"] == code["weights_sha256"]
    assert one["code"] != code["code"]


def test_a_network_of_ours_is_told_by_its_file_of_weights() -> None:
    about = network_identity(load_network("scenes-vgg"), find(NETWORK, "scenes-vgg"))
    assert "code" not in about
    assert (about["input_size"], about["mean"], about["std"]) == (112, [0.5] * 3, [0.25] * 3)
