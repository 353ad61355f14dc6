"""Networks and pictures that several tests share."""

import torch
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Three convolutions with in-place ReLUs and a batch norm, as torchvision writes them; 5 classes."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.trunk = nn.Sequential(
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(self.stem(images)).mean(dim=(2, 3)))


def smooth_images(count: int, size: tuple[int, int] = (40, 48), seed: int = 0) -> Tensor:
    """Draw random pictures with large coloured areas, which super-pixels can follow."""
    coarse = torch.randn(count, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)
