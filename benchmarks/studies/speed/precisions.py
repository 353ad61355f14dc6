"""What each precision gains, and what it changes in MINT's map and in the map's scores."""

import time
from collections.abc import Callable
from functools import partial

import pandas as pd
import scipy.stats

from benchmarks.metrics import Deletion, Insertion
from benchmarks.networks.network import Network
from benchmarks.run.binding import bind
from benchmarks.run.precision import Precision, computing_in, lower
from benchmarks.run.timing import seconds_of
from benchmarks.studies.speed.contestants import subject_of
from mint import MINT

TRIES = 3


def compare_precisions(load: Callable[[], Network], samples: int, until: float) -> pd.DataFrame:
    """Explain a picture by MINT in every precision; ``load`` makes the network anew.

    A precision is left out if `time.monotonic` would pass ``until``.

    Returns a row for each: network, precision, seconds, how many times as fast as in float32, Spearman's rank
    correlation of the map with that of float32, and by how much the map's insertion and deletion differ from it.
    """
    rows: list[dict[str, object]] = []
    first: dict[str, float] = {}
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
    took = 0.0
    for precision in precisions:
        began = time.monotonic()
        if began + took > until:
            break
        with computing_in(precision):
            network = load()
            lower(network.module, precision)
            subject = subject_of(network, 1)
            method = bind(MINT(samples=samples), network)
            explain = partial(method, network.module, subject.images, subject.targets)
            saliency = explain()[0]
            seconds = min(seconds_of(explain, network.device) for _ in range(TRIES))
            context = subject.context()
            metrics = {"insertion": Insertion(), "deletion": Deletion()}
            scores = {name: metric(context, saliency).score for name, metric in metrics.items()}
        took = time.monotonic() - began
        ranked = saliency.cpu().numpy().ravel()
        if not rows:
            exact, first = ranked, {"seconds": seconds, **scores}
        rows.append(
            {
                "network": network.name,
                "precision": precision,
                "seconds": seconds,
                "times as fast": first["seconds"] / seconds,
                "rank correlation": float(scipy.stats.spearmanr(ranked, exact).statistic),
                **{f"{name}, difference": value - first[name] for name, value in scores.items()},
            }
        )
    return pd.DataFrame(rows)
