"""The plans on the photographs of a PyPI package, through a network of another one."""

from baselines.controls import DERIVED
from benchmarks.plans.methods import comparison
from benchmarks.plans.metrics import GRID, GRID_TIES, PHOTO, PHOTO_TIES, SETTINGS
from benchmarks.run.plan import Plan

_NETWORK = ("efficientnet-lite0",)
_MOSAICS = {**GRID, **GRID_TIES, **SETTINGS}
_SINGLE = {**PHOTO, **PHOTO_TIES, **SETTINGS}

PHOTOS = Plan(
    "photos",
    "EfficientNet-Lite0 on mosaics of ImageNet photographs, and on the photographs by themselves.",
    (
        comparison("photos", _NETWORK, _MOSAICS, samples=300, limit=8, shown=3, controls=DERIVED),
        comparison("photos-single", _NETWORK, _SINGLE, samples=300, limit=4, shown=4, controls=DERIVED),
    ),
)
PHOTOS_SMALL = Plan(
    "photos-small",
    "A small part of photos, with fewer samples: one mosaic and three photographs.",
    (
        comparison("photos", _NETWORK, GRID, samples=120, limit=1, shown=1),
        comparison("photos-single", _NETWORK, PHOTO, samples=120, limit=3, shown=3),
    ),
)
