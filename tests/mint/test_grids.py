"""Tokens and channels-last maps as grids, on small transformers whose answers are known on paper."""

import pytest
import torch
from examples import smooth_images
from small_transformers import ClassToken, Patches, Twice, one_patch, small_swin, small_vit
from torch import Tensor, nn

from mint import MINT, OverlayMINT
from mint.contract import InputError
from mint.features import class_saliency, read_features
from mint.grids import Layout, find_layouts
from mint.layers import find_layers


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", [(32, 32), (32, 48), (48, 24)])
@pytest.mark.parametrize("extra", [0, 1, 2, 5])
@pytest.mark.parametrize("last", [False, True])
def test_the_saliency_stands_at_the_patch_that_the_answer_reads(size: tuple[int, int], extra: int, last: bool) -> None:
    rows, columns = size[0] // 8, size[1] // 8
    row, column = 1, columns - 1
    network = Patches(row * columns + column, extra, last=last).eval()
    image = one_patch(row, column, size)[0]
    assert find_layers(network, image) == ("first", "second")
    features = read_features(network, image, 0, "second", "first")
    # White is 1 in three channels; each block doubles it.
    expected = torch.zeros(rows, columns)
    expected[row, column] = 1
    assert torch.equal(features.shallow, 2 * expected.expand(3, -1, -1))
    assert torch.equal(features.deep, 4 * expected.expand(3, -1, -1))
    assert torch.equal(features.gradient, expected.expand(3, -1, -1))
    assert torch.equal(class_saliency(features), 12 * expected)


def test_without_a_convolution_the_patches_are_square() -> None:
    class Unfolded(Patches):
        def tokens(self, images: Tensor) -> Tensor:
            cut = nn.functional.unfold(images, 8, stride=8).transpose(1, 2)
            return torch.cat([self.extra.expand(len(images), -1, -1), self.cut(cut)], dim=1)

    network = Unfolded(place=7).eval()
    network.patches, network.cut = None, nn.Linear(192, 3)
    assert find_layers(network, noise(3, 24, 32)) == ("first", "second")
    features = read_features(network, noise(3, 24, 32), 0, "second")
    assert features.gradient.any(dim=0).nonzero().tolist() == [[1, 3]]


