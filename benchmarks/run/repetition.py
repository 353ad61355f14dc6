"""Whether a method gives the same map when it is called again."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-4
"""The largest difference of two maps that counts as rounding, relative to the first one's largest size."""
OTHER_SEED = 12345


def distance_of_repetitions(explain: Callable[[], Tensor], known: Tensor) -> float:
    """Explain a case again, and return how far the map is from the known one; 0 if only rounding tells them apart.

    A method with a seed among its fields has the same seed each time. The global random generators of Python, NumPy
    and torch stand elsewhere than in the first call, so that a method which draws from them is found out, and are put
    back, so that nothing else that is computed depends on this call.

    The known map may have been made together with other cases' or by another run, where convolutions round otherwise;
    so both maps are compared within `TOLERANCE`, on a CPU as on a GPU. If they differ by more, the case is explained
    once more, and the two maps that were made alike are compared: a method whose maps depend on the rest of their
    batch is deterministic all the same.

    Parameters
    ----------
    explain
        Makes the map of the case, (h, w).
    known
        A map that it made of the case before.

    Returns
    -------
    float
        The largest difference between two maps made alike, relative to the largest size in the first; 0 within the
        tolerance.
    """
    with _elsewhere(known.device):
        again = explain()
        if _distance(again, known) <= TOLERANCE:
            return 0.0
        found = _distance(explain(), again)
    return found if found > TOLERANCE else 0.0


def _distance(one: Tensor, other: Tensor) -> float:
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max()) / (float(other.abs().max()) or 1.0)


@contextmanager
def _elsewhere(device: torch.device) -> Iterator[None]:
    """Let the global random generators stand elsewhere for a while."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002 - users' methods may draw from it
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(OTHER_SEED)
        random.seed(OTHER_SEED)
        np.random.seed(OTHER_SEED)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002
