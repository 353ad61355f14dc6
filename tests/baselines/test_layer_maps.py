"""What all class activation maps share: which layers are read, and how."""

from typing import Any

import pytest
import torch
from examples import SmallCNN, smooth_images
from small_resnets import noise, small_resnet18
from small_transformers import ClassToken, Patches, Through, one_patch, small_swin, small_vit
from torch import Tensor, nn

from baselines import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from baselines.layer_maps import enlarge, read_activations, read_layer
from mint.contract import InputError

BY_GRADIENT = [GradCAMPlusPlus, HiResCAM, LayerCAM]
ALL: list[Any] = [*BY_GRADIENT, ScoreCAM]


@pytest.mark.parametrize("layer", ["layer4", "layer4.1.conv2", "layer3.0.bn1", "relu", "layer4.1.relu"])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_is_read_as_captum_reads_it(layer: str, frozen: bool) -> None:
    # In-place ReLUs follow layer3.0.bn1, and layer4.1.relu is called twice.
    network, images, targets = small_resnet18().requires_grad_(not frozen), noise(3, 3, 64, 64), torch.tensor([0, 3, 6])
    activations, gradients = read_layer(network, layer, images, targets)
    assert torch.equal(read_activations(network, layer, images, targets), activations)
    maps = (gradients.mean((2, 3), keepdim=True) * activations).sum(1).relu()
    expected = GradCAM(layer)(network, images, targets)
    assert float(expected.max()) > 0
    torch.testing.assert_close(enlarge(maps, (64, 64)), expected, rtol=1e-4, atol=1e-6)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_layer_in_half_precision_can_be_summed() -> None:
    """Grad-CAM++ sums 64 places of 2000 each, which half precision can hold; their sum, 128000, it cannot."""
    layer, head = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1)
    nn.init.constant_(layer.weight, 0.0)
    nn.init.constant_(layer.bias, 2000.0)
    nn.init.constant_(head.weight, 0.01)
    network = nn.Sequential(layer, nn.ReLU(), head, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    images, targets = torch.zeros(1, 3, 8, 8), torch.tensor([1])
    maps = GradCAMPlusPlus(deep_layer="1")(network, images, targets)
    found = GradCAMPlusPlus(deep_layer="1")(network.half(), images.half(), targets)
    torch.testing.assert_close(found, maps, rtol=1e-2, atol=0)
    assert float(maps.min()) > 0


@pytest.mark.parametrize("method", ALL)
def test_the_default_layer_is_the_last_one_with_a_map(method: Any, small_cnn: SmallCNN) -> None:
    images, targets = smooth_images(2), torch.tensor([0, 3])
    found = method()(small_cnn, images, targets)
    assert float(found.abs().amax((1, 2)).min()) > 0
    assert torch.equal(found, method("trunk.5")(small_cnn, images, targets))
    assert not torch.equal(found, method("stem")(small_cnn, images, targets))


@pytest.mark.parametrize("method", ALL)
def test_several_pictures_go_through_the_network_together(method: Any, small_cnn: SmallCNN) -> None:
    batches: list[int] = []
    small_cnn.register_forward_pre_hook(lambda _module, inputs: batches.append(len(inputs[0])))
    method("trunk", batch_size=2)(small_cnn, smooth_images(3), torch.tensor([0, 3, 4]))
    asked = 0 if method is not ScoreCAM else sum(batches) - 3
    assert sum(batches) == 3 + asked
    assert max(batches) == 2
    assert batches[0] == 2


@pytest.mark.parametrize("method", ALL)
def test_on_a_vit_the_tokens_are_the_grid_that_they_stand_for(method: Any) -> None:
    network, images, targets = small_vit(), noise(3, 3, 32, 32), torch.tensor([0, 2, 4])
    found = method()(network, images, targets)
    network.encoder.layers[1] = Through(network.encoder.layers[1])
    expected = method("encoder.layers.encoder_layer_1.grid")(network, images, targets)
    assert float(expected.amax((1, 2)).min()) > 0
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", ALL)
def test_on_a_swin_channels_last_or_first_is_the_same(method: Any) -> None:
    network, images, targets = small_swin(), noise(2, 3, 32, 48), torch.tensor([0, 2])
    first = method("permute")(network, images, targets)
    assert float(first.max()) > 0
    torch.testing.assert_close(method("norm")(network, images, targets), first)


@pytest.mark.parametrize("method", ALL)
def test_on_tokens_the_map_peaks_at_the_patch_that_the_answer_reads(method: Any) -> None:
    network, images = Patches(place=8, extra=2).eval(), one_patch(1, 2, (32, 48))
    found = method()(network, images, torch.tensor([0]))[0]
    assert divmod(int(found.argmax()), 48) in {(row, column) for row in range(8, 16) for column in range(16, 24)}


@pytest.mark.parametrize("method", [GradCAM, *BY_GRADIENT])
def test_a_layer_read_at_its_class_token_alone_is_refused(method: Any) -> None:
    network, images = ClassToken().eval(), one_patch(1, 2, (32, 48))
    with pytest.raises(InputError, match="of layer 'third' the class score reads only tokens that have no place"):
        method("third")(network, images, torch.tensor([0]))
    assert not network.third._forward_hooks
    assert method()(network, images, torch.tensor([0])).any()


@pytest.mark.parametrize("method", [GradCAM, *BY_GRADIENT])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_that_the_answer_does_not_depend_on_is_refused(method: Any, frozen: bool) -> None:
    class Sidelong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.side, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)

        def forward(self, images: Tensor) -> Tensor:
            features = self.trunk(images)
            self.side(features)
            logits: Tensor = self.head(features.mean((2, 3)))
            return logits

    with pytest.raises(InputError, match="No gradient leads from the network's answer to its layer 'side'"):
        method("side")(Sidelong().requires_grad_(not frozen), noise(1, 3, 8, 8), torch.tensor([2]))


@pytest.mark.parametrize("method", [GradCAM, *ALL])
def test_layers_that_cannot_be_read_are_refused(method: Any) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images, images

    class Rounded(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.round().long()

    network, images, targets = small_resnet18(), noise(1, 3, 64, 64), torch.tensor([2])
    with pytest.raises(InputError, match="no layer 'layer5'; the nearest names are layer4"):
        method("layer5")(network, images, targets)
    network.register_module("spare", nn.Conv2d(3, 3, 1))
    with pytest.raises(InputError, match=r"never calls its layer 'spare'; name another one, or, .* torch\.compile"):
        method("spare")(network, images, targets)
    with pytest.raises(InputError, match=r"'fc' gives a tensor of shape \(1, 7\), which cannot be read"):
        method("fc")(network, images, targets)
    for odd, sentence in ((Odd(), "gives a tuple; name one"), (Rounded(), "gives torch.int64; name one")):
        network.layer4.register_module("odd", odd)
        handle = network.layer4.register_forward_hook(_run_odd)
        with pytest.raises(InputError, match=sentence):
            method("layer4.odd")(network, images, targets)
        handle.remove()


def _run_odd(layer: Any, _inputs: object, output: Tensor) -> None:
    layer.odd(output)
