"""The points of removal curves: which pixels are shown at each, and what the network answers.

All removal curves of this suite, those of other tools' protocols among them, share their points: the context of a case
remembers what the network answered when certain pixels were shown, and only what nobody has asked before goes through
the network. For example, with one baseline value, the insertion of k pixels shows the same picture as LeRF's removal of
all but k.

A set of pixels is known by the sum of random whole numbers, one for each pixel. The sums of all points of a ranking are
running sums, so rankings, sums and masks stay on the device. Two copies to the host are made for any number of curves
and maps: the sums, which say what is to be asked, and the answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.metrics.metric import Context, Measurement, Metric, check_shape, not_finite
from benchmarks.metrics.removal.curve import (
    AREAS,
    RANKINGS,
    Followed,
    Imputation,
    Inpainting,
    Path,
    Removal,
    Removed,
    fill_of,
)
from benchmarks.metrics.removal.imputation import fill_in, noise_of
from benchmarks.metrics.removal.inpainting import paint_anew
from benchmarks.metrics.removal.segments import Segments
from mint.contract import InputError
from mint.perturbation import channels_last, scores_of_drawn
from mint.scores import NOT_FINITE, ONE_OUTPUT, SCORE_NAMES, SCORES_OF_ONE_OUTPUT, Score, read_logits, score_classes

Known = dict[int, np.ndarray]
"""The answers to what was asked, by the sum of what was shown: float64, for each class that is followed every score."""
Group = tuple[Removed, Score | None]
"""What shares its answers: what removed pixels become; and the user's score, or None for all scores that have names."""


class RemovalMetric(Metric):
    """Base of the metrics that are read off a removal curve."""

    @property
    def removal(self) -> Removal:
        """Which curve, and what is read off it."""
        raise NotImplementedError

    def __call__(self, context: Context, saliency: Tensor) -> Measurement:
        """Return the score, and the curve: the share of pixels removed (or inserted), and the answer.

        InputError if the map cannot be ranked, or the points do not suit the picture.
        """
        (found,) = _measure(context, [self.removal], [saliency])
        if found is None:
            raise not_finite(context)
        return found[0]


def prepare(context: Context, metrics: Iterable[object], maps: Sequence[Tensor]) -> None:
    """Ask the network at once for what all removal metrics among some metrics need of some maps of a case.

    The metrics then find it in the context. It saves time only: scores are the same without it, up to the rounding of
    float32 in batches of other sizes. Maps that cannot be ranked are passed over.
    """
    removals = [metric.removal for metric in metrics if isinstance(metric, RemovalMetric)]
    if removals and maps:
        _measure(context, removals, maps)


@dataclass(frozen=True)
class _Part:
    """The points of one path for every map, on the host."""

    removal: Removal
    path: Path
    ranking: int  # the first of its rows among all rankings: one for each map
    moved: np.ndarray  # (maps, points): how many pixels have moved
    keys: np.ndarray  # (maps, points): the sum of what is shown

    def points(self, finite: np.ndarray) -> np.ndarray:
        """List key, ranking, cut, and whether what comes before the cut is shown, for all points of finite maps."""
        rankings = self.ranking + np.arange(len(finite))[:, None]
        table = np.broadcast_arrays(self.keys, rankings, self.moved, self.path.action == "insert")
        return np.stack([each[finite].ravel() for each in table])


def _group(removal: Removal) -> Group:
    """Say with which other points a curve's are asked."""
    return removal.removed, None if isinstance(removal.score, str) else removal.score


def _measure(
    context: Context, removals: Sequence[Removal], maps: Sequence[Tensor]
) -> list[tuple[Measurement, ...] | None]:
    """Measure every map by every curve; None where a map cannot be ranked."""
    for saliency in maps:
        check_shape(context, saliency)
    values = torch.stack([saliency.flatten() for saliency in maps]).to(context.image.device)
    ranks, parts, finite = _locate(context, removals, values)
    _ask(context, ranks, parts, finite)
    found: list[tuple[Measurement, ...] | None] = []
    for i in range(len(maps)):
        found.append(tuple(_read(context, removal, parts, i) for removal in removals) if finite[i] else None)
    return found


