"""Captum's Grad-CAM against the paper's two equations, on networks whose ReLUs work in place."""

from collections import OrderedDict

import pytest
import torch
from captum.attr import LayerGradCam
from small_transformers import ClassToken, Patches, one_patch, small_swin, small_vit
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401
from baselines import GradCAM
from mint.contract import InputError


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def small_vgg() -> nn.Module:
    """VGG11's features, without its hundred million weights of linear layers."""
    from torchvision.models.vgg import cfgs, make_layers

    layers = {"features": make_layers(cfgs["A"]), "pool": nn.AdaptiveAvgPool2d(1)}
    return nn.Sequential(OrderedDict(**layers, flatten=nn.Flatten(), classifier=nn.Linear(512, 7)))


def small_resnet() -> nn.Module:
    from torchvision.models import resnet18

    model: nn.Module = resnet18(num_classes=7)
    return model


def network(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {"resnet18": small_resnet, "vgg11": small_vgg}[name]().eval()


def grad_cam(model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Equations 1 and 2 by autograd, the layer's output set apart from what happens to it afterwards."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()

    handle = layer.register_forward_hook(keep)
    logits = model(images).gather(1, targets[:, None]).sum()
    handle.remove()
    features = kept[-1]
    (gradient,) = torch.autograd.grad(logits, features)
    weighted = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).relu()
    return nn.functional.interpolate(weighted, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0].detach()


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer4"),
        ("resnet18", "layer4.1.conv2"),
        ("resnet18", "layer3.0.bn1"),  # an in-place ReLU follows
        ("resnet18", "relu"),
        ("resnet18", "layer4.1.relu"),  # called twice: the second call counts
        ("vgg11", "features.18"),  # a convolution in front of an in-place ReLU
        ("vgg11", "features.19"),  # that ReLU
        ("vgg11", "features.20"),
    ],
)
@pytest.mark.parametrize("frozen", [True, False])
def test_the_map_is_the_paper_s(name: str, layer: str, frozen: bool) -> None:
    model = network(name).requires_grad_(not frozen)
    images, targets = noise(3, 3, 64, 64), torch.tensor([0, 3, 6])
    expected = grad_cam(model, model.get_submodule(layer), images, targets)
    assert float(expected.max()) > 0
    for batch_size in (None, 2):
        found = GradCAM(layer, batch_size)(model, images, targets)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_default_layer_is_the_last_convolutional_one() -> None:
    images, targets = noise(1, 3, 64, 64), torch.tensor([2])
    for name, layer in {"resnet18": "layer4", "vgg11": "features.19"}.items():
        model = network(name)
        assert torch.equal(GradCAM()(model, images, targets), GradCAM(layer)(model, images, targets))


def test_a_layer_has_to_be_named_where_no_convention_holds() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match="name a shallow and a deep layer"):
        GradCAM()(model, noise(1, 3, 8, 8), torch.tensor([0]))


def test_layers_that_cannot_be_explained_are_refused() -> None:
    model, images, targets = network("resnet18"), noise(1, 3, 64, 64), torch.tensor([2])
    with pytest.raises(InputError, match="no layer 'layer5'; the nearest names are layer4"):
        GradCAM("layer5")(model, images, targets)
    model.register_module("spare", nn.Conv2d(3, 3, 1))
    with pytest.raises(InputError, match="never calls its layer 'spare'"):
        GradCAM("spare")(model, images, targets)
    with pytest.raises(InputError, match=r"'fc' gives a tensor of shape \(1, 7\), which cannot be read"):
        GradCAM("fc")(model, images, targets)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_that_the_answer_does_not_depend_on_is_refused(frozen: bool) -> None:
    class Sidelong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.side, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)

        def forward(self, images: Tensor) -> Tensor:
            features = self.trunk(images)
            self.side(features)
            logits: Tensor = self.head(features.mean((2, 3)))
            return logits

    model = Sidelong().requires_grad_(not frozen)
    with pytest.raises(InputError, match="No gradient leads from the network's answer to its layer 'side'"):
        GradCAM("side")(model, noise(1, 3, 8, 8), torch.tensor([2]))


@pytest.mark.parametrize("extra", [0, 1, 2, 5])
def test_on_tokens_the_map_peaks_at_the_patch_that_the_answer_reads(extra: int) -> None:
    network = Patches(place=8, extra=extra).eval()
    images = one_patch(1, 2, (32, 48))
    found = GradCAM()(network, images, torch.tensor([0]))[0]
    assert torch.equal(found, GradCAM("second")(network, images, torch.tensor([0]))[0])
    # Each channel's gradient is 1 at one of 24 patches; the white patch is 4 in three channels.
    expected = torch.zeros(1, 1, 4, 6)
    expected[0, 0, 1, 2] = 3 * 4 / 24
    expected = nn.functional.interpolate(expected, (32, 48), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(found, expected)


class Through(nn.Module):
    """Runs a layer's patch tokens, without the class token, through a grid that Captum can read by itself."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.grid = layer, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.layer(images)
        grid = self.grid(tokens[:, 1:].transpose(1, 2).reshape(len(tokens), 24, 4, 4))
        return torch.cat([tokens[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


@pytest.mark.parametrize("batch_size", [None, 1])
def test_on_a_vit_it_is_captums_after_reshaping_by_hand(batch_size: int | None) -> None:
    network, images, targets = small_vit(), noise(3, 3, 32, 32), torch.tensor([0, 2, 4])
    found = GradCAM(batch_size=batch_size)(network, images, targets)
    network.encoder.layers[1] = Through(network.encoder.layers[1])
    maps = LayerGradCam(network, network.encoder.layers[1].grid).attribute(images, targets, relu_attributions=True)
    expected = nn.functional.interpolate(maps, (32, 32), mode="bilinear", align_corners=False)[:, 0]
    assert float(expected.detach().amax(dim=(1, 2)).min()) > 0
    torch.testing.assert_close(found, expected.detach())


def test_on_a_swin_channels_last_or_first_is_the_same() -> None:
    network, images, targets = small_swin(), noise(2, 3, 32, 48), torch.tensor([0, 2])
    first = grad_cam(network, network.permute, images, targets)
    assert float(first.max()) > 0
    for layer in (None, "norm", "permute"):
        torch.testing.assert_close(GradCAM(layer)(network, images, targets), first)


def test_a_layer_read_at_its_class_token_alone_is_refused() -> None:
    network, images = ClassToken().eval(), one_patch(1, 2, (32, 48))
    with pytest.raises(InputError, match="of layer 'third' the class score reads only tokens that have no place"):
        GradCAM("third")(network, images, torch.tensor([0]))
    assert not network.third._forward_hooks
    assert float(GradCAM()(network, images, torch.tensor([0])).max()) > 0
