"""The layers found by tracing, against those that people name, on every family of torchvision's classifiers."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from examples import SmallCNN
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401
from mint.contract import InputError
from mint.features import read_features
from mint.layers import NoGradientError, find_layers
from mint.method import MINT


def torchvision_network(name: str, **options: object) -> nn.Module:
    from torchvision.models import get_model

    # Both draw their weights by SciPy, slowly, unless told not to.
    options |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = get_model(name, weights=None, **options)
    return network.eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layers"),
    {
        "alexnet": ("features.1", "features.11"),
        "convnext_tiny": ("features.1", "features.7"),
        "densenet121": ("features.relu0", "features.norm5"),
        "efficientnet_b0": ("features.0", "features.8"),
        "googlenet": ("conv1", "inception5b"),
        "inception_v3": ("Conv2d_2b_3x3", "Mixed_7c"),
        "mnasnet1_0": ("layers.5", "layers.16"),
        "mobilenet_v2": ("features.0", "features.18"),
        "resnet18": ("relu", "layer4"),
        "resnet50": ("relu", "layer4"),
        "shufflenet_v2_x1_0": ("conv1", "conv5"),
        "squeezenet1_1": ("features.1", "features.12"),
        "vgg11_bn": ("features.2", "features.27"),
        "vgg16": ("features.3", "features.29"),
        "vgg19": ("features.3", "features.35"),
    }.items(),
)
def test_the_layers_are_those_that_people_name(name: str, layers: tuple[str, str]) -> None:
    # Structure alone decides: no weight is needed, nor an answer computed.
    with torch.device("meta"):
        assert find_layers(torchvision_network(name), torch.zeros(3, 224, 224)) == layers


SMALLEST = [
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
]


@pytest.mark.parametrize("name", SMALLEST)
def test_what_is_found_can_be_read(name: str) -> None:
    network, image = torchvision_network(name), noise(3, 96, 80)
    sizes: list[tuple[int, int]] = []
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, output: sizes.append(tuple(output.shape[2:])) if output.ndim == 4 else None
        )
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    shallow, deep = find_layers(network, image)
    for handle in handles:
        handle.remove()
    features = read_features(network, image, 7, deep, shallow)
    assert min(96 / features.shallow.shape[1], 80 / features.shallow.shape[2]) < 4.5
    # The smallest map that any convolution made, apart from single pixels (SqueezeNet pads its last convolution).
    assert tuple(features.deep.shape[1:]) == min(size for size in sizes if size != (1, 1))
    assert features.gradient.abs().max() > 0


def test_a_stage_of_one_pixel_is_not_the_deep_layer() -> None:
    assert find_layers(torchvision_network("resnet18"), noise(3, 32, 32)) == ("relu", "layer3")


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return F.relu(images + self.branch(images))


def sequence(**layers: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(**layers, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())).eval()


class Normalise(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5) / 0.25


@pytest.mark.parametrize(
    ("network", "layers"),
    [
        pytest.param(lambda: SmallCNN().eval(), ("stem", "trunk"), id="in-place ReLUs"),
        pytest.param(
            lambda: sequence(
                first=nn.Conv2d(3, 4, 3),
                second=Residual(4),
                down=nn.MaxPool2d(2),
                third=Residual(4),
                head=nn.Conv2d(4, 5, 1),
            ),
            ("second", "third"),
            id="branches and class scores left out",
        ),
        pytest.param(
            lambda: nn.Sequential(
                Normalise(),
                nn.Conv2d(3, 4, 3, stride=2),
                nn.ReLU(),
                nn.Conv2d(4, 8, 3, stride=2),
                nn.Dropout(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.LazyLinear(5),
            ).eval(),
            ("2", "3"),
            id="normalisation first, dropout and pooling last",
        ),
        pytest.param(
            lambda: sequence(a=nn.Conv2d(3, 4, 3), scores=nn.Conv2d(4, 5, 3, stride=2)),
            ("a", "scores"),
            id="neither activations nor parameters behind",
        ),
    ],
)
def test_small_networks(network: Callable[[], nn.Module], layers: tuple[str, str]) -> None:
    assert find_layers(network(), noise(3, 40, 48)) == layers


class Shared(nn.Module):
    """Calls one ReLU after each of its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU()
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.relu(self.two(self.relu(self.one(images)))).mean(dim=(2, 3)))


def test_a_module_that_runs_twice_is_not_named() -> None:
    assert find_layers(Shared().eval(), noise(3, 20, 20)) == ("one", "two")


def test_tracing_leaves_nothing_behind(small_cnn: SmallCNN, images: Tensor) -> None:
    before = images.clone()
    find_layers(small_cnn, images[0])
    assert not any(module._forward_hooks for module in small_cnn.modules())
    assert all(parameter.grad is None for parameter in small_cnn.parameters())
    assert torch.equal(images, before)
    assert not images.requires_grad


class Silent(nn.Module):
    """Answers without letting autograd see how."""

    def __init__(self) -> None:
        super().__init__()
        self.network = SmallCNN()

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network(images)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 48, 2)), id="no convolution"),
        pytest.param(sequence(only=nn.Conv2d(3, 5, 3)), id="one layer"),
    ],
)
def test_without_two_layers_the_sentence_asks_for_names(network: nn.Module, images: Tensor) -> None:
    with pytest.raises(InputError, match="40 x 48 pixels; name a shallow and a deep layer"):
        find_layers(network, images[0])


def test_without_a_gradient_the_sentence_says_so(images: Tensor) -> None:
    with pytest.raises(NoGradientError, match="no gradient leads from the network's answer to its layers"):
        find_layers(Silent().eval(), images[0])


def test_mint_traces_what_is_not_named(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    traced, named = MINT(samples=20), MINT(samples=20, layers=("stem", "trunk"))
    assert torch.equal(traced(small_cnn, images, targets), named(small_cnn, images, targets))
    assert traced.explain(small_cnn, images[0], 3).parameters["layers"] == ("stem", "trunk")
