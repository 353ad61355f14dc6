"""Where the figures' pictures come from, and by which rule they and their classes are chosen."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets.case import slug
from benchmarks.datasets.imagenet import Geometry
from benchmarks.datasets.pictures import read_picture
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import SMALL_NETWORKS
from benchmarks.studies.paper_figures.subjects import Group, probabilities
from benchmarks.studies.settings import by_picture
from mint.contract import InputError

MINIMAL_IMPORTANCE = 0.05
"""If no importance reaches this, no coarse super-pixel is chosen in the figure of absent classes."""


@dataclass(frozen=True)
class Source:
    """The pictures and classes of one set of figures, whose files have its name.

    ``samples`` is how often MINT and LIME ask the network, if the command line does not say. ``panels`` has, for each
    network, pictures with the network's first class. In ``pairs`` and ``absent`` each picture comes twice: with two
    classes of its own; with one of its own and then one that it does not show.
    """

    name: str
    samples: int
    panels: tuple[Group, ...]
    pairs: Group
    absent: Group


def scenes(device: str = "cpu") -> Source:
    """Choose among the committed scenes, for both small networks."""
    networks = [load_network(name, device=device) for name in SMALL_NETWORKS]
    cases = DATASETS["scenes"](networks[0], DataOptions())
    pictures = by_picture(sorted(cases, key=lambda case: case.picture))
    rule = "The data set's first pictures whose most probable class is in them, with that class."
    panels = tuple(
        Group(network, tuple(islice(_named_rightly(network, pictures.values()), 5)), rule) for network in networks
    )
    first = networks[0]
    absent: list[Case] = []
    for case in panels[0].cases[:2]:
        present = {each.target for each in pictures[case.picture]}
        order = np.argsort(-probabilities(first, case.image), kind="stable")
        absent += [case, _of_class(case, first, next(int(i) for i in order if i not in present))]
    pairs = _two_classes(first, pictures.values(), 2, "The pictures whose second true class is the most probable.")
    rule = (
        "The first pictures of the panels; the absent class is the most probable one of those that are not in the "
        "picture."
    )
    return Source("scenes", 1000, panels, pairs, Group(first, tuple(absent), rule, MINIMAL_IMPORTANCE))


def photos(device: str = "cpu") -> Source:
    """Choose among the foolbox photographs, whole and side by side, for EfficientNet-Lite0."""
    network = load_network("efficientnet-lite0", device=device)
    by_class: dict[int, Case] = {}
    for case in DATASETS["photos-single"](network, DataOptions()):
        by_class.setdefault(case.target, case)
    whole = tuple(by_class.values())
    rule = "The first photographs of different classes among those that the network names rightly."
    panels = Group(network, whole[:4], rule)
    rule = (
        "Two photographs side by side, the middle half of each. Of the photographs that follow one another, these are "
        "the two whose less probable class is the most probable."
    )
    pairs = _two_classes(network, map(_side_by_side, pairwise(whole)), 1, rule)
    rule = "The first photographs of the panels; the absent class is that of the next one."
    return Source("photos", 500, (panels,), pairs, _next_ones_class(network, whole[:2], rule))


SOURCES: Mapping[str, Callable[[str], Source]] = {"scenes": scenes, "photos": photos}
"""The sources that need nothing of the user's, by name."""


def own_pictures(files: Sequence[Path], network: str, weights: Path | None, device: str) -> Source:
    """Make a source of the user's picture files; an `InputError` says which of them or what else cannot be had."""
    pictures = [read_picture(file) for file in files]
    loaded = load_network(network, weights=weights, device=device)
    classes, size = loaded.classes, loaded.input_size
    best = []
    for file, picture in zip(files, pictures, strict=True):
        image = Geometry.of(picture.width, picture.height, size).apply(picture)
        two = np.argsort(-probabilities(loaded, image), kind="stable")[:2].tolist()
        keys = [f"{file.stem}.{slug(classes[i])}" for i in two]
        best.append([Case(key, file.stem, i, classes[i], image, None, False) for key, i in zip(keys, two, strict=True)])
    top = tuple(first for first, _ in best)
    panels = Group(loaded, top, "The pictures given, each with the network's first class.")
    pairs = _two_classes(loaded, best, 1, "The picture whose second class is the most probable.")
    rule = (
        "The first pictures given. The wrong class is the first class of the next picture; where that is the same "
        "class, it is the least probable one."
    )
    return Source("pictures", 1000, (panels,), pairs, _next_ones_class(loaded, top[:2], rule))


def _named_rightly(network: Network, pictures: Iterable[Sequence[Case]]) -> Iterator[Case]:
    """Go through the pictures whose most probable class is one of their own, with that class."""
    for cases in pictures:
        first = int(probabilities(network, cases[0].image).argmax())
        yield from (case for case in cases if case.target == first)


def _side_by_side(pair: tuple[Case, Case]) -> tuple[Case, Case]:
    """Join the middle halves of two pictures. In the suite's 2 x 2 mosaics the second class is hardly probable."""
    size = pair[0].image.shape[1]
    half, quarter = size // 2, size // 4
    image = np.concatenate([case.image[:, quarter : quarter + half] for case in pair], axis=1)
    left = np.zeros(image.shape[:2], dtype=bool)
    left[:, :half] = True
    name = f"{pair[0].picture} and {pair[1].picture}"
    first, second = (replace(case, picture=name, image=image) for case in pair)
    return replace(first, region=left), replace(second, region=~left)


def _two_classes(network: Network, pictures: Iterable[Sequence[Case]], count: int, rule: str) -> Group:
    """Choose the pictures whose second true class is the most probable, with their two most probable ones."""
    ranked: list[tuple[float, list[Case]]] = []
    for cases in (cases for cases in pictures if len(cases) > 1):
        answer = probabilities(network, cases[0].image)
        best = sorted(cases, key=lambda case: -answer[case.target])[:2]
        ranked.append((-float(answer[best[1].target]), best))
    if not ranked:
        raise InputError("no picture shows two classes, so there is no figure of two classes in one picture.")
    ranked.sort(key=lambda each: each[0])
    return Group(network, tuple(case for _, best in ranked[:count] for case in best), rule)


def _next_ones_class(network: Network, cases: Sequence[Case], rule: str) -> Group:
    absent: list[Case] = []
    for case, following in zip(cases, [*cases[1:], cases[0]], strict=True):
        wrong = following.target
        if wrong == case.target:
            wrong = int(probabilities(network, case.image).argmin())
        absent += [case, _of_class(case, network, wrong)]
    return Group(network, tuple(absent), rule, MINIMAL_IMPORTANCE)


def _of_class(case: Case, network: Network, target: int) -> Case:
    """Ask about a class that the picture does not show."""
    name = network.classes[target]
    return replace(case, key=f"{case.picture}.{slug(name)}", target=target, target_name=name, region=None)
