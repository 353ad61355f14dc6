import pytest
import torch
from examples import SmallCNN
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401 - before torchvision
from mint.contract import InputError
from mint.features import read_features, represent, resolve_layer, upsample
from mint.method import MINT


def test_gradient_and_activations_are_those_of_the_split_network(small_cnn: SmallCNN, images: Tensor) -> None:
    features = read_features(small_cnn, images[0], 3, "trunk", "stem")
    with torch.no_grad():
        shallow = small_cnn.stem(images[:1])
        deep = small_cnn.trunk(shallow)
    torch.testing.assert_close(features.shallow, shallow[0])
    torch.testing.assert_close(features.deep, deep[0])
    # The head averages 10 x 12 positions and is linear: the logit's gradient is known on paper.
    expected = (small_cnn.head.weight[3] / 120)[:, None, None].expand_as(deep[0])
    torch.testing.assert_close(features.gradient, expected.detach())


def test_features_in_half_precision_can_be_summed() -> None:
    """Each of 64 channels is 2000, which half precision can hold; their sum, 128000, it cannot."""
    stem, head = nn.Conv2d(3, 64, 1), nn.Conv2d(64, 2, 1)
    nn.init.constant_(stem.weight, 0.0)
    nn.init.constant_(stem.bias, 2000.0)
    network = nn.Sequential(stem, nn.ReLU(), head, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval().half()
    image = torch.zeros(3, 8, 8, dtype=torch.float16)
    found = read_features(network, image, 1, "2", "1").shallow.sum(dim=0)
    torch.testing.assert_close(found, torch.full((8, 8), 128000.0))
    explanation = MINT(samples=4, layers=("1", "2")).explain(network, image, 1)
    torch.testing.assert_close(explanation.feature, torch.full((8, 8), 128000.0, dtype=torch.float64))


@pytest.mark.parametrize("deep_layer", ["trunk.1", "trunk.2", "trunk.4"])
def test_an_in_place_relu_does_not_corrupt_what_was_read(small_cnn: SmallCNN, images: Tensor, deep_layer: str) -> None:
    found = read_features(small_cnn, images[0], 3, deep_layer, "stem.0")
    for module in small_cnn.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    expected = read_features(small_cnn, images[0], 3, deep_layer, "stem.0")
    torch.testing.assert_close(found.shallow, expected.shallow)
    torch.testing.assert_close(found.deep, expected.deep)
    torch.testing.assert_close(found.gradient, expected.gradient)


@pytest.mark.parametrize("derivative_of", ["logit", "probability", "log-probability"])
def test_the_gradient_is_that_of_a_finite_difference(small_cnn: SmallCNN, images: Tensor, derivative_of: str) -> None:
    double = small_cnn.double()
    image = images[0].double()
    features = read_features(double, image, 3, "trunk", "stem", derivative_of=derivative_of)
    score = {
        "logit": lambda z: z[0, 3],
        "probability": lambda z: z.softmax(1)[0, 3],
        "log-probability": lambda z: z.log_softmax(1)[0, 3],
    }[derivative_of]
    with torch.no_grad():
        step = torch.zeros_like(features.deep)
        step[5, 2, 2] = 1e-4
        plus, minus = (double.head((features.deep + s)[None].mean(dim=(2, 3))) for s in (step, -step))
        expected = (score(plus) - score(minus)) / 2e-4
    assert float(features.gradient[5, 2, 2]) == pytest.approx(float(expected), rel=1e-5)


def test_no_hook_is_left_behind_even_after_an_error(small_cnn: SmallCNN, images: Tensor) -> None:
    read_features(small_cnn, images[0], 3, "trunk", "stem")
    with pytest.raises(InputError):
        read_features(small_cnn, images[0], 99, "trunk", "stem")
    assert not any(module._forward_hooks for module in small_cnn.modules())


def test_the_deep_layer_is_read_alone_where_no_other_is_asked_for(small_cnn: SmallCNN, images: Tensor) -> None:
    both, alone = (read_features(small_cnn, images[0], 3, "trunk", shallow) for shallow in ("stem", None))
    assert alone.shallow is None
    assert torch.equal(alone.deep, both.deep)
    assert torch.equal(alone.gradient, both.gradient)


def test_no_hook_is_left_where_one_of_the_layers_does_not_exist(small_cnn: SmallCNN, images: Tensor) -> None:
    with pytest.raises(InputError, match="no layer 'trnk'"):
        read_features(small_cnn, images[0], 3, "trnk", "stem")
    assert not any(module._forward_hooks for module in small_cnn.modules())


@pytest.mark.parametrize(
    ("shallow", "deep", "sentence"),
    [
        ("stme", "trunk", "no layer 'stme'; the nearest names are stem"),
        ("stem", "stem", "two different layers"),
        ("stem", "head", r"'head' gives a tensor of shape \(1, 5\), which cannot be read as a grid of places"),
    ],
)
def test_layers_that_cannot_be_used_are_refused(
    small_cnn: SmallCNN, images: Tensor, shallow: str, deep: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_features(small_cnn, images[0], 3, deep, shallow)


class SharedReLU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU()
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.first(images)))).mean(dim=(2, 3))


