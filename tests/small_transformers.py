"""Small transformers whose answers are known on paper, and torchvision's, small."""

import torch
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401


class Twice(nn.Module):
    """Adds what a linear layer gives; here the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels, bias=False)
        nn.init.eye_(self.linear.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.linear(tokens)


class Mixed(Twice):
    """Adds the mean of all tokens to each, as attention with equal weights does."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.linear(tokens.mean(dim=1, keepdim=True))


class Patches(nn.Module):
    """Answers with one patch's red, green and blue, times 4; patches of 8 x 8 pixels, and tokens without a place.

    Every token is its patch's mean colour, and each of the two blocks doubles it.
    """

    def __init__(self, place: int, extra: int = 1, *, last: bool = False, channels: int = 3) -> None:
        super().__init__()
        self.place, self.last = place, last
        self.patches = nn.Conv2d(channels, channels, 8, stride=8, bias=False)
        nn.init.zeros_(self.patches.weight)
        for channel in range(channels):
            nn.init.constant_(self.patches.weight[channel, channel], 1 / 64)
        self.extra = nn.Parameter(torch.full((1, extra, channels), 100.0))
        self.first, self.second = Twice(channels), Twice(channels)
        self.head = nn.Linear(channels, channels, bias=False)
        nn.init.ones_(self.head.weight)

    def tokens(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        extra = self.extra.expand(len(images), -1, -1)
        return torch.cat([tokens, extra] if self.last else [extra, tokens], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.second(self.first(self.tokens(images)))
        return self.head(tokens[:, self.place + (0 if self.last else self.extra.shape[1])])


class ClassToken(Patches):
    """Answers with its first token, which the other tokens have told something in each of the three blocks."""

    def __init__(self) -> None:
        super().__init__(place=0)
        self.first, self.second, self.third = Mixed(3), Mixed(3), Mixed(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.third(self.second(self.first(self.tokens(images))))[:, 0])


def one_patch(row: int, column: int, size: tuple[int, int], channels: int = 3) -> Tensor:
    """Give a black picture with one white patch of 8 x 8 pixels, (1, channels, height, width)."""
    image = torch.zeros(1, channels, *size)
    image[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1
    return image


def small_vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VisionTransformer(
            image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=24, mlp_dim=48, num_classes=5
        )
        nn.init.normal_(network.heads.head.weight)  # torchvision's own is zero
    return network.eval()


def small_swin() -> nn.Module:
    """Give a Swin transformer whose first maps are (n, 8, 8, 8) for pictures of 32 x 32 pixels."""
    from torchvision.models import SwinTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SwinTransformer(
            patch_size=[4, 4], embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=[4, 4], num_classes=5
        )
    return network.eval()


class Through(nn.Module):
    """Runs a layer's patch tokens, without the class token, through a grid that Captum can read by itself."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.grid = layer, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.layer(images)
        grid = self.grid(tokens[:, 1:].transpose(1, 2).reshape(len(tokens), 24, 4, 4))
        return torch.cat([tokens[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
