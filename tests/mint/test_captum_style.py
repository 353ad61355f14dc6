import numpy as np
import pytest
import torch
from examples import SmallCNN
from torch import Tensor

from mint.captum_style import BoundAttribution
from mint.contract import InputError
from mint.method import MINT

METHOD = MINT(samples=20, layers=("stem", "trunk"))


@pytest.fixture
def bound(small_cnn: SmallCNN) -> BoundAttribution:
    return METHOD.for_model(small_cnn)


def test_attributions_are_the_maps_in_every_channel(
    bound: BoundAttribution, small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    attributions = bound.attribute(images, target=targets)
    maps = METHOD(small_cnn, images, targets)
    assert attributions.shape == images.shape
    assert attributions.dtype == images.dtype
    assert attributions.device == images.device
    assert all(torch.equal(attributions[:, channel], maps) for channel in range(3))
    attributions[:, 0] = 0  # memory of its own, unlike an expanded view
    assert torch.equal(attributions[:, 1], maps)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(3, id="int"),
        pytest.param([3, 3, 3], id="list"),
        pytest.param((3, 3, 3), id="tuple"),
        pytest.param(torch.tensor(3), id="scalar tensor"),
        pytest.param(torch.tensor([3]), id="one-element tensor"),
        pytest.param(torch.tensor([3, 3, 3], dtype=torch.int32), id="int32 tensor"),
        pytest.param(np.array([3, 3, 3]), id="array"),
    ],
)
def test_targets_come_in_captums_forms(bound: BoundAttribution, images: Tensor, target: object) -> None:
    expected = bound.attribute(images, torch.tensor([3, 3, 3]))
    assert torch.equal(bound.attribute(images, target=target), expected)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (None, "a target is missing"),
        ([0, 1], "2 classes for 3 pictures"),
        (0.5, "whole numbers, not torch.float32"),
        (True, "whole numbers, not torch.bool"),
        ("zebra", "not 'zebra'"),
        ([(0, 1), (1, 2, 3), 4], "class index or a sequence"),
        (9, "target 9 lies outside the network's 5 classes"),
        (-1, "from 0, not -1"),
    ],
)
def test_targets_that_fit_nothing_are_refused(
    bound: BoundAttribution, images: Tensor, target: object, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        bound.attribute(images, target=target)


def test_inputs_are_one_tensor(bound: BoundAttribution, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"one tensor of shape .* not a tuple"):
        bound.attribute((images,), target=3)
    with pytest.raises(InputError, match=r"one tensor of shape .* not a single number"):
        bound.attribute(images.sum(), target=3)
    with pytest.raises(InputError, match="images must be a tensor of shape"):
        bound.attribute(images[0], target=3)


def test_the_dtype_is_that_of_the_inputs(bound: BoundAttribution, small_cnn: SmallCNN, images: Tensor) -> None:
    small_cnn.double()
    assert bound.attribute(images[:1].double(), target=3).dtype == torch.float64


def test_captum_takes_the_attributions(bound: BoundAttribution, small_cnn: SmallCNN, images: Tensor) -> None:
    metrics = pytest.importorskip("captum.metrics")
    visualization = pytest.importorskip("captum.attr").visualization
    attributions = bound.attribute(images, target=3)
    noise = 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    infidelity = metrics.infidelity(
        small_cnn, lambda inputs: (noise, inputs - noise), images, attributions, target=3, n_perturb_samples=1
    )
    assert infidelity.shape == (3,)
    assert infidelity.isfinite().all()
    shown, original = (each[0].permute(1, 2, 0).numpy() for each in (attributions, images.sigmoid()))
    figure, _ = visualization.visualize_image_attr(shown, original, method="blended_heat_map", use_pyplot=False)
    assert figure.axes
