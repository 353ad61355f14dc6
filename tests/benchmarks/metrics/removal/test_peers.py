"""Other tools' protocols on curves known on paper, at their points, with their ties, and from one set of points."""

import math
from dataclasses import replace

import contexts
import numpy as np
import pytest
import torch
from contexts import region_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.metrics import METRICS, PROFILES, Context, Deletion, Insertion, Metric, PointingProfile, RemovalProfile
from benchmarks.metrics.removal.curve import AREAS, Imputation
from benchmarks.metrics.removal.peers import BY_SEGMENTS, POINTS
from mint.contract import InputError

REMOVAL = {name: profile for name, profile in PROFILES.items() if isinstance(profile, RemovalProfile)}
POINTING = {name: profile for name, profile in PROFILES.items() if isinstance(profile, PointingProfile)}
SIZE = (60, 60)


class Counting(nn.Module):
    """Counts the pictures it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        return self.answer(images)

    def answer(self, images: Tensor) -> Tensor:
        raise NotImplementedError


class Decay(Counting):
    """Output and probability of class 1 are both 0.9 exp(-6 x) + 0.01, x being the share of pixels that are gone."""

    def answer(self, images: Tensor) -> Tensor:
        gone = 1 - images[:, 0].double().flatten(1).mean(1)
        value = 0.9 * torch.exp(-6 * gone) + 0.01
        return torch.stack([value - torch.log(value / (1 - value)), value], dim=1)


class Convolution(Counting):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)
            ).requires_grad_(False)

    def answer(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Switch(Counting):
    """Class 1 is certain as long as one pixel is there, and impossible once it is not; class 0 is left out."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.row, self.column = row, column

    def answer(self, images: Tensor) -> Tensor:
        seen = (images[:, 0, self.row, self.column] > 0).float()
        return torch.stack([torch.full_like(seen, -1e4), 100 * seen, 100 * (1 - seen)], dim=1)


def context_of(
    module: nn.Module,
    image: Tensor,
    *,
    target: int = 1,
    region: np.ndarray | None = None,
    batch_size: int | None = None,
) -> Context:
    return contexts.context_of(image, region, module.eval(), target, batch_size)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rise-deletion", 0.1596),
        ("torchcam-deletion", 0.1607),
        ("xplique-deletion", 0.1641),
        ("pnpxai-morf", 0.2088),
        ("quantus-pixel-flipping", 34.9),
    ],
)
def test_one_curve_has_five_areas(name: str, expected: float) -> None:
    # The exact area is 0.15 (1 - exp(-6)) + 0.01 = 0.1596. The second plane, 0, is what Quantus calls black.
    image = torch.stack([torch.ones(224, 224), torch.zeros(224, 224)])
    score = PROFILES[name](context_of(Decay(), image), noise(224, 224)).score
    assert score == pytest.approx(expected, abs=0.05 if expected > 1 else 5e-5)


def exponential(fractions: np.ndarray) -> np.ndarray:
    return 0.9 * np.exp(-6 * fractions) + 0.01


@pytest.mark.parametrize("name", ["torchcam-insertion", "xplique-insertion", "pnpxai-lerf", "pnpxai-abpc"])
def test_every_map_of_equal_pixels_has_the_same_curve(name: str) -> None:
    context = context_of(Decay(), torch.ones(1, 60, 50))
    measurement = PROFILES[name](context, noise(60, 50))
    assert measurement.curve is not None
    fractions, values = measurement.curve
    expected = {"insertion": exponential(1 - fractions), "LeRF": exponential(fractions), "LeRF - MoRF": 0 * fractions}
    profile = REMOVAL[name]
    np.testing.assert_allclose(values, expected[profile.curve], atol=1e-6)
    assert measurement.score == pytest.approx(AREAS[profile.area](fractions, expected[profile.curve]), abs=1e-6)


def counts_of(name: str, ranked: np.ndarray, width: int) -> list[int]:
    found = POINTS[name](torch.from_numpy(ranked.copy())[None], width)
    return found[0].tolist() if isinstance(found, Tensor) else list(found)


