"""Captum's Grad-CAM against the paper's two equations, on networks whose ReLUs work in place."""

import pytest
import torch
from captum.attr import LayerGradCam
from small_resnets import noise, small_resnet18, small_vgg11
from small_transformers import Patches, Through, one_patch, small_swin, small_vit
from torch import Tensor, nn

from baselines import GradCAM
from mint.contract import InputError

NETWORKS = {"resnet18": small_resnet18, "vgg11": small_vgg11}


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
        ("vgg11", "0.18"),  # a convolution in front of an in-place ReLU
        ("vgg11", "0.19"),  # that ReLU
        ("vgg11", "0.20"),
    ],
)
@pytest.mark.parametrize("frozen", [True, False])
def test_the_map_is_the_paper_s(name: str, layer: str, frozen: bool) -> None:
    model = NETWORKS[name]().requires_grad_(not frozen)
    images, targets = noise(3, 3, 64, 64), torch.tensor([0, 3, 6])
    expected = grad_cam(model, model.get_submodule(layer), images, targets)
    assert float(expected.max()) > 0
    for batch_size in (None, 2):
        found = GradCAM(layer, batch_size)(model, images, targets)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_default_layer_is_the_last_convolutional_one() -> None:
    images, targets = noise(1, 3, 64, 64), torch.tensor([2])
    for name, layer in {"resnet18": "layer4", "vgg11": "0.19"}.items():
        model = NETWORKS[name]()
        assert torch.equal(GradCAM()(model, images, targets), GradCAM(layer)(model, images, targets))


def test_a_layer_has_to_be_named_where_no_convention_holds() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match="name a shallow and a deep layer"):
        GradCAM()(model, noise(1, 3, 8, 8), torch.tensor([0]))


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
