"""Trains the two small networks of the ``scenes`` data set: ``python -m benchmarks.datasets.scenes.train scenes-vgg``.

A scene shows several classes, and attribution explains the softmax probability of one of them. The target
distribution is therefore uniform over the classes present, under cross-entropy.

Perturbation methods show a network pictures with super-pixels removed. So that these are not foreign to it, a
part of the training pictures has random cells replaced by the mean colour (0 after normalisation), and their
target distribution follows what is left: classes whose object is gone lose their mass, and a picture with
nothing left is to get the uniform answer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.datasets.scenes.draw import EVALUATION_PICTURES, scene
from benchmarks.networks.network import load_network
from benchmarks.networks.scene_classes import CLASSES, MEAN, SIZE, STD
from benchmarks.networks.scenes import WEIGHTS, untrained_resnet, untrained_vgg

HELD_OUT = range(10_000, 11_000)  # evaluation scenes that are not among the committed pictures


@dataclass(frozen=True)
class Stage:
    """A part of the training."""

    window: int  # side of the crop around one object that is shown, in pixels
    epochs: int  # passes over the scenes
    learning_rate: float  # peak rate of the one-cycle schedule
    masked: float  # share of the pictures that have cells removed


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: first on crops, then on whole scenes.

    What an object looks like is learnt several times faster, and cheaper, where it fills the picture.
    """

    build: Callable[[], nn.Module]  # returns the untrained network
    stages: tuple[Stage, ...] = (
        Stage(window=56, epochs=6, learning_rate=4e-3, masked=0.0),
        Stage(window=SIZE, epochs=5, learning_rate=3e-3, masked=0.3),
    )
    pictures: int = 20_000  # number of training scenes
    batch: int = 32  # scenes in a step
    weight_decay: float = 0.02  # AdamW's
    seed: int = 0  # of the initial weights, the order and the augmentation
    threads: int = 1  # of the CPU; another number changes the rounding, and so the weights


RECIPES: Mapping[str, Recipe] = {"scenes-vgg": Recipe(untrained_vgg), "scenes-resnet": Recipe(untrained_resnet)}


