"""Every choice that the paper leaves open, one at a time: what the plans ``ablations`` compare.

A variant is called "choice: setting" after the choice in which it differs from the default.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.metrics import Fidelity, MethodMetric, Metric, Stability
from mint import MINT, Display, Surrogate
from mint.contract import Attributor

DEFAULT = "default"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "pooling: raw": {"pooling": "raw"},
    "pooling: ones": {"pooling": "ones"},
    "constraint: soft": {"surrogate": Surrogate(constraint="soft")},
    "constraint: off": {"surrogate": Surrogate(constraint="off")},
    "sampling: uniform-cardinality": {"sampling": "uniform-cardinality"},
    "sampling: antithetic": {"sampling": "antithetic"},
    "sampling: hierarchical": {"sampling": "hierarchical"},
    "proximity: 0.25": {"proximity": 0.25},
    "proximity: 2": {"proximity": 2.0},
    "proximity: none": {"proximity": 1e9},
    "response: logit": {"response": "logit"},
    "response: log-probability": {"response": "log-probability"},
    "fill: blur": {"fill": "blur"},
    "fill: super-pixel mean": {"fill": "super-pixel mean"},
    "prior: grad-cam": {"prior": "grad-cam"},
    "alpha: 0": {"surrogate": Surrogate(alpha=0.0)},
    "alpha: 0.005": {"surrogate": Surrogate(alpha=0.005)},
    "alpha: 0.1": {"surrogate": Surrogate(alpha=0.1)},
    "intercept: on": {"surrogate": Surrogate(intercept=True)},
    "scale: coarse": {"shown": Display(scale="coarse")},
    "scale: both": {"shown": Display(scale="both")},
    "together: hierarchical + intercept": {"sampling": "hierarchical", "surrogate": Surrogate(intercept=True)},
    "together: hierarchical + both scales": {"sampling": "hierarchical", "shown": Display(scale="both")},
}
SAMPLES = (100, 200, 500, 1000, 2000, 5000)


def variants(base: MINT) -> dict[str, Attributor]:
    """List the default and its variants, by name.

    Parameters
    ----------
    base : MINT
        The default.
    """
    changed = {name: replace(base, **change) for name, change in CHANGES.items()}
    fine_cut = replace(base, segmentation=replace(base.segmentation, fine="slic"))
    paper = replace(MINT.paper(), samples=base.samples, segmentation=base.segmentation)
    counts = {f"samples: {count}": replace(base, samples=count) for count in SAMPLES if count != base.samples}
    return {DEFAULT: base, **changed, "fine cut: slic": fine_cut, "reading: paper": paper, **counts}


# Stability costs as much as all the rest, on every third case.
SURROGATE: Mapping[str, Metric | MethodMetric] = {
    "coarse fidelity": Fidelity("coarse"),
    "coarse fidelity held out": Fidelity("coarse", held_out=True),
    "fine fidelity": Fidelity("fine"),
    "fine fidelity held out": Fidelity("fine", held_out=True),
    "stability": Stability(every=3),
}
