"""The plans: what is measured with what, on what. Plain Python data; to change an experiment, change it here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import baselines
from baselines.controls import DERIVED
from benchmarks.metrics import (
    METRICS,
    ROAD,
    SRG,
    Deletion,
    EnergyPointing,
    Entropy,
    Gini,
    GridPointing,
    GridShare,
    Infidelity,
    Insertion,
    Localisation,
    MaxSensitivity,
    MethodMetric,
    Metric,
    Pointing,
    Randomisation,
    RelevanceMass,
    RelevanceRank,
    Stability,
    TieBound,
    TiedPixels,
    TieRange,
)
from benchmarks.networks.network import NETWORKS
from benchmarks.plans import ablations, variants
from benchmarks.registry import look_up
from benchmarks.run.methods import by_name
from benchmarks.run.plan import Part, Plan
from mint import MINT, OverlayMINT, Segmentation
from mint.contract import Attributor, InputError


def select(
    plan: Plan,
    *,
    networks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    extra: Sequence[tuple[str, Attributor]] = (),
    limit: int | None = None,
) -> Plan:
    """Narrow a plan down, or widen it by what it does not have.

    Parameters
    ----------
    plan : Plan
        Left as it is.
    networks, methods, metrics : sequence of str, optional
        What to keep, in this order; None: all. A name that the plan does not have is added with its defaults, to
        every part. A part without any of the networks is dropped.
    extra : sequence of (str, Attributor)
        Methods to add to every part, by name.
    limit : int, optional
        How many cases each part has at most.

    Raises
    ------
    InputError
        If there is nothing of a given name, the sentence lists the nearest; or if two methods have one name.
    """
    known = {network for part in plan.parts for network in part.networks}
    added = tuple(name for name in networks or () if name not in known)
    for name in added:
        look_up("network", name, NETWORKS)
    parts = []
    for part in plan.parts:
        kept = part.networks if networks is None else tuple(n for n in networks if n in part.networks)
        if not kept and not added:
            continue
        chosen = dict(part.methods) if methods is None else {n: part.methods.get(n) or by_name(n) for n in methods}
        for name, method in extra:
            if name in chosen:
                raise InputError(f"two methods are called {name!r}; rename the one given by --method.")
            chosen[name] = method
        measured = part.metrics if metrics is None else {n: part.metrics.get(n) or _metric(n) for n in metrics}
        limits = [each for each in (part.limit, limit) if each is not None]
        parts.append(
            replace(
                part,
                networks=kept + added,
                methods=chosen,
                metrics=measured,
                limit=min(limits) if limits else None,
            )
        )
    return replace(plan, parts=tuple(parts))


def _metric(name: str) -> Metric | MethodMetric:
    return look_up("metric", name, METRICS)()


def _methods(samples: int, kernel_size: float = 4.0) -> dict[str, Attributor]:
    """List the methods of every plan; MINT, OverlayMINT and LIME ask the network equally often, and cut alike.

    Quickshift's kernel of 4 pixels is LIME's for pictures of 224 and more. On scenes of 112 it finds about ten
    super-pixels, with 2 pixels as many as on the larger pictures: it is scaled as occlusion's window is.
    """
    return {
        "mint": MINT(samples=samples, segmentation=Segmentation(kernel_size=kernel_size)),
        "overlay": OverlayMINT(samples=samples, segmentation=Segmentation(kernel_size=kernel_size)),
        "gradcam": baselines.GradCAM(),
        "lime": baselines.LIME(samples=samples, kernel_size=kernel_size),
        "occlusion": baselines.Occlusion(),
        "random": baselines.Random(),
        "centre": baselines.Centre(),
        "sobel": baselines.Sobel(),
        "constant": baselines.Constant(),
    }


SMALL_NETWORKS = ("scenes-vgg", "scenes-resnet")
REMOVAL: Mapping[str, Metric] = {"deletion": Deletion(), "insertion": Insertion()}
# Eight rows of pixels a step: an eighth of RISE's points, for a network that takes 20 ms a picture on a CPU.
PHOTO_REMOVAL: Mapping[str, Metric] = {"deletion": Deletion(steps=28), "insertion": Insertion(steps=28)}
# How far the order of the methods hangs on the steps, the baseline value and the score: the report compares them.
SETTINGS: Mapping[str, Metric] = {
    "deletion, 28 steps": Deletion(steps=28),
    "deletion, blur": Deletion(steps=28, baseline="blur"),
    "deletion, mean": Deletion(steps=28, baseline="mean"),
    "deletion, logit": Deletion(steps=28, score="logit"),
    "insertion, 28 steps": Insertion(steps=28),
    "insertion, zero": Insertion(steps=28, baseline="zero"),
    "insertion, mean": Insertion(steps=28, baseline="mean"),
    "insertion, logit": Insertion(steps=28, score="logit"),
}
_MAXIMA = TieRange(Pointing(), over="maxima")
# None of them asks the network.
TIES: Mapping[str, Metric] = {
    "tied-pixels": TiedPixels(),
    "pointing, tie range": _MAXIMA,
    "pointing, lowest of ties": TieBound(_MAXIMA, "low"),
    "pointing, highest of ties": TieBound(_MAXIMA, "high"),
}
MASKS: Mapping[str, Metric | MethodMetric] = {
    **REMOVAL,
    "srg": SRG(steps=28),
    "road": ROAD(percentiles=(10, 30, 50, 70, 90)),
    "pointing": Pointing(),
    "energy-pointing": EnergyPointing(),
    "relevance-mass": RelevanceMass(),
    "relevance-rank": RelevanceRank(),
    "localisation": Localisation(),
    "infidelity": Infidelity(),
    "gini": Gini(),
    "entropy": Entropy(),
    "insertion, tie range": TieRange(Insertion(steps=28)),
    **TIES,
    **SETTINGS,
}
# Both explain a picture several times anew.
CHECKED: Mapping[str, MethodMetric] = {
    "randomisation": Randomisation(),
    "randomisation-ssim": Randomisation("ssim"),
    "max-sensitivity": MaxSensitivity(),
}
BOXES: Mapping[str, Metric] = {
    **REMOVAL,
    "srg": SRG(),
    "road": ROAD(percentiles=(10, 30, 50, 70, 90)),
    "pointing": Pointing(),
    "energy-pointing": EnergyPointing(),
    "localisation": Localisation(),
    "gini": Gini(),
    **TIES,
}
PHOTO: Mapping[str, Metric] = {
    **PHOTO_REMOVAL,
    "srg": SRG(steps=28),
    "road": ROAD(percentiles=(10, 30, 50, 70, 90)),
    "gini": Gini(),
    "entropy": Entropy(),
    "tied-pixels": TiedPixels(),
    "insertion, tie range": TieRange(Insertion(steps=28)),
}
_GRID_MAXIMA = TieRange(GridPointing(), over="maxima")
GRID: Mapping[str, Metric] = {
    **PHOTO,
    "grid-pointing": GridPointing(),
    "grid-share": GridShare(),
    "grid-pointing, tie range": _GRID_MAXIMA,
    "grid-pointing, lowest of ties": TieBound(_GRID_MAXIMA, "low"),
    "grid-pointing, highest of ties": TieBound(_GRID_MAXIMA, "high"),
}

SMOKE = Plan(
    "smoke",
    "A handful of scenes and few samples: does everything run?",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            _methods(samples=60, kernel_size=2.0),
            {
                "deletion": Deletion(steps=14),
                "insertion": Insertion(steps=14),
                "srg": SRG(steps=14),
                "road": ROAD(percentiles=(30, 70)),
                "pointing": Pointing(),
                "gini": Gini(),
                "tied-pixels": TiedPixels(),
            },
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
        Part(
            "scenes",
            SMALL_NETWORKS,
            _methods(samples=500, kernel_size=2.0),
            MASKS,
            limit=40,
            timed=3,
            shown=5,
            controls=DERIVED,
            controlled=12,
        ),
    ),
)
PHOTOS = Plan(
    "photos",
    "EfficientNet-Lite0 on mosaics of ImageNet photographs, and on the photographs by themselves.",
    (
        Part(
            "photos",
            ("efficientnet-lite0",),
            _methods(samples=300),
            {**GRID, **SETTINGS},
            limit=8,
            shown=3,
            controls=DERIVED,
        ),
        Part(
            "photos-single",
            ("efficientnet-lite0",),
            _methods(samples=300),
            {**PHOTO, **SETTINGS},
            limit=4,
            shown=4,
            controls=DERIVED,
        ),
    ),
)
PHOTOS_SMALL = Plan(
    "photos-small",
    "A small part of photos: three mosaics and three photographs.",
    (
        Part("photos", ("efficientnet-lite0",), _methods(samples=300), GRID, limit=3, shown=3),
        Part("photos-single", ("efficientnet-lite0",), _methods(samples=300), PHOTO, limit=3, shown=3),
    ),
)
IMAGENET = Plan(
    "imagenet",
    "VGG16 and ResNet50 on a folder in ImageNet's layout (--data).",
    (
        Part(
            "imagenet",
            ("vgg16", "resnet50"),
            _methods(samples=1000),
            BOXES,
            limit=100,
            timed=4,
            shown=6,
            controls=DERIVED,
            controlled=20,
        ),
    ),
)
# Equal budgets: occlusion asks 169 times, the others that perturb 200.
IMAGENET_SMALL = Plan(
    "imagenet-small",
    "ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data), small boxes apart: hours of a CPU, not days.",
    (
        Part(
            "imagenet",
            ("resnet18", "resnet50"),
            _methods(samples=200),
            {
                "deletion": Deletion(steps=14),
                "insertion": Insertion(steps=14),
                "road": ROAD(percentiles=(30, 70)),
                "pointing": Pointing(),
                "energy-pointing": EnergyPointing(),
                "localisation": Localisation(),
                "gini": Gini(),
                **TIES,
            },
            limit=200,
            remembering=True,
            controls=DERIVED,
            controlled=12,
            apart=True,
        ),
    ),
)
CHECKS = Plan(
    "checks",
    "Do maps hang on the network's weights, and stay as they are when the picture hardly changes? On few scenes.",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            _methods(samples=500, kernel_size=2.0),
            CHECKED,
            limit=10,
        ),
    ),
)
FULL = Plan(
    "full",
    "All scenes, photos and ImageNet pictures (--data), on every network, with the paper's 5000 samples.",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            _methods(samples=5000, kernel_size=2.0),
            {**MASKS, **CHECKED},
            timed=8,
            shown=6,
            controls=DERIVED,
        ),
        Part("photos", ("efficientnet-lite0",), _methods(samples=5000), GRID, timed=8, shown=6, controls=DERIVED),
        Part(
            "imagenet",
            ("vgg16", "vgg19", "resnet18", "resnet50", "inception_v3"),
            _methods(samples=5000),
            BOXES,
            timed=8,
            shown=6,
            controls=DERIVED,
        ),
    ),
)

_ABLATED = MINT(samples=500)
ABLATIONS = Plan(
    "ablations",
    "Every choice that MINT's paper leaves open, one at a time, on scenes.",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            ablations.variants(replace(_ABLATED, segmentation=Segmentation(kernel_size=2.0))),
            {**PHOTO_REMOVAL, "pointing": Pointing(), **ablations.SURROGATE},
            limit=24,
            timed=3,
            remembering=True,
        ),
    ),
)
# Fewer samples and one resolution of curves, for a network that takes 50 ms a picture and core; 5000 samples of each
# picture, and those of four more seeds of three pictures, are nearly all of its cost.
ABLATIONS_IMAGENET = Plan(
    "ablations-imagenet",
    "The same through ResNet-18 on a folder in ImageNet's layout (--data), with fewer samples.",
    (
        Part(
            "imagenet",
            ("resnet18",),
            ablations.variants(replace(_ABLATED, samples=300)),
            {
                "deletion": Deletion(steps=14),
                "insertion": Insertion(steps=14),
                "pointing": Pointing(),
                **ablations.SURROGATE,
                "stability": Stability(every=9),
            },
            limit=30,
            remembering=True,
        ),
    ),
)

_OTHER_FILLS = ("fill: blur", "fill: super-pixel mean", "together: hierarchical + both scales")
_CANVASES: Mapping[str, Metric | MethodMetric] = {
    "deletion": Deletion(steps=14),
    "insertion": Insertion(steps=14),
    "road": ROAD(),
    "deletion-into-blur": Deletion(steps=14, baseline="blur"),
    "insertion-from-zero": Insertion(steps=14, baseline="zero"),
}


def _filled(base: MINT) -> dict[str, Attributor]:
    every = ablations.variants(base)
    return {name: every[name] for name in (ablations.DEFAULT, *_OTHER_FILLS)}


CANVASES = Plan(
    "canvases",
    "Does a fill explain better, or only as the metric removes? Removal on either canvas, and ROAD.",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            _filled(replace(_ABLATED, segmentation=Segmentation(kernel_size=2.0))),
            _CANVASES,
            limit=24,
            remembering=True,
        ),
        Part("imagenet", ("resnet18",), _filled(replace(_ABLATED, samples=300)), _CANVASES, limit=30, remembering=True),
    ),
)

VARIANTS = Plan(
    "variants",
    f"The strongest variant of MINT against MINT and the baselines, on scenes. {variants.TUNED_ON}",
    (
        Part(
            "scenes",
            SMALL_NETWORKS,
            variants.contestants(kernel_size=2.0),
            {**PHOTO_REMOVAL, "pointing": Pointing()},
            limit=60,
        ),
    ),
)
VARIANTS_IMAGENET = Plan(
    "variants-imagenet",
    f"The same through ResNet-18 and ResNet-50 on a folder in ImageNet's layout (--data). {variants.TUNED_ON}",
    (
        Part(
            "imagenet",
            ("resnet18", "resnet50"),
            variants.contestants(kernel_size=4.0),
            {**PHOTO_REMOVAL, "pointing": Pointing()},
            limit=100,
        ),
    ),
)

PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        SMOKE,
        QUICK,
        PHOTOS,
        PHOTOS_SMALL,
        IMAGENET,
        IMAGENET_SMALL,
        CHECKS,
        FULL,
        ABLATIONS,
        ABLATIONS_IMAGENET,
        CANVASES,
        VARIANTS,
        VARIANTS_IMAGENET,
    )
}
"""Every plan by name."""