class Conv(nn.Module):
    """A small network whose blocks work on maps with their channels first or last; its answers are the same."""

    def __init__(self, *, last: bool, sizes: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.last, self.sizes = last, sizes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.stem = nn.Conv2d(3, 8, 4, stride=4)
            self.body = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
            self.end, self.head = nn.Linear(8, 8), nn.Linear(8, 5)
        if not last:
            self.body = nn.Sequential(pointwise(self.body[0]), nn.GELU(), pointwise(self.body[2]))
            self.end = pointwise(self.end)

    def forward(self, images: Tensor) -> Tensor:
        assert self.sizes in (None, tuple(images.shape[-2:]))
        maps = self.stem(images)
        maps = self.end(self.body(maps.permute(0, 2, 3, 1) if self.last else maps))
        return self.head(maps.square().mean(dim=(1, 2) if self.last else (2, 3)))


def pointwise(linear: nn.Linear) -> nn.Conv2d:
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
    conv.weight.data, conv.bias.data = linear.weight.data[:, :, None, None], linear.bias.data
    return conv


@pytest.mark.parametrize("size", [(32, 32), (32, 64), (24, 48)])
def test_channels_last_or_first_is_the_same(size: tuple[int, int]) -> None:
    # At 32 x 32 pixels the maps are (1, 8, 8, 8), which their shape alone does not tell apart.
    image = smooth_images(1, size)[0]
    networks = [Conv(last=last).eval() for last in (True, False)]
    one, other = (read_features(network, image, 2, "end", "body") for network in networks)
    for name in ("deep", "gradient", "shallow"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-6)
    one, other = (MINT(samples=30, layers=("body", "end"))(each, image[None], torch.tensor([2])) for each in networks)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_in_a_network_of_one_size_only_the_proportions_tell() -> None:
    network = Conv(last=True, sizes=(32, 48)).eval()
    assert find_layouts(network, noise(3, 32, 48), {"end": (1, 8, 12, 96)}) == {"end": Layout((8, 12), -1)}
    network = Conv(last=True, sizes=(32, 32)).eval()
    with pytest.raises(InputError, match=r"'end' gives a tensor of shape \(1, 8, 8, 8\), which cannot be read"):
        read_features(network, noise(3, 32, 32), 2, "end")


def test_torchvisions_vit_is_read_before_its_last_block() -> None:
    network, image = small_vit(), noise(3, 32, 32)
    layers = ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1")
    assert find_layers(network, image) == find_layers(network, 0 * image) == layers
    features = read_features(network, image, 2, layers[1])
    with torch.no_grad():
        tokens = network._process_input(image[None])
        tokens = torch.cat([network.class_token, tokens], dim=1) + network.encoder.pos_embedding
        tokens = network.encoder.layers[1](network.encoder.layers[0](tokens))
    expected = tokens[0, 1:].T.reshape(24, 4, 4)
    torch.testing.assert_close(features.deep, expected)
    later = tokens.requires_grad_()
    logit = network.heads(network.encoder.ln(network.encoder.layers[2](later))[:, 0])[0, 2]
    (gradient,) = torch.autograd.grad(logit, later)
    torch.testing.assert_close(features.gradient, gradient[0, 1:].T.reshape(24, 4, 4))
    # The weights of an untrained head of torchvision's are zero, and the layers are the same.
    nn.init.zeros_(network.heads.head.weight)
    assert find_layers(network, image) == layers


@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_torchvisions_swin_is_read_with_its_channels_last(size: tuple[int, int]) -> None:
    network, image = small_swin(), noise(3, *size)
    assert find_layers(network, image) == ("features.1", "permute")
    features = read_features(network, image, 2, "permute", "features.1")
    with torch.no_grad():
        shallow = network.features[:2](image[None])
        assert shallow.shape == (1, size[0] // 4, size[1] // 4, 8)
        deep = network.norm(network.features[2:](shallow))
    torch.testing.assert_close(features.shallow, shallow[0].permute(2, 0, 1))
    torch.testing.assert_close(features.deep, deep[0].permute(2, 0, 1))
    same = read_features(network, image, 2, "norm", "features.1.1")
    torch.testing.assert_close(same.gradient, features.gradient)
    assert torch.equal(same.shallow, features.shallow)


def test_a_layer_read_at_its_class_token_alone_is_refused() -> None:
    network, image = ClassToken().eval(), one_patch(1, 2, (32, 48))[0]
    assert find_layers(network, image) == ("first", "second")
    with pytest.raises(InputError, match="of layer 'third' the class score reads only tokens that have no place"):
        read_features(network, image, 0, "third")
    # In the third block the mean of 25 tokens reaches the class token, in each of the three logits' channels.
    gradient = read_features(network, image, 0, "second").gradient
    torch.testing.assert_close(gradient, torch.full((3, 4, 6), 1 / 25))


class Shuffled(Twice):
    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens)[:, [0, *range(tokens.shape[1] - 1, 0, -1)]]


def test_tokens_in_another_order_are_refused() -> None:
    network = Patches(place=3).eval()
    network.first = Shuffled(3)
    with pytest.raises(InputError, match=r"'second' gives a tensor of shape \(1, 17, 3\), which cannot be read"):
        read_features(network, noise(3, 32, 32), 0, "second")


@pytest.mark.parametrize("shape", [(17, 1, 3), (1, 18, 3), (4, 4, 3), (1, 3)])
def test_other_shapes_are_not_read(shape: tuple[int, ...]) -> None:
    assert find_layouts(Patches(place=3).eval(), noise(3, 32, 32), {"second": shape}) == {}


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_pictures_of_other_channels_are_explained(channels: int) -> None:
    network = Patches(place=8, channels=channels).eval()
    image, target = one_patch(1, 2, (32, 48), channels), torch.tensor([1])
    found = MINT(samples=60, response="logit").explain(network, image[0], 1)
    assert found.parameters["layers"] == ("first", "second")
    assert found.answer == 4 * channels
    peak = torch.zeros(32, 48)
    peak[8:16, 16:24] = 1
    for method in (MINT(samples=60, response="logit"), OverlayMINT(samples=60, score="logit")):
        assert peak[divmod(int(method(network, image, target)[0].argmax()), 48)] == 1


def test_nothing_is_left_behind() -> None:
    network, image = small_vit(), noise(3, 32, 32)
    before = image.clone()
    find_layers(network, image)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.equal(image, before)
    assert all(parameter.grad is None for parameter in network.parameters())


def timm_network(name: str, **options: object) -> nn.Module:
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = timm.create_model(name, num_classes=5, **options)
    return network.eval()


SMALL_VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
SMALL_SWIN = {"img_size": 32, "patch_size": 2, "embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2), "window_size": 4}


@pytest.mark.filterwarnings("ignore")  # timm's own
@pytest.mark.parametrize(
    ("name", "options", "layers", "deep"),
    [
        ("vit_tiny_patch16_224", SMALL_VIT, ("blocks.0", "blocks.1"), (24, 4, 4)),
        ("vit_tiny_patch16_224", SMALL_VIT | {"img_size": (32, 48)}, ("blocks.0", "blocks.1"), (24, 4, 6)),
        ("vit_tiny_patch16_224", SMALL_VIT | {"reg_tokens": 4}, ("blocks.0", "blocks.1"), (24, 4, 4)),
        ("vit_tiny_patch16_224", SMALL_VIT | {"global_pool": "avg"}, ("blocks.0", "blocks.2"), (24, 4, 4)),
        ("deit_tiny_patch16_224", SMALL_VIT, ("blocks.0", "blocks.1"), (24, 4, 4)),
        ("deit_tiny_distilled_patch16_224", SMALL_VIT, ("blocks.0", "blocks.1"), (24, 4, 4)),
        ("swin_tiny_patch4_window7_224", SMALL_SWIN, ("layers.0", "norm"), (24, 8, 8)),
        ("swinv2_tiny_window8_256", SMALL_SWIN, ("layers.0", "norm"), (24, 8, 8)),
        ("mixer_s16_224", {"img_size": 64}, ("blocks.0", "norm"), (512, 4, 4)),
    ],
)
def test_timms_transformers(
    name: str, options: dict[str, object], layers: tuple[str, str], deep: tuple[int, int, int]
) -> None:
    network, size = timm_network(name, **options), options["img_size"]
    image = noise(3, *(size if isinstance(size, tuple) else (size, size)))
    assert find_layers(network, image) == layers
    features = read_features(network, image, 2, layers[1], layers[0])
    assert features.deep.shape == features.gradient.shape == deep
