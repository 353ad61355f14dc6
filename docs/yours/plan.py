"""A plan of yours: all of a data set, through a network, by methods and metrics that you choose. See docs/yours.md."""

from baselines import GradCAM, Random
from benchmarks.metrics import Deletion, Pointing
from benchmarks.run.plan import Part, Plan
from mint import MINT

mine = Plan(
    "mine",
    "Coloured squares: is each method's highest pixel on the square?",
    (
        Part(
            "docs/yours/dataset.py:squares",
            ("docs/yours/network.py:colours",),
            {"mint": MINT(samples=200), "gradcam": GradCAM(), "random": Random()},
            {"deletion": Deletion(), "pointing": Pointing()},
            timed=3,  # on the first three pictures
            shown=3,
        ),
    ),
)
