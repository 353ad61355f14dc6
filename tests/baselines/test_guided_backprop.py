"""Guided backpropagation and Guided Grad-CAM: by hand, equal to Captum's, the same for reused ReLUs."""

import warnings

import captum.attr
import pytest
import torch
from small_resnets import Functional, Reusing, Separate, noise, seeded, small_resnet18, small_vgg11
from small_transformers import small_vit
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import GradCAM, GuidedBackprop, GuidedGradCAM, Saliency
from mint.contract import InputError

IMAGES, TARGETS = noise(2, 3, 12, 10), torch.tensor([1, 3])


class ByHand(nn.Module):
    """y = relu(a) - relu(b) + relu(c) + d for the four pixels of a row; the ReLU is a function."""

    def forward(self, images: Tensor) -> Tensor:
        a, b, c, d = images[:, 0, 0].unbind(1)
        y = F.relu(a) - F.relu(b) + F.relu(c) + d
        return torch.stack([y, -y], dim=1)


def test_negatives_are_dropped_at_each_relu() -> None:
    images = torch.tensor([1.0, 2.0, -3.0, -4.0]).expand(2, 1, 1, 4)
    found = GuidedBackprop(channels="sum")(ByHand(), images, torch.tensor([0, 1]))
    # The gradients are 1, -1, 0 (inactive) and 1; of the other class they have the other signs.
    assert found.tolist() == [[[1, 0, 0, 1]], [[0, 1, 0, -1]]]


def captums(network: nn.Module, channels: str = "max-abs") -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Tensor = captum.attr.GuidedBackprop(network).attribute(IMAGES.clone(), TARGETS)
    return found.detach().abs().amax(1) if channels == "max-abs" else found.detach().sum(1)


@pytest.mark.parametrize("make", [Separate, Reusing, Functional])
def test_the_map_is_captum_s_of_the_network_written_out(make: type[nn.Module]) -> None:
    expected = captums(seeded(Separate))
    assert float((expected - Saliency()(seeded(Separate), IMAGES, TARGETS)).abs().max()) > 0.1 * float(expected.max())
    torch.testing.assert_close(GuidedBackprop()(seeded(make), IMAGES, TARGETS), expected)
    torch.testing.assert_close(
        GuidedBackprop(channels="sum")(seeded(make), IMAGES, TARGETS), captums(seeded(Separate), "sum")
    )


def test_a_function_escapes_captum_s_own() -> None:
    """Why a copy is needed; if it fails, Captum sees functions, and the copy may go."""
    model = seeded(Functional)
    torch.testing.assert_close(captums(model), Saliency()(model, IMAGES, TARGETS))


def test_relu6_counts_as_a_relu() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 6, 3), nn.ReLU6(inplace=True), nn.Flatten(), nn.Linear(480, 5)]
    expected = GuidedBackprop()(nn.Sequential(layers[0], nn.ReLU(), *layers[2:]), IMAGES, TARGETS)
    torch.testing.assert_close(GuidedBackprop()(nn.Sequential(*layers), IMAGES, TARGETS), expected)


def test_a_network_without_relus_is_refused() -> None:
    for model, images in ((small_vit(), noise(2, 3, 32, 32)), (nn.Sequential(nn.Flatten(), nn.Linear(360, 5)), IMAGES)):
        with pytest.raises(InputError, match=r"the network has none.* choose Saliency"):
            GuidedBackprop()(model, images, TARGETS)


@pytest.mark.parametrize("make", [small_resnet18, small_vgg11])
def test_guided_gradcam_is_captum_s_with_bilinear_interpolation(make: type[nn.Module]) -> None:
    layer = "layer3" if make is small_resnet18 else "0.13"
    images = noise(2, 3, 64, 64)
    found = GuidedGradCAM(layer)(make(), images, TARGETS)
    coarse = GradCAM(layer)(make(), images, TARGETS)
    assert float(coarse.max()) > 0
    torch.testing.assert_close(found, coarse * GuidedBackprop()(make(), images, TARGETS))
    if make is small_vgg11:
        model = nn.Sequential(*make())
        for place, module in enumerate(model[0]):
            if isinstance(module, nn.ReLU):
                model[0][place] = nn.ReLU()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            captums = captum.attr.GuidedGradCam(model, model[0][13]).attribute(
                images.clone(), TARGETS, interpolate_mode="bilinear"
            )
        torch.testing.assert_close(found, captums.detach().abs().amax(1), rtol=1e-4, atol=1e-7)


def test_half_precision_works() -> None:
    found = GuidedBackprop()(seeded(Reusing).bfloat16(), IMAGES.bfloat16(), TARGETS)
    expected = GuidedBackprop()(seeded(Reusing), IMAGES, TARGETS)
    assert float(torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1]) > 0.8
