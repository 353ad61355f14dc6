"""Controls: maps made from a method's own map, or by asking the method something else.

Most controls destroy what the method's map tells. A metric that scores such a control as high as the map does not
measure what it is meant to measure:

* ``shuffled``: the map's values at random pixels. Its score comes from the map's histogram alone.
* ``inverted``: the map negated. A metric that scores it the same has no direction.
* ``blurred``: the map smoothed. Removal metrics often prefer it (S. Song 2023), which favours coarse methods.
* ``other-class``: the same method's map of another class (J. Wagner et al., CVPR 2019, among others).
* ``randomised-network``: the same method's map of a network with random weights (J. Adebayo et al., "Sanity Checks for
  Saliency Maps", NeurIPS 2018). What it shows comes from the picture alone, not from what the network has learnt.

Two controls keep what the map tells and take away its detail only: ``14x14`` and ``7x7``, the map at the resolution
of a network's last layers. They compare fine and coarse methods on equal terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.nulls import generator_for
from baselines.randomising import randomised
from mint.contract import Attributor, attribute, explaining
from mint.parameters import require_count, require_number
from mint.scores import read_logits, score_classes


class Derived(Protocol):
    """What makes a control: a frozen dataclass. Its ``repr``, with all of its fields, identifies the control.

    Attributes
    ----------
    null
        Whether it destroys what the map tells, so that a metric should prefer the method's own.
    asks
        Whether it asks the method or the network again, and so costs as much as a map; if not, it needs the map alone.
    """

    null: ClassVar[bool]
    asks: ClassVar[bool]

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Derive control maps.

        Parameters
        ----------
        method, model, images, targets
            What gave the maps, as `mint.contract.Attributor` has it.
        maps : Tensor
            (n, h, w) float32, the method's own.

        Returns
        -------
        Tensor
            (n, h, w) float32.
        """
        ...


@dataclass(frozen=True)
class Shuffled:
    """The map's values at random pixels.

    The permutation comes from a generator seeded by ``seed``, the picture and the target. So it depends neither on the
    batch nor on the map, and all methods' maps of one case are shuffled in the same way.
    """

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    seed: int = 0

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer (n, h, w) maps with their pixels permuted."""
        return torch.stack([self._shuffle(*each) for each in zip(images, targets.tolist(), maps, strict=True)])

    def _shuffle(self, image: Tensor, target: int, saliency: Tensor) -> Tensor:
        generator = generator_for(self.seed, image, target)
        order = torch.randperm(saliency.numel(), generator=generator).to(saliency.device)
        return saliency.flatten()[order].view_as(saliency)


@dataclass(frozen=True)
class Inverted:
    """The map negated: the pixel that it ranks first becomes the last."""

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer (n, h, w) maps with their negatives."""
        return -maps


@dataclass(frozen=True)
class Blurred:
    """The map smoothed by a Gaussian; beyond the border it is mirrored.

    Parameters
    ----------
    width
        Standard deviation, as a share of the map's shorter side: .05 is 11 pixels at 224.
    """

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = False

    width: float = 0.05

    def __post_init__(self) -> None:
        require_number("width", self.width, 0, beyond=True)

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer (n, h, w) maps with smooth ones."""
        sigma = self.width * min(maps.shape[1:])
        smooth = gaussian_filter(maps.cpu().numpy().astype(np.float64), (0, sigma, sigma))
        return torch.from_numpy(smooth).float().to(maps.device)


@dataclass(frozen=True)
class Averaged:
    """The map averaged over a grid of cells, then interpolated between their centres.

    The interpolation is bilinear, as Grad-CAM's is from its layer to the picture. Without it, all pixels of a cell
    would tie, and a metric would rank them by their place.

    Parameters
    ----------
    cells
        How many cells high and wide; where they do not divide the map, neighbours share pixels.
    """

    null: ClassVar[bool] = False
    asks: ClassVar[bool] = False

    cells: int

    def __post_init__(self) -> None:
        require_count("cells", self.cells, 1)

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer (n, h, w) maps with coarse ones of the same size."""
        means = F.adaptive_avg_pool2d(maps.double().unsqueeze(1), self.cells)
        return F.interpolate(means, maps.shape[1:], mode="bilinear", align_corners=False)[:, 0].float()


@dataclass(frozen=True)
class OtherClass:
    """The method's map of another class: the one that the network finds likeliest besides the target.

    Where the target is the network's first choice, that is its second choice; elsewhere it is its first choice. Of
    classes that tie, it is the one with the lowest index.
    """

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = True

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer with the (n, h, w) maps of other classes."""
        with explaining(model, images, targets):
            others = other_classes(model, images, targets)
        return attribute(method, model, images, others)


@torch.no_grad()
def other_classes(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Return the likeliest class besides the target of each (n, c, h, w) image: (n,) int64."""
    logits = score_classes("logit", read_logits(model, images.clone(), int(targets.max())))
    others: Tensor = logits.scatter(1, targets[:, None], -torch.inf).argmax(dim=1)
    return others


@dataclass(frozen=True)
class RandomisedNetwork:
    """The method's map of the same network with random weights (see `baselines.randomising`).

    Parameters
    ----------
    seed
        Another seed gives other weights.
    """

    null: ClassVar[bool] = True
    asks: ClassVar[bool] = True

    seed: int = 0

    def __call__(self, method: Attributor, model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        """Answer with the (n, h, w) maps of a random network; the network is handed back as it was."""
        with randomised(model, self.seed):
            return attribute(method, model, images, targets)


DERIVED: Mapping[str, Derived] = {
    "shuffled": Shuffled(),
    "inverted": Inverted(),
    "blurred": Blurred(),
    "other-class": OtherClass(),
    "randomised-network": RandomisedNetwork(),
    "14x14": Averaged(14),
    "7x7": Averaged(7),
}
"""Every control by the name that records give it."""