def _locate(context: Context, removals: Sequence[Removal], values: Tensor) -> tuple[Tensor, list[_Part], np.ndarray]:
    """Rank the maps' values, (maps, pixels); return all ranks, the points of all paths, and which maps are finite."""
    count, pixels = values.shape
    weights, _ = _weights(context)
    places = torch.arange(pixels, dtype=torch.int32, device=values.device).expand(count, -1)
    columns, paths = [torch.isfinite(values).all(1, keepdim=True).long()], []
    orders: dict[tuple[Segments | None, str, str], tuple[int, Tensor, Tensor]] = {}
    ranks: list[Tensor] = []
    for removal in removals:
        own = values if removal.segments is None else removal.segments.ranks(context, values)
        for path in removal.paths:
            key = removal.segments, removal.ties, path.first
            if key not in orders:
                order = RANKINGS[removal.ties][path.first](own)
                ranked = (own if path.first == "most" else -own).gather(1, order)
                orders[key] = len(ranks) * count, ranked, F.pad(weights[order].cumsum(1), (1, 0))
                ranks.append(torch.zeros_like(order, dtype=torch.int32).scatter_(1, order, places))
            start, ranked, sums = orders[key]
            moved = _moved(context, removal, ranked)
            before = sums.gather(1, moved)
            columns += [moved, before if path.action == "insert" else sums[:, -1:] - before]
            paths.append((removal, path, start, moved.shape[1]))
    # The only copy to the host until the network has answered.
    host = torch.cat(columns, dim=1).cpu().numpy()
    parts, at = [], 1
    for removal, path, start, points in paths:
        parts.append(_Part(removal, path, start, host[:, at : at + points], host[:, at + points : at + 2 * points]))
        at += 2 * points
    return torch.cat(ranks), parts, host[:, 0].astype(bool)


def _weights(context: Context) -> tuple[Tensor, int]:
    """Return a random whole number for each pixel, (pixels,) int64, the same in every case, and the sum of all."""

    def draw() -> tuple[Tensor, int]:
        ends, generator = torch.iinfo(torch.int64), torch.Generator().manual_seed(0)
        weights = torch.randint(ends.min, ends.max, (context.image[0].numel(),), generator=generator)
        return weights.to(context.image.device), int(weights.sum())

    return context.once("weights of pixels", draw)


def _moved(context: Context, removal: Removal, ranked: Tensor) -> Tensor:
    """Return how many pixels have moved at each point of a path, (maps, points) int64."""
    moved = removal.points(ranked, context.image.shape[-1])
    if isinstance(moved, Tensor):
        return moved
    counts = tuple(moved)
    tensor: Tensor = context.once(("counts", counts), lambda: torch.tensor(counts, device=ranked.device))
    return tensor.expand(len(ranked), -1)


def _known(context: Context, group: Group) -> Known:
    return context.once(("points", group), dict)


@torch.no_grad()
def _ask(context: Context, ranks: Tensor, parts: Sequence[_Part], finite: np.ndarray) -> None:
    """Ask the network for what is not known, and copy its answers to the host once."""
    _, whole = _weights(context)
    asked: list[tuple[Known, list[int]]] = []
    answers: list[Tensor] = []
    for group in dict.fromkeys(_group(part.removal) for part in parts):
        columns, clean, scores = _clean(context, group[1])
        points = np.concatenate([part.points(finite) for part in parts if _group(part.removal) == group], axis=1)
        keys, known = points[0].tolist(), _known(context, group)
        _, first = np.unique(points[0], return_index=True)
        # In the order in which they come: the points of one map follow each other.
        fresh = [i for i in np.sort(first).tolist() if keys[i] not in known and keys[i] != whole]
        if whole not in known:
            asked.append((known, [whole]))
            answers.append(clean)
        if fresh:
            asked.append((known, [keys[i] for i in fresh]))
            answers.append(_answers(context, ranks, points[1:, fresh], group[0], columns, scores))
    if not answers:
        return
    rows = torch.cat([each.flatten() for each in answers]).cpu()
    if not torch.isfinite(rows).all():
        raise InputError(NOT_FINITE)
    for (known, keys), found in zip(asked, torch.split(rows, [each.numel() for each in answers]), strict=True):
        known.update(zip(keys, found.view(len(keys), -1).numpy(), strict=True))