def draw_scenes(split: str, indices: range) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw scenes in parallel: images, uint8 ``(n, 112, 112, 3)``, and labels, uint8 ``(n, 112, 112)``."""
    images = np.empty((len(indices), SIZE, SIZE, 3), np.uint8)
    labels = np.empty((len(indices), SIZE, SIZE), np.uint8)
    with multiprocessing.Pool() as pool:
        for row, drawn in enumerate(pool.imap(partial(scene, split), indices, chunksize=64)):
            images[row], labels[row] = drawn.image, drawn.labels
    return images, labels


def normalise(images: NDArray[np.uint8]) -> Tensor:
    """Turn uint8 ``(n, h, w, 3)`` into the networks' float32 ``(n, 3, h, w)``, channels-last."""
    pictures = torch.tensor(images).permute(0, 3, 1, 2).float() / 255
    return (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def target_distribution(labels: Tensor, keep: Tensor) -> Tensor:
    """Return what the network should answer, float32 (n, classes), when only the pixels in ``keep`` are shown.

    ``labels`` are int64 (n, h, w), 0 or 1 + class, and ``keep`` bool (n, h, w). The answer is uniform over the classes
    present. An object counts in full while half of it is shown, then in proportion; what the strongest object lacks
    goes to all classes alike.
    """
    count, bins = len(labels), len(CLASSES) + 1
    rows = torch.arange(count)[:, None, None] * bins + labels
    whole = torch.bincount(rows.flatten(), minlength=count * bins).reshape(count, bins)[:, 1:]
    shown = torch.bincount(rows[keep], minlength=count * bins).reshape(count, bins)[:, 1:]
    strength = (2 * shown / whole.clamp(min=1)).clamp(max=1)
    strongest = strength.max(1, keepdim=True).values
    mixture = strength / strength.sum(1, keepdim=True).clamp(min=1e-6)
    return strongest * mixture + (1 - strongest) / len(CLASSES)


def batches(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], size: int, stage: Stage, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one pass of augmented ``(pictures, target distributions)`` in random order, ``size`` at a time."""
    order = rng.permutation(len(images))
    for start in range(0, len(order) - size + 1, size):
        rows = np.sort(order[start : start + size])
        turn, axis = int(rng.integers(4)), int(rng.integers(2))
        pictures = np.flip(np.rot90(images[rows], turn, (1, 2)), 1 + axis)[..., rng.permutation(3)]
        regions = np.flip(np.rot90(labels[rows], turn, (1, 2)), 1 + axis)
        gain = torch.from_numpy(rng.uniform(0.8, 1.2, (size, 1, 1, 1)).astype(np.float32))
        keep = _kept_cells(size, stage.masked, rng)
        corners = np.array([_corner(region, stage.window, rng) for region in regions])
        inside = corners[..., None] + np.arange(stage.window)
        crop = np.arange(size)[:, None, None], inside[:, 0, :, None], inside[:, 1, None, :]
        seen = np.zeros_like(keep)
        seen[crop] = keep[crop]
        distribution = target_distribution(torch.from_numpy(regions.astype(np.int64)), torch.from_numpy(seen))
        yield normalise(pictures[crop]) * gain * torch.from_numpy(keep[crop])[:, None], distribution


def _corner(region: NDArray[np.uint8], window: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the (row, column) where a crop that shows a random object begins."""
    target = rng.choice(np.unique(region[region > 0]))
    middle = np.argwhere(region == target).mean(0) + rng.uniform(-0.1, 0.1, 2) * window
    corner: NDArray[np.int64] = np.clip(np.rint(middle - window / 2), 0, SIZE - window).astype(np.int64)
    return corner


def _kept_cells(count: int, masked: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return masks ``(count, h, w)`` that drop random cells, around random seed points, of some pictures."""
    points = rng.uniform(0, SIZE, (int(rng.integers(12, 80)), 2))
    grid = np.arange(SIZE)
    distance = (grid[:, None, None] - points[:, 0]) ** 2 + (grid[None, :, None] - points[:, 1]) ** 2
    cells = distance.argmin(-1)
    share = np.where(rng.random(count) < masked, rng.uniform(0.05, 1, count), 1.0)
    return (rng.random((count, len(points))) < share[:, None])[:, cells]


def train(recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> nn.Module:
    """Train a network on scenes; returns it in evaluation mode."""
    torch.set_num_threads(recipe.threads)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model: nn.Module = recipe.build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rng = np.random.default_rng(recipe.seed)
    steps = len(images) // recipe.batch
    for stage in recipe.stages:
        optimiser = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, stage.learning_rate, epochs=stage.epochs, steps_per_epoch=steps
        )
        model.train()
        for epoch in range(stage.epochs):
            started = time.perf_counter()
            total = 0.0
            for pictures, distribution in batches(images, labels, recipe.batch, stage, rng):
                optimiser.zero_grad(set_to_none=True)
                loss = cross_entropy(model(pictures), distribution)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                total += loss.item()
            minutes = (time.perf_counter() - started) / 60
            place = f"{stage.window} pixels, epoch {epoch + 1}/{stage.epochs}"
            print(f"{place}: loss {total / steps:.4f}, {minutes:.1f} min", flush=True)
    return model.eval()


@torch.no_grad()
def recall(model: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Return the share of the classes present that are among the network's top n, n being their number."""
    found = present = 0
    for start in range(0, len(images), 100):
        ranked = model(normalise(images[start : start + 100])).argsort(1, descending=True)
        for row, region in zip(ranked, labels[start : start + 100], strict=True):
            shown = set((np.unique(region[region > 0]) - 1).tolist())
            found += len(shown & set(row[: len(shown)].tolist()))
            present += len(shown)
    return found / present


def report(name: str, weights: Path) -> None:
    """Print what the model card says of a network."""
    network = load_network(name, weights=weights)
    print(f"sha256 {network.weights_sha256}")
    print(f"parameters {sum(values.numel() for values in network.module.parameters())}")
    for which, indices in {"held-out": HELD_OUT, "committed": range(EVALUATION_PICTURES)}.items():
        print(f"recall, {which} scenes: {recall(network.module, *draw_scenes('evaluation', indices)):.3f}")


def main() -> None:
    """Train the named network, write its weights and print how well it does."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets.scenes.train", description="Train a network of the scenes."
    )
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights (%(default)s)")
    parser.add_argument("--report", action="store_true", help="only report on the weights there are")
    arguments = parser.parse_args()
    weights = arguments.out / f"{arguments.network}.safetensors"
    if not arguments.report:
        recipe = RECIPES[arguments.network]
        model = train(recipe, *draw_scenes("train", range(recipe.pictures)))
        arguments.out.mkdir(parents=True, exist_ok=True)
        save_file({name: values.contiguous() for name, values in model.state_dict().items()}, weights)
    report(arguments.network, weights)


if __name__ == "__main__":
    main()
