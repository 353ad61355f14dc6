"""The two small networks, their training, and the weights that are shipped."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import mint.app.torchvision_ops  # noqa: F401

# isort: split
from torchvision.models import resnet18, vgg11_bn

from baselines import Centre, GradCAM
from benchmarks.datasets.scenes.classes import CLASSES, SIZE
from benchmarks.datasets.scenes.draw import scene
from benchmarks.datasets.scenes.train import (
    HELD_OUT,
    RECIPES,
    WEIGHTS,
    Recipe,
    Stage,
    batches,
    normalise,
    pointing_accuracy,
    recall,
    target_distribution,
    train,
)
from benchmarks.networks.network import Network, load_network
from benchmarks.networks.scenes import untrained_resnet, untrained_vgg
from benchmarks.run.binding import bind

NAMES = tuple(RECIPES)
CELLS = {"scenes-vgg": 4, "scenes-resnet": 4}  # along the side of the deep layer


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> Network:
    return load_network(request.param)


# --- the architectures ---------------------------------------------------------------------------------------


def test_vgg_repeats_torchvisions_blocks() -> None:
    """Each stage is (convolution, batch norm, ReLU) once or twice; max-pools lie between, as in vgg11_bn."""
    stages = re.compile(r"((Conv2d BatchNorm2d ReLU ){1,2}(MaxPool2d |$))+")
    for model in (untrained_vgg(), vgg11_bn(init_weights=False)):
        kinds = [type(layer).__name__ for layer in model.get_submodule("features").children()]
        assert stages.fullmatch(" ".join([*kinds, ""]))
        assert {"features", "avgpool", "classifier"} <= dict(model.named_children()).keys()


def test_resnet_has_torchvisions_names() -> None:
    ours, theirs = untrained_resnet(), resnet18()
    assert ours.state_dict().keys() < theirs.state_dict().keys()
    names = [name for name, _ in theirs.named_children()]
    assert [name for name, _ in ours.named_children() if name != "flatten"] == names


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_small(name: str) -> None:
    model = RECIPES[name].build().eval()
    assert sum(values.numel() for values in model.parameters()) < 1_000_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert model(torch.zeros(1, 3, SIZE, SIZE)).shape == (1, len(CLASSES))
    assert counter.get_total_flops() / 2 < 80e6  # multiply-adds


def test_layers_have_their_resolution(network: Network) -> None:
    assert network.layers is not None
    shapes: dict[str, torch.Size] = {}
    handles = [
        network.module.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: shapes.__setitem__(layer, output.shape)
        )
        for layer in network.layers
    ]
    with torch.no_grad():
        network.module(torch.zeros(1, 3, SIZE, SIZE))
    for handle in handles:
        handle.remove()
    shallow, deep = network.layers
    assert shapes[deep][-2:] == (CELLS[network.name], CELLS[network.name])
    assert shapes[shallow][-1] >= 56


# --- what the networks are trained to answer -----------------------------------------------------------------


def _labels(*counts: int) -> Tensor:
    """Return a map (1, 1, 20) with counts[i] pixels of class i, then background."""
    row = torch.zeros(20, dtype=torch.int64)
    row[: sum(counts)] = torch.repeat_interleave(
        torch.arange(1, len(counts) + 1), torch.tensor(counts, dtype=torch.int64)
    )
    return row[None, None]


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ([], [1 / 2, 1 / 2]),  # both whole
        ([0, 1], [1 / 2, 1 / 2]),  # half of class 0 is enough
        ([0, 1, 2], [1 / 3, 2 / 3]),  # a quarter of class 0 counts half
        ([0, 1, 2, 3], [0.0, 1.0]),
        (range(20), [1 / 12, 1 / 12]),  # nothing left: the uniform answer
        # A quarter of class 1 alone: half of the mass is its own, the rest is everyone's.
        ([*range(4), *range(4, 10)], [1 / 24, 1 / 2 + 1 / 24]),
    ],
)
def test_target_distribution_follows_what_is_left(hidden: list[int], expected: list[float]) -> None:
    keep = torch.ones(1, 1, 20, dtype=torch.bool)
    keep[..., list(hidden)] = False
    answer = target_distribution(_labels(4, 8), keep)
    torch.testing.assert_close(answer[0, :2], torch.tensor(expected))
    torch.testing.assert_close(answer.sum(), torch.tensor(1.0))


def test_target_distribution_treats_each_picture_alone() -> None:
    labels = torch.cat([_labels(4), _labels(0, 0, 3), _labels()])
    answer = target_distribution(labels, torch.ones_like(labels, dtype=torch.bool))
    expected = torch.zeros(3, len(CLASSES))
    expected[0, 0] = expected[1, 2] = 1
    expected[2] = 1 / len(CLASSES)
    torch.testing.assert_close(answer, expected)


def test_pictures_are_normalised_as_the_harness_does() -> None:
    image = np.arange(SIZE * SIZE * 3, dtype=np.uint8).reshape(SIZE, SIZE, 3)
    torch.testing.assert_close(normalise(image[None])[0], load_network("scenes-vgg").tensor(image))


# --- the training --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_scenes() -> tuple[np.ndarray, np.ndarray]:
    drawn = [scene("train", index) for index in range(16)]
    return np.stack([each.image for each in drawn]), np.stack([each.labels for each in drawn])


@pytest.mark.parametrize("window", [56, SIZE])
def test_batches_are_crops_of_objects(few_scenes: tuple[np.ndarray, np.ndarray], window: int) -> None:
    stage = Stage(window=window, epochs=1, learning_rate=1e-3, masked=0.0)
    passes = list(batches(*few_scenes, 5, stage, np.random.default_rng(0)))
    assert len(passes) == 3  # the last, incomplete batch is left out
    for pictures, distribution in passes:
        assert pictures.shape == (5, 3, window, window)
        torch.testing.assert_close(distribution.sum(1), torch.ones(5))
        # The crop shows at least half of the object it was made for.
        assert (distribution.max(1).values > 1 / 5).all()


def test_removed_cells_have_the_mean_colour(few_scenes: tuple[np.ndarray, np.ndarray]) -> None:
    whole, masked = (Stage(window=SIZE, epochs=1, learning_rate=1e-3, masked=share) for share in (0.0, 1.0))
    (pictures, _), *_ = batches(*few_scenes, 16, masked, np.random.default_rng(0))
    removed = (pictures == 0).all(1).float().mean((1, 2))
    assert removed.max() > 0.5
    assert removed.min() < 0.5
    (pictures, _), *_ = batches(*few_scenes, 16, whole, np.random.default_rng(0))
    assert (pictures == 0).all(1).float().mean() < 0.01


def test_training_is_repeatable_and_learns(few_scenes: tuple[np.ndarray, np.ndarray]) -> None:
    recipe = Recipe(untrained_resnet, stages=(Stage(56, 12, 4e-3, 0.0), Stage(SIZE, 2, 1e-3, 0.3)), batch=8)
    before = torch.random.get_rng_state()
    first, second = (train(recipe, *few_scenes) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not first.training
    for name, values in first.state_dict().items():
        torch.testing.assert_close(values, second.state_dict()[name], rtol=0, atol=0, msg=name)
    assert recall(first, *few_scenes) > recall(recipe.build().eval(), *few_scenes) + 0.1


class _Recites(torch.nn.Module):
    """Answers every picture with the same ranking: class 0 first."""

    def forward(self, images: Tensor) -> Tensor:
        return -torch.arange(float(len(CLASSES))).repeat(len(images), 1)


def test_recall_on_paper() -> None:
    labels = np.zeros((3, 2, 2), np.uint8)
    labels[0, 0] = [1, 2]  # classes 0 and 1: both among the top two
    labels[1, 0] = [1, 12]  # classes 0 and 11: one of two
    labels[2, 0] = [5, 5]  # class 4: not the top one
    assert recall(_Recites(), np.zeros((3, 2, 2, 3), np.uint8), labels) == pytest.approx(3 / 5)


# --- the weights that are shipped ----------------------------------------------------------------------------


def test_weights_are_small_and_float32(network: Network) -> None:
    assert (WEIGHTS / f"{network.name}.safetensors").stat().st_size < 4 * 2**20
    assert all(values.dtype == torch.float32 for values in network.module.parameters())


def test_model_card_is_of_these_weights(network: Network) -> None:
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert network.name in card
    assert network.weights_sha256 in card


def test_classes_present_are_recalled(network: Network) -> None:
    """On fresh evaluation scenes, whose photographs the training never showed."""
    drawn = [scene("evaluation", index) for index in HELD_OUT[:200]]
    images, labels = np.stack([each.image for each in drawn]), np.stack([each.labels for each in drawn])
    assert recall(network.module, images, labels) >= 0.9


def test_nothing_left_is_answered_about_uniformly(network: Network) -> None:
    with torch.no_grad():
        answer = network.module(torch.zeros(1, 3, SIZE, SIZE)).softmax(1)
    assert answer.max() < 0.25


def test_scenes_separate_methods(network: Network) -> None:
    """Grad-CAM is neither perfect nor lost on the difficult cases, and the centre is a bad guess."""
    gradcam = pointing_accuracy(network, bind(GradCAM(), network))
    centre = pointing_accuracy(network, Centre())
    assert 0.5 < gradcam["difficult"] < 0.9
    assert centre["difficult"] < 0.35
