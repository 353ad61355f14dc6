"""Small networks that reuse an in-place ReLU or call functions instead of modules, and the same written out."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import mint.app.torchvision_ops  # noqa: F401


def seeded(make: type[nn.Module]) -> nn.Module:
    """Make a network whose batch norms have seen something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.3, 0.3)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
    return network.eval()


class Separate(nn.Module):
    """A residual block with batch norms between a stem and a head; each call is a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.first, self.first_norm, self.first_relu = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.second, self.second_norm, self.second_relu = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.mean, self.flatten, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        before = self.pool(self.relu(self.norm(self.stem(images))))
        after = self.first_relu(self.first_norm(self.first(before)))
        after = self.second_relu(self.second_norm(self.second(after)) + before)
        logits: Tensor = self.head(self.flatten(self.mean(after)))
        return logits


class Reusing(Separate):
    """The same with one in-place ReLU for all, an in-place sum, and functions for the poolings."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        before = F.max_pool2d(self.relu(self.norm(self.stem(images))), 2)
        after = self.relu(self.first_norm(self.first(before)))
        after = self.second_norm(self.second(after))
        after += before
        logits: Tensor = self.head(self.relu(after).mean((2, 3)))
        return logits


class Functional(Separate):
    """The same with functions only, which no hook on a module sees."""

    def forward(self, images: Tensor) -> Tensor:
        before = F.max_pool2d(F.relu(self.norm(self.stem(images)), inplace=True), kernel_size=2, stride=2)
        after = torch.relu(self.first_norm(self.first(before)))
        after = torch.add(self.second_norm(self.second(after)), before)
        after.relu_()
        logits: Tensor = self.head(torch.flatten(F.adaptive_avg_pool2d(after, 1), 1))
        return logits


def small_resnet18() -> nn.Module:
    from torchvision.models import resnet18

    return seeded(lambda: resnet18(num_classes=7))  # type: ignore[arg-type]


def small_vgg11() -> nn.Module:
    """VGG11's features, without its hundred million weights of linear layers."""
    from torchvision.models.vgg import cfgs, make_layers

    return seeded(  # type: ignore[arg-type]
        lambda: nn.Sequential(make_layers(cfgs["A"]), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 7))
    )


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