@settings(max_examples=60, deadline=None)
@given(pixels=st.integers(2, 400), levels=st.sampled_from([2, 5, 50, 10**6]), seed=st.integers(0, 1000))
def test_percentiles_are_numpy_s(pixels: int, levels: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(levels, size=pixels).astype(np.float32) / np.float32(levels)
    ranked = np.sort(values)[::-1]
    expected = [int((ranked >= np.percentile(ranked, percentile)).sum()) for percentile in range(90, 0, -10)]
    assert counts_of("9 percentiles, 10% to 90%", ranked, 1) == expected


def test_the_points_are_those_of_the_tools() -> None:
    ranked = np.arange(103, 0, -1)  # 103 pixels in rows of 10
    assert {name: counts_of(name, ranked, 10) for name in POINTS} == {
        "a picture row a step": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 103],
        "a picture row a step, without the start": [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 103],
        "20 intervals, sizes rounded up": [*range(0, 103, 6), 103],
        "10 intervals, bounds rounded down": [0, 10, 20, 30, 41, 51, 61, 72, 82, 92, 103],
        "10 points, the last leaps from 80% to 100%": [0, 10, 20, 30, 40, 50, 60, 70, 80, 103],
        "eight picture rows a step": [0, 80, 103],
        BY_SEGMENTS: [0, 1, 2, 3, 5, 7, 10, 14, 19, 27, 38, 53, 73, 103],
        # Percentile p of 1 to 103 is 1 + 1.02 p.
        "9 percentiles, 10% to 90%": [11, 21, 31, 41, 52, 62, 72, 82, 92],
    }


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), name=st.sampled_from(list(POINTS)), levels=st.integers(1, 9)
)
def test_points_never_turn_back(height: int, width: int, name: str, levels: int) -> None:
    ranked = np.sort(np.random.default_rng(height).integers(levels, size=height * width))[::-1].astype(np.float32)
    counts = counts_of(name, ranked, width)
    assert min(counts) >= 0
    assert max(counts) <= height * width
    assert (np.diff(counts) >= 0).all()


def test_at_percentiles_a_plateau_goes_as_a_whole() -> None:
    ranked = np.repeat([3.0, 2.0, 1.0], [30, 40, 30]).astype(np.float32)
    assert counts_of("9 percentiles, 10% to 90%", ranked, 10) == [30, 30, 30, 70, 70, 70, 70, 100, 100]


def test_the_areas_are_those_of_the_tools() -> None:
    fractions, values = np.array([0, 0.4, 0.8, 1]), np.array([1, 0.5, 0.25, 0])
    assert {name: float(area(fractions, values)) for name, area in AREAS.items()} == pytest.approx(
        {
            "trapezoid": 0.3 + 0.15 + 0.025,
            "trapezoid, steps taken as equal": (0.75 + 0.375 + 0.125) / 3,
            "trapezoid, steps of length 1": 0.75 + 0.375 + 0.125,
            "mean of the points": 1.75 / 4,
        }
    )


@pytest.mark.parametrize(
    ("name", "gone_at"),
    [("rise-deletion", 1), ("xplique-deletion", 1), ("torchcam-deletion", 10), ("pnpxai-morf", 9)],
)
def test_ties_go_as_the_tool_sorts(name: str, gone_at: int) -> None:
    # A constant map of 10 x 10 pixels, and a network that looks at the last pixel alone: argsort reversed takes it
    # first, a stable descending sort last.
    context = context_of(Switch(9, 9), torch.ones(1, 10, 10))
    profile = REMOVAL[name]
    measurement = replace(profile, score="probability")(context, torch.ones(10, 10))
    assert measurement.curve is not None
    values = measurement.curve[1]
    last = len(values) - 1 if gone_at > 1 else 1
    np.testing.assert_allclose(values, np.arange(len(values)) < last, atol=1e-6)


def test_lerf_takes_ties_in_the_order_of_its_own_ranking() -> None:
    # PnPXAI sorts anew for LeRF, so of a constant map the first pixel goes first in both directions.
    context = context_of(Switch(0, 0), torch.ones(1, 10, 10))
    for name in ("pnpxai-morf", "pnpxai-lerf"):
        assert PROFILES[name](context, torch.ones(10, 10)).score == pytest.approx(1 / 10)


