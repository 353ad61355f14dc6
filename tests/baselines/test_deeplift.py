"""DeepLIFT: by hand, summation to delta, equal to Captum's where that is right, and the same for reused ReLUs."""

import warnings

import captum.attr
import pytest
import torch
from small_resnets import Functional, Reusing, Separate, noise, seeded, small_resnet18, small_vgg11
from small_transformers import small_vit
from torch import Tensor, nn

from baselines import DeepLIFT
from mint.contract import InputError

IMAGES, TARGETS = noise(2, 3, 12, 12), torch.tensor([1, 3])


def delta(model: nn.Module, images: Tensor, baseline: float = 0.0) -> Tensor:
    with torch.no_grad():
        changes = model(images) - model(torch.full_like(images, baseline))
    return changes.gather(1, TARGETS[:, None])[:, 0]  # type: ignore[no-any-return]


def captums(network: nn.Module, images: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Tensor = captum.attr.DeepLift(network).attribute(images.clone(), target=TARGETS)
    return found.detach().sum(1)


def test_the_rescale_rule_by_hand() -> None:
    """relu(x + y - 1) goes from 0 at the reference 0 to 2 at (2, 1), where its input changes by 3: its slope is 2/3."""
    linear = nn.Linear(2, 1)
    nn.init.ones_(linear.weight)
    nn.init.constant_(linear.bias, -1)
    model = nn.Sequential(nn.Flatten(), linear, nn.ReLU())
    found = DeepLIFT()(model, torch.tensor([[[[2.0, 1.0]]]]), torch.tensor([0]))
    torch.testing.assert_close(found, torch.tensor([[[4 / 3, 2 / 3]]]))


def test_a_max_pooling_by_hand() -> None:
    """max goes from 2, the reference's, to 3; the whole change is the first pixel's, which changes from 2 to 3."""
    model = nn.Sequential(nn.MaxPool2d((1, 2)), nn.Flatten())
    found = DeepLIFT(baseline=2)(model, torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([0]))
    torch.testing.assert_close(found, torch.tensor([[[1.0, 0.0]]]))


class Apart(Separate):
    """With an operation between ReLU and pooling: Captum hooks both at one tensor otherwise, and drops a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Sequential(Times(), nn.MaxPool2d(2))  # type: ignore[assignment]


class Times(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * 1


@pytest.mark.parametrize("make", [Separate, Reusing, Functional])
def test_the_map_is_captum_s_of_the_network_written_out(make: type[nn.Module]) -> None:
    expected = captums(seeded(Apart), IMAGES)
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(DeepLIFT()(seeded(make), IMAGES, TARGETS) / scale, expected / scale, rtol=0, atol=1e-3)


@pytest.mark.parametrize("baseline", [0.0, 0.4])
@pytest.mark.parametrize("make", [small_resnet18, small_vgg11])
def test_the_map_sums_to_the_answers_change(make: type[nn.Module], baseline: float) -> None:
    model, images = make(), noise(2, 3, 64, 64)
    found = DeepLIFT(baseline)(model, images, TARGETS).sum((1, 2))
    torch.testing.assert_close(found, delta(model, images, baseline), rtol=1e-2, atol=1e-5)


def test_where_windows_overlap_captum_s_own_does_not_sum_to_it() -> None:
    """Why the max pooling has its own rule; if it fails, Captum's is right, and ours may go."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 1), nn.Flatten(), nn.Linear(256, 5))
    wanted = delta(model, IMAGES)
    torch.testing.assert_close(DeepLIFT()(model, IMAGES, TARGETS).sum((1, 2)), wanted, rtol=1e-3, atol=1e-5)
    assert float((captums(model, IMAGES).sum((1, 2)) - wanted).abs().min()) > 0.05 * float(wanted.abs().max())


def test_pixels_that_are_as_in_the_reference_do_not_mix_the_pictures() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    images = IMAGES.clone()
    images[1, :, :6] = 0
    alone = DeepLIFT()(model, images[1:], TARGETS[1:])
    torch.testing.assert_close(DeepLIFT()(model, images, TARGETS)[1:], alone)


@pytest.mark.parametrize("kind", [nn.GELU, nn.SiLU, nn.ReLU6, nn.Hardswish, nn.Tanh, nn.LeakyReLU])
def test_other_activations_sum_to_it_too(kind: type[nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), kind(), nn.Flatten(), nn.Linear(400, 5))
    found = DeepLIFT()(model, 3 * IMAGES, TARGETS).sum((1, 2))
    torch.testing.assert_close(found, delta(model, 3 * IMAGES), rtol=1e-3, atol=1e-4)


def test_layers_without_a_rule_and_half_precision_are_refused() -> None:
    with pytest.raises(InputError, match="DeepLIFT has no rule for"):
        DeepLIFT()(small_vit(), noise(2, 3, 32, 32), TARGETS)
    with pytest.raises(InputError, match="has no rule for Softmax"):
        DeepLIFT()(nn.Sequential(nn.Flatten(), nn.Linear(432, 5), nn.Softmax(1)), IMAGES, TARGETS)
    with pytest.raises(InputError, match=r"images are torch.bfloat16; pass model.float\(\)"):
        DeepLIFT()(seeded(Reusing).bfloat16(), IMAGES.bfloat16(), TARGETS)


class WithIndices(nn.Module):
    """A max pooling that tells the places of the maxima, which are not used."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.pool, self.last = nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, return_indices=True), nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        pooled, _ = self.pool(torch.relu(self.first(images)))
        return self.last(pooled.mean((2, 3)))


def test_backward_hooks_of_the_user_s_see_nothing_and_change_nothing() -> None:
    model, seen = seeded(Separate), []
    expected = DeepLIFT()(model, IMAGES, TARGETS)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_full_backward_hook(lambda *_: seen.append(1))
    found = DeepLIFT()(model, IMAGES, TARGETS)
    torch.testing.assert_close(found, expected)
    assert not seen
    model(IMAGES).sum().backward()
    assert seen


def test_a_max_pooling_may_tell_its_places() -> None:
    model = seeded(WithIndices)
    found = DeepLIFT()(model, IMAGES, TARGETS).sum((1, 2))
    torch.testing.assert_close(found, delta(model, IMAGES), rtol=1e-3, atol=1e-5)
