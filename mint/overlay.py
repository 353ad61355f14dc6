"""OverlayMINT: MINT's ideas on several partitions at once. A variant of this project; it is in no paper.

The picture is cut into super-pixels several times, and on request by grids that are shifted against each other; the
samples are divided among these partitions, and for every part of the partition a coin is thrown whether a sample hides
it. The unknown is a density of importance over the pixels, made of one weight for each part of every partition. It
rises with the deep saliency M, so that pixels to which the network's own gradient points need less evidence. A ridge
regression finds the weights from the network's answers: unlike MINT's lasso it lets parts that overlap share the
evidence, and cross-validation chooses its penalty. The map is this density, which M weighs once more::

    y_k  ~  b_g(k) + mean_p m_k(p) d(p),      d(p) = v(p) sum_r w_r phi_r(p),      v(p) = gate + M(p) / max M

    map(p) = (floor + M(p) / max M) d(p)

y_k is the answer to sample k, which has the proximity's weight; b_g is the intercept of the samples hidden by value g;
m_k(p) is the share of pixel p that sample k shows, and phi_r(p) the share of it that is of part r (both are 0 or 1
unless edges are soft). M counts as 0 where it is negative; in v it is averaged over each of the pieces that all
partitions cut the picture into.

On request some samples hide a single window each, as occlusion does. In place of d(p), the map then has
d(p) / sd(d) + o(p) / (2 sd(o)), where o(p) is how far the answer falls, in the mean over the windows that hold p. One
estimate is of half the picture, the other of the whole one, and their errors are independent.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from mint.ahead import finish_behind, work_ahead
from mint.contract import explaining
from mint.display import break_ties
from mint.features import class_saliency, read_features, represent, upsample
from mint.layers import layers_or_none
from mint.parameters import InputError, require_batch_size, require_count, require_layer, require_number, require_seed
from mint.partitions import draw_dealt_states, overlay, owner_of, shifted_grids, slic
from mint.perturbation import Fill, baseline_image, masked_answers, require_fill
from mint.picture import to_picture
from mint.ridge import ridge
from mint.scores import Score, require_score
from mint.soft import Edges, SoftAnswers, soft_scores
from mint.superpixels import Segmentation, segment
from mint.windows import even_windows, mean_fall, window_states

OCCLUSION = 0.5
"""What the windows' answers weigh beside the density, each divided by its standard deviation over the pixels."""