def test_rise_follows_the_class_that_is_predicted() -> None:
    # Class 1 is explained; the network sees class 2 once the corner is empty, as it is here.
    image = torch.ones(1, 10, 10)
    image[0, 0, 0] = 0
    context = context_of(Switch(0, 0), image)
    assert PROFILES["rise-deletion"](context, noise(10, 10)).score == pytest.approx(1)
    assert replace(REMOVAL["rise-deletion"], follows="target")(context, noise(10, 10)).score == pytest.approx(0)
    assert PROFILES["pnpxai-morf"](context, noise(10, 10)).score == pytest.approx(0)


def test_on_the_predicted_class_rise_is_this_suite_s_deletion_and_insertion() -> None:
    module, image, saliency = Convolution(), noise(3, 12, 12), noise(12, 12, seed=1)
    predicted = int(module(image[None]).argmax())
    context = context_of(module, image, target=predicted)
    assert PROFILES["rise-deletion"](context, saliency).score == pytest.approx(Deletion()(context, saliency).score)
    assert PROFILES["rise-insertion"](context, saliency).score == pytest.approx(Insertion()(context, saliency).score)


def test_one_curve_serves_as_many_profiles_as_its_points_allow() -> None:
    module, image, saliency = Convolution(), noise(3, 20, 20), noise(20, 20, seed=1)
    together = context_of(module, image)

    def pictures_for(metric: Metric, context: Context) -> int:
        before = module.pictures
        metric(context, saliency)
        return module.pictures - before

    asked = {name: pictures_for(profile, together) for name, profile in REMOVAL.items()}
    assert asked == {
        "rise-deletion": 2 + 19,  # clean and empty, and each row but the last
        "rise-insertion": 1 + 19,  # the blurred picture
        "torchcam-deletion": 0,  # 20 intervals of 400 pixels are RISE's
        "torchcam-insertion": 19,
        "quantus-pixel-flipping": 1 + 19,  # another baseline value
        "xplique-deletion": 0,
        "xplique-insertion": 0,
        "pnpxai-morf": 0,
        "pnpxai-lerf": 0,  # removal of k, least relevant first, is insertion of all but k
        "pnpxai-abpc": 0,
        "gradcam-road": 2 * 9,
    }
    alone = sum(pictures_for(profile, context_of(module, image)) for profile in REMOVAL.values())
    assert (sum(asked.values()), alone) == (98, 184)


@pytest.mark.parametrize("name", REMOVAL)
def test_scores_depend_neither_on_the_batch_size_nor_on_what_was_asked_before(name: str) -> None:
    module, image, saliency = Convolution(), noise(3, 12, 14), noise(12, 14, seed=1)
    scores = [PROFILES[name](context_of(module, image, batch_size=size), saliency).score for size in (1, 7, None)]
    context = context_of(module, image)
    for profile in reversed(REMOVAL.values()):
        profile(context, saliency)
    scores.append(PROFILES[name](context, saliency).score)
    np.testing.assert_allclose(scores, scores[0], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_differences_of_two_curves_change_their_sign_with_the_map(seed: int) -> None:
    image = noise(3, 12, 12, seed=seed)
    saliency = torch.randperm(144, generator=torch.Generator().manual_seed(seed)).float().view(12, 12)
    context = context_of(Convolution(), image)
    for name in ("pnpxai-abpc", "gradcam-road"):
        there, back = (PROFILES[name](context, sign * saliency).score for sign in (1, -1))
        assert there == pytest.approx(-back, abs=1e-6)


def test_road_has_its_exact_value_where_the_picture_is_flat() -> None:
    # A flat picture is imputed exactly, so nothing changes and nothing is gained, but for the noise.
    silent = replace(REMOVAL["gradcam-road"], removed=Imputation(noise=0))
    context = context_of(Convolution(), torch.full((3, 12, 12), 0.7))
    assert silent(context, noise(12, 12)).score == pytest.approx(0, abs=1e-6)
    noisy = REMOVAL["gradcam-road"](context, noise(12, 12)).score
    assert 0 < abs(noisy) < 0.01


def test_road_removes_the_whole_picture_where_a_plateau_takes_it_along() -> None:
    # The tenth percentile of a map that is 0 on a fifth of the picture is 0, and all of it is at least 0.
    saliency = torch.arange(144).sub(28).clamp(min=0).view(12, 12).float()
    measurement = PROFILES["gradcam-road"](context_of(Convolution(), noise(3, 12, 12)), saliency)
    assert counts_of("9 percentiles, 10% to 90%", saliency.flatten().flip(0).numpy(), 12)[-1] == 144
    assert math.isfinite(measurement.score)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": "ten"}, "unknown choice of points 'ten'"),
        ({"area": "square"}, "unknown area 'square'"),
        ({"curve": "MoRF"}, "unknown curve 'MoRF'; the nearest are LeRF"),
        ({"ties": "random"}, "unknown order of ties 'random'"),
        ({"removed": "black"}, "not 'black'"),
        ({"score": "softmax"}, "not 'softmax'"),
    ],
)
def test_profiles_of_what_does_not_exist_are_refused(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(REMOVAL["rise-deletion"], **change)  # type: ignore[arg-type]


def test_the_pointing_profiles_refuse_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match="unknown choice of maxima 'last'"):
        replace(POINTING["torchray-pointing"], ties="last")
    with pytest.raises(InputError, match="above 0, not 0"):
        replace(POINTING["torchray-pointing"], tolerance=0)


