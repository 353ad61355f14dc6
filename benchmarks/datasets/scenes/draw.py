"""Draws the pictures of the ``scenes`` data set: textured silhouettes on photographs, with pixel-exact masks.

A class is a silhouette together with a texture ("striped-disc"). Each silhouette comes in each texture, so
neither the outline (coarse evidence) nor the texture (fine evidence) is enough to name an object. A scene
shows two to four objects of different classes and, often, blobs that carry a class texture but no class
silhouette.

A scene is a pure function of ``(seed, split, index)``. The two splits share no photograph. The committed pictures
in ``benchmarks/assets/scenes`` are what ``write_evaluation()`` writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from benchmarks.datasets.scenes.read import ASSETS
from benchmarks.networks.scene_classes import CLASSES, SIZE
from mint.contract import InputError

Floats = NDArray[np.float64]
Outline = Callable[[Floats], Floats]  # angles to distances from the centre
Wave = Callable[[Floats, Floats], Floats]  # coordinates to values in [-1, 1], to be clipped there

SEED = 20261124
EVALUATION_PICTURES = 96

MIN_VISIBLE = 0.02  # of the picture, for each object
MAX_VISIBLE = 0.25
MIN_UNHIDDEN = 0.75  # of an object's own area: overlap is bounded
CROWDED = 1.15  # most between a shape and its nearest neighbour, in sums of radii, in some scenes
MIN_RIVAL = 0.01  # of the picture, for a blob to count as a visible rival


# Silhouettes: the distance from the centre to the outline in each direction.

DIRECTIONS: Floats = np.linspace(0, 2 * np.pi, 720, endpoint=False)  # where outlines are sampled for their size


def _folded(angle: Floats, half: float) -> Floats:
    """Fold the circle onto the angles up to ``half``, where an outline is its own mirror image again and again."""
    return half - np.abs(angle % (2 * half) - half)


def _pointed(angle: Floats, points: int, inner: float) -> Floats:
    """Return the outline with ``points`` tips at radius 1 and as many corners at radius ``inner``."""
    half = np.pi / points
    folded = _folded(angle, half)
    distance: Floats = inner * np.sin(half) / (np.sin(folded) + inner * np.sin(half - folded))
    return distance


def _cross(angle: Floats, arm: float) -> Floats:
    folded = _folded(angle, np.pi / 4)
    return np.minimum(1 / np.cos(folded), arm / np.maximum(np.sin(folded), 1e-9))


SILHOUETTES: Mapping[str, Outline] = {
    "disc": np.ones_like,
    "triangle": partial(_pointed, points=3, inner=0.5),
    "cross": partial(_cross, arm=0.36),
    "star": partial(_pointed, points=5, inner=0.42),
}

# Textures: a wave over the plane, with period 1 in both coordinates.

TEXTURES: Mapping[str, Wave] = {
    "striped": lambda x, y: np.sin(2 * np.pi * x),
    "checked": lambda x, y: 1.5 * np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y),
    "dotted": lambda x, y: 3.0 - 9.5 * np.hypot(x % 1 - 0.5, y % 1 - 0.5),
}

# Photographs. Each is (package, file name); CREDITS.md beside the pictures names author and licence.

PHOTOGRAPHS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        *(("skimage", f"{name}.png") for name in ("astronaut", "brick", "chelsea", "coffee", "gravel")),
        *(("skimage", f"{name}.jpg") for name in ("hubble_deep_field", "retina")),
        ("sklearn", "flower.jpg"),
    ),
    "evaluation": (
        *(("skimage", name) for name in ("camera.png", "clock_motion.png", "grass.png", "rocket.jpg")),
        ("sklearn", "china.jpg"),
    ),
}
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}


@cache
def photograph(package: str, name: str) -> NDArray[np.uint8]:
    """Read a photograph bundled with scikit-image or scikit-learn, as uint8 ``(height, width, 3)``."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / _FOLDERS[package] / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise InputError(
            f"the photograph {name} of {package} is not installed; install scikit-image and scikit-learn to draw "
            "new scenes (the committed ones need neither)"
        )
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@dataclass(frozen=True)
class Scene:
    """A drawn picture and what is in it."""

    image: NDArray[np.uint8]  # (112, 112, 3), RGB
    labels: NDArray[np.uint8]  # (112, 112): 0 where no object is seen, otherwise 1 + class of the object in front
    # For each class present, in order of drawing: is a rival with its texture or its silhouette seen? (The other two
    # conditions of the pointing game's difficult subset always hold: the object covers under a quarter of the picture,
    # and other classes are present.)
    difficult: Mapping[int, bool]


@dataclass(frozen=True)
class _Shape:
    outline: Outline
    texture: str
    radius: float  # of the disc with the same area, in pixels
    scale: float  # pixels for one unit of the silhouette
    reach: float  # to the farthest point of the outline, in pixels
    x: float
    y: float


