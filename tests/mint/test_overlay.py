import warnings
from dataclasses import replace

import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from baselines import Occlusion
from mint import InputError, OverlayMINT

SMALL = OverlayMINT(samples=60, deep_layer="trunk", slic_segments=(6, 9))


def test_the_deep_layer_is_found_where_none_is_named(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    found = replace(SMALL, deep_layer=None)(small_cnn, images[:1], targets[:1])
    assert torch.equal(found, SMALL(small_cnn, images[:1], targets[:1]))


class Patch(nn.Module):
    """Two classes; the logit of class 0 is the brightness of one patch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 1, 1, bias=False)
        self.trunk = nn.Conv2d(1, 1, 1, bias=False)
        for convolution in (self.stem, self.trunk):
            nn.init.constant_(convolution.weight, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        evidence = self.trunk(self.stem(images))[:, 0, 10:22, 14:26].mean(dim=(1, 2))
        return torch.stack([evidence, torch.zeros_like(evidence)], dim=1)


def test_the_map_is_highest_where_the_evidence_is() -> None:
    image = 1 + smooth_images(1)[0].abs()
    saliency = replace(SMALL, samples=400)(Patch(), image[None], torch.tensor([0]))[0]
    assert float(saliency[10:22, 14:26].mean()) > 2 * float(saliency.abs().mean())
    row, column = divmod(int(saliency.argmax()), 48)
    assert 8 <= row < 24
    assert 12 <= column < 28


@pytest.mark.parametrize("windows", [0, 5])
def test_a_network_that_sees_nothing_gets_a_map_of_nothing(small_cnn: SmallCNN, images: Tensor, windows: int) -> None:
    nn.init.zeros_(small_cnn.head.weight)
    found = replace(SMALL, windows=windows)(small_cnn, images[:1], torch.tensor([0]))
    assert float(found.abs().max()) < 1e-40


@pytest.mark.parametrize("windows", [0, 5])
def test_it_costs_one_forward_and_the_samples(small_cnn: SmallCNN, images: Tensor, windows: int) -> None:
    asked = []
    hook = small_cnn.register_forward_pre_hook(lambda _module, inputs: asked.append(len(inputs[0])))
    replace(SMALL, windows=windows)(small_cnn, images[:1], torch.tensor([0]))
    hook.remove()
    assert sum(asked) == 1 + 60


class Linear(nn.Module):
    """The logit of class 0 is a weighted sum of four quarters' means; a picture of ones answers with their weights."""

    weights = (4.0, 1.0, 3.0, 2.0)

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.constant_(self.trunk.weight, 1 / 3)

    def forward(self, images: Tensor) -> Tensor:
        quarters = nn.functional.avg_pool2d(self.trunk(images), 24).flatten(1)
        evidence = quarters @ quarters.new_tensor(self.weights)
        return torch.stack([evidence, torch.zeros_like(evidence)], dim=1)


# A quarter for each cell, no other partition, and no trust in M.
QUARTERS = OverlayMINT(
    samples=64,
    deep_layer="trunk",
    slic_segments=(),
    grids=(2,),
    hiding=(0.0,),
    edge=0.0,
    gate=1e6,
    floor=None,
    score="logit",
)


def quarters_of(saliency: Tensor) -> list[float]:
    return [float(saliency[i : i + 24, j : j + 24].mean()) for i in (0, 24) for j in (0, 24)]


@pytest.mark.parametrize("hiding", [(0.0,), (0.0, -1.0), (0.0, "blur"), (0.0, 0.0, -1.0)])
def test_a_linear_network_gets_the_order_of_its_weights(hiding: tuple[float | str, ...]) -> None:
    image = torch.ones(3, 48, 48) + 0.3 * smooth_images(1, (48, 48))[0]
    method = replace(QUARTERS, samples=400, hiding=hiding)  # type: ignore[arg-type]
    found = quarters_of(method(Linear(), image[None], torch.tensor([0]))[0])
    assert sorted(range(4), key=found.__getitem__) == [1, 3, 2, 0]


def test_a_linear_network_on_one_partition_gets_its_weights() -> None:
    """A quarter is a fourth of the picture, so the density that adds its weight to the answer is four times that."""
    saliency = QUARTERS(Linear(), torch.ones(1, 3, 48, 48), torch.tensor([0]))[0]
    expected = 4 * torch.tensor(Linear.weights)
    torch.testing.assert_close(torch.tensor(quarters_of(saliency)), expected, rtol=0.01, atol=0)


def test_two_values_that_hide_alike_are_one_value() -> None:
    one = replace(QUARTERS, hiding=(0.0,))(Linear(), torch.ones(1, 3, 48, 48), torch.tensor([0]))
    # 0 twice: only the intercept is fitted twice.
    two = replace(QUARTERS, hiding=(0.0, 0.0))(Linear(), torch.ones(1, 3, 48, 48), torch.tensor([0]))
    torch.testing.assert_close(one, two, rtol=0.02, atol=0)


def test_windows_add_half_of_occlusion_to_the_density() -> None:
    """Each is divided by its standard deviation; the samples that are left over make the density."""
    image = (torch.ones(3, 48, 48) + 0.3 * smooth_images(1, (48, 48))[0])[None]
    both = replace(QUARTERS, windows=5)(Linear(), image, torch.tensor([0]))[0]
    density = replace(QUARTERS, samples=64 - 25)(Linear(), image, torch.tensor([0]))[0]
    falls = Occlusion(window=75, stride=37, score="logit")(Linear(), image, torch.tensor([0]))[0]
    torch.testing.assert_close(both, density / density.std() + falls / (2 * falls.std()), rtol=0, atol=2e-3)


def test_one_window_over_all_says_nothing() -> None:
    image = torch.ones(1, 3, 48, 48)
    one = replace(QUARTERS, windows=1)(Linear(), image, torch.tensor([0]))[0]
    density = replace(QUARTERS, samples=63)(Linear(), image, torch.tensor([0]))[0]
    torch.testing.assert_close(one, density / density.std(), rtol=1e-4, atol=1e-4)


def test_windows_over_a_single_pixel_say_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = OverlayMINT(samples=9, deep_layer="0", windows=2)(network, torch.ones(1, 3, 1, 1), torch.tensor([0]))
    assert found.tolist() == [[[0.0]]]


def test_soft_super_pixels_make_a_smoother_map(small_cnn: SmallCNN, images: Tensor) -> None:
    hard, soft = (replace(SMALL, edge=width)(small_cnn, images[:1], torch.tensor([0]))[0] for width in (0.0, 0.05))
    roughness = [float((each.diff(dim=0) / each.std()).square().mean()) for each in (hard, soft)]
    assert roughness[1] < roughness[0] / 4


def test_a_floor_of_zero_follows_the_deep_saliency() -> None:
    """M is positive on one patch alone; with a floor of 0 nothing else can have importance."""
    image = 1 + smooth_images(1, (48, 48))[0].abs()
    saliency = replace(SMALL, floor=0.0)(Patch(), image[None], torch.tensor([0]))[0]
    inside = torch.zeros(48, 48, dtype=torch.bool)
    inside[10:22, 14:26] = True
    assert float(saliency[~inside].abs().max()) < 1e-6 * float(saliency[inside].abs().max())


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"hiding": ()}, "hiding names no value"),
        ({"hiding": "blur"}, "hiding is a tuple"),
        ({"hiding": ("noise",)}, "each of hiding is a number or one of .*'blur'"),
        ({"grids": (0,)}, "each of grids is a whole number, 1 or more, not 0"),
        ({"grids": 7}, "grids is a tuple"),
        ({"edge": -0.1}, "edge is a number 0 or more"),
        ({"windows": -1}, "windows is a whole number, 0 or more, not -1"),
        ({"windows": 5, "samples": 26}, "5 x 5 windows leave fewer than 2 of 26 samples"),
        ({"gate": float("nan")}, "gate is a number 0 or more"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(parameters: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        OverlayMINT(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_fewer_samples_than_partitions_and_values_are_enough(small_cnn: SmallCNN, images: Tensor, samples: int) -> None:
    method = replace(SMALL, samples=samples, grids=(3,), hiding=(0.0, "mean", "blur"))
    assert bool(torch.isfinite(method(small_cnn, images[:1], torch.tensor([0]))).all())
