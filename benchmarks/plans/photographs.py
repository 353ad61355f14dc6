"""The plans on the photographs of a PyPI package, through a network of another one."""

from baselines.controls import DERIVED
from benchmarks.plans.methods import methods
from benchmarks.plans.metrics import GRID, GRID_TIES, PHOTO, PHOTO_TIES, SETTINGS
from benchmarks.run.plan import Part, Plan

_NETWORK = ("efficientnet-lite0",)
_METHODS = methods(samples=300)

PHOTOS = Plan(
    "photos",
    "EfficientNet-Lite0 on mosaics of ImageNet photographs, and on the photographs by themselves.",
    (
        Part("photos", _NETWORK, _METHODS, {**GRID, **GRID_TIES, **SETTINGS}, limit=8, shown=3, controls=DERIVED),
        Part(
            "photos-single", _NETWORK, _METHODS, {**PHOTO, **PHOTO_TIES, **SETTINGS}, limit=4, shown=4, controls=DERIVED
        ),
    ),
)
PHOTOS_SMALL = Plan(
    "photos-small",
    "A small part of photos, with fewer samples: two mosaics and three photographs.",
    (
        Part("photos", _NETWORK, methods(samples=200), GRID, limit=2, shown=2),
        Part("photos-single", _NETWORK, methods(samples=200), PHOTO, limit=3, shown=3),
    ),
)
