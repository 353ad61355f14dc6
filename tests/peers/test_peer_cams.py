"""The class activation maps beside those of torch-cam and pytorch-grad-cam."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from examples import smooth_images
from torch import Tensor, nn

from baselines import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from baselines.layer_maps import read_layer

TARGETS = torch.tensor([0, 3, 4])
LAYER = "1"


def network(scale: float = 300) -> nn.Module:
    """A network whose layer is as large as the picture, as the tools enlarge in several ways."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
        found = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 5)).eval()
    with torch.no_grad():
        found[6].weight *= scale
    return found


def scaled(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def torch_cam(methods: ModuleType, name: str, model: nn.Module, images: Tensor) -> Tensor:
    with getattr(methods, name)(model, LAYER) as extractor:
        maps: Tensor = extractor(TARGETS.tolist(), model(images), normalized=False)[0]
    return maps.detach()


@pytest.mark.parametrize(("name", "method"), [("GradCAM", GradCAM), ("LayerCAM", LayerCAM), ("ScoreCAM", ScoreCAM)])
def test_torch_cam(load: Callable[..., ModuleType], name: str, method: Any) -> None:
    methods = load("torchcam.methods", "torchcam", "torchcam-deletion")
    model, images = network(), smooth_images(3)
    theirs = torch_cam(methods, name, model, images)
    assert float(theirs.amax((1, 2)).min()) > 0
    found = method(LAYER)(model, images, TARGETS)
    torch.testing.assert_close(found, theirs, rtol=1e-3, atol=1e-4 * float(theirs.max()))


def test_torch_cam_weighs_grad_cam_plus_plus_without_its_denominator(load: Callable[..., ModuleType]) -> None:
    methods = load("torchcam.methods", "torchcam", "torchcam-deletion")
    model, images = network(), smooth_images(3)
    theirs = torch_cam(methods, "GradCAMpp", model, images)
    activations, gradients = read_layer(model, LAYER, images, TARGETS)
    undivided = (gradients.square() * gradients.relu()).sum((2, 3), keepdim=True)
    torch.testing.assert_close(theirs, (undivided * activations).sum(1).relu(), rtol=1e-4, atol=1e-5)
    assert float((scaled(theirs) - scaled(GradCAMPlusPlus(LAYER)(model, images, TARGETS))).abs().max()) > 0.01


@pytest.mark.parametrize(
    ("name", "method", "scale"),
    [
        ("GradCAM", GradCAM, 300),
        ("GradCAMPlusPlus", GradCAMPlusPlus, 30000),  # where 1e-6 beside the squared gradients is nothing
        ("LayerCAM", LayerCAM, 300),
        ("HiResCAM", HiResCAM, 300),
        ("ScoreCAM", ScoreCAM, 300),
    ],
)
def test_pytorch_grad_cam(load: Callable[..., ModuleType], name: str, method: Any, scale: float) -> None:
    package = load("pytorch_grad_cam", "grad-cam", "gradcam-road")
    outputs = load("pytorch_grad_cam.utils.model_targets", "grad-cam", "gradcam-road")
    model, images = network(scale), smooth_images(3)
    with getattr(package, name)(model=model, target_layers=[model[int(LAYER)]]) as extractor:
        theirs = extractor(input_tensor=images, targets=[outputs.ClassifierOutputTarget(t) for t in TARGETS.tolist()])
    found = method(LAYER)(model, images, TARGETS).relu()
    assert float(found.amax((1, 2)).min()) > 0
    torch.testing.assert_close(scaled(found), torch.from_numpy(theirs), rtol=0, atol=1e-4)


def test_a_smaller_layer_is_enlarged_as_pytorch_grad_cam_does(load: Callable[..., ModuleType]) -> None:
    package = load("pytorch_grad_cam", "grad-cam", "gradcam-road")
    outputs = load("pytorch_grad_cam.utils.model_targets", "grad-cam", "gradcam-road")
    model, images = network(), smooth_images(3)
    with package.LayerCAM(model=model, target_layers=[model[4]]) as extractor:
        theirs = extractor(input_tensor=images, targets=[outputs.ClassifierOutputTarget(t) for t in TARGETS.tolist()])
    found = LayerCAM("4")(model, images, TARGETS)
    torch.testing.assert_close(scaled(found), torch.from_numpy(theirs), rtol=0, atol=1e-4)
