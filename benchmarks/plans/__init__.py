"""The plans: what is measured with what, on what. Plain Python data; to change an experiment, change it here."""

from collections.abc import Mapping

from benchmarks.plans import ablations, imagenet, photographs, published, scenes, variants
from benchmarks.plans.scenes import SMALL_NETWORKS
from benchmarks.run.plan import Plan

__all__ = ["PLANS", "SMALL_NETWORKS"]

PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        scenes.SMOKE,
        scenes.QUICK,
        scenes.ENDLESS,
        scenes.TRUST,
        photographs.PHOTOS,
        photographs.PHOTOS_SMALL,
        imagenet.IMAGENET,
        imagenet.IMAGENET_SMALL,
        scenes.CHECKS,
        imagenet.FULL,
        ablations.ABLATIONS,
        ablations.ABLATIONS_IMAGENET,
        ablations.CANVASES,
        variants.VARIANTS,
        variants.VARIANTS_IMAGENET,
        variants.HELD_OUT,
        *published.PUBLISHED,
    )
}
"""Every plan by name."""
