"""What the studies explain: the methods and the data that the plans have for a network."""

from collections.abc import Iterable

from benchmarks.datasets import Case
from benchmarks.plans import PLANS
from benchmarks.run.plan import Part


def part_for(network: str) -> Part:
    """Return the first part of a plan that explains a network by MINT and LIME; ImageNet's if no plan has it."""
    parts = [part for plan in PLANS.values() for part in plan.parts if {"mint", "lime"} <= part.methods.keys()]
    fallback = next(part for part in parts if part.dataset == "imagenet")
    return next((part for part in parts if network in part.networks), fallback)


def by_picture(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Group cases by the picture that they share, in the order of the pictures' first cases."""
    pictures: dict[str, list[Case]] = {}
    for case in cases:
        pictures.setdefault(case.picture, []).append(case)
    return pictures