def scene(split: str, index: int, seed: int = SEED) -> Scene:
    """Draw one scene of a split, "train" or "evaluation": always the same for the same arguments.

    Where an exotic JPEG decoder rounds otherwise than libjpeg-turbo, backgrounds may differ by a grey level; the
    committed pictures do not depend on it.
    """
    rng = np.random.default_rng([seed, list(PHOTOGRAPHS).index(split), index])
    while True:
        drawn = _try_scene(rng, PHOTOGRAPHS[split])
        if drawn is not None:
            return drawn


def _try_scene(rng: Generator, photographs: tuple[tuple[str, str], ...]) -> Scene | None:
    """Draw a scene, or None when an object came out too small, too large or too hidden."""
    canvas = _background(rng, photographs)
    classes, blobs = _cast(rng)
    nearness = CROWDED if rng.random() < 0.4 else np.inf
    low_contrast = rng.random(len(blobs) + len(classes)) < 0.2

    front = np.zeros((SIZE, SIZE), np.uint8)  # 1 + number of the shape in front; the blobs have the first numbers
    shapes: list[_Shape] = []
    areas: list[int] = []
    for number, (outline, texture, radius) in enumerate(_parts(rng, blobs, classes)):
        shape = _place(rng, outline, texture, radius, shapes, nearness)
        if shape is None:
            return None
        inside = _paint(rng, canvas, shape, low_contrast[number])
        front[inside] = 1 + number
        areas.append(int(inside.sum()))
        shapes.append(shape)

    seen = np.bincount(front.ravel(), minlength=1 + len(shapes))[1:]
    shares, first = seen / front.size, len(blobs)
    visible = (shares >= MIN_VISIBLE) & (shares < MAX_VISIBLE) & (seen / areas >= MIN_UNHIDDEN)
    if not visible[first:].all():
        return None
    seen_blobs = [texture for texture, share in zip(blobs, shares, strict=False) if share >= MIN_RIVAL]
    labels = np.array([0] * (1 + first) + [1 + target for target in classes], np.uint8)[front]
    image = np.clip(np.rint(255 * canvas), 0, 255).astype(np.uint8)
    return Scene(image, labels, {target: _has_rival(target, classes, seen_blobs) for target in classes})


def _parts(rng: Generator, blobs: list[str], classes: list[int]) -> Iterator[tuple[Outline, str, float]]:
    """Yield the outline, the texture and the radius of each shape, from back to front."""
    for texture in blobs:
        radius = SIZE * np.sqrt(rng.uniform(0.02, 0.05) / np.pi)
        yield _random_blob(rng), texture, radius
    for target in classes:
        texture, silhouette = CLASSES[target].split("-")
        yield SILHOUETTES[silhouette], texture, _object_radius(rng, len(classes))


def _cast(rng: Generator) -> tuple[list[int], list[str]]:
    """Choose the classes of the objects and the textures of the blobs.

    A quarter of the scenes have no rivals: all silhouettes and textures differ. In the others each
    further object shares the silhouette or the texture of one before it two times out of three.
    """
    silhouettes, textures = len(SILHOUETTES), len(TEXTURES)
    if rng.random() < 0.25:
        count = int(rng.integers(2, 4))
        return (rng.permutation(silhouettes)[:count] * textures + rng.permutation(textures)[:count]).tolist(), []
    count = int(rng.choice([2, 3, 4], p=[0.35, 0.4, 0.25]))
    chosen = [int(rng.integers(len(CLASSES)))]
    while len(chosen) < count:
        candidate = int(rng.integers(len(CLASSES)))
        wants_rival = rng.random() < 2 / 3
        if candidate not in chosen and wants_rival == _has_rival(candidate, chosen, []):
            chosen.append(candidate)
    blobs = [list(TEXTURES)[i] for i in rng.integers(textures, size=rng.integers(0, 5 - count))]
    return chosen, blobs


def _has_rival(target: int, classes: list[int], blob_textures: list[str]) -> bool:
    texture, silhouette = CLASSES[target].split("-")
    others = [CLASSES[other].split("-") for other in classes if other != target]
    return texture in blob_textures or any(t == texture or s == silhouette for t, s in others)


def _object_radius(rng: Generator, count: int) -> float:
    """Draw the size: log-uniform in area, with a few large objects where there is room."""
    low, high = (0.12, 0.24) if count < 4 and rng.random() < 0.1 else (0.028, 0.1)
    share = low * (high / low) ** rng.random()
    return float(SIZE * np.sqrt(share / np.pi))


def _random_blob(rng: Generator) -> Outline:
    """Return a lobed outline that resembles no class silhouette."""
    first, second = rng.uniform(0, 2 * np.pi, 2)
    return lambda angle: 1 + 0.38 * np.cos(2 * angle + first) + 0.22 * np.cos(3 * angle + second)


