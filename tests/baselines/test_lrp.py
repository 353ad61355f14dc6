"""LRP: by hand, conserving the logit, equal to zennit's own on a ResNet, and the same with batch norms folded."""

import copy

import pytest
import torch
from small_resnets import Functional, Reusing, Separate, noise, seeded, small_resnet18, small_vgg11
from small_transformers import small_vit
from torch import Tensor, nn

from baselines import LRP
from mint.app.folding import fold_batch_norms
from mint.contract import InputError

pytest.importorskip("zennit")

IMAGES, TARGETS = noise(2, 3, 12, 12), torch.tensor([1, 3])


def test_two_layers_by_hand() -> None:
    """x = (1, 2) gives h = (1, 3) and y = 2 + 3; epsilon gives h (2, 3), and flat shares each between both pixels."""
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        second.weight.copy_(torch.tensor([[2.0, 1.0]]))
    model = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)
    image = torch.tensor([[[[1.0, 2.0]]]])
    torch.testing.assert_close(LRP()(model, image, torch.tensor([0])), torch.tensor([[[2.5, 2.5]]]))
    # The other class of a network with one output is its opposite.
    torch.testing.assert_close(LRP()(model, image, torch.tensor([1])), torch.tensor([[[-2.5, -2.5]]]))


def test_z_plus_and_a_sum_by_hand() -> None:
    """Behind a first layer that copies the pixel x = 2, y = (3 x - x) + x: the sum shares 6 as 4 to 2."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 2, 1, bias=False)
            self.second = nn.Conv2d(2, 1, 1, bias=False)
            self.third = nn.Conv2d(2, 1, 1, bias=False)
            with torch.no_grad():
                self.first.weight.fill_(1)
                self.second.weight.copy_(torch.tensor([3.0, -1.0]).view(1, 2, 1, 1))
                self.third.weight.copy_(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1))

        def forward(self, images: Tensor) -> Tensor:
            features = self.first(images)
            return torch.flatten(self.second(features) + self.third(features), 1)

    found = LRP()(Block(), torch.full((1, 1, 1, 1), 2.0), torch.tensor([0]))
    torch.testing.assert_close(found, torch.full((1, 1, 1), 6.0))


@pytest.mark.parametrize("make", [Reusing, Functional])
def test_reused_modules_and_functions_change_nothing(make: type[nn.Module]) -> None:
    expected = LRP()(seeded(Separate), IMAGES, TARGETS)
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(LRP()(seeded(make), IMAGES, TARGETS), expected, rtol=1e-4, atol=1e-6)


def test_without_biases_the_map_s_sum_is_the_logit() -> None:
    model, images = small_vgg11(), noise(2, 3, 64, 64)
    for module in model.modules():
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        logits = model(images).gather(1, TARGETS[:, None])[:, 0]
    torch.testing.assert_close(LRP(epsilon=1e-9)(model, images, TARGETS).sum((1, 2)), logits, rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_the_map_is_zennit_s_with_its_canonizers(name: str) -> None:
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    model = {"resnet18": small_resnet18, "vgg11": small_vgg11}[name]()
    images = noise(2, 3, 64, 64)
    lent = copy.deepcopy(model)
    canonizer = ResNetCanonizer() if name == "resnet18" else VGGCanonizer()
    pixels = images.clone().requires_grad_()
    with EpsilonPlusFlat(canonizers=[canonizer]).context(lent) as hooked:
        logits = hooked(pixels)
        start = torch.zeros_like(logits).scatter(1, TARGETS[:, None], logits.detach().gather(1, TARGETS[:, None]))
        (expected,) = torch.autograd.grad(logits, pixels, start)
    found = LRP(channels="sum")(model, images, TARGETS)
    scale = float(expected.sum(1).abs().max())
    assert scale > 0
    torch.testing.assert_close(found / scale, expected.sum(1) / scale, rtol=0, atol=1e-3)


@pytest.mark.parametrize("make", [Separate, Reusing, small_resnet18])
def test_folded_batch_norms_give_the_same_maps(make: type[nn.Module]) -> None:
    model = make() if make is small_resnet18 else seeded(make)
    images = noise(2, 3, 64, 64)
    expected = LRP()(model, images, TARGETS)
    folded = copy.deepcopy(model)
    assert fold_batch_norms(folded, 64) == sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    scale = float(expected.abs().max())
    torch.testing.assert_close(LRP()(folded, images, TARGETS) / scale, expected / scale, rtol=0, atol=1e-3)


def test_a_batch_norm_after_no_convolution_is_a_linear_layer() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(576, 5)]
    model = nn.Sequential(*layers).eval()
    found = LRP()(model, IMAGES, TARGETS)
    # As a 1 x 1 depthwise convolution would be by epsilon: shares x s / (x s + t), all of it where there is no shift.
    with torch.no_grad():
        layers[2].weight.mul_(2)
        layers[4].weight.div_(2)
    torch.testing.assert_close(LRP()(model, IMAGES, TARGETS), found, rtol=1e-3, atol=1e-5)


PARAMETRIZED = {
    "weight norm": nn.utils.parametrizations.weight_norm,
    "old weight norm": nn.utils.weight_norm,
    "spectral norm": nn.utils.parametrizations.spectral_norm,
    "pruned": lambda layer: nn.utils.prune.ln_structured(layer, "weight", 0.5, n=1, dim=0),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.parametrize("kind", PARAMETRIZED)
def test_weights_that_are_computed_at_each_call_count_as_they_are(kind: str) -> None:
    import torch.nn.utils.prune

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
        plain = nn.Sequential(*layers, nn.Linear(256, 5)).eval()
        computed = copy.deepcopy(plain)
        for place in (2, 6):
            PARAMETRIZED[kind](computed[place])
        computed.eval()(IMAGES)
    before = copy.deepcopy(computed.state_dict())
    with torch.no_grad():
        for place in (2, 6):
            plain[place].weight.copy_(computed[place].weight)
        torch.testing.assert_close(plain(IMAGES), computed(IMAGES))
    expected, found = LRP()(plain, IMAGES, TARGETS), LRP()(computed, IMAGES, TARGETS)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in computed.state_dict().items())
    torch.testing.assert_close(plain(IMAGES), computed(IMAGES))


def test_layers_without_a_rule_and_half_precision_are_refused() -> None:
    with pytest.raises(InputError, match="LRP has no rule for"):
        LRP()(small_vit(), noise(2, 3, 32, 32), TARGETS)
    with pytest.raises(InputError, match=r"images are torch.float16; pass model.float\(\)"):
        LRP()(seeded(Reusing).half(), IMAGES.half(), TARGETS)
    with pytest.raises(InputError, match="epsilon"):
        LRP(epsilon=0)
