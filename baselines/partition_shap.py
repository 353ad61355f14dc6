"""PartitionSHAP: Shapley values of nested halves of the picture, found from coarse to fine where most is to be shared.

Reference: S. Lundberg's package ``shap``, ``PartitionExplainer`` with an ``Image`` masker; the values are G. Owen's,
"Values of Games with A Priori Unions", 1977. A rectangle is halved across its longer side, into a and b. Its worth, in
front of the hidden or shown rest S of the picture, is shared as Shapley's value shares it between two players, because
their order is even:

    value(a) = 1/2 [ g(S + a) - g(S) ]  +  1/2 [ g(S + a + b) - g(S + b) ]

and each of the two terms is shared again between the halves of a, in front of S and in front of S + b. The rectangle
whose term is largest is halved next. When the forwards are spent, each term is spread evenly over the pixels of its
rectangle. g is the target's softmax probability, or another score. Hidden pixels are 0 in the normalised space, which
is gray. The map's sum is g(X) - g(gray).

It costs ``max_evals`` forwards and no backward. This is the package's algorithm on the suite's engine: the package
itself compiles with numba, holds a picture as 3 h w players on the CPU, and breaks ties by the global generator. Where
it breaks none, the map is the package's, which is tested where ``shap`` is installed.
"""

import heapq
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.asking import drawn_scores
from mint.contract import explaining
from mint.parameters import require_batch_size, require_count
from mint.scores import Score, require_score


@dataclass(frozen=True)
class PartitionSHAP:
    """Owen values of a picture's halves, quarters and so on, down to single pixels if there are forwards enough.

    A pixel's channels are one player; the package would halve pixels, too, into channels.

    Parameters
    ----------
    max_evals
        Pictures put to the network, at most; the package's 500. Two are the picture and plain gray, and two are needed
        to halve a rectangle.
    together
        How many pictures are chosen before the network is asked: the package's ``batch_size``, 50 in its examples with
        pictures. The map depends on it, as what is halved next is chosen by the answers so far.
    batch_size
        Of these, how many go through the network at a time; None lets the perturbation engine choose. The maps do not
        depend on it.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`.
    """

    max_evals: int = 500
    together: int = 50
    batch_size: int | None = None
    score: Score = "probability"

    def __post_init__(self) -> None:
        require_count("max_evals", self.max_evals, 2)
        require_count("together", self.together, 2)
        require_score("score", self.score)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps."""
        with explaining(model, images, targets):
            maps = [self._explain(model, *pair) for pair in zip(images, targets.tolist(), strict=True)]
        return torch.stack(maps)

    def _explain(self, model: nn.Module, image: Tensor, target: int) -> Tensor:
        pixels = image.permute(1, 2, 0)
        gray = torch.zeros_like(pixels[:1, :1])

        def ask(masks: list[Tensor]) -> list[float]:
            def draw(start: int, stop: int, batch: Tensor) -> None:
                torch.where(torch.stack(masks[start:stop]).unsqueeze(-1), pixels, gray, out=batch)

            return drawn_scores(model, image, len(masks), draw, target, self.score, self.batch_size).tolist()

        height, width = image.shape[1:]
        none = torch.zeros(height, width, dtype=torch.bool, device=image.device)
        low, high = ask([none, ~none])
        queue = _Queue(max(abs(low), abs(high)))
        queue.put(_Term(_Rectangle(0, height, 0, width), none, low, high, 1.0))
        values = torch.zeros(height, width, dtype=torch.float64)
        left = self.max_evals - 2
        while halved := queue.take(min(self.together, left) // 2, values):
            masks = [mask for term in halved for mask in term.halves_shown()]
            left -= len(masks)
            answers = ask(masks)
            for i, term in enumerate(halved):
                for part in term.halves(masks[2 * i : 2 * i + 2], answers[2 * i : 2 * i + 2]):
                    queue.put(part)
        queue.spread(values)
        return values.to(image.device, torch.float32)


@dataclass(frozen=True)
class _Rectangle:
    top: int
    bottom: int
    left: int
    right: int

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def halves(self) -> "tuple[_Rectangle, _Rectangle]":
        height, width = self.bottom - self.top, self.right - self.left
        # Of an odd length the first half is the longer one, as in the package, whose leaves are numbered from the end.
        if height >= width:
            middle = self.top + (height + 1) // 2
            parts = (self.top, middle, self.left, self.right), (middle, self.bottom, self.left, self.right)
        else:
            middle = self.left + (width + 1) // 2
            parts = (self.top, self.bottom, self.left, middle), (self.top, self.bottom, middle, self.right)
        return _Rectangle(*parts[0]), _Rectangle(*parts[1])


@dataclass(frozen=True, eq=False)
class _Term:
    """What a rectangle adds to one part of the picture that is shown, and how much this counts."""

    rectangle: _Rectangle
    shown: Tensor  # (h, w) bool
    low: float  # the score without the rectangle
    high: float  # and with it
    weight: float

    def halves_shown(self) -> list[Tensor]:
        masks = []
        for half in self.rectangle.halves():
            mask = self.shown.clone()
            mask[half.window] = True
            masks.append(mask)
        return masks

    def halves(self, masks: list[Tensor], answers: list[float]) -> "list[_Term]":
        one, other = self.rectangle.halves()
        (with_one, with_other), weight = masks, self.weight / 2
        return [
            _Term(one, self.shown, self.low, answers[0], weight),
            _Term(other, self.shown, self.low, answers[1], weight),
            _Term(one, with_other, answers[1], self.high, weight),
            _Term(other, with_one, answers[0], self.high, weight),
        ]


class _Queue:
    """Terms that can be shared further, the largest first.

    Terms that agree to 1e-5 of the score tie, because a network's answer depends on the batch in the last digits. Of
    tied terms the first one found goes first; the package draws lots.
    """

    def __init__(self, scale: float) -> None:
        self._step = 1e-5 * scale or 1.0
        self._terms: list[tuple[float, int, _Term]] = []
        self._put = 0

    def put(self, term: _Term) -> None:
        steps = round(abs(term.high - term.low) / self._step)
        heapq.heappush(self._terms, (-steps * term.weight, self._put, term))
        self._put += 1

    def take(self, count: int, values: Tensor) -> list[_Term]:
        """Take up to ``count`` terms that can be halved; single pixels on the way are added to their values."""
        taken: list[_Term] = []
        while self._terms and len(taken) < count:
            term = heapq.heappop(self._terms)[2]
            if term.rectangle.area > 1:
                taken.append(term)
            else:
                _credit(values, term)
        return taken

    def spread(self, values: Tensor) -> None:
        """Spread what is left evenly over the rectangles' pixels."""
        for _, _, term in self._terms:
            _credit(values, term)


def _credit(values: Tensor, term: _Term) -> None:
    values[term.rectangle.window] += term.weight * (term.high - term.low) / term.rectangle.area
