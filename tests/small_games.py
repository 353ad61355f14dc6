"""A network that plays a game: its answer depends on nothing but which super-pixels are there."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from baselines import LIME


class Game(nn.Module):
    """Answers with the value of the set of super-pixels that are present; class 0's logit is 0."""

    def __init__(self, image: Tensor, kernel_size: float, value: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.labels, self.value = torch.from_numpy(LIME(kernel_size=kernel_size).superpixels(image)), value
        self.players = int(self.labels.max()) + 1
        flat = self.labels.flatten().tolist()
        self.places = [flat.index(label) for label in range(self.players)]
        self.pictures = 0

    def forward(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        present = (images[:, 0].flatten(1)[:, self.places] != 0).to(images.dtype)
        values = self.value(present)
        return torch.stack([torch.zeros_like(values), values], dim=1)


def patchwork() -> Tensor:
    """Four plain quarters with a little noise, none of whose pixels is 0."""
    image = torch.full((3, 32, 32), 0.1)
    image[0, :16, :16], image[1, :16, 16:], image[2, 16:, :16] = 0.9, 0.8, 0.7
    return image + 0.01 * torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2))


def network() -> nn.Module:
    """Give a network that looks at the pixels of a `patchwork`, unlike a game."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1568, 4)).eval()