def _clean(context: Context, users: Score | None) -> tuple[Tensor, Tensor, tuple[Score, ...]]:
    """Ask about the whole picture.

    Returns the classes whose answers are followed, (2,) int64; the answers, (1, 2, scores); and the scores: the user's,
    or all with names that can be read of so many outputs.
    """

    def ask() -> tuple[Tensor, Tensor, tuple[Score, ...]]:
        target = context.case.target
        logits = read_logits(context.network.module, context.image.unsqueeze(0).clone(), target)
        named: tuple[Score, ...] = SCORES_OF_ONE_OUTPUT if logits.shape[1] == 1 else SCORE_NAMES
        scores = named if users is None else (users,)
        predicted = score_classes("logit", logits).argmax(1)
        columns = torch.cat([torch.full_like(predicted, target), predicted])
        answers = [score_classes(each, logits, target)[:, columns] for each in scores]
        return columns, torch.stack(answers, dim=2).double(), scores

    return context.once(("clean", users), ask)


def _answers(
    context: Context, ranks: Tensor, points: np.ndarray, removed: Removed, columns: Tensor, scores: Sequence[Score]
) -> Tensor:
    """Show what is ranked before each cut, or from it on: ``points`` has ranking, cut and which of both, (3, k)."""
    image = context.image
    channels, height, width = image.shape
    which, cut, head = torch.from_numpy(points.astype(np.int32)).to(image.device).unsqueeze(2)
    which, head = which.squeeze(1), head.bool()

    def shown(start: int, stop: int, places: Tensor) -> Tensor:
        rows = points[0, start:stop]
        # Most batches are of one map, whose ranks need no copies.
        ranked = places[rows[0]] if (rows == rows[0]).all() else places.index_select(0, which[start:stop])
        found: Tensor = (ranked < cut[start:stop]).eq_(head[start:stop])
        return found

    def fill(start: int, stop: int, batch: Tensor) -> None:
        torch.where(shown(start, stop, spread), kept, absent, out=batch.view(len(batch), -1))

    def impute(start: int, stop: int, batch: Tensor) -> None:
        left = shown(start, stop, ranks)
        copies = fill_in(image, ~left.view(-1, height, width), noise)
        # From nothing, nothing can be imputed: that picture is zero.
        batch.copy_((copies * left.any(1)[:, None, None, None]).permute(0, 2, 3, 1))

    def paint(start: int, stop: int, batch: Tensor) -> None:
        left = shown(start, stop, ranks).view(-1, height, width)
        batch.copy_(paint_anew(context, left, radius).permute(0, 2, 3, 1))

    draw = fill
    if isinstance(removed, Inpainting):
        draw, radius = paint, removed.radius
    elif isinstance(removed, Imputation):
        draw = impute
        noise = context.once(("noise", removed), lambda: noise_of(image, removed.noise, removed.seed))
    else:
        kept = channels_last(image)
        absent = context.once(("fill", removed), lambda: channels_last(fill_of(image, removed)))
        # In the order of the batches, so that masks need no broadcasting.
        spread = ranks.repeat_interleave(channels, dim=1)
    model, count, target = context.network.module, points.shape[1], context.case.target
    return scores_of_drawn(model, image, count, draw, target, columns, scores, context.batch_size).scores


def _read(context: Context, removal: Removal, parts: Sequence[_Part], row: int) -> Measurement:
    """Compute one map's score of one curve from what is known."""
    group = _group(removal)
    known, scores = _known(context, group), _clean(context, group[1])[2]
    if removal.score not in scores:
        raise InputError(ONE_OUTPUT)
    column = list(product(get_args(Followed), scores)).index((removal.follows, removal.score))
    own = [part for part in parts if part.removal is removal]
    values = [part.path.weight * np.array([known[key][column] for key in part.keys[row].tolist()]) for part in own]
    curve = own[0].moved[row] / context.image[0].numel(), np.sum(values, axis=0)
    return Measurement(float(AREAS[removal.area](*curve)), curve)
