"""Derived controls: what they make of maps known on paper, and that nothing is left behind of asking otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from examples import SmallCNN
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from baselines.controls import DERIVED, Averaged, Blurred, Derived, Inverted, OtherClass, RandomisedNetwork, Shuffled
from baselines.controls import other_classes as find_others
from baselines.randomising import layer_names, randomised
from mint.contract import InputError, explaining, read_scores

finite_maps = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=st.floats(-8, 8, width=32)
)


def of_map(control: Derived, maps: Tensor, images: Tensor | None = None, target: int = 0) -> Tensor:
    """Apply a control that asks nobody: it must do without method and network. All pictures are alike if none given."""
    nobody: Callable[..., Tensor] = lambda *_: pytest.fail("a control of the map alone asked the method")  # noqa: E731
    images = torch.zeros(len(maps), 3, 2, 2) if images is None else images
    return control(nobody, nn.Identity(), images, torch.full((len(maps),), target), maps)


@dataclass(frozen=True)
class Gradient:
    """The target's logit's gradient, summed over channels; fails where told to."""

    fails: bool = False

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with explaining(model, images, targets), torch.enable_grad():
            if self.fails:
                raise RuntimeError("no")
            inputs = images.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(read_scores(model, inputs, targets, "logit").sum(), inputs)
        return gradient.sum(dim=1)


@settings(deadline=None, max_examples=40)
@given(finite_maps)
def test_shuffling_keeps_the_values_of_each_map_and_repeats(values: np.ndarray) -> None:
    maps = torch.from_numpy(values)
    found = of_map(Shuffled(), maps)
    assert torch.equal(found.flatten(1).sort().values, maps.flatten(1).sort().values)
    assert torch.equal(of_map(Shuffled(), maps[-1:])[0], found[-1])


def test_maps_are_shuffled_by_picture_target_and_seed() -> None:
    ramp = torch.arange(64.0).view(1, 8, 8)
    pictures = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    first, second = of_map(Shuffled(), ramp.expand(2, 8, 8), pictures)
    assert not torch.equal(first, ramp[0])
    assert not torch.equal(first, second)
    assert not torch.equal(of_map(Shuffled(), ramp, pictures[:1], target=1)[0], first)
    assert not torch.equal(of_map(Shuffled(seed=1), ramp, pictures[:1])[0], first)


def test_a_map_s_last_digits_do_not_shuffle_it_otherwise() -> None:
    # What another number of threads changes must not draw another null.
    maps = torch.linspace(1, 2, 64).view(1, 8, 8)
    torch.testing.assert_close(of_map(Shuffled(), maps * (1 + 1e-6)), of_map(Shuffled(), maps))


def test_maps_of_pictures_of_any_kind_are_shuffled() -> None:
    ramp = torch.arange(64.0).view(1, 8, 8)
    pictures = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = of_map(Shuffled(), ramp, pictures)
    assert torch.equal(of_map(Shuffled(), ramp, pictures.clone().requires_grad_()), expected)
    assert torch.equal(of_map(Shuffled(), ramp, pictures.bfloat16()).flatten().sort().values, ramp.flatten())


@settings(deadline=None, max_examples=40)
@given(finite_maps)
def test_inverting_reverses_the_order_and_twice_is_nothing(values: np.ndarray) -> None:
    maps = torch.from_numpy(values)
    found = of_map(Inverted(), maps)
    assert torch.equal(found.argmin(), maps.argmax()) or (maps == maps.max()).sum() > 1
    assert torch.equal(of_map(Inverted(), found), maps)


def test_the_blur_is_scipy_s_gaussian_of_a_twentieth_of_the_side() -> None:
    spike = torch.zeros(2, 40, 60)
    spike[1, 20, 30] = 1
    found = of_map(Blurred(), spike)
    assert not found[0].any()
    np.testing.assert_allclose(found[1], gaussian_filter(spike[1].double().numpy(), 2.0), atol=1e-7)
    assert float(found[1].sum()) == pytest.approx(1, abs=1e-5)
    # On the axis: exp(-1/8) of the peak one pixel away at sigma 2.
    assert float(found[1, 20, 31] / found[1, 20, 30]) == pytest.approx(np.exp(-1 / 8), abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.floats(-5, 5, width=32), st.integers(1, 20))
def test_a_constant_stays_what_it_is(value: float, cells: int) -> None:
    maps = torch.full((1, 21, 16), value)
    for control in (Blurred(), Averaged(cells), Shuffled()):
        torch.testing.assert_close(of_map(control, maps), maps)


def test_averages_are_exact_and_interpolated_between_the_cells_centres() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0] = 16  # the top left cell of 2 x 2 has mean 4, the others 0
    found = of_map(Averaged(2), maps)[0]
    # Centres lie at .5 and 2.5; pixels 0, 1, 2, 3 have weights 1, 3/4, 1/4, 0 of the first.
    weights = torch.tensor([1, 0.75, 0.25, 0])
    torch.testing.assert_close(found, 4 * torch.outer(weights, weights))


def test_as_many_cells_as_pixels_change_nothing() -> None:
    maps = torch.randn(2, 7, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(of_map(Averaged(7), maps), maps)


@pytest.mark.parametrize("make", [lambda: Averaged(0), lambda: Blurred(0.0)])
def test_parameters_without_a_meaning_are_refused(make: Callable[[], Derived]) -> None:
    with pytest.raises(InputError):
        make()


def test_the_other_class_is_the_likeliest_that_is_not_the_target() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [0.0, 0.0, 0.0]])

    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return logits[: len(images)]

    assert find_others(Fixed(), torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 0])).tolist() == [2, 0, 1]
    logits = torch.zeros(3, 1)  # one output has two classes
    assert find_others(Fixed(), torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 0])).tolist() == [1, 0, 1]


def test_the_other_class_s_map_is_the_method_s_own_for_it(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    method = Gradient()
    found = OtherClass()(method, small_cnn, images, targets, method(small_cnn, images, targets))
    others = find_others(small_cnn, images, targets)
    assert not (others == targets).any()
    assert torch.equal(found, method(small_cnn, images, others))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name in one if torch.equal(one[name], other[name])}


@pytest.mark.parametrize("fails", [False, True])
def test_the_random_network_is_another_and_is_handed_back_bit_for_bit(
    small_cnn: SmallCNN, images: Tensor, targets: Tensor, fails: bool
) -> None:
    before = state(small_cnn)
    generator = torch.get_rng_state()
    own = Gradient()(small_cnn, images, targets)
    method = Gradient(fails)
    if fails:
        with pytest.raises(RuntimeError, match="no"):
            RandomisedNetwork()(method, small_cnn, images, targets, own)
    else:
        found = RandomisedNetwork()(method, small_cnn, images, targets, own)
        assert not torch.allclose(found, own)
        assert torch.equal(RandomisedNetwork()(method, small_cnn, images, targets, own), found)
        assert not torch.equal(RandomisedNetwork(seed=1)(method, small_cnn, images, targets, own), found)
    assert same(state(small_cnn), before) == before.keys()
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.equal(Gradient()(small_cnn, images, targets), own)


def test_chosen_layers_alone_are_random_and_get_the_weights_that_they_get_among_all(small_cnn: SmallCNN) -> None:
    before = state(small_cnn)
    names = layer_names(small_cnn)
    parameters = {name for name, _ in small_cnn.named_parameters()}
    assert {name.rpartition(".")[0] for name in parameters} == set(names)
    with randomised(small_cnn):
        everything = state(small_cnn)
    for name in names:
        own = {each for each in parameters if each.rpartition(".")[0] == name}
        with randomised(small_cnn, layers=[name]):
            changed = before.keys() - same(state(small_cnn), before)
            assert changed <= own
            assert all(torch.equal(state(small_cnn)[each], everything[each]) for each in own)
    with pytest.raises(InputError, match="nothing: no layer"), randomised(small_cnn, layers=["nothing"]):
        pass


def test_random_weights_have_the_scale_of_the_trained_and_statistics_stay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64))
    with torch.no_grad():
        model[0].weight.mul_(3).add_(0.2)
        model[1].running_var.fill_(7)  # type: ignore[union-attr, operator]
    trained = model[0].weight.detach().clone()
    with randomised(model):
        drawn = model[0].weight.detach()
        assert float(drawn.mean()) == pytest.approx(float(trained.mean()), abs=4 * float(trained.std()) / 4800**0.5)
        assert float(drawn.std()) == pytest.approx(float(trained.std()), rel=0.05)
        assert abs(float(torch.corrcoef(torch.stack([drawn.flatten(), trained.flatten()]))[0, 1])) < 0.06
        # A tensor of one value throughout has no scale, and stays.
        assert (model[1].weight == 1).all()
        assert (model[1].running_var == 7).all()
    assert torch.equal(model[0].weight, trained)


def test_every_control_has_the_name_that_records_give_it() -> None:
    expected = ["shuffled", "inverted", "blurred", "other-class", "randomised-network", "14x14", "7x7"]
    assert list(DERIVED) == expected
    assert [name for name, control in DERIVED.items() if not control.null] == ["14x14", "7x7"]
    assert [name for name, control in DERIVED.items() if control.asks] == ["other-class", "randomised-network"]


@pytest.mark.parametrize("name", DERIVED)
def test_a_control_does_not_depend_on_the_batch(
    small_cnn: SmallCNN, images: Tensor, targets: Tensor, name: str
) -> None:
    method = Gradient()
    maps = method(small_cnn, images, targets)
    together = DERIVED[name](method, small_cnn, images, targets, maps)
    assert together.shape == maps.shape
    assert together.dtype == torch.float32
    for i in range(len(images)):
        each = slice(i, i + 1)
        alone = DERIVED[name](method, small_cnn, images[each], targets[each], maps[each])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-5, atol=1e-6)