def _place(
    rng: Generator, outline: Outline, texture: str, radius: float, others: list[_Shape], nearness: float
) -> _Shape | None:
    """Find a place inside the picture, not too near the shapes already there, and one of them within reach."""
    distances = outline(DIRECTIONS)
    scale = float(radius / np.sqrt((distances**2).mean()))
    reach = scale * float(distances.max())
    room = SIZE - 2 * (0.9 * reach + 1)
    for _ in range(60):
        # Beta(0.7, 0.7) favours the borders: the centre of the picture must not be a good guess.
        x, y = SIZE / 2 + room * (rng.beta(0.7, 0.7, 2) - 0.5)
        gaps = [np.hypot(x - o.x, y - o.y) / (radius + o.radius) for o in others]
        if not gaps or 0.8 < min(gaps) < nearness:
            return _Shape(outline, texture, radius, scale, reach, float(x), float(y))
    return None


def _paint(rng: Generator, canvas: Floats, shape: _Shape, low_contrast: bool) -> NDArray[np.bool_]:
    """Draw a shape on the canvas in place, with soft edges; return the pixels more than half covered."""
    columns, rows = (
        slice(max(0, int(c - shape.reach - 2)), min(SIZE, int(c + shape.reach + 3))) for c in (shape.x, shape.y)
    )
    window = rows, columns
    patch = canvas[window]
    y, x = np.mgrid[window].astype(np.float64)
    x, y = x + 0.5 - shape.x, y + 0.5 - shape.y

    turn = rng.uniform(0, 2 * np.pi)
    edge = shape.scale * shape.outline(np.arctan2(y, x) + turn)
    cover = np.clip(edge - np.hypot(x, y) + 0.5, 0, 1)

    period = np.clip(rng.uniform(0.3, 0.45) * shape.radius, 4.5, 9.0)
    turn = rng.uniform(0, 2 * np.pi)
    u = (x * np.cos(turn) + y * np.sin(turn)) / period + rng.random()
    v = (y * np.cos(turn) - x * np.sin(turn)) / period + rng.random()
    wave = np.clip(2 * TEXTURES[shape.texture](u, v), -1, 1)[..., None]

    contrast = rng.uniform(0.22, 0.34) if low_contrast else rng.uniform(0.4, 0.75)
    around = (patch * cover[..., None]).sum((0, 1)) / cover.sum()
    middle = around if low_contrast else rng.uniform(0.25, 0.75, 3)
    tint = rng.uniform(-0.5, 0.5, 3) * contrast
    sign = rng.choice([-1.0, 1.0])
    colour = np.clip(middle + sign * wave * (contrast / 2 + (tint - tint.mean()) / 2), 0, 1)
    patch += cover[..., None] * (colour - patch)

    inside = np.zeros(canvas.shape[:2], bool)
    inside[window] = cover > 0.5
    return inside


def _background(rng: Generator, photographs: tuple[tuple[str, str], ...]) -> Floats:
    """Crop a photograph, reduced by a whole factor; flip, turn and tint it. Float64 in [0, 1]."""
    source = photograph(*photographs[rng.integers(len(photographs))])
    factor = int(rng.integers(1, min(4, min(source.shape[:2]) // SIZE) + 1))
    side = factor * SIZE
    top, left = (int(rng.integers(0, extent - side + 1)) for extent in source.shape[:2])
    crop = source[top : top + side, left : left + side].astype(np.float64) / 255
    crop = crop.reshape(SIZE, factor, SIZE, factor, 3).mean((1, 3))
    crop = np.rot90(crop, int(rng.integers(4)))
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    gain = rng.uniform(0.75, 1.1) * rng.uniform(0.85, 1.1, 3)
    return np.clip(crop * gain + rng.uniform(0, 0.1), 0, 1)


def write_evaluation(folder: Path = ASSETS, pictures: int = EVALUATION_PICTURES, seed: int = SEED) -> None:
    """Draw the evaluation scenes; write a picture and a label map each, as PNG, and ``index.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for index in range(pictures):
        drawn = scene("evaluation", index, seed)
        name = f"scene-{index:04d}"
        entries.append(
            {
                "name": name,
                "difficult": {CLASSES[target]: hard for target, hard in drawn.difficult.items()},
                "image_sha256": _write_png(folder / f"{name}.png", drawn.image),
                "labels_sha256": _write_png(folder / f"{name}.labels.png", drawn.labels),
            }
        )
    header = {"seed": seed, "size": SIZE, "classes": list(CLASSES), "pictures": entries}
    (folder / "index.json").write_text(json.dumps(header, indent=1) + "\n")


def _write_png(file: Path, pixels: NDArray[np.uint8]) -> str:
    Image.fromarray(pixels).save(file, optimize=True)
    return hashlib.sha256(file.read_bytes()).hexdigest()
