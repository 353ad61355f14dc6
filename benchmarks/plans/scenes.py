"""The plans on scenes, which need no download."""

from functools import partial

from baselines.controls import DERIVED
from benchmarks.metrics import ROAD, SRG, Gini, Pointing, TiedPixels
from benchmarks.metrics.removal.peers import PROFILES
from benchmarks.plans.methods import BEST_KNOWN, comparison
from benchmarks.plans.metrics import CHECKED, COMPARED, ELSEWHERE, FEW_POINTS, HEADLINE, MASKS
from benchmarks.run.plan import Plan

SMALL_NETWORKS = ("scenes-vgg", "scenes-resnet")
_compared = partial(comparison, networks=SMALL_NETWORKS, samples=500, kernel_size=2.0)

SMOKE = Plan(
    "smoke",
    "A handful of scenes and few samples: does everything run?",
    (
        _compared(
            "scenes",
            metrics={
                **FEW_POINTS,
                "srg": SRG(steps=14),
                "road": ROAD(percentiles=(30, 70)),
                "pointing": Pointing(),
                "gini": Gini(),
                "tied-pixels": TiedPixels(),
            },
            samples=60,
            limit=4,
            timed=1,
            shown=2,
            controls=DERIVED,
            controlled=2,
        ),
    ),
)
QUICK = Plan(
    "quick",
    "Both small networks on scenes: the reference comparison, without a download.",
    (_compared("scenes", metrics=COMPARED, names=BEST_KNOWN, limit=16, timed=2, shown=5),),
    headline=HEADLINE,
)
ENDLESS = Plan(
    "endless",
    "Scenes drawn while it runs, 20,000 of them unless --limit says fewer: narrow intervals, and a test of endurance.",
    (_compared("scenes-endless", metrics=COMPARED, limit=20_000, timed=2, shown=5),),
    headline=HEADLINE,
)
TRUST = Plan(
    "trust",
    "How far the order of the methods in quick can be trusted: other settings, ties, controls, other tools' protocols.",
    (_compared("scenes", metrics={**MASKS, **ELSEWHERE, **PROFILES}, limit=12, controls=DERIVED),),
    headline=HEADLINE,
)
CHECKS = Plan(
    "checks",
    "Do maps hang on the network's weights, and stay as they are when the picture hardly changes? On few scenes.",
    (_compared("scenes", metrics=CHECKED, limit=10),),
)
