"""Removal of whole super-pixels, at numbers of them spaced geometrically, and what is painted in their place."""

from dataclasses import replace

import contexts
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.metrics import RemovalProfile
from benchmarks.metrics.removal.curve import Inpainting
from benchmarks.metrics.removal.inpainting import paint_anew
from benchmarks.metrics.removal.peers import BY_SEGMENTS
from benchmarks.metrics.removal.points import prepare
from benchmarks.metrics.removal.segments import Segments, geometrically
from mint.contract import InputError

PROFILE = RemovalProfile(tool="a paper", version="1", points=BY_SEGMENTS, area="trapezoid", segments=Segments(4))


def quarters(side: int = 24) -> Tensor:
    """A picture of four plain quarters, which SLIC finds: the left ones lower in the first channel."""
    image = torch.zeros(3, side, side)
    half = side // 2
    image[0, :, half:] = 4.0
    image[1, half:, :] = 4.0
    return image


def labels_of(image: Tensor, segments: Segments) -> Tensor:
    return segments.labels(contexts.context_of(image)).view(image.shape[1:])


def test_slic_finds_the_four_quarters() -> None:
    labels = labels_of(quarters(), Segments(4))
    assert sorted(torch.bincount(labels.flatten()).tolist()) == [144] * 4
    assert {int(labels[y, x]) for y in (0, 20) for x in (0, 20)} == {0, 1, 2, 3}


def test_pixels_have_the_place_of_their_super_pixel_by_its_mean() -> None:
    context, segments = contexts.context_of(quarters()), Segments(4)
    labels = segments.labels(context)
    # Pixel by pixel the maximum is in quarter 0, on average quarter 2 is ahead; 1 and 3 tie.
    values = torch.tensor([0.1, 0.2, 0.4, 0.2])[labels]
    values[labels == 0] -= 0.05
    values[torch.nonzero(labels == 0)[0]] = 1.0
    ranks = segments.ranks(context, values[None])[0]
    assert [ranks[labels == quarter].unique().tolist() for quarter in range(4)] == [[1.0], [3.0], [4.0], [2.0]]


def test_numbers_of_super_pixels_are_spaced_geometrically_from_none_to_all() -> None:
    ranked = torch.arange(16, 0, -1).repeat_interleave(3)[None].float()
    # 1, 2, 4, 7 and 16: numpy finds a little less than 8, and cuts it off, as in the authors' code.
    assert geometrically(ranked, 5).tolist() == [[0, 3, 6, 12, 21, 48]]
    # Numbers that round to one number are asked for once, as the authors' np.unique does.
    assert geometrically(ranked[:, :6], 15).tolist() == [[0, 3, 6]]
    uneven = torch.tensor([[4.0, 3, 3, 3, 2, 1, 1], [4.0, 4, 4, 3, 2, 2, 1]])
    assert geometrically(uneven, 4).tolist() == [[0, 1, 4, 7], [0, 3, 4, 7]]


def test_the_area_is_that_of_the_quarters_on_paper() -> None:
    image = quarters()
    labels = labels_of(image, Segments(4))
    # The output is linear: each quarter adds its own amount while it is there.
    amounts = torch.tensor([1.0, 2.0, 4.0, 3.0])
    weights = torch.where(image.sum(0) > 0, amounts[labels] / (144 * image.sum(0).clamp(min=1)), 0)
    expected = {int(q): float((weights * image.sum(0))[labels == q].sum()) for q in range(4)}
    context = contexts.context_of(image, model=contexts.Linear(weights.expand(3, -1, -1)))
    saliency = torch.tensor([1.0, 2.0, 4.0, 3.0])[labels]
    for curve, order in (("deletion", [2, 3, 1, 0]), ("LeRF", [0, 1, 3, 2])):
        found = replace(PROFILE, score="logit", curve=curve)(context, saliency)
        assert found.curve is not None
        fractions, values = found.curve
        # geomspace(1, 4, 15) truncated: 1, 2, 3 and 4 super-pixels.
        assert fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
        left = [sum(expected.values()) - sum(expected[q] for q in order[:k]) for k in range(5)]
        assert values == pytest.approx(left, abs=1e-4)
        assert found.score == pytest.approx(np.trapezoid(left, dx=0.25), abs=1e-4)


def test_one_number_is_the_same_whatever_else_is_asked_with_it() -> None:
    image = quarters()
    model = contexts.Linear(torch.randn(3, 24, 24, generator=torch.Generator().manual_seed(1)) / 100)
    maps = [torch.randn(24, 24, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3)]
    pixels = RemovalProfile(tool="x", version="1", points="a picture row a step", area="trapezoid")
    asked = [PROFILE, replace(PROFILE, segments=Segments(9)), pixels]
    together = contexts.context_of(image, model=model)
    prepare(together, asked, maps)
    before = model.pictures
    found = [metric(together, each).score for metric in asked for each in maps]
    assert model.pictures == before
    alone = [metric(contexts.context_of(image, model=model), each).score for metric in asked for each in maps]
    assert found == pytest.approx(alone, abs=1e-6)
    assert len({*found}) == len(found)


def test_segments_and_their_points_need_each_other() -> None:
    with pytest.raises(InputError, match="need each other"):
        replace(PROFILE, segments=None)
    with pytest.raises(InputError, match="need each other"):
        replace(PROFILE, points="a picture row a step")
    with pytest.raises(InputError, match="number"):
        Segments(0)


def test_what_is_painted_is_opencv_s_and_what_is_left_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    context = contexts.context_of((12, 12))
    picture = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    object.__setattr__(context.case, "image", picture)
    context.network.tensor = lambda image: torch.from_numpy(image).permute(2, 0, 1).float()
    left = torch.ones(2, 12, 12, dtype=torch.bool)
    left[0, 3:6, 4:8] = False
    left[1] = False
    first, nothing = paint_anew(context, left, 3.0)
    expected = cv2.inpaint(picture, (~left[0]).numpy().astype(np.uint8), 3.0, cv2.INPAINT_TELEA)
    assert torch.equal(first, torch.from_numpy(expected).permute(2, 0, 1).float())
    assert torch.equal(first[:, left[0]], torch.from_numpy(picture).permute(2, 0, 1).float()[:, left[0]])
    assert not nothing.any()


def test_a_curve_with_inpainting_ends_at_zero_and_begins_at_the_picture() -> None:
    image = quarters()
    weights = torch.ones(3, 24, 24) / 576
    context = contexts.context_of(image, model=contexts.Linear(weights))
    object.__setattr__(context.case, "image", image.permute(1, 2, 0).numpy().astype(np.uint8))
    context.network.tensor = lambda picture: torch.from_numpy(picture).permute(2, 0, 1).float()
    found = replace(PROFILE, score="logit", removed=Inpainting())(context, torch.rand(24, 24))
    assert found.curve is not None
    assert found.curve[1][0] == pytest.approx(4.0)
    assert found.curve[1][-1] == pytest.approx(0.0)
    # A quarter painted from its neighbours is between them, not black.
    assert found.curve[1][1] > 3.0
