"""The plans on scenes, which need no download."""

from baselines.controls import DERIVED
from benchmarks.metrics import ROAD, SRG, Deletion, Gini, Insertion, Pointing, TiedPixels
from benchmarks.metrics.removal.peers import PROFILES
from benchmarks.plans.methods import BEST_KNOWN, comparison
from benchmarks.plans.metrics import CHECKED, COMPARED, ELSEWHERE, HEADLINE, MASKS
from benchmarks.run.plan import Plan

SMALL_NETWORKS = ("scenes-vgg", "scenes-resnet")

SMOKE = Plan(
    "smoke",
    "A handful of scenes and few samples: does everything run?",
    (
        comparison(
            "scenes",
            SMALL_NETWORKS,
            {
                "deletion": Deletion(steps=14),
                "insertion": Insertion(steps=14),
                "srg": SRG(steps=14),
                "road": ROAD(percentiles=(30, 70)),
                "pointing": Pointing(),
                "gini": Gini(),
                "tied-pixels": TiedPixels(),
            },
            samples=60,
            kernel_size=2.0,
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
    (
        comparison(
            "scenes",
            SMALL_NETWORKS,
            COMPARED,
            samples=500,
            kernel_size=2.0,
            names=BEST_KNOWN,
            limit=16,
            timed=2,
            shown=5,
        ),
    ),
    headline=HEADLINE,
)
ENDLESS = Plan(
    "endless",
    "Scenes drawn while it runs, 20,000 of them unless --limit says fewer: narrow intervals, and a test of endurance.",
    (
        comparison(
            "scenes-endless",
            SMALL_NETWORKS,
            COMPARED,
            samples=500,
            kernel_size=2.0,
            limit=20_000,
            timed=2,
            shown=5,
        ),
    ),
    headline=HEADLINE,
)
TRUST = Plan(
    "trust",
    "How far the order of the methods in quick can be trusted: other settings, ties, controls, other tools' protocols.",
    (
        comparison(
            "scenes",
            SMALL_NETWORKS,
            {**MASKS, **ELSEWHERE, **PROFILES},
            samples=500,
            kernel_size=2.0,
            limit=12,
            controls=DERIVED,
        ),
    ),
    headline=HEADLINE,
)
CHECKS = Plan(
    "checks",
    "Do maps hang on the network's weights, and stay as they are when the picture hardly changes? On few scenes.",
    (comparison("scenes", SMALL_NETWORKS, CHECKED, samples=500, kernel_size=2.0, limit=10),),
)
