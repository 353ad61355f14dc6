"""The ``scenes-endless`` data set: as many scenes as wanted, each drawn when it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.datasets.case import Case, DataOptions, LazyCases
from benchmarks.datasets.scenes.draw import scene
from benchmarks.datasets.scenes.read import require_classes
from benchmarks.networks.network import Network
from benchmarks.networks.scene_classes import CLASSES

SEED = 20261127  # added to the seed of the options; the committed scenes have another one
CASES = 1_000_000


@dataclass(frozen=True, eq=False)
class EndlessScenes(LazyCases):
    """Scenes by number: each is one picture with one of the classes in it."""

    seed: int

    def _case(self, item: int) -> Case:
        drawn = scene("evaluation", item, self.seed)
        target = list(drawn.difficult)[item % len(drawn.difficult)]
        picture, name = f"endless-{item:06d}", CLASSES[target]
        region = drawn.labels == 1 + target
        return Case(f"{picture}.{name}", picture, target, name, drawn.image, region, drawn.difficult[target])


def endless_scenes(network: Network, options: DataOptions) -> Sequence[Case]:
    """Draw scenes of the evaluation split (`benchmarks.datasets.scenes.draw`), a million at most, one case of each.

    A case is a function of its number and of ``options.seed``.

    Raises
    ------
    InputError
        If the network has other classes or another input size.
    """
    require_classes(network)
    return EndlessScenes(range(CASES), SEED + options.seed)