@dataclass(frozen=True)
class OverlayMINT:
    """Explain a class by a density of importance over the pixels, fitted on several partitions at once.

    It costs what :class:`~mint.method.MINT` costs: one forward and backward pass, and ``samples`` forwards.

    Attributes
    ----------
    samples : int
        K, the number of perturbed samples, the unperturbed image included.
    deep_layer : str or None
        Name of the module whose gradient and activation make M; None finds it by one more forward pass, as MINT does.
    segmentation : Segmentation
        MINT's choices of Section 2, for the coarse and the first fine partition.
    slic_segments : tuple of int
        Further partitions: how many segments SLIC is asked for in each.
    grids : tuple of int
        Further partitions: each number makes four grids with so many cells along a side; three of them are shifted by
        half a cell, to the right, downwards, and both.
    windows : int
        How many windows there are along a side; 0 for none. 13 of them take 169 of the samples, and are a seventh of
        the side wide and high. The first of ``hiding`` hides them.
    hiding : tuple of float, "mean", "blur" or "super-pixel mean"
        What hides: the samples are divided among these values. See :class:`~mint.method.MINT`'s ``fill``.
    edge : float
        Gaussian width of the parts' soft edges, as a share of the picture's side; 0 makes edges hard.
    gate : float
        The value of v where M is not positive; where M is largest, v is this plus 1. A smaller gate trusts M more.
    floor : float or None
        The map is the density times this plus M / max M, which keeps more of the importance on the object. None leaves
        the density as it is.
    score : {"probability", "logit", "log-probability", "sigmoid"} or callable
        The score that is explained; see :class:`~mint.method.MINT`'s ``response``.
    proximity : float
        Eq. 8's kernel width: a sample without the share f of the pixels weighs exp(-f / proximity).
    seed : int
        Seed of the states' generator.
    batch_size : int or None
        Perturbed samples in one forward pass, found if None. It never changes a result.
    """

    samples: int = 5000
    deep_layer: str | None = None
    segmentation: Segmentation = field(default_factory=Segmentation)
    slic_segments: tuple[int, ...] = (60, 90, 120)
    grids: tuple[int, ...] = ()
    windows: int = 0
    hiding: tuple[Fill, ...] = (0.0,)
    edge: float = 0.0
    gate: float = 0.5
    floor: float | None = 0.25
    score: Score = "probability"
    proximity: float = 0.73
    seed: int = 0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_count("samples", self.samples, 2)
        if not isinstance(self.segmentation, Segmentation):
            raise InputError(f"segmentation is a Segmentation, not {self.segmentation!r}.")
        for name in ("slic_segments", "grids", "hiding"):
            value = getattr(self, name)
            if not isinstance(value, tuple):
                raise InputError(f"{name} is a tuple, such as {getattr(OverlayMINT, name)}, not {value!r}.")
        for name in ("slic_segments", "grids"):
            for count in getattr(self, name):
                require_count(f"each of {name}", count, 1)
        require_count("windows", self.windows, 0)
        if self.samples < self.windows**2 + 2:
            raise InputError(
                f"{self.windows} x {self.windows} windows leave fewer than 2 of {self.samples} samples for the "
                "partitions; ask for more samples or fewer windows."
            )
        if not self.hiding:
            raise InputError("hiding names no value; give it one or more, such as (0.0,).")
        for value in self.hiding:
            require_fill(value, "each of hiding")
        require_layer("deep_layer", self.deep_layer)
        require_score("score", self.score)
        require_seed("seed", self.seed)
        require_number("edge", self.edge, 0, 1)
        require_number("gate", self.gate, 0, 1e6)
        if self.floor is not None:
            require_number("floor", self.floor, 0, 1e6)
        require_number("proximity", self.proximity, 1e-6, 1e12)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Compute one map per image, (n, h, w) float32: importance per pixel, ties broken by M."""
        with explaining(model, images, targets):
            layer = self._layer(model, images[0])
            pairs = list(zip(images, targets.tolist(), strict=True))
            with closing(work_ahead(pairs, partial(_read, model, layer), self._cut, images.device)) as cuts:
                asked = (self._ask(model, *pair, cut) for pair, cut in zip(pairs, cuts, strict=True))
                maps = finish_behind(asked, images.device)
        return torch.stack(maps).to(images.device)

    def _layer(self, model: nn.Module, image: Tensor) -> str | None:
        """Name the deep layer; None, with a warning, where no gradient leads to any."""
        if self.deep_layer is not None:
            return self.deep_layer
        found = layers_or_none(model, image)
        return found and found[1]

    def _cut(self, pair: tuple[Tensor, int], planes: Tensor) -> "_Cut":
        """Cut a picture on the host, and draw the samples."""
        *channels, saliency = planes.double().cpu()
        image = torch.stack(channels)
        with ThreadPoolExecutor() as threads:
            cut_by_slic = partial(slic, to_picture(image), compactness=self.segmentation.compactness)
            pieces = [threads.submit(cut_by_slic, segments=each) for each in self.slic_segments]
            superpixels = segment(image, saliency[None], self.segmentation, pair[0].device)[0]
        partitions = [superpixels.fine, *(each.result() for each in pieces)]
        height, width = saliency.shape
        for cells in self.grids:
            partitions.extend(shifted_grids(height, width, cells))
        atoms = overlay(partitions)
        owners = [owner_of(atoms, each) for each in (*partitions, superpixels.coarse)]
        states = draw_dealt_states(self.samples - self.windows**2, owners[:-1], self.seed)
        # Each partition meets every hiding value in turn.
        turn = torch.arange(len(states))
        groups = (turn % len(partitions) + turn // len(partitions)) % len(self.hiding)
        positive = saliency.clamp(min=0)
        strength = positive / (positive.max() if positive.max() > 0 else 1)
        factor = self.gate + represent(strength, atoms, states.shape[1], "raw")[atoms]
        return _Cut(saliency, superpixels.fine, atoms, owners, states, groups, strength, factor)

    def _ask(self, model: nn.Module, image: Tensor, target: int, cut: "_Cut") -> Callable[[], Tensor]:
        """Put the samples to the network; what is returned waits for its answers, and makes the map."""
        fills = torch.stack([baseline_image(image, cut.fine, value) for value in self.hiding])
        how = partial(soft_scores, edges=Edges.of(image, self.edge), score=self.score, batch_size=self.batch_size)
        asked = how(model, image, fills, cut.atoms, cut.states, cut.groups, target, factor=cut.factor)
        if not self.windows:
            return partial(self._fit, cut, asked)
        cells, kept = window_states(*(even_windows(length, self.windows) for length in cut.atoms.shape))
        hidden = masked_answers(
            model, image, fills[0], cells, kept, target, score=self.score, batch_size=self.batch_size
        )
        return partial(self._fit, cut, asked, lambda whole: mean_fall(cells, kept, whole - hidden.read()[:, 0]))

    def _fit(self, cut: "_Cut", asked: SoftAnswers, fall: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        answers, shown, seen = asked.read()
        # What a super-pixel shows in a sample is the sum over its atoms.
        counts = [int(owner.max()) + 1 for owner in cut.owners]
        inputs = [
            torch.zeros((len(seen), count), dtype=torch.float64).index_add_(1, owner, seen)
            for owner, count in zip(cut.owners, counts, strict=True)
        ]
        weights = torch.exp((shown - 1) / self.proximity)
        found = torch.split(ridge(torch.cat(inputs, dim=1), answers, weights, cut.groups), counts)
        shares = [values[owner] for values, owner in zip(found, cut.owners, strict=True)]
        density = torch.stack(shares).sum(dim=0)[cut.atoms]
        density = cut.factor * Edges.of(cut.saliency[None], self.edge).soften(density)
        if fall is not None:
            density = _scaled(density) + OCCLUSION * _scaled(fall(answers[0]))
        return break_ties(density if self.floor is None else (self.floor + cut.strength) * density, cut.saliency)


def _scaled(values: Tensor) -> Tensor:
    """Divide by the standard deviation; values that are all alike say nothing, and become 0."""
    if values.numel() == 1:  # of which there is no deviation
        return torch.zeros_like(values)
    deviation = values.std()
    return values / deviation if deviation > 1e-9 * values.abs().max() else torch.zeros_like(values)


@dataclass(frozen=True, eq=False)
class _Cut:
    """A picture's partitions and samples, before the network is asked about them; all of it is on the host."""

    saliency: Tensor  # M, (h, w) float64
    fine: Tensor  # the first partition, (h, w)
    atoms: Tensor  # (h, w)
    owners: Sequence[Tensor]  # (atoms,): where each lies in every partition; the coarse one is the last
    states: Tensor  # (K, atoms) bool
    groups: Tensor  # (K,): which value hides
    strength: Tensor  # (h, w): M's positive part, divided by its maximum
    factor: Tensor  # (h, w): v


def _read(model: nn.Module, layer: str | None, pair: tuple[Tensor, int]) -> Tensor:
    """Ask the network for M, and put it beneath the image, (c + 1, h, w), so that both go to the host in one copy."""
    image, target = pair
    if layer is None:
        deep = torch.zeros((1, 1), dtype=image.dtype, device=image.device)
    else:
        deep = class_saliency(read_features(model, image, target, layer))
    return torch.cat([image.detach(), upsample(deep, (image.shape[-2], image.shape[-1]))[None]])