def hits(name: str, saliency: Tensor, region: np.ndarray | None) -> float:
    image = torch.zeros(3, *saliency.shape)
    return PROFILES[name](context_of(Convolution(), image, region=region), saliency).score


@pytest.mark.parametrize(
    ("offset", "torchray", "quantus"),
    [((0, 0), 1, 1), ((0, 1), 1, 0), ((0, 14), 1, 0), ((0, 15), 0, 0), ((9, 12), 0, 0), ((10, 11), 1, 0)],
)
def test_torchray_has_a_tolerance_and_quantus_none(offset: tuple[int, int], torchray: int, quantus: int) -> None:
    saliency = torch.from_numpy(region_of(SIZE, (20 + offset[0], 20 + offset[1]))).float()
    region = region_of(SIZE, (20, 20))
    assert hits("torchray-pointing", saliency, region) == torchray
    assert hits("quantus-pointing", saliency, region) == quantus


def test_any_tied_maximum_hits_in_quantus_so_a_constant_map_always_does() -> None:
    constant, region = torch.ones(SIZE), region_of(SIZE, (40, 40))
    assert hits("quantus-pointing", constant, region) == 1
    assert hits("torchray-pointing", constant, region) == 0
    two = torch.from_numpy(region_of(SIZE, (2, 2), (40, 40))).float()
    assert hits("quantus-pointing", two, region) == 1
    assert hits("torchray-pointing", two, region) == 0


@pytest.mark.parametrize("name", POINTING)
@pytest.mark.parametrize("region", [None, region_of(SIZE)], ids=["none", "empty"])
def test_without_a_region_nothing_hits_and_nothing_misses(name: str, region: np.ndarray | None) -> None:
    for saliency in (torch.zeros(60, 60), noise(60, 60)):
        assert math.isnan(hits(name, saliency, region))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_hits_are_those_of_the_definitions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    region = generator.random((60, 60)) > 0.995
    region[generator.integers(60), generator.integers(60)] = True
    saliency = torch.from_numpy(generator.integers(0, 500, (60, 60))).float()
    row, column = divmod(int(saliency.argmax()), 60)
    rows, columns = np.indices(region.shape)
    near = (rows - row) ** 2 + (columns - column) ** 2 < 15**2
    assert hits("torchray-pointing", saliency, region) == (region & near).any()
    assert hits("quantus-pointing", saliency, region) == (region & (saliency == saliency.max()).numpy()).any()


def test_profiles_are_metrics_by_their_names_and_versions() -> None:
    for name, profile in PROFILES.items():
        assert METRICS[name]() == profile
        assert profile.tool in repr(profile)
        assert profile.version in repr(profile)
        assert profile.call
        assert "call" not in repr(profile)
    assert PROFILES["torchray-pointing"].average == "classes"
    assert PROFILES["quantus-pointing"].average == "cases"
