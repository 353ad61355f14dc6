"""Where the figures' pictures come from, and by which rule they and their classes are chosen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.datasets.case import slug
from benchmarks.datasets.imagenet import Geometry
from benchmarks.datasets.photos import class_probabilities
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import SMALL_NETWORKS
from benchmarks.studies.settings import by_picture
from mint.app.pictures import read_picture
from mint.contract import InputError

MINIMAL_IMPORTANCE = 0.05
"""If no importance reaches this, no coarse super-pixel is chosen in the figure of absent classes."""


@dataclass(frozen=True)
class Group:
    """Cases of one network that are explained alike; ``rule`` is a sentence that says how they were chosen.

    ``minimal_importance`` is MINT's parameter of this name.
    """

    network: Network
    cases: tuple[Case, ...]
    rule: str
    minimal_importance: float = 0.0


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
    cases = sorted(DATASETS["scenes"](networks[0], DataOptions()), key=lambda case: case.picture)
    rule = "The data set's first pictures whose most probable class is in them, with that class."
    panels = []
    for network in networks:
        rightly = (case for case in cases if case.target == ranking(network, case.image)[0])
        panels.append(Group(network, tuple(islice(rightly, 5)), rule))
    pictures, first, wrong = by_picture(cases), networks[0], []
    shown = panels[0].cases[:2]
    for case in shown:
        present = {each.target for each in pictures[case.picture]}
        wrong.append(next(target for target in ranking(first, case.image) if target not in present))
    pairs = _two_classes(first, pictures.values(), 2, "The pictures whose second true class is the most probable.")
    rule = (
        "The first pictures of the panels; the absent class is the most probable one of those that are not in the "
        "picture."
    )
    return Source("scenes", 1000, tuple(panels), pairs, _absent(first, shown, wrong, rule))


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
    return Source("photos", 500, (panels,), pairs, _absent(network, whole[:2], _of_the_next(network, whole[:2]), rule))


SOURCES: Mapping[str, Callable[[str], Source]] = {"scenes": scenes, "photos": photos}
"""The sources that need nothing of the user's, by name."""


def own_pictures(files: Sequence[Path], network: str, weights: Path | None, device: str) -> Source:
    """Make a source of the user's picture files; an `InputError` says which of them or what else cannot be had."""
    pictures = [read_picture(file) for file in files]
    loaded = load_network(network, weights=weights, device=device)
    best = []
    for file, picture in zip(files, pictures, strict=True):
        image = Geometry.of(picture.width, picture.height, loaded.input_size).apply(picture)
        case = Case("", file.stem, 0, "", image, None, False)
        best.append([_of_class(case, loaded, target) for target in ranking(loaded, image)[:2]])
    top = tuple(each[0] for each in best)
    panels = Group(loaded, top, "The pictures given, each with the network's first class.")
    pairs = _two_classes(loaded, best, 1, "The picture whose second class is the most probable.")
    rule = (
        "The first pictures given. The wrong class is the first class of the next picture; where that is the same "
        "class, it is the least probable one."
    )
    return Source("pictures", 1000, (panels,), pairs, _absent(loaded, top[:2], _of_the_next(loaded, top[:2]), rule))


def probabilities(network: Network, image: np.ndarray) -> np.ndarray:
    """Return the network's softmax probabilities for one uint8 (h, w, 3) picture: (classes,) float32."""
    return class_probabilities(network, [image])[0].numpy()


def ranking(network: Network, image: np.ndarray) -> list[int]:
    """Return a network's classes for a picture, the most probable first."""
    order: list[int] = np.argsort(-probabilities(network, image), kind="stable").tolist()
    return order


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

    def answer(case: Case) -> float:
        return float(probabilities(network, case.image)[case.target])

    pairs = [sorted(cases, key=answer, reverse=True)[:2] for cases in pictures if len(cases) > 1]
    if not pairs:
        raise InputError("no picture shows two classes, so there is no figure of two classes in one picture.")
    pairs.sort(key=lambda pair: answer(pair[1]), reverse=True)
    return Group(network, tuple(case for pair in pairs[:count] for case in pair), rule)


def _of_the_next(network: Network, cases: Sequence[Case]) -> list[int]:
    """Choose the next picture's class for each, or the least probable one where that is its own."""
    wrong = []
    for case, following in zip(cases, [*cases[1:], cases[0]], strict=True):
        least = int(probabilities(network, case.image).argmin())
        wrong.append(least if following.target == case.target else following.target)
    return wrong


def _absent(network: Network, cases: Sequence[Case], wrong: Sequence[int], rule: str) -> Group:
    """Ask about each picture's own class, and then about a wrong one."""
    asked = [(case, _of_class(case, network, target)) for case, target in zip(cases, wrong, strict=True)]
    return Group(network, tuple(case for pair in asked for case in pair), rule, MINIMAL_IMPORTANCE)


def _of_class(case: Case, network: Network, target: int) -> Case:
    """Ask about another class of a picture."""
    name = network.classes[target]
    return replace(case, key=f"{case.picture}.{slug(name)}", target=target, target_name=name, region=None)
