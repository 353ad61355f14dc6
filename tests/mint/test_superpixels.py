import numpy as np
import pytest
import skimage.data
import torch
from examples import smooth_images
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mint.parameters import InputError
from mint.superpixels import Segmentation, SuperPixels, centres, segment, shares, to_picture


def assert_nested(superpixels: SuperPixels, size: tuple[int, int]) -> None:
    coarse, fine, parent = superpixels.coarse, superpixels.fine, superpixels.parent
    assert coarse.shape == fine.shape == size
    assert torch.equal(coarse.unique(), torch.arange(int(coarse.max()) + 1))
    assert torch.equal(fine.unique(), torch.arange(len(parent)))
    assert torch.equal(parent[fine], coarse), "a fine super-pixel must lie in exactly one coarse one"
    assert torch.equal(superpixels.relation.sum(dim=1), torch.ones(len(parent)).double())
    assert superpixels.relation.any(dim=0).all()


def bump(size: tuple[int, int], row: float, column: float, width: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return torch.exp(-((rows - row * size[0]) ** 2 + (columns - column * size[1]) ** 2) / (width * size[0]) ** 2)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(20, 60),
    width=st.integers(20, 60),
    row=st.floats(0, 1),
    column=st.floats(0, 1),
    spread=st.floats(0.05, 3),
    sign=st.sampled_from([1.0, -1.0]),
)
def test_the_partition_is_nested_and_complete(
    seed: int, height: int, width: int, row: float, column: float, spread: float, sign: float
) -> None:
    image = smooth_images(1, (height, width), seed)[0]
    saliency = sign * bump((height, width), row, column, spread)
    superpixels = segment(image, saliency[None])[0]
    assert_nested(superpixels, (height, width))
    assert superpixels.route in {"grabcut", "threshold", "slic"}
    again = segment(image, saliency[None])[0]
    assert torch.equal(again.fine, superpixels.fine)
    assert torch.equal(again.coarse, superpixels.coarse)


def test_grabcut_finds_a_disc_from_a_rough_prior() -> None:
    size = (64, 64)
    disc = bump(size, 0.5, 0.5, 0.25) > np.exp(-1)
    noise = 0.05 * torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    image = torch.where(disc, torch.tensor([1.5, -1.0, -1.0])[:, None, None], -0.5) + noise
    superpixels = segment(image, bump(size, 0.5, 0.5, 0.2)[None])[0]
    assert superpixels.route == "grabcut"
    found = superpixels.coarse == 0
    assert (found & disc).sum() / (found | disc).sum() > 0.95
    assert 2 <= int(superpixels.coarse.max()) + 1 <= 8


def test_a_failed_grabcut_falls_back_to_the_threshold_and_says_so() -> None:
    # One colour everywhere: GrabCut has nothing to go by but its seeds, which here cover almost nothing.
    image = torch.zeros(3, 50, 50)
    saliency = torch.zeros(50, 50)
    saliency[10, 10] = 1.0
    superpixels = segment(image, saliency[None])[0]
    assert superpixels.route == "threshold"
    assert int((superpixels.coarse == 0).sum()) == 1


def test_a_grabcut_that_cannot_run_has_failed_however_small_a_foreground_may_be() -> None:
    options = Segmentation(smallest_foreground=0.0)
    superpixels = segment(smooth_images(1)[0], torch.ones(1, 40, 48), options)[0]
    assert superpixels.route == "threshold"
    assert not superpixels.coarse.any()


def test_a_threshold_that_nothing_exceeds_is_refused() -> None:
    with pytest.raises(InputError, match="fallback_threshold is below 1"):
        Segmentation(fallback_threshold=1.0)


def test_a_foreground_that_covers_everything_is_one_coarse_super_pixel() -> None:
    superpixels = segment(smooth_images(1)[0], torch.ones(1, 40, 48))[0]
    assert superpixels.route == "threshold"
    assert_nested(superpixels, (40, 48))
    assert not superpixels.coarse.any()


def test_no_positive_saliency_leaves_slic_alone() -> None:
    superpixels = segment(smooth_images(1)[0], -torch.ones(1, 40, 48))[0]
    assert superpixels.route == "slic"
    assert_nested(superpixels, (40, 48))
    assert int(superpixels.coarse.max()) >= 2


