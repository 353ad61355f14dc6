"""Nulls: methods that know nothing of the network. Every table has them, for comparison.

Each stands for a reason why a method may score well without explaining anything:

* :class:`Random`: a method that is not better than it tells nothing.
* :class:`Constant`: all its pixels tie, so its score comes only from the order in which a metric takes tied pixels.
* :class:`Centre`: a method that is not better may only say that objects stand in the middle of photographs.
* :class:`Sobel`: a method that is not better may only find edges (J. Adebayo et al., "Sanity Checks for Saliency
  Maps", NeurIPS 2018).

The network is asked only to check that the target is one of its classes.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mint.contract import explaining, read_scores
from mint.parameters import require_number, require_seed


@dataclass(frozen=True)
class Random:
    """Independent uniform noise in [0, 1).

    Drawn on the CPU from a generator seeded by ``seed``, the image's content and the target, so that a map is the
    same whatever batch the image sits in.

    Parameters
    ----------
    seed
        Another seed gives other noise.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Answer (n, c, h, w) images with (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            _ask(model, images, targets)
            maps = [self._draw(*pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _draw(self, image: Tensor, target: int) -> Tensor:
        return torch.rand(image.shape[1:], generator=generator_for(self.seed, image, target)).to(image.device)


def generator_for(seed: int, image: Tensor, target: int) -> torch.Generator:
    """Return a generator on the CPU, seeded by a number, an image's content and a class, and by nothing else."""
    # It is made flat, because a contiguous tensor may have any stride along a side of one pixel, and the bytes are
    # taken, because NumPy has no bfloat16.
    content = image.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    digest = hashlib.sha256(f"{seed} {target} ".encode() + content).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


@dataclass(frozen=True)
class Constant:
    """Zero everywhere: all pixels tie, so its score comes only from the order in which a metric takes tied pixels."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Answer (n, c, h, w) images with (n, h, w) float32 maps of zeros."""
        with explaining(model, images, targets):
            _ask(model, images, targets)
        return torch.zeros_like(images[:, 0], dtype=torch.float32)


@dataclass(frozen=True)
class Centre:
    """A Gaussian bump on the picture's exact centre: exp(-(x^2 + y^2) / (2 width^2)).

    In pictures of even size the centre lies between four pixels, which tie.

    Parameters
    ----------
    width
        Standard deviation, as a share of the picture's height and width.
    """

    width: float = 0.25

    def __post_init__(self) -> None:
        require_number("width", self.width, 1e-3, 1e3)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Answer (n, c, h, w) images with (n, h, w) float32 maps, in (0, 1]."""
        with explaining(model, images, targets):
            _ask(model, images, targets)
            rows, columns = (_bump(length, self.width).to(images.device) for length in images.shape[-2:])
        return torch.outer(rows, columns).float().repeat(len(images), 1, 1)


def _bump(length: int, width: float) -> Tensor:
    offsets = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    return torch.exp(-((offsets / (width * length)) ** 2) / 2)


@dataclass(frozen=True)
class Sobel:
    """Edge strength: the length of the luminance's gradient by Sobel's 3 x 3 filters.

    The luminance is Rec. 601's .299 R + .587 G + .114 B, taken of the normalised channels; where there are not three
    channels, it is their mean. Beyond the border, the outermost pixels are repeated.
    """

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Answer (n, c, h, w) images with (n, h, w) float32 maps, at least 0."""
        with explaining(model, images, targets), torch.no_grad():
            _ask(model, images, targets)
            channels = images.shape[1]
            shares = [0.299, 0.587, 0.114] if channels == 3 else [1 / channels] * channels
            luminance = torch.einsum("nchw,c->nhw", images.double(), images.new_tensor(shares).double())
            padded = F.pad(luminance.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
            across = padded.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
            gradient = F.conv2d(padded, torch.stack([across, across.T]).unsqueeze(1))
        return torch.hypot(gradient[:, 0], gradient[:, 1]).float()


@torch.no_grad()
def _ask(model: nn.Module, images: Tensor, targets: Tensor) -> None:
    read_scores(model, images, targets, "logit")
