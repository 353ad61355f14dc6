"""Noisy linear imputation against a sparse direct solver, and ROAD where its value is known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from contexts import Linear, context_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from benchmarks.metrics import PROFILES, ROAD
from benchmarks.metrics.removal import imputation
from benchmarks.metrics.removal.imputation import fill_in, noise_of
from benchmarks.metrics.removal.multigrid import VCycle
from mint.contract import InputError


def impute(image: Tensor, removed: Tensor, noise: float = 0, seed: int = 0) -> Tensor:
    return fill_in(image, removed, noise_of(image, noise, seed))


def solved_directly(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Solve pixel by pixel what ROAD's authors solve: each missing pixel is the weighted mean of its neighbours."""
    height, width = missing.shape
    places = [(int(row), int(column)) for row, column in np.argwhere(missing)]
    number = {place: i for i, place in enumerate(places)}
    entries, right = [], np.zeros((len(places), len(image)))
    for i, (row, column) in enumerate(places):
        total = 0.0
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                there = (row + down, column + across)
                if there == (row, column) or not (0 <= there[0] < height and 0 <= there[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                total += weight
                if there in number:
                    entries.append((i, number[there], -weight))
                else:
                    right[i] += weight * image[:, there[0], there[1]]
        entries.append((i, i, total))
    rows, columns, values = zip(*entries, strict=True)
    solution = spsolve(coo_matrix((values, (rows, columns))).tocsr(), right).reshape(len(places), -1)
    filled = image.copy()
    for place, value in zip(places, solution, strict=True):
        filled[:, place[0], place[1]] = value
    return filled


def test_one_pixel_is_the_weighted_mean_of_its_neighbours() -> None:
    image = torch.tensor([[[0.0, 6, 0], [6, 99, 6], [0, 6, 0]]])
    removed = torch.zeros(2, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = True  # four direct neighbours of 6, four diagonal ones of 0
    removed[1, 0, 0] = True  # in a corner: two direct ones of 6, the centre's 99
    centre, corner = impute(image, removed)
    assert float(centre[0, 1, 1]) == pytest.approx(4, abs=1e-5)
    assert float(corner[0, 0, 0]) == pytest.approx((6 / 6 + 6 / 6 + 99 / 12) / (5 / 12), abs=1e-4)
    assert torch.equal(centre[~removed[:1]], image[~removed[:1]])


def test_a_slope_continues_through_a_hole() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    image = torch.stack([rows / 10, 2 - columns / 25 + rows / 20])
    removed = torch.zeros(1, 40, 50, dtype=torch.bool)
    removed[0, 5:30, 3:48] = True
    found = impute(image, removed)[0]
    torch.testing.assert_close(found, image, atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    smoothness=st.sampled_from([0, 0.7, 2, 5]),
    share=st.sampled_from([0.05, 0.5, 0.9, 0.99]),
)
def test_the_solution_is_the_sparse_direct_solver_s(
    seed: int, size: tuple[int, int], smoothness: float, share: float
) -> None:
    generator = np.random.default_rng(seed)
    image = generator.standard_normal((2, *size))
    field = gaussian_filter(generator.standard_normal(size), smoothness)
    missing = field <= np.quantile(field, share)
    missing[generator.integers(size[0]), generator.integers(size[1])] = False
    found = impute(torch.from_numpy(image), torch.from_numpy(missing)[None])[0]
    expected = solved_directly(image, missing) if missing.any() else image
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("smoothness", [0, 3, 14])
def test_few_iterations_suffice_whatever_the_size(monkeypatch: pytest.MonkeyPatch, smoothness: float) -> None:
    cycles = []

    class Counted(VCycle):
        def __call__(self, residual: Tensor, depth: int = 0) -> Tensor:
            cycles.append(depth)
            return super().__call__(residual, depth)

    monkeypatch.setattr(imputation, "VCycle", Counted)
    generator = np.random.default_rng(0)
    field = gaussian_filter(generator.standard_normal((224, 224)), smoothness)
    removed = torch.from_numpy(np.stack([field < np.quantile(field, share) for share in (0.1, 0.5, 0.9)]))
    impute(torch.from_numpy(generator.standard_normal((1, 224, 224))), removed)
    assert cycles.count(0) <= 12


def some_masks(count: int) -> Tensor:
    masks = (
        torch.rand(count, 24, 30, generator=torch.Generator().manual_seed(0))
        < torch.linspace(0.1, 0.95, count)[:, None, None]
    )
    return masks


def test_a_copy_does_not_depend_on_the_other_masks() -> None:
    image = torch.randn(3, 24, 30, generator=torch.Generator().manual_seed(1))
    masks = some_masks(11)
    together = impute(image, masks, noise=0.1, seed=5)
    alone = torch.cat([impute(image, mask[None], noise=0.1, seed=5) for mask in masks])
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


def test_noise_is_added_where_pixels_were_removed_and_nowhere_else() -> None:
    image = torch.randn(3, 24, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    masks = some_masks(4)
    state = torch.get_rng_state()
    noisy, clean = (impute(image, masks, noise=noise, seed=3) for noise in (0.5, 0.0))
    assert torch.equal(torch.get_rng_state(), state)
    added = noisy - clean
    assert (added[~masks.unsqueeze(1).expand_as(added)] == 0).all()
    drawn = 0.5 * torch.randn(3, 24, 30, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(added, drawn * masks.unsqueeze(1))
    assert not torch.equal(impute(image, masks, noise=0.5, seed=4), noisy)


def test_nothing_removed_is_the_picture_itself() -> None:
    image = torch.randn(3, 8, 9)
    assert torch.equal(impute(image, torch.zeros(2, 8, 9, dtype=torch.bool), noise=1, seed=0), torch.stack([image] * 2))
    assert impute(image, torch.zeros(0, 8, 9, dtype=torch.bool), noise=1, seed=0).shape == (0, 3, 8, 9)


def test_road_of_the_one_pixel_that_counts() -> None:
    image = torch.zeros(3, 12, 12)
    image[:, 5, 6] = 1
    weights = torch.zeros(3, 12, 12)
    weights[:, 5, 6] = 1 / 3
    context = context_of(image, model=Linear(weights))
    saliency = torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
    saliency[5, 6] = 2
    road = ROAD(noise=0, score="logit")
    found = road(context, saliency)
    # Removed first, it is imputed from black neighbours; removed last, it stays at all nine percentiles.
    assert found.score == pytest.approx(0.5, abs=1e-6)
    assert found.curve is not None
    np.testing.assert_allclose(found.curve[1], 0.5, atol=1e-6)
    assert road(context, -saliency).score == pytest.approx(-0.5, abs=1e-6)


def test_road_agrees_with_the_profile_where_nothing_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    image, weights = (torch.randn(3, 15, 17, generator=generator) for _ in range(2))
    saliency = torch.randn(15, 17, generator=generator)
    profile = PROFILES["gradcam-road"]
    mine, theirs = (metric(context_of(image, model=Linear(weights)), saliency) for metric in (ROAD(), profile))
    assert mine.score == pytest.approx(theirs.score, abs=1e-7)
    assert mine.score != 0


def test_road_of_a_plateau_goes_by_index() -> None:
    image = torch.randn(3, 10, 10, generator=torch.Generator().manual_seed(0))
    context = context_of(image, model=Linear(image))
    ramp = torch.arange(100.0).flip(0).view(10, 10)
    assert ROAD()(context, torch.zeros(10, 10)).score == pytest.approx(ROAD()(context, ramp).score)
    assert math.isfinite(ROAD()(context, torch.zeros(10, 10)).score)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"percentiles": ()}, r"above 0 and below 100, at least one, not \(\)"),
        ({"percentiles": (0, 50)}, "above 0 and below 100"),
        ({"percentiles": 10}, "a tuple of numbers"),
        ({"percentiles": ("10",)}, "a tuple of numbers"),
        ({"noise": -0.1}, "0 or more, not -0.1"),
        ({"score": "loss"}, "score is one of .*, not 'loss'"),
    ],
)
def test_bad_parameters_of_road_are_refused(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ROAD(**parameters)