def test_slivers_are_merged() -> None:
    options = Segmentation(sliver=0.01)
    superpixels = segment(smooth_images(1, (60, 60))[0], bump((60, 60), 0.4, 0.4, 0.3)[None], options)[0]
    sizes = torch.bincount(superpixels.fine.flatten())
    alone = torch.bincount(superpixels.parent)[superpixels.parent] == 1
    assert ((sizes >= 36) | alone).all()


def test_a_real_photograph_is_cut_as_the_paper_shows() -> None:
    picture = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
    image = torch.nn.functional.interpolate(picture, (128, 128), mode="area")[0]
    superpixels = segment(image, bump((128, 128), 0.25, 0.45, 0.25)[None])[0]
    assert_nested(superpixels, (128, 128))
    assert superpixels.route == "grabcut"
    assert 3 <= int(superpixels.coarse.max()) + 1 <= 8
    assert len(superpixels.parent) > 10


def test_pictures_keep_their_range_and_gray_ones_get_three_channels() -> None:
    picture = to_picture(torch.linspace(-2, 2, 12).reshape(1, 3, 4))
    assert picture.shape == (3, 4, 3)
    assert picture.min() == 0
    assert picture.max() == 255


def test_slic_cuts_about_as_finely_as_quickshift() -> None:
    image, saliency = smooth_images(1, (96, 96))[0], bump((96, 96), 0.4, 0.4, 0.2)[None]
    by_quickshift, by_slic = (segment(image, saliency, Segmentation(fine=fine))[0] for fine in ("quickshift", "slic"))
    assert torch.equal(by_quickshift.coarse, by_slic.coarse)
    assert not torch.equal(by_quickshift.fine, by_slic.fine)
    assert 0.3 < len(by_slic.parent) / len(by_quickshift.parent) < 3


def test_classes_that_share_a_partition_have_a_foreground_each() -> None:
    image = smooth_images(1, (96, 96))[0]
    priors = torch.stack([bump((96, 96), 0.25, 0.25, 0.12), bump((96, 96), 0.75, 0.75, 0.12), -torch.ones(96, 96)])
    options = Segmentation(largest_foreground=0.0)  # by the threshold, which is known on paper
    shared = segment(image, priors, options)
    assert [each.route for each in shared] == ["threshold", "threshold", "slic"]
    assert all(each.coarse is shared[0].coarse and each.fine is shared[0].fine for each in shared)
    for i in range(2):
        assert torch.equal(shared[0].coarse == i, priors[i] / priors[i].max() > options.fallback_threshold)


def test_the_stronger_prior_has_the_pixels_that_two_classes_claim() -> None:
    image = smooth_images(1, (96, 96))[0]
    wide, narrow = bump((96, 96), 0.5, 0.5, 0.3), 5 * bump((96, 96), 0.5, 0.5, 0.1)
    coarse = segment(image, torch.stack([narrow, wide]), Segmentation(largest_foreground=0.0))[0].coarse
    # At every pixel but the centre the wide bump, scaled to 1, is the higher.
    assert coarse[48, 60] == coarse[30, 48]


def test_shares_are_of_the_picture() -> None:
    assert shares(torch.tensor([[0, 0, 1, 0], [2, 0, 1, 0]])).tolist() == [0.625, 0.25, 0.125]


def test_centres_are_mean_positions() -> None:
    labels = torch.tensor([[0, 0, 1], [0, 0, 1]])
    assert centres(labels).tolist() == [[0.5, 0.5], [2.0, 0.5]]


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_other_channels_are_seen_by_their_principal_components(channels: int) -> None:
    values = torch.zeros(channels, 20, 30)
    values[0, :, 15:] = 5.0  # the strongest contrast
    values[-1, 10:] = 1.0
    picture = to_picture(values)
    assert picture.shape == (20, 30, 3)
    assert picture[0, 20, 0] > picture[0, 5, 0] + 100
    assert abs(int(picture[15, 5, 1]) - int(picture[5, 5, 1])) > 20
    np.testing.assert_array_equal(picture, to_picture(values.clone()))
