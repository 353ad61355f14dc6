from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.segmentation
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from benchmarks.datasets.imagenet import Geometry
from mint import quickshift as module
from mint.quickshift import quickshift

SCENES = sorted((Path(__file__).parents[2] / "benchmarks" / "assets" / "scenes").glob("scene-????.png"))
NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", "as on a GPU", pytest.param("cuda", marks=NEEDS_CUDA)]
PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "ilsvrc-val" / "val"
# Two levels of grey make pictures of flat areas, in which only the noise says which pixel is denser.
SHADES = st.sampled_from([[0, 255], [7, 8, 9], list(range(256))])


def reference(
    picture: NDArray[np.uint8], kernel_size: float, max_dist: float = 200.0, ratio: float = 0.2, seed: int = 0
) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = skimage.segmentation.quickshift(  # type: ignore[no-untyped-call]
        picture, kernel_size=kernel_size, max_dist=max_dist, ratio=ratio, rng=seed
    )
    return labels


@contextmanager
def the_way_of(device: str) -> Iterator[None]:
    """Let a CPU find parents as a GPU does, if the device is "as on a GPU"."""
    with pytest.MonkeyPatch.context() as patch:
        if device == "as on a GPU":
            patch.setattr(module, "_parents_on_host", module._parents_on_device)
        yield


def pixels(height: int, width: int, block: int, shades: list[int], grey: bool, seed: int) -> NDArray[np.uint8]:
    """Make a picture of random blocks of one colour each, cut to its size."""
    generator = np.random.default_rng(seed)
    colours = generator.choice(shades, size=(-(-height // block), -(-width // block), 1 if grey else 3))
    picture = colours.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    return np.ascontiguousarray(np.broadcast_to(picture, (height, width, 3))).astype(np.uint8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kernel_size", [2.0, 4.0])
@pytest.mark.parametrize("scene", SCENES[::24], ids=lambda scene: scene.stem)
def test_a_scene_is_cut_as_by_scikit_image(scene: Path, kernel_size: float, device: str) -> None:
    picture = np.array(Image.open(scene).convert("RGB"))
    on = "cuda" if device == "cuda" else "cpu"
    with the_way_of(device):
        labels = quickshift(picture, kernel_size, 200.0, 0.2, seed=0, device=on)
    assert labels.dtype == torch.int64
    assert labels.device.type == on
    assert np.array_equal(labels.cpu(), reference(picture, kernel_size))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    block=st.integers(1, 40),
    shades=SHADES,
    grey=st.booleans(),
    kernel_size=st.floats(1.0, 4.0),
    max_dist=st.sampled_from([0.0, 1.0, 3.0, 200.0]),
    ratio=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_any_picture_is_cut_as_by_scikit_image(
    height: int,
    width: int,
    block: int,
    shades: list[int],
    grey: bool,
    kernel_size: float,
    max_dist: float,
    ratio: float,
    seed: int,
) -> None:
    picture = pixels(height, width, block, shades, grey, seed)
    expected = reference(picture, kernel_size, max_dist, ratio, seed)
    assert np.array_equal(quickshift(picture, kernel_size, max_dist, ratio, seed), expected)
    with the_way_of("as on a GPU"):
        assert np.array_equal(quickshift(picture, kernel_size, max_dist, ratio, seed), expected)


def test_blocks_of_rows_of_any_height_give_the_same_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = pixels(37, 29, 5, [0, 100, 200], grey=False, seed=3)
    for step in (1, 7**2 * 29 * 5, 2**25):
        monkeypatch.setattr(module, "CPU_STEP", step)
        monkeypatch.setattr(module, "GPU_STEP", step)
        for device in ("cpu", "as on a GPU"):
            with the_way_of(device):
                assert np.array_equal(quickshift(picture, 1.0, 200.0, 0.2, seed=5), reference(picture, 1.0, seed=5))


def test_a_tensor_is_cut_as_an_array() -> None:
    picture = pixels(20, 24, 6, list(range(256)), grey=False, seed=1)
    expected = quickshift(picture, 2.0, 200.0, 0.2, seed=0)
    assert torch.equal(quickshift(torch.from_numpy(picture), 2.0, 200.0, 0.2, seed=0), expected)


class FaintNoise:
    """A generator whose noise is so faint that rounding errors decide which of two pixels is denser."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.Generator(np.random.PCG64(seed))

    def normal(self, scale: float, size: tuple[int, int]) -> NDArray[np.float64]:
        return self.generator.integers(0, 30, size) * (scale * 1e-10)


@pytest.mark.parametrize("device", ["cpu", "as on a GPU"])
@pytest.mark.parametrize("shades", [[90], [0, 200]])
def test_rounding_errors_of_a_device_change_no_label(
    shades: list[int], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = pixels(24, 24, 8, shades, grey=True, seed=0)
    settle, swapped = module._settle, []

    def disturb(densities: torch.Tensor, *_: Any) -> None:
        before = densities.flatten().argsort()
        errors = torch.rand(densities.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
        # The bound of one density is 53 units in the last place here; these errors are up to 20.
        densities *= 1 + 40 * torch.finfo(torch.float64).eps * errors
        swapped.append(int((before != densities.flatten().argsort()).sum()))

    def disturb_and_settle(*arguments: Any) -> None:
        disturb(*arguments)
        settle(*arguments)

    def equal(seed: int) -> bool:
        with the_way_of(device):
            labels = quickshift(picture, 1.0, 200.0, 0.2, seed)
        return np.array_equal(labels, reference(picture, 1.0, seed=seed))

    monkeypatch.setattr(np.random, "default_rng", FaintNoise)
    monkeypatch.setattr(module, "_settle", disturb_and_settle)
    assert all(equal(seed) for seed in range(3))
    monkeypatch.setattr(module, "_settle", disturb)
    assert not any(equal(seed) for seed in range(3)), "the errors must be large enough to matter"
    assert min(swapped) > 100


def test_a_kernel_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.5"):
        quickshift(np.zeros((4, 4, 3), dtype=np.uint8), 0.5, 200.0, 0.2, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="no ../shared/data beside this checkout")
@pytest.mark.timeout(600)
def test_photographs_are_cut_as_by_scikit_image() -> None:
    different = []
    for path in sorted(PHOTOGRAPHS.glob("*/*.JPEG")):
        photograph = Image.open(path).convert("RGB")
        picture = Geometry.of(*photograph.size, 224).apply(photograph)
        if not np.array_equal(quickshift(picture, 4.0, 200.0, 0.2, seed=0), reference(picture, 4.0)):
            different.append(path.name)
    assert not different