@pytest.mark.parametrize(("layer", "times"), [("relu", 2), ("unused", 0)])
def test_a_layer_must_run_once(images: Tensor, layer: str, times: int) -> None:
    with pytest.raises(InputError, match=f"'{layer}' ran {times} times"):
        read_features(SharedReLU(), images[0], 0, "second", layer)


def test_a_layer_name_may_not_be_empty(small_cnn: SmallCNN) -> None:
    with pytest.raises(InputError, match="no layer ''"):
        resolve_layer(small_cnn, "")


LABELS = torch.tensor([[0, 0, 1, 1], [0, 0, 2, 2]])
FEATURE = torch.tensor([[1.0, 1.0, 4.0, 0.0], [1.0, 1.0, 0.0, 0.0]])


def test_representations_are_means_over_super_pixels() -> None:
    # Image mean 1: super-pixel means are 1, 2 and 0.
    assert represent(FEATURE, LABELS, 3, "raw").tolist() == [1.0, 2.0, 0.0]
    assert represent(4 * FEATURE, LABELS, 3, "mean-one").tolist() == pytest.approx([1.0, 2.0, 0.05])
    assert represent(FEATURE, LABELS, 3, "ones").tolist() == [1.0, 1.0, 1.0]
    assert represent(0 * FEATURE, LABELS, 3, "mean-one").tolist() == pytest.approx([0.05, 0.05, 0.05])


def test_upsampling_keeps_a_constant_map() -> None:
    torch.testing.assert_close(upsample(torch.full((3, 4), 2.0), (40, 48)), torch.full((40, 48), 2.0))


class Branched(nn.Module):
    """A trunk, a side branch that no class score depends on, and a layer that gives two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.trunk, self.side = (nn.Conv2d(c, 4, 3, padding=1) for c in (3, 4, 4))
        self.pair = Pair()

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.stem(images)
        self.side(hidden)
        return self.trunk(self.pair(hidden)[0]).mean(dim=(2, 3))


class Pair(nn.Module):
    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, hidden


@pytest.mark.parametrize("frozen", [False, True])
def test_a_layer_off_the_trunk_is_refused_in_a_sentence(images: Tensor, frozen: bool) -> None:
    model = Branched().requires_grad_(not frozen)
    with pytest.raises(InputError, match="the class score does not depend on layer 'side'"):
        read_features(model, images[0], 1, "side", "stem")


class Rounded(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.round().long()


@pytest.mark.parametrize("layers", [("pair", "trunk"), ("stem", "pair")])
@pytest.mark.parametrize(
    ("pair", "sentence"),
    [(Pair(), "a tuple; name one that gives a tensor"), (Rounded(), "torch.int64; name one that gives floating point")],
)
def test_a_layer_of_other_than_one_tensor_of_numbers_is_refused_in_a_sentence(
    images: Tensor, layers: tuple[str, str], pair: nn.Module, sentence: str
) -> None:
    model = Branched()
    model.pair = pair  # type: ignore[assignment]
    with pytest.raises(InputError, match=f"layer 'pair' gives {sentence}"):
        read_features(model, images[0], 1, *reversed(layers))
