"""Where the figures' pictures come from, and by which rule they and their classes are chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from benchmarks.registry import look_up
from benchmarks.studies.paper_figures.subjects import Group, probabilities
from mint.contract import InputError

MINIMAL_IMPORTANCE = 0.05
"""Below it, no coarse super-pixel is chosen in the figure of absent classes."""


@dataclass(frozen=True)
class Source:
    """The pictures and classes of one set of figures.

    Attributes
    ----------
    name : str
        Part of the files' names.
    samples : int
        How often MINT and LIME ask the network, if the command line does not say.
    panels : tuple of Group
        For each network, pictures with the network's first class.
    pairs : Group
        Each picture twice, with two classes.
    absent : Group
        Each picture twice, with the class that it shows and with one that it does not.
    rules : Mapping
        How the cases of "panels", "pairs" and "absent" were chosen, a sentence each.
    """

    name: str
    samples: int
    panels: tuple[Group, ...]
    pairs: Group
    absent: Group
    rules: Mapping[str, str]

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups."""
        return (*self.panels, self.pairs, self.absent)


def scenes(device: str = "cpu") -> Source:
    """Choose among the committed scenes: both small networks."""
    networks = [load_network(name, device=device) for name in SMALL_NETWORKS]
    pictures = _by_picture(DATASETS["scenes"](networks[0], DataOptions()))
    shown = tuple(Group(network, tuple(islice(_named_rightly(network, pictures), 5))) for network in networks)
    first = networks[0]
    absent = []
    for case in shown[0].cases[:2]:
        present = {each.target for each in pictures[case.picture]}
        order = np.argsort(-probabilities(first, case.image), kind="stable")
        absent += [case, _of_class(case, first, next(int(i) for i in order if i not in present))]
    return Source(
        name="scenes",
        samples=1000,
        panels=shown,
        pairs=Group(first, _two_classes(first, pictures, 2)),
        absent=Group(first, tuple(absent), MINIMAL_IMPORTANCE),
        rules={
            "panels": "The data set's first pictures whose most probable class is in them, with that class.",
            "pairs": "The pictures whose second true class is the most probable.",
            "absent": "The first pictures of the panels; the absent class is the most probable one of those that are "
            "not in the picture.",
        },
    )


def photos(device: str = "cpu") -> Source:
    """Choose among the foolbox photographs, whole and side by side: EfficientNet-Lite0."""
    network = load_network("efficientnet-lite0", device=device)
    whole = _one_a_class(DATASETS["photos-single"](network, DataOptions()))
    return Source(
        name="photos",
        samples=500,
        panels=(Group(network, tuple(whole[:4])),),
        pairs=Group(network, _two_classes(network, _side_by_side(whole), 1)),
        absent=_next_ones_class(network, whole[:2]),
        rules={
            "panels": "The first photographs of different classes among those that the network names rightly.",
            "pairs": "Two photographs side by side, the middle half of each: of those that follow one another, the "
            "two whose less probable class is the most probable.",
            "absent": "The first photographs of the panels; the absent class is that of the next one.",
        },
    )


SOURCES: Mapping[str, Callable[[str], Source]] = {"scenes": scenes, "photos": photos}
"""The sources that need nothing of the user's, by name."""


def own_pictures(files: Sequence[Path], network: str, weights: Path | None, device: str) -> Source:
    """Make a source of the user's picture files and one network.

    Raises
    ------
    InputError
        If a picture or the weights cannot be read, or the network or the device is unknown.
    """
    pictures = [read_picture(file) for file in files]
    loaded = load_network(network, weights=weights, device=device)
    classes, size = loaded.entry.classes(), loaded.entry.input_size
    top, pairs = [], {}
    for file, picture in zip(files, pictures, strict=True):
        image = Geometry.of(picture.width, picture.height, size).apply(picture)
        best = np.argsort(-probabilities(loaded, image), kind="stable")[:2].tolist()
        cases = [Case(f"{file.stem}.{slug(classes[i])}", file.stem, i, classes[i], image, None, False) for i in best]
        top.append(cases[0])
        # By file, as two of them may have one name in different folders.
        pairs[str(file)] = cases
    return Source(
        name="pictures",
        samples=1000,
        panels=(Group(loaded, tuple(top)),),
        pairs=Group(loaded, _two_classes(loaded, pairs, 1)),
        absent=_next_ones_class(loaded, top[:2]),
        rules={
            "panels": "The pictures given, each with the network's first class.",
            "pairs": "The picture whose second class is the most probable.",
            "absent": "The first pictures given; the wrong class is the next one's first, or, where that is the same, "
            "the least probable.",
        },
    )


def find(name: str, device: str) -> Source:
    """Make a source of the table; an `InputError` lists the nearest names."""
    return look_up("source", name, SOURCES)(device)


def _by_picture(cases: Sequence[Case]) -> dict[str, list[Case]]:
    pictures: dict[str, list[Case]] = {}
    for case in cases:
        pictures.setdefault(case.picture, []).append(case)
    return dict(sorted(pictures.items()))


def _named_rightly(network: Network, pictures: Mapping[str, Sequence[Case]]) -> Iterator[Case]:
    for cases in pictures.values():
        first = int(probabilities(network, cases[0].image).argmax())
        yield from (case for case in cases if case.target == first)


def _one_a_class(cases: Sequence[Case]) -> list[Case]:
    first: dict[int, Case] = {}
    for case in cases:
        first.setdefault(case.target, case)
    return list(first.values())


def _side_by_side(cases: Sequence[Case]) -> dict[str, tuple[Case, Case]]:
    """Join each picture with the next: the middle half of both. In the suite's 2 x 2 mosaics, classes are too faint."""
    joined = {}
    for pair in pairwise(cases):
        size = pair[0].image.shape[1]
        half, quarter = size // 2, size // 4
        image = np.concatenate([case.image[:, quarter : quarter + half] for case in pair], axis=1)
        left = np.zeros(image.shape[:2], dtype=bool)
        left[:, :half] = True
        name = f"{pair[0].picture} and {pair[1].picture}"
        joined[name] = (
            replace(pair[0], picture=name, image=image, region=left),
            replace(pair[1], picture=name, image=image, region=~left),
        )
    return joined


def _two_classes(network: Network, pictures: Mapping[str, Sequence[Case]], count: int) -> tuple[Case, ...]:
    """Choose the pictures whose second true class is the most probable, with their two most probable ones."""
    ranked = []
    for cases in pictures.values():
        if len(cases) < 2:
            continue
        answer = probabilities(network, cases[0].image)
        first, second = np.argsort([-answer[case.target] for case in cases], kind="stable")[:2].tolist()
        best = cases[first], cases[second]
        ranked.append((float(answer[best[1].target]), best))
    if not ranked:
        raise InputError("no picture shows two classes, so there is no figure of two classes in one picture.")
    ranked.sort(key=lambda pair: -pair[0])
    return tuple(case for _, best in ranked[:count] for case in best)


def _next_ones_class(network: Network, cases: Sequence[Case]) -> Group:
    absent = []
    for case, following in zip(cases, [*cases[1:], cases[0]], strict=True):
        wrong = following.target
        if wrong == case.target:
            wrong = int(probabilities(network, case.image).argmin())
        absent += [case, _of_class(case, network, wrong)]
    return Group(network, tuple(absent), MINIMAL_IMPORTANCE)


def _of_class(case: Case, network: Network, target: int) -> Case:
    """Ask about a class that the picture does not show."""
    name = network.entry.classes()[target]
    return replace(case, key=f"{case.picture}.{slug(name)}", target=target, target_name=name, region=None)
