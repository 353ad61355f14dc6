from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from mint.app.folding import fold_batch_norms


def trained(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """Give a batch norm what it could have after training."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    channels = torch.arange(norm.num_features)
    with torch.no_grad():
        norm.running_mean.copy_(channels / 4 - 0.5)
        norm.running_var.copy_(1 + channels / 2)
        norm.weight.copy_(2 - channels / 8)
        norm.bias.copy_(channels / 3)
    return norm


class Net(nn.Module):
    """Two convolutions with batch norms and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 6, 3, padding=1, groups=2)
            self.head = nn.Linear(6, 4)
        self.norm, self.other = trained(nn.BatchNorm2d(6)), trained(nn.BatchNorm2d(6))
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        found = torch.relu(self.norm(self.first(images)))
        answer: Tensor = self.head(torch.relu(self.other(self.second(found))).mean((2, 3)))
        return answer


class PastTheNorm(Net):
    """A network that reads its first convolution twice: after its batch norm, and past it."""

    def forward(self, images: Tensor) -> Tensor:
        found = self.first(images)
        answer: Tensor = self.head((self.norm(found) + found).mean((2, 3)))
        return answer


class Twice(Net):
    """A network that uses one convolution twice, once before the batch norm and once not."""

    def forward(self, images: Tensor) -> Tensor:
        found = self.second(self.norm(self.first(images)))
        answer: Tensor = self.head(self.other(self.second(found)).mean((2, 3)))
        return answer


PICTURES = torch.rand((2, 3, 12, 12), generator=torch.Generator().manual_seed(1))


def test_each_batch_norm_goes_into_its_convolution() -> None:
    net, original = Net(), Net()
    assert fold_batch_norms(net, 12) == 2
    assert isinstance(net.norm, nn.Identity)
    assert isinstance(net.other, nn.Identity)
    assert torch.allclose(net(PICTURES), original(PICTURES), rtol=1e-5, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert net.first.weight.is_contiguous(memory_format=torch.channels_last)
    assert net.training is False
    # weight' = weight * gamma / sqrt(variance + eps); bias' = beta - mean * gamma / sqrt(variance + eps)
    scale = (2 - torch.arange(6) / 8) / (1 + torch.arange(6) / 2 + 1e-5).sqrt()
    assert torch.allclose(net.first.weight, original.first.weight * scale.view(-1, 1, 1, 1), rtol=1e-6)
    assert net.first.bias is not None
    assert torch.allclose(net.first.bias, torch.arange(6) / 3 - (torch.arange(6) / 4 - 0.5) * scale, atol=1e-6)
    assert fold_batch_norms(net, 12) == 0, "nothing is left to fold"


def test_a_network_that_reads_a_convolution_past_its_norm_is_left_as_it_was() -> None:
    net, original = PastTheNorm(), PastTheNorm()
    assert fold_batch_norms(net, 12) == 0
    assert torch.equal(net(PICTURES), original(PICTURES))
    assert isinstance(net.norm, nn.BatchNorm2d)


def test_a_convolution_that_is_used_twice_keeps_its_norm() -> None:
    net, original = Twice(), Twice()
    assert fold_batch_norms(net, 12) == 1
    assert isinstance(net.norm, nn.Identity)
    assert isinstance(net.other, nn.BatchNorm2d)
    assert torch.allclose(net(PICTURES), original(PICTURES), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_folded_stays() -> None:
    shared = nn.Conv2d(3, 3, 1)
    untracked = nn.BatchNorm2d(3, track_running_stats=False)
    layers = OrderedDict(a=shared, norm=trained(nn.BatchNorm2d(3)), b=shared, untracked=untracked)
    net = nn.Sequential(layers).eval()
    assert fold_batch_norms(net, 12) == 0
    hooked = Net()
    hooked.first.register_forward_hook(lambda *_: None)
    assert fold_batch_norms(hooked, 12) == 1
    assert isinstance(hooked.norm, nn.BatchNorm2d)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_a_network_of_torchvision_answers_as_before(name: str) -> None:
    pytest.importorskip("mint.app.torchvision_ops")
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net, original = (models.get_model(name, weights=None).eval() for _ in range(2))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            trained(module)
    original.load_state_dict(net.state_dict())
    images = torch.randn((2, 3, 64, 64), generator=torch.Generator().manual_seed(2))
    count = sum(isinstance(module, nn.BatchNorm2d) for module in original.modules())
    assert fold_batch_norms(net, 64) == count
    with torch.no_grad():
        folded, expected = net(images), original(images)
    assert float((folded - expected).abs().max() / expected.abs().max()) < 1e-5
