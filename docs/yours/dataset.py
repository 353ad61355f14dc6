"""A data set of yours: coloured squares on noise. Measure on it, see docs/yours.md."""

import numpy as np

from benchmarks.datasets import Case


def squares(network, options):
    """Gray noise with a square of the target's colour."""
    generator, size, cases = np.random.default_rng(options.seed), network.input_size, []
    for number in range(12):
        target = number % len(network.classes)
        image = generator.integers(90, 160, (size, size, 1), dtype=np.uint8).repeat(3, axis=2)
        top, left = generator.integers(0, size - 12, 2)
        region = np.zeros((size, size), bool)
        region[top : top + 12, left : left + 12] = True
        image[region] = 20
        image[region, target] = 230
        key, name = f"{number:02d}", network.classes[target]
        cases.append(Case(f"{key}.{name}", key, target, name, image, region, difficult=False))
    return cases
